//! Listeners, connections, request limits and threads.

use crate::key::{default, key_table, null};
use crate::value::{Class, List, Text};

key_table! { OfBroker from super::node::END;
    /// advertised host name.
    ADVERTISED_HOST_NAME: Option<Text> = "advertised.host.name" => null().high().until("2.8");

    /// advertised listeners.
    ADVERTISED_LISTENERS: Option<List> = "advertised.listeners" => null().high();

    /// advertised port.
    ADVERTISED_PORT: Option<i32> = "advertised.port" => null().high().until("2.8");

    /// background threads.
    BACKGROUND_THREADS: i32 = "background.threads" => default("10").at_least(1).high().cluster_wide();

    /// client quota callback class.
    CLIENT_QUOTA_CALLBACK_CLASS: Option<Class> = "client.quota.callback.class" => null().low();

    /// connections max idle ms.
    CONNECTIONS_MAX_IDLE_MS: i64 = "connections.max.idle.ms" => default("600000");

    /// fetch max bytes.
    FETCH_MAX_BYTES: i32 = "fetch.max.bytes" => default("57671680").at_least(1024);

    /// host name.
    HOST_NAME: Text = "host.name" => default("").high().until("2.8");

    /// inter broker listener name.
    INTER_BROKER_LISTENER_NAME: Option<Text> = "inter.broker.listener.name" => null();

    /// listener security protocol map.
    LISTENER_SECURITY_PROTOCOL_MAP: Text = "listener.security.protocol.map" =>
        default("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT").low().per_broker();

    /// listeners.
    LISTENERS: List = "listeners" => default("PLAINTEXT://:9092").high().per_broker();

    /// max connection creation rate.
    MAX_CONNECTION_CREATION_RATE: i32 = "max.connection.creation.rate" =>
        default("2147483647").at_least(0).cluster_wide();

    /// max connections.
    MAX_CONNECTIONS: i32 = "max.connections" => default("2147483647").at_least(0).cluster_wide();

    /// max connections per ip.
    MAX_CONNECTIONS_PER_IP: i32 = "max.connections.per.ip" =>
        default("2147483647").at_least(0).cluster_wide();

    /// max connections per ip overrides.
    MAX_CONNECTIONS_PER_IP_OVERRIDES: Text = "max.connections.per.ip.overrides" => default("").cluster_wide();

    /// max incremental fetch session cache slots.
    MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS: i32 = "max.incremental.fetch.session.cache.slots" =>
        default("1000").at_least(0);

    /// max request partition size limit.
    MAX_REQUEST_PARTITION_SIZE_LIMIT: i32 = "max.request.partition.size.limit" => default("2000").at_least(1);

    /// num io threads.
    NUM_IO_THREADS: i32 = "num.io.threads" => default("8").at_least(1).high().cluster_wide();

    /// num network threads.
    NUM_NETWORK_THREADS: i32 = "num.network.threads" => default("3").at_least(1).high().cluster_wide();

    /// port.
    PORT: i32 = "port" => default("9092").high().until("2.8");

    /// queued max request bytes.
    QUEUED_MAX_REQUEST_BYTES: i64 = "queued.max.request.bytes" => default("-1");

    /// queued max requests.
    QUEUED_MAX_REQUESTS: i32 = "queued.max.requests" => default("500").at_least(1).high();

    /// request timeout ms.
    REQUEST_TIMEOUT_MS: i32 = "request.timeout.ms" => default("30000").high();

    /// socket connection setup timeout max ms.
    SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS: i64 = "socket.connection.setup.timeout.max.ms" =>
        default("30000");

    /// socket connection setup timeout ms.
    SOCKET_CONNECTION_SETUP_TIMEOUT_MS: i64 = "socket.connection.setup.timeout.ms" => default("10000");

    /// socket listen backlog size.
    SOCKET_LISTEN_BACKLOG_SIZE: i32 = "socket.listen.backlog.size" => default("50").at_least(1);

    /// socket receive buffer bytes.
    SOCKET_RECEIVE_BUFFER_BYTES: i32 = "socket.receive.buffer.bytes" => default("102400").high();

    /// socket request max bytes.
    SOCKET_REQUEST_MAX_BYTES: i32 = "socket.request.max.bytes" => default("104857600").at_least(1).high();

    /// socket send buffer bytes.
    SOCKET_SEND_BUFFER_BYTES: i32 = "socket.send.buffer.bytes" => default("102400").high();

    /// unstable api versions enable.
    UNSTABLE_API_VERSIONS_ENABLE: bool = "unstable.api.versions.enable" => default("false").high().unlisted();

    /// unstable feature versions enable.
    UNSTABLE_FEATURE_VERSIONS_ENABLE: bool = "unstable.feature.versions.enable" =>
        default("false").high().unlisted();
}
