//! Keys of older Kafka lines, up to 3.9, that are gone from the newest: ZooKeeper and what hung on it.

use super::rules::RELEASE;
use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{List, Secret, Text};

key_table! { OfBroker from super::metrics::END;
    /// auto include jmx reporter.
    AUTO_INCLUDE_JMX_REPORTER: bool = "auto.include.jmx.reporter" => default("true").low().until("3.9");

    /// control plane listener name.
    CONTROL_PLANE_LISTENER_NAME: Option<Text> = "control.plane.listener.name" => null().high().until("3.9");

    /// controlled shutdown max retries.
    CONTROLLED_SHUTDOWN_MAX_RETRIES: i32 = "controlled.shutdown.max.retries" => default("3").until("3.9");

    /// controlled shutdown retry backoff ms.
    CONTROLLED_SHUTDOWN_RETRY_BACKOFF_MS: i64 = "controlled.shutdown.retry.backoff.ms" =>
        default("5000").until("3.9");

    /// delegation token master key.
    DELEGATION_TOKEN_MASTER_KEY: Option<Secret> = "delegation.token.master.key" => null().until("3.9");

    /// eligible leader replicas enable.
    ELIGIBLE_LEADER_REPLICAS_ENABLE: bool = "eligible.leader.replicas.enable" =>
        default("false").high().until("3.9");

    /// group coordinator new enable.
    GROUP_COORDINATOR_NEW_ENABLE: bool = "group.coordinator.new.enable" =>
        default("false").until("3.9").unlisted();

    /// group share enable.
    GROUP_SHARE_ENABLE: bool = "group.share.enable" => default("false").until("3.9").unlisted();

    /// group share max groups.
    GROUP_SHARE_MAX_GROUPS: i16 = "group.share.max.groups" =>
        default("10").accepts(Accepts::Between(1, 100)).until("3.9");

    /// inter broker protocol version.
    INTER_BROKER_PROTOCOL_VERSION: Text = "inter.broker.protocol.version" =>
        default("3.9-IV0").accepts(RELEASE).until("3.9");

    /// leader imbalance per broker percentage.
    LEADER_IMBALANCE_PER_BROKER_PERCENTAGE: i32 = "leader.imbalance.per.broker.percentage" =>
        default("10").high().until("3.9");

    /// log message downconversion enable.
    LOG_MESSAGE_DOWNCONVERSION_ENABLE: bool = "log.message.downconversion.enable" =>
        default("true").low().until("3.9");

    /// log message format version.
    LOG_MESSAGE_FORMAT_VERSION: Text = "log.message.format.version" =>
        default("3.0-IV1").accepts(RELEASE).until("3.9");

    /// metadata log segment min bytes.
    METADATA_LOG_SEGMENT_MIN_BYTES: i32 = "metadata.log.segment.min.bytes" =>
        default("8388608").at_least(12).high().until("3.9").unlisted();

    /// offsets commit required acks.
    OFFSETS_COMMIT_REQUIRED_ACKS: i16 = "offsets.commit.required.acks" => default("-1").high().until("3.9");

    /// password encoder cipher algorithm.
    PASSWORD_ENCODER_CIPHER_ALGORITHM: Text = "password.encoder.cipher.algorithm" =>
        default("AES/CBC/PKCS5Padding").low().until("3.9");

    /// password encoder iterations.
    PASSWORD_ENCODER_ITERATIONS: i32 = "password.encoder.iterations" =>
        default("4096").at_least(1024).low().until("3.9");

    /// password encoder key length.
    PASSWORD_ENCODER_KEY_LENGTH: i32 = "password.encoder.key.length" =>
        default("128").at_least(8).low().until("3.9");

    /// password encoder keyfactory algorithm.
    PASSWORD_ENCODER_KEYFACTORY_ALGORITHM: Option<Text> = "password.encoder.keyfactory.algorithm" =>
        null().low().until("3.9");

    /// password encoder old secret.
    PASSWORD_ENCODER_OLD_SECRET: Option<Secret> = "password.encoder.old.secret" => null().until("3.9");

    /// password encoder secret.
    PASSWORD_ENCODER_SECRET: Option<Secret> = "password.encoder.secret" => null().until("3.9");

    /// quota consumer default.
    QUOTA_CONSUMER_DEFAULT: i64 = "quota.consumer.default" =>
        default("9223372036854775807").at_least(1).high().until("2.8");

    /// quota producer default.
    QUOTA_PRODUCER_DEFAULT: i64 = "quota.producer.default" =>
        default("9223372036854775807").at_least(1).high().until("2.8");

    /// zookeeper clientCnxnSocket.
    ZOOKEEPER_CLIENT_CNXN_SOCKET: Option<Text> = "zookeeper.clientCnxnSocket" => null().until("3.9");

    /// zookeeper connection timeout ms.
    ZOOKEEPER_CONNECTION_TIMEOUT_MS: Option<i32> = "zookeeper.connection.timeout.ms" =>
        null().high().until("3.9");

    /// zookeeper max in flight requests.
    ZOOKEEPER_MAX_IN_FLIGHT_REQUESTS: i32 = "zookeeper.max.in.flight.requests" =>
        default("10").at_least(1).high().until("3.9");

    /// zookeeper metadata migration enable.
    ZOOKEEPER_METADATA_MIGRATION_ENABLE: bool = "zookeeper.metadata.migration.enable" =>
        default("false").high().until("3.9");

    /// zookeeper metadata migration min batch size.
    ZOOKEEPER_METADATA_MIGRATION_MIN_BATCH_SIZE: i32 = "zookeeper.metadata.migration.min.batch.size" =>
        default("200").at_least(1).until("3.9").unlisted();

    /// zookeeper session timeout ms.
    ZOOKEEPER_SESSION_TIMEOUT_MS: i32 = "zookeeper.session.timeout.ms" =>
        default("18000").high().until("3.9");

    /// zookeeper set acl.
    ZOOKEEPER_SET_ACL: bool = "zookeeper.set.acl" => default("false").high().until("3.9");

    /// zookeeper ssl cipher suites.
    ZOOKEEPER_SSL_CIPHER_SUITES: Option<List> = "zookeeper.ssl.cipher.suites" => null().low().until("3.9");

    /// zookeeper ssl client enable.
    ZOOKEEPER_SSL_CLIENT_ENABLE: bool = "zookeeper.ssl.client.enable" => default("false").until("3.9");

    /// zookeeper ssl crl enable.
    ZOOKEEPER_SSL_CRL_ENABLE: bool = "zookeeper.ssl.crl.enable" => default("false").low().until("3.9");

    /// zookeeper ssl enabled protocols.
    ZOOKEEPER_SSL_ENABLED_PROTOCOLS: Option<List> = "zookeeper.ssl.enabled.protocols" =>
        null().low().until("3.9");

    /// zookeeper ssl endpoint identification algorithm.
    ZOOKEEPER_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM: Text = "zookeeper.ssl.endpoint.identification.algorithm" =>
        default("HTTPS").low().until("3.9");

    /// zookeeper ssl keystore location.
    ZOOKEEPER_SSL_KEYSTORE_LOCATION: Option<Text> = "zookeeper.ssl.keystore.location" => null().until("3.9");

    /// zookeeper ssl keystore password.
    ZOOKEEPER_SSL_KEYSTORE_PASSWORD: Option<Secret> = "zookeeper.ssl.keystore.password" =>
        null().until("3.9");

    /// zookeeper ssl keystore type.
    ZOOKEEPER_SSL_KEYSTORE_TYPE: Option<Text> = "zookeeper.ssl.keystore.type" => null().until("3.9");

    /// zookeeper ssl ocsp enable.
    ZOOKEEPER_SSL_OCSP_ENABLE: bool = "zookeeper.ssl.ocsp.enable" => default("false").low().until("3.9");

    /// zookeeper ssl protocol.
    ZOOKEEPER_SSL_PROTOCOL: Text = "zookeeper.ssl.protocol" => default("TLSv1.2").low().until("3.9");

    /// zookeeper ssl truststore location.
    ZOOKEEPER_SSL_TRUSTSTORE_LOCATION: Option<Text> = "zookeeper.ssl.truststore.location" =>
        null().until("3.9");

    /// zookeeper ssl truststore password.
    ZOOKEEPER_SSL_TRUSTSTORE_PASSWORD: Option<Secret> = "zookeeper.ssl.truststore.password" =>
        null().until("3.9");

    /// zookeeper ssl truststore type.
    ZOOKEEPER_SSL_TRUSTSTORE_TYPE: Option<Text> = "zookeeper.ssl.truststore.type" => null().until("3.9");

    /// zookeeper sync time ms.
    ZOOKEEPER_SYNC_TIME_MS: i32 = "zookeeper.sync.time.ms" => default("2000").low().until("2.8");
}
