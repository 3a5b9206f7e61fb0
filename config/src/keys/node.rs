//! Identity, roles and the metadata quorum of a node.

use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{Class, List, Text};

key_table! { OfBroker from 0;
    /// alter config policy class name.
    ALTER_CONFIG_POLICY_CLASS_NAME: Option<Class> = "alter.config.policy.class.name" => null().low();

    /// broker heartbeat interval ms.
    BROKER_HEARTBEAT_INTERVAL_MS: i32 = "broker.heartbeat.interval.ms" => default("2000");

    /// broker id.
    BROKER_ID: i32 = "broker.id" => default("-1").high();

    /// broker id generation enable.
    BROKER_ID_GENERATION_ENABLE: bool = "broker.id.generation.enable" => default("true").until("3.9");

    /// broker rack.
    BROKER_RACK: Option<Text> = "broker.rack" => null();

    /// broker session timeout ms.
    BROKER_SESSION_TIMEOUT_MS: i32 = "broker.session.timeout.ms" => default("9000");

    /// config providers.
    CONFIG_PROVIDERS: List = "config.providers" => default("").low().cluster_wide();

    /// controlled shutdown enable.
    CONTROLLED_SHUTDOWN_ENABLE: bool = "controlled.shutdown.enable" => default("true");

    /// controller listener names.
    CONTROLLER_LISTENER_NAMES: Option<List> = "controller.listener.names" => null().high();

    /// controller performance always log threshold ms.
    CONTROLLER_PERFORMANCE_ALWAYS_LOG_THRESHOLD_MS: i64 = "controller.performance.always.log.threshold.ms" =>
        default("2000").at_least(0).unlisted();

    /// controller performance sample period ms.
    CONTROLLER_PERFORMANCE_SAMPLE_PERIOD_MS: i64 = "controller.performance.sample.period.ms" =>
        default("60000").at_least(100).unlisted();

    /// controller quorum append linger ms.
    CONTROLLER_QUORUM_APPEND_LINGER_MS: i32 = "controller.quorum.append.linger.ms" =>
        default("25").at_least(0);

    /// controller quorum auto join enable.
    CONTROLLER_QUORUM_AUTO_JOIN_ENABLE: bool = "controller.quorum.auto.join.enable" => default("false").low();

    /// controller quorum bootstrap servers.
    CONTROLLER_QUORUM_BOOTSTRAP_SERVERS: List = "controller.quorum.bootstrap.servers" => default("").high();

    /// controller quorum election backoff max ms.
    CONTROLLER_QUORUM_ELECTION_BACKOFF_MAX_MS: i32 = "controller.quorum.election.backoff.max.ms" =>
        default("1000").at_least(0).high();

    /// controller quorum election timeout ms.
    CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS: i32 = "controller.quorum.election.timeout.ms" =>
        default("1000").at_least(0).high();

    /// controller quorum fetch max bytes.
    CONTROLLER_QUORUM_FETCH_MAX_BYTES: i32 = "controller.quorum.fetch.max.bytes" =>
        default("1048576").at_least(1).low();

    /// controller quorum fetch snapshot max bytes.
    CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES: i32 = "controller.quorum.fetch.snapshot.max.bytes" =>
        default("1048576").at_least(1).low();

    /// controller quorum fetch timeout ms.
    CONTROLLER_QUORUM_FETCH_TIMEOUT_MS: i32 = "controller.quorum.fetch.timeout.ms" =>
        default("2000").at_least(0).high();

    /// controller quorum request timeout ms.
    CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS: i32 = "controller.quorum.request.timeout.ms" =>
        default("2000").at_least(0);

    /// controller quorum retry backoff ms.
    CONTROLLER_QUORUM_RETRY_BACKOFF_MS: i32 = "controller.quorum.retry.backoff.ms" =>
        default("20").at_least(0).low();

    /// controller quorum voters.
    CONTROLLER_QUORUM_VOTERS: List = "controller.quorum.voters" => default("").high();

    /// controller quota window num.
    CONTROLLER_QUOTA_WINDOW_NUM: i32 = "controller.quota.window.num" => default("11").at_least(1).low();

    /// controller quota window size seconds.
    CONTROLLER_QUOTA_WINDOW_SIZE_SECONDS: i32 = "controller.quota.window.size.seconds" =>
        default("1").at_least(1).low();

    /// controller socket timeout ms.
    CONTROLLER_SOCKET_TIMEOUT_MS: i32 = "controller.socket.timeout.ms" => default("30000");

    /// create topic policy class name.
    CREATE_TOPIC_POLICY_CLASS_NAME: Option<Class> = "create.topic.policy.class.name" => null().low();

    /// initial broker registration timeout ms.
    INITIAL_BROKER_REGISTRATION_TIMEOUT_MS: i32 = "initial.broker.registration.timeout.ms" =>
        default("60000");

    /// internal metadata delete delay millis.
    INTERNAL_METADATA_DELETE_DELAY_MILLIS: i64 = "internal.metadata.delete.delay.millis" =>
        default("60000").low().unlisted();

    /// internal metadata log segment bytes.
    INTERNAL_METADATA_LOG_SEGMENT_BYTES: Option<i32> = "internal.metadata.log.segment.bytes" =>
        null().low().unlisted();

    /// internal metadata max batch size in bytes.
    INTERNAL_METADATA_MAX_BATCH_SIZE_IN_BYTES: i32 = "internal.metadata.max.batch.size.in.bytes" =>
        default("8388608").low().unlisted();

    /// metadata log dir.
    METADATA_LOG_DIR: Option<Text> = "metadata.log.dir" => null().high();

    /// metadata log max record bytes between snapshots.
    METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS: i64 = "metadata.log.max.record.bytes.between.snapshots" =>
        default("20971520").at_least(1).high();

    /// metadata log max snapshot interval ms.
    METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS: i64 = "metadata.log.max.snapshot.interval.ms" =>
        default("3600000").at_least(0).high();

    /// metadata log segment bytes.
    METADATA_LOG_SEGMENT_BYTES: i32 = "metadata.log.segment.bytes" =>
        default("1073741824").at_least(8388608).high();

    /// metadata log segment ms.
    METADATA_LOG_SEGMENT_MS: i64 = "metadata.log.segment.ms" => default("604800000").high();

    /// metadata max idle interval ms.
    METADATA_MAX_IDLE_INTERVAL_MS: i32 = "metadata.max.idle.interval.ms" => default("500").at_least(0).low();

    /// metadata max retention bytes.
    METADATA_MAX_RETENTION_BYTES: i64 = "metadata.max.retention.bytes" => default("104857600").high();

    /// metadata max retention ms.
    METADATA_MAX_RETENTION_MS: i64 = "metadata.max.retention.ms" => default("604800000").high();

    /// node id.
    NODE_ID: Option<i32> = "node.id" => null().at_least(0).high();

    /// process roles.
    PROCESS_ROLES: Option<List> = "process.roles" =>
        null().accepts(Accepts::WordsOf(&["broker", "controller"])).high();

    /// reserved broker max id.
    RESERVED_BROKER_MAX_ID: i32 = "reserved.broker.max.id" => default("1000").at_least(0).until("3.9");

    /// server max startup time ms.
    SERVER_MAX_STARTUP_TIME_MS: i64 = "server.max.startup.time.ms" =>
        default("9223372036854775807").at_least(0).unlisted();

    /// zookeeper connect.
    ZOOKEEPER_CONNECT: Option<Text> = "zookeeper.connect" => null().high().until("3.9");
}
