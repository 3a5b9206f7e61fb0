//! SASL mechanisms and delegation tokens.

use super::reasons;
use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{Class, List, Secret, Text};

key_table! { OfBroker from super::tls::END;
    /// Time in ms by which a failed login is answered late.
    CONNECTION_FAILED_AUTHENTICATION_DELAY_MS: i32 = "connection.failed.authentication.delay.ms" =>
        default("100").at_least(0).low().ignored(reasons::SASL);

    /// Time in ms after which a SASL connection must log in again; 0 for never.
    CONNECTIONS_MAX_REAUTH_MS: i64 = "connections.max.reauth.ms" => default("0").ignored(reasons::SASL);

    /// Time in ms between checks for expired delegation tokens.
    DELEGATION_TOKEN_EXPIRY_CHECK_INTERVAL_MS: i64 = "delegation.token.expiry.check.interval.ms" =>
        default("3600000").at_least(1).low().ignored(reasons::TOKENS);

    /// Time in ms that a delegation token is valid without being renewed.
    DELEGATION_TOKEN_EXPIRY_TIME_MS: i64 = "delegation.token.expiry.time.ms" =>
        default("86400000").at_least(1).ignored(reasons::TOKENS);

    /// Time in ms past which a delegation token cannot be renewed.
    DELEGATION_TOKEN_MAX_LIFETIME_MS: i64 = "delegation.token.max.lifetime.ms" =>
        default("604800000").at_least(1).ignored(reasons::TOKENS);

    /// Secret that delegation tokens are made with; the same on all nodes.
    DELEGATION_TOKEN_SECRET_KEY: Option<Secret> = "delegation.token.secret.key" =>
        null().since("2.8").ignored(reasons::TOKENS);

    /// Java class of a client's SASL callbacks.
    SASL_CLIENT_CALLBACK_HANDLER_CLASS: Option<Class> = "sasl.client.callback.handler.class" =>
        null().ignored(reasons::JAVA);

    /// Mechanisms that clients may log in with.
    SASL_ENABLED_MECHANISMS: List = "sasl.enabled.mechanisms" =>
        default("GSSAPI").accepts(Accepts::AnyOf(&[])).per_broker().ignored(reasons::SASL);

    /// Login of a SASL connection, in the form of a JAAS file.
    SASL_JAAS_CONFIG: Option<Secret> = "sasl.jaas.config" => null().per_broker().ignored(reasons::SASL);

    /// Path of `kinit`.
    SASL_KERBEROS_KINIT_CMD: Text = "sasl.kerberos.kinit.cmd" =>
        default("/usr/bin/kinit").per_broker().ignored(reasons::KERBEROS);

    /// Time in ms between two logins at least.
    SASL_KERBEROS_MIN_TIME_BEFORE_RELOGIN: i64 = "sasl.kerberos.min.time.before.relogin" =>
        default("60000").per_broker().ignored(reasons::KERBEROS);

    /// Rules that make a short name of a Kerberos principal.
    SASL_KERBEROS_PRINCIPAL_TO_LOCAL_RULES: List = "sasl.kerberos.principal.to.local.rules" =>
        default("DEFAULT").accepts(Accepts::AnyOf(&[])).per_broker().ignored(reasons::KERBEROS);

    /// Kerberos name of the brokers.
    SASL_KERBEROS_SERVICE_NAME: Option<Text> = "sasl.kerberos.service.name" =>
        null().per_broker().ignored(reasons::KERBEROS);

    /// Share of the renewal time that is left to chance.
    SASL_KERBEROS_TICKET_RENEW_JITTER: f64 = "sasl.kerberos.ticket.renew.jitter" =>
        default("0.05").per_broker().ignored(reasons::KERBEROS);

    /// Share of a ticket's life after which it is renewed.
    SASL_KERBEROS_TICKET_RENEW_WINDOW_FACTOR: f64 = "sasl.kerberos.ticket.renew.window.factor" =>
        default("0.8").per_broker().ignored(reasons::KERBEROS);

    /// Java class of a login's callbacks.
    SASL_LOGIN_CALLBACK_HANDLER_CLASS: Option<Class> = "sasl.login.callback.handler.class" =>
        null().ignored(reasons::JAVA);

    /// Java class of a login.
    SASL_LOGIN_CLASS: Option<Class> = "sasl.login.class" => null().ignored(reasons::JAVA);

    /// Time in ms to connect to an outside login server.
    SASL_LOGIN_CONNECT_TIMEOUT_MS: Option<i32> = "sasl.login.connect.timeout.ms" =>
        null().low().since("3.1").ignored(reasons::OAUTH);

    /// Time in ms to wait for an outside login server's answer.
    SASL_LOGIN_READ_TIMEOUT_MS: Option<i32> = "sasl.login.read.timeout.ms" =>
        null().low().since("3.1").ignored(reasons::OAUTH);

    /// Seconds before its end at which a credential should be renewed.
    SASL_LOGIN_REFRESH_BUFFER_SECONDS: i16 = "sasl.login.refresh.buffer.seconds" =>
        default("300").per_broker().ignored(reasons::OAUTH);

    /// Seconds between two renewals of a credential at least.
    SASL_LOGIN_REFRESH_MIN_PERIOD_SECONDS: i16 = "sasl.login.refresh.min.period.seconds" =>
        default("60").per_broker().ignored(reasons::OAUTH);

    /// Share of a credential's life after which it is renewed.
    SASL_LOGIN_REFRESH_WINDOW_FACTOR: f64 = "sasl.login.refresh.window.factor" =>
        default("0.8").per_broker().ignored(reasons::OAUTH);

    /// Share of the renewal time that is left to chance.
    SASL_LOGIN_REFRESH_WINDOW_JITTER: f64 = "sasl.login.refresh.window.jitter" =>
        default("0.05").per_broker().ignored(reasons::OAUTH);

    /// Longest pause in ms between attempts at an outside login server.
    SASL_LOGIN_RETRY_BACKOFF_MAX_MS: i64 = "sasl.login.retry.backoff.max.ms" =>
        default("10000").low().since("3.1").ignored(reasons::OAUTH);

    /// First pause in ms between attempts at an outside login server.
    SASL_LOGIN_RETRY_BACKOFF_MS: i64 = "sasl.login.retry.backoff.ms" =>
        default("100").low().since("3.1").ignored(reasons::OAUTH);

    /// Mechanism of connections to controllers.
    SASL_MECHANISM_CONTROLLER_PROTOCOL: Text = "sasl.mechanism.controller.protocol" =>
        default("GSSAPI").high().since("2.8").ignored(reasons::SASL);

    /// Mechanism of connections between brokers.
    SASL_MECHANISM_INTER_BROKER_PROTOCOL: Text = "sasl.mechanism.inter.broker.protocol" =>
        default("GSSAPI").per_broker().ignored(reasons::SASL);

    /// Algorithm that signs the assertion.
    SASL_OAUTHBEARER_ASSERTION_ALGORITHM: Text = "sasl.oauthbearer.assertion.algorithm" =>
        default("RS256").accepts(Accepts::OneOfAnyCase(&["ES256", "RS256"])).since("4.1")
            .ignored(reasons::OAUTH);

    /// Audience of the assertion.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_AUD: Option<Text> = "sasl.oauthbearer.assertion.claim.aud" =>
        null().since("4.1").ignored(reasons::OAUTH);

    /// Seconds after which the assertion expires.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_EXP_SECONDS: i32 = "sasl.oauthbearer.assertion.claim.exp.seconds" =>
        default("300").accepts(Accepts::Between(0, 86400)).low().since("4.1").ignored(reasons::OAUTH);

    /// Issuer of the assertion.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_ISS: Option<Text> = "sasl.oauthbearer.assertion.claim.iss" =>
        null().since("4.1").ignored(reasons::OAUTH);

    /// Whether the assertion carries an id of its own.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_JTI_INCLUDE: bool = "sasl.oauthbearer.assertion.claim.jti.include" =>
        default("false").since("4.1").ignored(reasons::OAUTH);

    /// Seconds in the past from which the assertion is valid.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_NBF_SECONDS: i32 = "sasl.oauthbearer.assertion.claim.nbf.seconds" =>
        default("60").accepts(Accepts::Between(0, 3600)).low().since("4.1").ignored(reasons::OAUTH);

    /// Subject of the assertion.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_SUB: Option<Text> = "sasl.oauthbearer.assertion.claim.sub" =>
        null().since("4.1").ignored(reasons::OAUTH);

    /// File of a ready-made assertion.
    SASL_OAUTHBEARER_ASSERTION_FILE: Option<Text> = "sasl.oauthbearer.assertion.file" =>
        null().since("4.1").ignored(reasons::OAUTH);

    /// File of the key that signs the assertion.
    SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE: Option<Text> =
        "sasl.oauthbearer.assertion.private.key.file" =>
        null().since("4.1").ignored(reasons::OAUTH);

    /// Password of that key.
    SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_PASSPHRASE: Option<Secret> =
        "sasl.oauthbearer.assertion.private.key.passphrase" =>
        null().since("4.1").ignored(reasons::OAUTH);

    /// File with more headers and claims of the assertion.
    SASL_OAUTHBEARER_ASSERTION_TEMPLATE_FILE: Option<Text> = "sasl.oauthbearer.assertion.template.file" =>
        null().since("4.1").ignored(reasons::OAUTH);

    /// Client id for fetching a token.
    SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_ID: Option<Text> =
        "sasl.oauthbearer.client.credentials.client.id" =>
        null().since("4.1").ignored(reasons::OAUTH);

    /// Client secret for fetching a token.
    SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_SECRET: Option<Secret> =
        "sasl.oauthbearer.client.credentials.client.secret" =>
        null().since("4.1").ignored(reasons::OAUTH);

    /// Seconds by which clocks may differ.
    SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS: i32 = "sasl.oauthbearer.clock.skew.seconds" =>
        default("30").low().since("3.1").ignored(reasons::OAUTH);

    /// Audiences that a token must be for.
    SASL_OAUTHBEARER_EXPECTED_AUDIENCE: List = "sasl.oauthbearer.expected.audience" =>
        default("").accepts(Accepts::AnyOf(&[])).high().since("3.1").ignored(reasons::OAUTH);

    /// Issuer that a token must be from.
    SASL_OAUTHBEARER_EXPECTED_ISSUER: Option<Text> = "sasl.oauthbearer.expected.issuer" =>
        null().high().since("3.1").ignored(reasons::OAUTH);

    /// Time in ms between fetches of the issuer's keys.
    SASL_OAUTHBEARER_JWKS_ENDPOINT_REFRESH_MS: i64 = "sasl.oauthbearer.jwks.endpoint.refresh.ms" =>
        default("3600000").low().since("3.1").ignored(reasons::OAUTH);

    /// Longest pause in ms between attempts to fetch the issuer's keys.
    SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MAX_MS: i64 =
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" =>
        default("10000").low().since("3.1").ignored(reasons::OAUTH);

    /// First pause in ms between attempts to fetch the issuer's keys.
    SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MS: i64 =
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" =>
        default("100").low().since("3.1").ignored(reasons::OAUTH);

    /// Address of the issuer's keys.
    SASL_OAUTHBEARER_JWKS_ENDPOINT_URL: Option<Text> = "sasl.oauthbearer.jwks.endpoint.url" =>
        null().since("3.1").ignored(reasons::OAUTH);

    /// Java class that fetches tokens.
    SASL_OAUTHBEARER_JWT_RETRIEVER_CLASS: Class = "sasl.oauthbearer.jwt.retriever.class" =>
        default("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever").since("4.1")
            .ignored(reasons::JAVA);

    /// Java class that checks tokens.
    SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS: Class = "sasl.oauthbearer.jwt.validator.class" =>
        default("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator").since("4.1")
            .ignored(reasons::JAVA);

    /// Scope to ask a token for.
    SASL_OAUTHBEARER_SCOPE: Option<Text> = "sasl.oauthbearer.scope" =>
        null().since("4.1").ignored(reasons::OAUTH);

    /// Claim that holds the scope.
    SASL_OAUTHBEARER_SCOPE_CLAIM_NAME: Text = "sasl.oauthbearer.scope.claim.name" =>
        default("scope").low().since("3.1").ignored(reasons::OAUTH);

    /// Claim that holds the subject.
    SASL_OAUTHBEARER_SUB_CLAIM_NAME: Text = "sasl.oauthbearer.sub.claim.name" =>
        default("sub").low().since("3.1").ignored(reasons::OAUTH);

    /// Address that tokens are fetched from.
    SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: Option<Text> = "sasl.oauthbearer.token.endpoint.url" =>
        null().since("3.1").ignored(reasons::OAUTH);

    /// Java class of a broker's SASL callbacks.
    SASL_SERVER_CALLBACK_HANDLER_CLASS: Option<Class> = "sasl.server.callback.handler.class" =>
        null().ignored(reasons::JAVA);

    /// Largest message of a login in bytes.
    SASL_SERVER_MAX_RECEIVE_SIZE: i32 = "sasl.server.max.receive.size" =>
        default("524288").since("3.3").ignored(reasons::SASL);
}
