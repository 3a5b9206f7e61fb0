//! TLS and listener security.

use super::reasons;
use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{Class, List, Secret, Text};

key_table! { OfBroker from super::group_protocols::END;
    /// Java class that decides who may do what; empty lets everybody do everything.
    AUTHORIZER_CLASS_NAME: Text = "authorizer.class.name" => default("").low().ignored(reasons::AUTHORIZER);

    /// Listeners that open before the broker is ready to serve.
    EARLY_START_LISTENERS: Option<List> = "early.start.listeners" =>
        null().accepts(Accepts::AnyOf(&[])).high().since("3.3").ignored(reasons::EARLY_START);

    /// Java class that makes a principal of a connection's credentials.
    PRINCIPAL_BUILDER_CLASS: Class = "principal.builder.class" =>
        default("org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder").per_broker()
            .ignored(reasons::JAVA);

    /// Protocol of the listener that brokers use among themselves, where `inter.broker.listener.name` is
    /// unset.
    SECURITY_INTER_BROKER_PROTOCOL: Text = "security.inter.broker.protocol" =>
        default("PLAINTEXT").accepts(Accepts::OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]));

    /// Java classes that provide security algorithms.
    SECURITY_PROVIDERS: Option<Text> = "security.providers" =>
        null().low().since("2.4").ignored(reasons::JAVA);

    /// Whether a new key store may carry another distinguished name.
    SSL_ALLOW_DN_CHANGES: bool = "ssl.allow.dn.changes" =>
        default("false").low().since("3.7").ignored(reasons::TLS);

    /// Whether a new key store may lack alternative names that the old one has.
    SSL_ALLOW_SAN_CHANGES: bool = "ssl.allow.san.changes" =>
        default("false").low().since("3.7").ignored(reasons::TLS);

    /// Cipher suites to use; empty for all that the library offers.
    SSL_CIPHER_SUITES: List = "ssl.cipher.suites" =>
        default("").accepts(Accepts::AnyOf(&[])).per_broker().ignored(reasons::TLS);

    /// Whether clients must, may or need not show a certificate.
    SSL_CLIENT_AUTH: Text = "ssl.client.auth" =>
        default("none").accepts(Accepts::OneOf(&["required", "requested", "none"])).per_broker()
            .ignored(reasons::TLS);

    /// TLS versions to accept.
    SSL_ENABLED_PROTOCOLS: List = "ssl.enabled.protocols" =>
        default("TLSv1.2,TLSv1.3").accepts(Accepts::AnyOf(&[])).per_broker().ignored(reasons::TLS);

    /// How a server's name is checked against its certificate; empty for not at all.
    SSL_ENDPOINT_IDENTIFICATION_ALGORITHM: Text = "ssl.endpoint.identification.algorithm" =>
        default("https").low().per_broker().ignored(reasons::TLS);

    /// Java class that makes TLS engines.
    SSL_ENGINE_FACTORY_CLASS: Option<Class> = "ssl.engine.factory.class" =>
        null().low().per_broker().since("2.6").ignored(reasons::JAVA);

    /// Password of the private key.
    SSL_KEY_PASSWORD: Option<Secret> = "ssl.key.password" => null().per_broker().ignored(reasons::TLS);

    /// Algorithm of Java's key manager.
    SSL_KEYMANAGER_ALGORITHM: Text = "ssl.keymanager.algorithm" =>
        default("SunX509").per_broker().ignored(reasons::JAVA);

    /// Certificate chain in PEM.
    SSL_KEYSTORE_CERTIFICATE_CHAIN: Option<Secret> = "ssl.keystore.certificate.chain" =>
        null().per_broker().since("2.7").ignored(reasons::TLS);

    /// Private key in PEM (PKCS#8).
    SSL_KEYSTORE_KEY: Option<Secret> = "ssl.keystore.key" =>
        null().per_broker().since("2.7").ignored(reasons::TLS);

    /// File of the key store.
    SSL_KEYSTORE_LOCATION: Option<Text> = "ssl.keystore.location" =>
        null().per_broker().ignored(reasons::TLS);

    /// Password of the key store.
    SSL_KEYSTORE_PASSWORD: Option<Secret> = "ssl.keystore.password" =>
        null().per_broker().ignored(reasons::TLS);

    /// Format of the key store: JKS, PKCS12 or PEM.
    SSL_KEYSTORE_TYPE: Text = "ssl.keystore.type" => default("JKS").per_broker().ignored(reasons::TLS);

    /// Rules that make a principal of a certificate's distinguished name.
    SSL_PRINCIPAL_MAPPING_RULES: Text = "ssl.principal.mapping.rules" =>
        default("DEFAULT").low().ignored(reasons::TLS);

    /// Highest TLS version.
    SSL_PROTOCOL: Text = "ssl.protocol" => default("TLSv1.3").per_broker().ignored(reasons::TLS);

    /// Name of Java's security provider for TLS.
    SSL_PROVIDER: Option<Text> = "ssl.provider" => null().per_broker().ignored(reasons::JAVA);

    /// Java's random generator for TLS.
    SSL_SECURE_RANDOM_IMPLEMENTATION: Option<Text> = "ssl.secure.random.implementation" =>
        null().low().per_broker().ignored(reasons::JAVA);

    /// Algorithm of Java's trust manager.
    SSL_TRUSTMANAGER_ALGORITHM: Text = "ssl.trustmanager.algorithm" =>
        default("PKIX").per_broker().ignored(reasons::JAVA);

    /// Trusted certificates in PEM.
    SSL_TRUSTSTORE_CERTIFICATES: Option<Secret> = "ssl.truststore.certificates" =>
        null().per_broker().since("2.7").ignored(reasons::TLS);

    /// File of the trust store.
    SSL_TRUSTSTORE_LOCATION: Option<Text> = "ssl.truststore.location" =>
        null().per_broker().ignored(reasons::TLS);

    /// Password of the trust store.
    SSL_TRUSTSTORE_PASSWORD: Option<Secret> = "ssl.truststore.password" =>
        null().per_broker().ignored(reasons::TLS);

    /// Format of the trust store: JKS, PKCS12 or PEM.
    SSL_TRUSTSTORE_TYPE: Text = "ssl.truststore.type" => default("JKS").per_broker().ignored(reasons::TLS);
}
