//! TLS and listener security.

use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{Class, List, Secret, Text};

key_table! { OfBroker from super::group_protocols::END;
    /// authorizer class name.
    AUTHORIZER_CLASS_NAME: Text = "authorizer.class.name" => default("").low();

    /// early start listeners.
    EARLY_START_LISTENERS: Option<List> = "early.start.listeners" => null().high();

    /// principal builder class.
    PRINCIPAL_BUILDER_CLASS: Class = "principal.builder.class" =>
        default("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder").per_broker();

    /// security inter broker protocol.
    SECURITY_INTER_BROKER_PROTOCOL: Text = "security.inter.broker.protocol" =>
        default("PLAINTEXT").accepts(Accepts::OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]));

    /// security providers.
    SECURITY_PROVIDERS: Option<Text> = "security.providers" => null().low();

    /// ssl allow dn changes.
    SSL_ALLOW_DN_CHANGES: bool = "ssl.allow.dn.changes" => default("false").low();

    /// ssl allow san changes.
    SSL_ALLOW_SAN_CHANGES: bool = "ssl.allow.san.changes" => default("false").low();

    /// ssl cipher suites.
    SSL_CIPHER_SUITES: List = "ssl.cipher.suites" => default("").per_broker();

    /// ssl client auth.
    SSL_CLIENT_AUTH: Text = "ssl.client.auth" =>
        default("none").accepts(Accepts::OneOf(&["required", "requested", "none"])).per_broker();

    /// ssl enabled protocols.
    SSL_ENABLED_PROTOCOLS: List = "ssl.enabled.protocols" => default("TLSv1.2,TLSv1.3").per_broker();

    /// ssl endpoint identification algorithm.
    SSL_ENDPOINT_IDENTIFICATION_ALGORITHM: Text = "ssl.endpoint.identification.algorithm" =>
        default("https").low().per_broker();

    /// ssl engine factory class.
    SSL_ENGINE_FACTORY_CLASS: Option<Class> = "ssl.engine.factory.class" => null().low().per_broker();

    /// ssl key password.
    SSL_KEY_PASSWORD: Option<Secret> = "ssl.key.password" => null().per_broker();

    /// ssl keymanager algorithm.
    SSL_KEYMANAGER_ALGORITHM: Text = "ssl.keymanager.algorithm" => default("SunX509").per_broker();

    /// ssl keystore certificate chain.
    SSL_KEYSTORE_CERTIFICATE_CHAIN: Option<Secret> = "ssl.keystore.certificate.chain" => null().per_broker();

    /// ssl keystore key.
    SSL_KEYSTORE_KEY: Option<Secret> = "ssl.keystore.key" => null().per_broker();

    /// ssl keystore location.
    SSL_KEYSTORE_LOCATION: Option<Text> = "ssl.keystore.location" => null().per_broker();

    /// ssl keystore password.
    SSL_KEYSTORE_PASSWORD: Option<Secret> = "ssl.keystore.password" => null().per_broker();

    /// ssl keystore type.
    SSL_KEYSTORE_TYPE: Text = "ssl.keystore.type" => default("JKS").per_broker();

    /// ssl principal mapping rules.
    SSL_PRINCIPAL_MAPPING_RULES: Text = "ssl.principal.mapping.rules" => default("DEFAULT").low();

    /// ssl protocol.
    SSL_PROTOCOL: Text = "ssl.protocol" => default("TLSv1.3").per_broker();

    /// ssl provider.
    SSL_PROVIDER: Option<Text> = "ssl.provider" => null().per_broker();

    /// ssl secure random implementation.
    SSL_SECURE_RANDOM_IMPLEMENTATION: Option<Text> = "ssl.secure.random.implementation" =>
        null().low().per_broker();

    /// ssl trustmanager algorithm.
    SSL_TRUSTMANAGER_ALGORITHM: Text = "ssl.trustmanager.algorithm" => default("PKIX").per_broker();

    /// ssl truststore certificates.
    SSL_TRUSTSTORE_CERTIFICATES: Option<Secret> = "ssl.truststore.certificates" => null().per_broker();

    /// ssl truststore location.
    SSL_TRUSTSTORE_LOCATION: Option<Text> = "ssl.truststore.location" => null().per_broker();

    /// ssl truststore password.
    SSL_TRUSTSTORE_PASSWORD: Option<Secret> = "ssl.truststore.password" => null().per_broker();

    /// ssl truststore type.
    SSL_TRUSTSTORE_TYPE: Text = "ssl.truststore.type" => default("JKS").per_broker();
}
