//! Identity, roles and the metadata quorum of a node.

use super::reasons;
use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{Class, List, Text};

key_table! { OfBroker from 0;
    /// Java class that may refuse changes of settings.
    ALTER_CONFIG_POLICY_CLASS_NAME: Option<Class> = "alter.config.policy.class.name" =>
        null().low().ignored(reasons::JAVA);

    /// Time in ms between a broker's heartbeats to the controller.
    BROKER_HEARTBEAT_INTERVAL_MS: i32 = "broker.heartbeat.interval.ms" => default("2000").since("2.8");

    /// The node's number, older name of `node.id`. -1 takes the one in `meta.properties` or makes one.
    BROKER_ID: i32 = "broker.id" => default("-1").high();

    /// Whether a node without `broker.id` may make an id of its own.
    BROKER_ID_GENERATION_ENABLE: bool = "broker.id.generation.enable" => default("true").until("3.9");

    /// Where the broker stands (rack, zone). Replicas of a partition are spread over racks.
    BROKER_RACK: Option<Text> = "broker.rack" => null();

    /// Time in ms without a heartbeat after which the controller fences a broker.
    BROKER_SESSION_TIMEOUT_MS: i32 = "broker.session.timeout.ms" => default("9000").since("2.8");

    /// Names of Java classes that fetch values from elsewhere (`${provider:path:key}`).
    CONFIG_PROVIDERS: List = "config.providers" =>
        default("").accepts(Accepts::AnyOf(&[])).low().cluster_wide().since("4.2").ignored(reasons::JAVA);

    /// Whether a stopping broker first hands its leaderships to other replicas.
    CONTROLLED_SHUTDOWN_ENABLE: bool = "controlled.shutdown.enable" => default("true");

    /// Listeners that the metadata quorum uses, of those in `listeners`. The first is the one that brokers
    /// call.
    CONTROLLER_LISTENER_NAMES: Option<List> = "controller.listener.names" =>
        null().accepts(Accepts::SomeOf(&[])).high().since("2.8");

    /// Controller events slower than this many ms are always logged.
    CONTROLLER_PERFORMANCE_ALWAYS_LOG_THRESHOLD_MS: i64 = "controller.performance.always.log.threshold.ms" =>
        default("2000").at_least(0).since("4.0").unlisted().ignored(reasons::UNMEASURED);

    /// Time in ms between logged samples of the controller's event times.
    CONTROLLER_PERFORMANCE_SAMPLE_PERIOD_MS: i64 = "controller.performance.sample.period.ms" =>
        default("60000").at_least(100).since("4.0").unlisted().ignored(reasons::UNMEASURED);

    /// Time in ms that the quorum's leader gathers writes before it flushes them.
    CONTROLLER_QUORUM_APPEND_LINGER_MS: i32 = "controller.quorum.append.linger.ms" =>
        default("25").at_least(0).since("2.8").ignored(reasons::RAFT);

    /// Whether a new controller adds itself to the voters.
    CONTROLLER_QUORUM_AUTO_JOIN_ENABLE: bool = "controller.quorum.auto.join.enable" =>
        default("false").low().since("4.2").ignored(reasons::RAFT);

    /// Addresses (`host:port`) of controllers to ask who the voters are.
    CONTROLLER_QUORUM_BOOTSTRAP_SERVERS: List = "controller.quorum.bootstrap.servers" =>
        default("").high().since("3.9");

    /// Longest pause in ms before a candidate tries again after a lost election.
    CONTROLLER_QUORUM_ELECTION_BACKOFF_MAX_MS: i32 = "controller.quorum.election.backoff.max.ms" =>
        default("1000").at_least(0).high().since("2.8").ignored(reasons::RAFT);

    /// Time in ms without a leader after which a voter stands for election; the real time is drawn from here
    /// to twice this.
    CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS: i32 = "controller.quorum.election.timeout.ms" =>
        default("1000").at_least(0).high().since("2.8");

    /// Bytes of metadata log that one request of a follower may return.
    CONTROLLER_QUORUM_FETCH_MAX_BYTES: i32 = "controller.quorum.fetch.max.bytes" =>
        default("1048576").at_least(1).low().since("4.3").ignored(reasons::RAFT);

    /// Bytes of a metadata snapshot that one request may return.
    CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES: i32 = "controller.quorum.fetch.snapshot.max.bytes" =>
        default("1048576").at_least(1).low().since("4.3").ignored(reasons::RAFT);

    /// Time in ms without contact after which a voter gives up on the leader.
    CONTROLLER_QUORUM_FETCH_TIMEOUT_MS: i32 = "controller.quorum.fetch.timeout.ms" =>
        default("2000").at_least(0).high().since("2.8").ignored(reasons::RAFT);

    /// Time in ms that a request between voters may take.
    CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS: i32 = "controller.quorum.request.timeout.ms" =>
        default("2000").at_least(0).since("2.8");

    /// Pause in ms before a failed request between voters is sent again.
    CONTROLLER_QUORUM_RETRY_BACKOFF_MS: i32 = "controller.quorum.retry.backoff.ms" =>
        default("20").at_least(0).low().since("2.8").ignored(reasons::RAFT);

    /// The fixed set of voters as `id@host:port,…`. Takes precedence over `zookeeper.connect`.
    CONTROLLER_QUORUM_VOTERS: List = "controller.quorum.voters" => default("").high().since("2.8");

    /// How many time windows the rates of topic and partition changes are averaged over.
    CONTROLLER_QUOTA_WINDOW_NUM: i32 = "controller.quota.window.num" =>
        default("11").at_least(1).low().since("2.7");

    /// Length in seconds of a window for the rates of topic and partition changes.
    CONTROLLER_QUOTA_WINDOW_SIZE_SECONDS: i32 = "controller.quota.window.size.seconds" =>
        default("1").at_least(1).low().since("2.7");

    /// Time in ms that a request of a broker to the controller may take.
    CONTROLLER_SOCKET_TIMEOUT_MS: i32 = "controller.socket.timeout.ms" => default("30000");

    /// Java class that may refuse new topics.
    CREATE_TOPIC_POLICY_CLASS_NAME: Option<Class> = "create.topic.policy.class.name" =>
        null().low().ignored(reasons::JAVA);

    /// Time in ms for a starting broker to be registered by the controller; past it the start fails.
    INITIAL_BROKER_REGISTRATION_TIMEOUT_MS: i32 = "initial.broker.registration.timeout.ms" =>
        default("60000").since("2.8");

    /// Time in ms before replaced files of the metadata log are deleted; for tests.
    INTERNAL_METADATA_DELETE_DELAY_MILLIS: i64 = "internal.metadata.delete.delay.millis" =>
        default("60000").low().since("4.1").unlisted().ignored(reasons::RAFT);

    /// Segment size of the metadata log without a lower bound; for tests.
    INTERNAL_METADATA_LOG_SEGMENT_BYTES: Option<i32> = "internal.metadata.log.segment.bytes" =>
        null().low().since("4.1").unlisted().ignored(reasons::RAFT);

    /// Largest batch of the metadata log; for tests.
    INTERNAL_METADATA_MAX_BATCH_SIZE_IN_BYTES: i32 = "internal.metadata.max.batch.size.in.bytes" =>
        default("8388608").low().since("4.1").unlisted().ignored(reasons::RAFT);

    /// Directory of the metadata log; unset, the first of `log.dirs`.
    METADATA_LOG_DIR: Option<Text> = "metadata.log.dir" => null().high().since("2.8");

    /// Bytes of new metadata after which a snapshot is written.
    METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS: i64 =
        "metadata.log.max.record.bytes.between.snapshots" =>
        default("20971520").at_least(1).high().since("3.0");

    /// Longest time in ms between metadata snapshots while there are changes; 0 turns the clock off.
    METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS: i64 = "metadata.log.max.snapshot.interval.ms" =>
        default("3600000").at_least(0).high().since("3.4").ignored(reasons::RAFT);

    /// Size in bytes at which the metadata log starts a new file.
    METADATA_LOG_SEGMENT_BYTES: i32 = "metadata.log.segment.bytes" =>
        default("1073741824").at_least(8388608).high().since("3.0");

    /// Age in ms at which the metadata log starts a new file.
    METADATA_LOG_SEGMENT_MS: i64 = "metadata.log.segment.ms" => default("604800000").high().since("3.0");

    /// Time in ms between empty records that keep an idle metadata log moving.
    METADATA_MAX_IDLE_INTERVAL_MS: i32 = "metadata.max.idle.interval.ms" =>
        default("500").at_least(0).low().since("3.3").ignored(reasons::RAFT);

    /// Bytes of metadata log and snapshots to keep.
    METADATA_MAX_RETENTION_BYTES: i64 = "metadata.max.retention.bytes" =>
        default("104857600").high().since("3.0").ignored(reasons::METADATA_RETENTION);

    /// Age in ms past which metadata log and snapshots are deleted.
    METADATA_MAX_RETENTION_MS: i64 = "metadata.max.retention.ms" =>
        default("604800000").high().since("3.0").ignored(reasons::METADATA_RETENTION);

    /// The node's number, unique in the cluster. Same as `broker.id`.
    NODE_ID: Option<i32> = "node.id" => null().at_least(0).high().since("2.8");

    /// What the node is: `broker`, `controller` or both. Unset, it is a broker that also votes if the
    /// quorum's addresses name this host.
    PROCESS_ROLES: Option<List> = "process.roles" =>
        null().accepts(Accepts::SomeOf(&["broker", "controller"])).high().since("2.8");

    /// Largest id that people hand out; ids that nodes make for themselves lie above it.
    RESERVED_BROKER_MAX_ID: i32 = "reserved.broker.max.id" => default("1000").at_least(0).until("3.9");

    /// Longest time in ms for a start.
    SERVER_MAX_STARTUP_TIME_MS: i64 = "server.max.startup.time.ms" =>
        default("9223372036854775807").at_least(0).since("3.5").unlisted();

    /// There is no ZooKeeper in rkafka: these are the addresses (`host:port,…`) at which its own metadata
    /// quorum listens. A node finds itself among them and binds that port. A chroot (`/kafka`) is accepted
    /// and dropped; one address, or none, is a quorum of one.
    ZOOKEEPER_CONNECT: Option<Text> = "zookeeper.connect" => null().high().until("3.9");
}
