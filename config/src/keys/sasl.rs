//! SASL mechanisms and delegation tokens.

use crate::key::{default, key_table, null};
use crate::range::Accepts;
use crate::value::{Class, List, Secret, Text};

key_table! { OfBroker from super::tls::END;
    /// connection failed authentication delay ms.
    CONNECTION_FAILED_AUTHENTICATION_DELAY_MS: i32 = "connection.failed.authentication.delay.ms" =>
        default("100").at_least(0).low();

    /// connections max reauth ms.
    CONNECTIONS_MAX_REAUTH_MS: i64 = "connections.max.reauth.ms" => default("0");

    /// delegation token expiry check interval ms.
    DELEGATION_TOKEN_EXPIRY_CHECK_INTERVAL_MS: i64 = "delegation.token.expiry.check.interval.ms" =>
        default("3600000").at_least(1).low();

    /// delegation token expiry time ms.
    DELEGATION_TOKEN_EXPIRY_TIME_MS: i64 = "delegation.token.expiry.time.ms" =>
        default("86400000").at_least(1);

    /// delegation token max lifetime ms.
    DELEGATION_TOKEN_MAX_LIFETIME_MS: i64 = "delegation.token.max.lifetime.ms" =>
        default("604800000").at_least(1);

    /// delegation token secret key.
    DELEGATION_TOKEN_SECRET_KEY: Option<Secret> = "delegation.token.secret.key" => null();

    /// sasl client callback handler class.
    SASL_CLIENT_CALLBACK_HANDLER_CLASS: Option<Class> = "sasl.client.callback.handler.class" => null();

    /// sasl enabled mechanisms.
    SASL_ENABLED_MECHANISMS: List = "sasl.enabled.mechanisms" => default("GSSAPI").per_broker();

    /// sasl jaas config.
    SASL_JAAS_CONFIG: Option<Secret> = "sasl.jaas.config" => null().per_broker();

    /// sasl kerberos kinit cmd.
    SASL_KERBEROS_KINIT_CMD: Text = "sasl.kerberos.kinit.cmd" => default("/usr/bin/kinit").per_broker();

    /// sasl kerberos min time before relogin.
    SASL_KERBEROS_MIN_TIME_BEFORE_RELOGIN: i64 = "sasl.kerberos.min.time.before.relogin" =>
        default("60000").per_broker();

    /// sasl kerberos principal to local rules.
    SASL_KERBEROS_PRINCIPAL_TO_LOCAL_RULES: List = "sasl.kerberos.principal.to.local.rules" =>
        default("DEFAULT").per_broker();

    /// sasl kerberos service name.
    SASL_KERBEROS_SERVICE_NAME: Option<Text> = "sasl.kerberos.service.name" => null().per_broker();

    /// sasl kerberos ticket renew jitter.
    SASL_KERBEROS_TICKET_RENEW_JITTER: f64 = "sasl.kerberos.ticket.renew.jitter" =>
        default("0.05").per_broker();

    /// sasl kerberos ticket renew window factor.
    SASL_KERBEROS_TICKET_RENEW_WINDOW_FACTOR: f64 = "sasl.kerberos.ticket.renew.window.factor" =>
        default("0.8").per_broker();

    /// sasl login callback handler class.
    SASL_LOGIN_CALLBACK_HANDLER_CLASS: Option<Class> = "sasl.login.callback.handler.class" => null();

    /// sasl login class.
    SASL_LOGIN_CLASS: Option<Class> = "sasl.login.class" => null();

    /// sasl login connect timeout ms.
    SASL_LOGIN_CONNECT_TIMEOUT_MS: Option<i32> = "sasl.login.connect.timeout.ms" => null().low();

    /// sasl login read timeout ms.
    SASL_LOGIN_READ_TIMEOUT_MS: Option<i32> = "sasl.login.read.timeout.ms" => null().low();

    /// sasl login refresh buffer seconds.
    SASL_LOGIN_REFRESH_BUFFER_SECONDS: i16 = "sasl.login.refresh.buffer.seconds" =>
        default("300").per_broker();

    /// sasl login refresh min period seconds.
    SASL_LOGIN_REFRESH_MIN_PERIOD_SECONDS: i16 = "sasl.login.refresh.min.period.seconds" =>
        default("60").per_broker();

    /// sasl login refresh window factor.
    SASL_LOGIN_REFRESH_WINDOW_FACTOR: f64 = "sasl.login.refresh.window.factor" => default("0.8").per_broker();

    /// sasl login refresh window jitter.
    SASL_LOGIN_REFRESH_WINDOW_JITTER: f64 = "sasl.login.refresh.window.jitter" =>
        default("0.05").per_broker();

    /// sasl login retry backoff max ms.
    SASL_LOGIN_RETRY_BACKOFF_MAX_MS: i64 = "sasl.login.retry.backoff.max.ms" => default("10000").low();

    /// sasl login retry backoff ms.
    SASL_LOGIN_RETRY_BACKOFF_MS: i64 = "sasl.login.retry.backoff.ms" => default("100").low();

    /// sasl mechanism controller protocol.
    SASL_MECHANISM_CONTROLLER_PROTOCOL: Text = "sasl.mechanism.controller.protocol" =>
        default("GSSAPI").high();

    /// sasl mechanism inter broker protocol.
    SASL_MECHANISM_INTER_BROKER_PROTOCOL: Text = "sasl.mechanism.inter.broker.protocol" =>
        default("GSSAPI").per_broker();

    /// sasl oauthbearer assertion algorithm.
    SASL_OAUTHBEARER_ASSERTION_ALGORITHM: Text = "sasl.oauthbearer.assertion.algorithm" =>
        default("RS256").accepts(Accepts::OneOfAnyCase(&["ES256", "RS256"]));

    /// sasl oauthbearer assertion claim aud.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_AUD: Option<Text> = "sasl.oauthbearer.assertion.claim.aud" => null();

    /// sasl oauthbearer assertion claim exp seconds.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_EXP_SECONDS: i32 = "sasl.oauthbearer.assertion.claim.exp.seconds" =>
        default("300").accepts(Accepts::Between(0, 86400)).low();

    /// sasl oauthbearer assertion claim iss.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_ISS: Option<Text> = "sasl.oauthbearer.assertion.claim.iss" => null();

    /// sasl oauthbearer assertion claim jti include.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_JTI_INCLUDE: bool = "sasl.oauthbearer.assertion.claim.jti.include" =>
        default("false");

    /// sasl oauthbearer assertion claim nbf seconds.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_NBF_SECONDS: i32 = "sasl.oauthbearer.assertion.claim.nbf.seconds" =>
        default("60").accepts(Accepts::Between(0, 3600)).low();

    /// sasl oauthbearer assertion claim sub.
    SASL_OAUTHBEARER_ASSERTION_CLAIM_SUB: Option<Text> = "sasl.oauthbearer.assertion.claim.sub" => null();

    /// sasl oauthbearer assertion file.
    SASL_OAUTHBEARER_ASSERTION_FILE: Option<Text> = "sasl.oauthbearer.assertion.file" => null();

    /// sasl oauthbearer assertion private key file.
    SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE: Option<Text> = "sasl.oauthbearer.assertion.private.key.file" =>
        null();

    /// sasl oauthbearer assertion private key passphrase.
    SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_PASSPHRASE: Option<Secret> = "sasl.oauthbearer.assertion.private.key.passphrase" =>
        null();

    /// sasl oauthbearer assertion template file.
    SASL_OAUTHBEARER_ASSERTION_TEMPLATE_FILE: Option<Text> = "sasl.oauthbearer.assertion.template.file" =>
        null();

    /// sasl oauthbearer client credentials client id.
    SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_ID: Option<Text> = "sasl.oauthbearer.client.credentials.client.id" =>
        null();

    /// sasl oauthbearer client credentials client secret.
    SASL_OAUTHBEARER_CLIENT_CREDENTIALS_CLIENT_SECRET: Option<Secret> = "sasl.oauthbearer.client.credentials.client.secret" =>
        null();

    /// sasl oauthbearer clock skew seconds.
    SASL_OAUTHBEARER_CLOCK_SKEW_SECONDS: i32 = "sasl.oauthbearer.clock.skew.seconds" => default("30").low();

    /// sasl oauthbearer expected audience.
    SASL_OAUTHBEARER_EXPECTED_AUDIENCE: List = "sasl.oauthbearer.expected.audience" => default("").high();

    /// sasl oauthbearer expected issuer.
    SASL_OAUTHBEARER_EXPECTED_ISSUER: Option<Text> = "sasl.oauthbearer.expected.issuer" => null().high();

    /// sasl oauthbearer jwks endpoint refresh ms.
    SASL_OAUTHBEARER_JWKS_ENDPOINT_REFRESH_MS: i64 = "sasl.oauthbearer.jwks.endpoint.refresh.ms" =>
        default("3600000").low();

    /// sasl oauthbearer jwks endpoint retry backoff max ms.
    SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MAX_MS: i64 = "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" =>
        default("10000").low();

    /// sasl oauthbearer jwks endpoint retry backoff ms.
    SASL_OAUTHBEARER_JWKS_ENDPOINT_RETRY_BACKOFF_MS: i64 = "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" =>
        default("100").low();

    /// sasl oauthbearer jwks endpoint url.
    SASL_OAUTHBEARER_JWKS_ENDPOINT_URL: Option<Text> = "sasl.oauthbearer.jwks.endpoint.url" => null();

    /// sasl oauthbearer jwt retriever class.
    SASL_OAUTHBEARER_JWT_RETRIEVER_CLASS: Class = "sasl.oauthbearer.jwt.retriever.class" =>
        default("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever");

    /// sasl oauthbearer jwt validator class.
    SASL_OAUTHBEARER_JWT_VALIDATOR_CLASS: Class = "sasl.oauthbearer.jwt.validator.class" =>
        default("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator");

    /// sasl oauthbearer scope.
    SASL_OAUTHBEARER_SCOPE: Option<Text> = "sasl.oauthbearer.scope" => null();

    /// sasl oauthbearer scope claim name.
    SASL_OAUTHBEARER_SCOPE_CLAIM_NAME: Text = "sasl.oauthbearer.scope.claim.name" => default("scope").low();

    /// sasl oauthbearer sub claim name.
    SASL_OAUTHBEARER_SUB_CLAIM_NAME: Text = "sasl.oauthbearer.sub.claim.name" => default("sub").low();

    /// sasl oauthbearer token endpoint url.
    SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: Option<Text> = "sasl.oauthbearer.token.endpoint.url" => null();

    /// sasl server callback handler class.
    SASL_SERVER_CALLBACK_HANDLER_CLASS: Option<Class> = "sasl.server.callback.handler.class" => null();

    /// sasl server max receive size.
    SASL_SERVER_MAX_RECEIVE_SIZE: i32 = "sasl.server.max.receive.size" => default("524288");
}
