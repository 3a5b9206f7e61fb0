//! Listeners, connections, request limits and threads.

use super::reasons;
use super::rules::HOST_COUNTS;
use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{Class, List, Text};

key_table! { OfBroker from super::node::END;
    /// Host name told to clients where `advertised.listeners` is unset; use that key instead.
    ADVERTISED_HOST_NAME: Option<Text> = "advertised.host.name" => null().high().until("2.8");

    /// What clients and other brokers are told to connect to, as `NAME://host:port,…`; unset, the same as
    /// `listeners`.
    ADVERTISED_LISTENERS: Option<List> = "advertised.listeners" =>
        null().accepts(Accepts::SomeOf(&[])).high();

    /// Port told to clients where `advertised.listeners` is unset; use that key instead.
    ADVERTISED_PORT: Option<i32> = "advertised.port" => null().high().until("2.8");

    /// Threads for background work.
    BACKGROUND_THREADS: i32 = "background.threads" =>
        default("10").at_least(1).high().cluster_wide().ignored(reasons::THREADS);

    /// Java class that decides which quota holds for a client.
    CLIENT_QUOTA_CALLBACK_CLASS: Option<Class> = "client.quota.callback.class" =>
        null().low().ignored(reasons::JAVA);

    /// Time in ms without traffic after which a connection is closed; negative for never.
    CONNECTIONS_MAX_IDLE_MS: i64 = "connections.max.idle.ms" => default("600000");

    /// Most bytes that one fetch answer carries, whatever the client asks for; a first batch that is larger
    /// still goes out.
    FETCH_MAX_BYTES: i32 = "fetch.max.bytes" => default("57671680").at_least(1024).since("2.3");

    /// Address to bind where `listeners` is unset; use that key instead.
    HOST_NAME: Text = "host.name" => default("").high().until("2.8");

    /// Listener that brokers use among themselves. Cannot be set together with
    /// `security.inter.broker.protocol`.
    INTER_BROKER_LISTENER_NAME: Option<Text> = "inter.broker.listener.name" => null();

    /// Protocol of each listener name, as `NAME:PROTOCOL,…`.
    LISTENER_SECURITY_PROTOCOL_MAP: Text = "listener.security.protocol.map" =>
        default("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT").low()
            .per_broker();

    /// Where the node listens, as `NAME://host:port,…`. Without a host it binds all interfaces; port 0 takes
    /// a free one.
    LISTENERS: List = "listeners" =>
        default("PLAINTEXT://:9092").accepts(Accepts::SomeOf(&[])).high().per_broker();

    /// Most new connections a second for the whole broker.
    MAX_CONNECTION_CREATION_RATE: i32 = "max.connection.creation.rate" =>
        default("2147483647").at_least(0).cluster_wide().since("2.7").ignored(reasons::QUOTA);

    /// Most connections for the whole broker; at the limit those idle the longest are closed.
    MAX_CONNECTIONS: i32 = "max.connections" => default("2147483647").at_least(0).cluster_wide().since("2.3");

    /// Most connections from one address.
    MAX_CONNECTIONS_PER_IP: i32 = "max.connections.per.ip" =>
        default("2147483647").at_least(0).cluster_wide();

    /// Limits for single addresses or host names, as `host:count,…`.
    MAX_CONNECTIONS_PER_IP_OVERRIDES: Text = "max.connections.per.ip.overrides" =>
        default("").accepts(HOST_COUNTS).cluster_wide();

    /// Most fetch sessions that are kept (KIP-227).
    MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS: i32 = "max.incremental.fetch.session.cache.slots" =>
        default("1000").at_least(0);

    /// Most partitions that one DescribeTopicPartitions answer holds.
    MAX_REQUEST_PARTITION_SIZE_LIMIT: i32 = "max.request.partition.size.limit" =>
        default("2000").at_least(1).since("3.8");

    /// Threads that handle requests.
    NUM_IO_THREADS: i32 = "num.io.threads" =>
        default("8").at_least(1).high().cluster_wide().ignored(reasons::THREADS);

    /// Threads that read and write sockets, for each listener.
    NUM_NETWORK_THREADS: i32 = "num.network.threads" =>
        default("3").at_least(1).high().cluster_wide().ignored(reasons::THREADS);

    /// Port to bind where `listeners` is unset; use that key instead.
    PORT: i32 = "port" => default("9092").high().until("2.8");

    /// Bytes of requests read and not yet answered at which the broker stops reading; -1 leaves it to the
    /// broker's own limit.
    QUEUED_MAX_REQUEST_BYTES: i64 = "queued.max.request.bytes" => default("-1");

    /// Requests read and not yet answered at which the broker stops reading.
    QUEUED_MAX_REQUESTS: i32 = "queued.max.requests" => default("500").at_least(1).high();

    /// Time in ms that a broker waits for an answer of another node.
    REQUEST_TIMEOUT_MS: i32 = "request.timeout.ms" => default("30000").high();

    /// Upper bound in ms of the growing time-out for connecting to another node.
    SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS: i64 = "socket.connection.setup.timeout.max.ms" =>
        default("30000").since("2.7");

    /// Time in ms to connect to another node; doubles with each failure in a row.
    SOCKET_CONNECTION_SETUP_TIMEOUT_MS: i64 = "socket.connection.setup.timeout.ms" =>
        default("10000").since("2.7");

    /// Connections that the kernel may hold before the broker accepts them.
    SOCKET_LISTEN_BACKLOG_SIZE: i32 = "socket.listen.backlog.size" => default("50").at_least(1).since("3.2");

    /// SO_RCVBUF of a connection in bytes; -1 leaves it to the kernel.
    SOCKET_RECEIVE_BUFFER_BYTES: i32 = "socket.receive.buffer.bytes" => default("102400").high();

    /// Largest request in bytes; a larger one closes the connection before memory is taken for it.
    SOCKET_REQUEST_MAX_BYTES: i32 = "socket.request.max.bytes" => default("104857600").at_least(1).high();

    /// SO_SNDBUF of a connection in bytes; -1 leaves it to the kernel.
    SOCKET_SEND_BUFFER_BYTES: i32 = "socket.send.buffer.bytes" => default("102400").high();

    /// Whether request versions under development are offered.
    UNSTABLE_API_VERSIONS_ENABLE: bool = "unstable.api.versions.enable" =>
        default("false").high().since("3.5").unlisted().ignored(reasons::UNSTABLE);

    /// Whether feature versions under development are offered.
    UNSTABLE_FEATURE_VERSIONS_ENABLE: bool = "unstable.feature.versions.enable" =>
        default("false").high().since("3.8").unlisted().ignored(reasons::UNSTABLE);
}
