//! Keys of older Kafka lines, up to 3.9, that are gone from the newest: ZooKeeper and what hung on it.

use super::reasons;
use super::rules::RELEASE;
use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{List, Secret, Text};

key_table! { OfBroker from super::metrics::END;
    /// Whether the JMX reporter is added to `metric.reporters`.
    AUTO_INCLUDE_JMX_REPORTER: bool = "auto.include.jmx.reporter" =>
        default("true").low().since("3.4").until("3.9").ignored(reasons::JAVA);

    /// Listener that a ZooKeeper-era controller used.
    CONTROL_PLANE_LISTENER_NAME: Option<Text> = "control.plane.listener.name" =>
        null().high().until("3.9").ignored(reasons::ZOOKEEPER);

    /// Times that a controlled shutdown is tried.
    CONTROLLED_SHUTDOWN_MAX_RETRIES: i32 = "controlled.shutdown.max.retries" =>
        default("3").until("3.9").ignored(reasons::RETRIES);

    /// Pause in ms between those attempts.
    CONTROLLED_SHUTDOWN_RETRY_BACKOFF_MS: i64 = "controlled.shutdown.retry.backoff.ms" =>
        default("5000").until("3.9").ignored(reasons::RETRIES);

    /// Older name of `delegation.token.secret.key`.
    DELEGATION_TOKEN_MASTER_KEY: Option<Secret> = "delegation.token.master.key" =>
        null().until("3.9").ignored(reasons::TOKENS);

    /// Whether replicas that left the in-sync set in order may still be elected (KIP-966).
    ELIGIBLE_LEADER_REPLICAS_ENABLE: bool = "eligible.leader.replicas.enable" =>
        default("false").high().since("3.7").until("3.9").ignored(reasons::ELR);

    /// Whether 3.x used its new coordinator.
    GROUP_COORDINATOR_NEW_ENABLE: bool = "group.coordinator.new.enable" =>
        default("false").since("3.5").until("3.9").unlisted().ignored(reasons::PROTOCOLS);

    /// Whether share groups are offered, in the early access of 3.9.
    GROUP_SHARE_ENABLE: bool = "group.share.enable" =>
        default("false").since("3.9").until("3.9").unlisted().ignored(reasons::SHARE);

    /// Most share groups.
    GROUP_SHARE_MAX_GROUPS: i16 = "group.share.max.groups" =>
        default("10").accepts(Accepts::Between(1, 100)).since("3.9").until("3.9").ignored(reasons::SHARE);

    /// Version that brokers spoke among themselves during an upgrade.
    INTER_BROKER_PROTOCOL_VERSION: Text = "inter.broker.protocol.version" =>
        default("3.9-IV0").accepts(RELEASE).until("3.9").ignored(reasons::VERSIONS);

    /// Share of a broker's leaderships that may be away from their preferred replica, in percent.
    LEADER_IMBALANCE_PER_BROKER_PERCENTAGE: i32 = "leader.imbalance.per.broker.percentage" =>
        default("10").high().until("3.9").ignored(reasons::IMBALANCE);

    /// Whether batches are converted for clients older than Kafka 0.11.
    LOG_MESSAGE_DOWNCONVERSION_ENABLE: bool = "log.message.downconversion.enable" =>
        default("true").low().until("3.9").ignored(reasons::FORMATS);

    /// Format of stored batches; rkafka knows the one of Kafka 0.11 and later.
    LOG_MESSAGE_FORMAT_VERSION: Text = "log.message.format.version" =>
        default("3.0-IV1").accepts(RELEASE).until("3.9").ignored(reasons::FORMATS);

    /// Lower bound of `metadata.log.segment.bytes`; for tests.
    METADATA_LOG_SEGMENT_MIN_BYTES: i32 = "metadata.log.segment.min.bytes" =>
        default("8388608").at_least(12).high().since("3.0").until("3.9").unlisted().ignored(reasons::RAFT);

    /// Acknowledgements that an offset commit waits for.
    OFFSETS_COMMIT_REQUIRED_ACKS: i16 = "offsets.commit.required.acks" =>
        default("-1").high().until("3.9").ignored(reasons::COMMIT_ACKS);

    /// Cipher of passwords stored in ZooKeeper.
    PASSWORD_ENCODER_CIPHER_ALGORITHM: Text = "password.encoder.cipher.algorithm" =>
        default("AES/CBC/PKCS5Padding").low().until("3.9").ignored(reasons::PASSWORD_ENCODER);

    /// Rounds that made the key of that cipher.
    PASSWORD_ENCODER_ITERATIONS: i32 = "password.encoder.iterations" =>
        default("4096").at_least(1024).low().until("3.9").ignored(reasons::PASSWORD_ENCODER);

    /// Bits of that key.
    PASSWORD_ENCODER_KEY_LENGTH: i32 = "password.encoder.key.length" =>
        default("128").at_least(8).low().until("3.9").ignored(reasons::PASSWORD_ENCODER);

    /// How that key was made.
    PASSWORD_ENCODER_KEYFACTORY_ALGORITHM: Option<Text> = "password.encoder.keyfactory.algorithm" =>
        null().low().until("3.9").ignored(reasons::PASSWORD_ENCODER);

    /// The secret before, while it was being changed.
    PASSWORD_ENCODER_OLD_SECRET: Option<Secret> = "password.encoder.old.secret" =>
        null().until("3.9").ignored(reasons::PASSWORD_ENCODER);

    /// Secret that encrypted passwords stored in ZooKeeper.
    PASSWORD_ENCODER_SECRET: Option<Secret> = "password.encoder.secret" =>
        null().until("3.9").ignored(reasons::PASSWORD_ENCODER);

    /// Bytes a second that a consumer might read by default.
    QUOTA_CONSUMER_DEFAULT: i64 = "quota.consumer.default" =>
        default("9223372036854775807").at_least(1).high().until("2.8").ignored(reasons::QUOTA);

    /// Bytes a second that a producer might write by default.
    QUOTA_PRODUCER_DEFAULT: i64 = "quota.producer.default" =>
        default("9223372036854775807").at_least(1).high().until("2.8").ignored(reasons::QUOTA);

    /// Java class of ZooKeeper's connection.
    ZOOKEEPER_CLIENT_CNXN_SOCKET: Option<Text> = "zookeeper.clientCnxnSocket" =>
        null().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// Time in ms to connect to ZooKeeper.
    ZOOKEEPER_CONNECTION_TIMEOUT_MS: Option<i32> = "zookeeper.connection.timeout.ms" =>
        null().high().until("3.9").ignored(reasons::ZOOKEEPER);

    /// Requests to ZooKeeper without an answer.
    ZOOKEEPER_MAX_IN_FLIGHT_REQUESTS: i32 = "zookeeper.max.in.flight.requests" =>
        default("10").at_least(1).high().until("3.9").ignored(reasons::ZOOKEEPER);

    /// Whether a cluster was being moved off ZooKeeper.
    ZOOKEEPER_METADATA_MIGRATION_ENABLE: bool = "zookeeper.metadata.migration.enable" =>
        default("false").high().since("3.4").until("3.9").ignored(reasons::ZOOKEEPER);

    /// Records of a batch of that move.
    ZOOKEEPER_METADATA_MIGRATION_MIN_BATCH_SIZE: i32 = "zookeeper.metadata.migration.min.batch.size" =>
        default("200").at_least(1).since("3.7").until("3.9").unlisted().ignored(reasons::ZOOKEEPER);

    /// Time in ms after which ZooKeeper gave a broker up.
    ZOOKEEPER_SESSION_TIMEOUT_MS: i32 = "zookeeper.session.timeout.ms" =>
        default("18000").high().until("3.9").ignored(reasons::ZOOKEEPER);

    /// Whether what was written to ZooKeeper was protected.
    ZOOKEEPER_SET_ACL: bool = "zookeeper.set.acl" =>
        default("false").high().until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: cipher suites.
    ZOOKEEPER_SSL_CIPHER_SUITES: Option<List> = "zookeeper.ssl.cipher.suites" =>
        null().accepts(Accepts::AnyOf(&[])).low().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: whether.
    ZOOKEEPER_SSL_CLIENT_ENABLE: bool = "zookeeper.ssl.client.enable" =>
        default("false").since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: revocation lists.
    ZOOKEEPER_SSL_CRL_ENABLE: bool = "zookeeper.ssl.crl.enable" =>
        default("false").low().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: versions.
    ZOOKEEPER_SSL_ENABLED_PROTOCOLS: Option<List> = "zookeeper.ssl.enabled.protocols" =>
        null().accepts(Accepts::AnyOf(&[])).low().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: check of host names.
    ZOOKEEPER_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM: Text =
        "zookeeper.ssl.endpoint.identification.algorithm" =>
        default("HTTPS").low().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: key store.
    ZOOKEEPER_SSL_KEYSTORE_LOCATION: Option<Text> = "zookeeper.ssl.keystore.location" =>
        null().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: password of the key store.
    ZOOKEEPER_SSL_KEYSTORE_PASSWORD: Option<Secret> = "zookeeper.ssl.keystore.password" =>
        null().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: format of the key store.
    ZOOKEEPER_SSL_KEYSTORE_TYPE: Option<Text> = "zookeeper.ssl.keystore.type" =>
        null().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: online certificate status.
    ZOOKEEPER_SSL_OCSP_ENABLE: bool = "zookeeper.ssl.ocsp.enable" =>
        default("false").low().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: preferred version.
    ZOOKEEPER_SSL_PROTOCOL: Text = "zookeeper.ssl.protocol" =>
        default("TLSv1.2").low().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: trust store.
    ZOOKEEPER_SSL_TRUSTSTORE_LOCATION: Option<Text> = "zookeeper.ssl.truststore.location" =>
        null().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: password of the trust store.
    ZOOKEEPER_SSL_TRUSTSTORE_PASSWORD: Option<Secret> = "zookeeper.ssl.truststore.password" =>
        null().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// TLS to ZooKeeper: format of the trust store.
    ZOOKEEPER_SSL_TRUSTSTORE_TYPE: Option<Text> = "zookeeper.ssl.truststore.type" =>
        null().since("2.5").until("3.9").ignored(reasons::ZOOKEEPER);

    /// Time in ms that a ZooKeeper follower might lag.
    ZOOKEEPER_SYNC_TIME_MS: i32 = "zookeeper.sync.time.ms" =>
        default("2000").low().until("2.8").ignored(reasons::ZOOKEEPER);
}
