//! TLS and SASL settings, by their Java names. They are read and checked; connections in anything but plain text are
//! refused, as no broker here serves them yet.

use std::fmt;
use std::path::PathBuf;

/// `security.protocol`: how to talk to brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecurityProtocol {
    /// `PLAINTEXT`.
    #[default]
    Plaintext,
    /// `SSL`: TLS, certificates of the client if brokers ask for them.
    Ssl,
    /// `SASL_PLAINTEXT`: in the open, with a log-in.
    SaslPlaintext,
    /// `SASL_SSL`: TLS with a log-in.
    SaslSsl,
}

impl SecurityProtocol {
    fn parse(text: &str) -> Result<SecurityProtocol, String> {
        match text.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Ok(SecurityProtocol::Plaintext),
            "SSL" => Ok(SecurityProtocol::Ssl),
            "SASL_PLAINTEXT" => Ok(SecurityProtocol::SaslPlaintext),
            "SASL_SSL" => Ok(SecurityProtocol::SaslSsl),
            _ => Err("PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL is expected".to_owned()),
        }
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        })
    }
}

/// A secret; it is never shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Password(String);

impl Password {
    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Password {
    fn from(text: &str) -> Password {
        Password(text.to_owned())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// `ssl.*`: whom to trust and what to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// `ssl.truststore.location`: a file of certificates to trust; those of the system if there is neither.
    pub truststore_location: Option<PathBuf>,
    /// `ssl.truststore.certificates`: the same, in PEM itself.
    pub truststore_certificates: Option<String>,
    /// `ssl.truststore.type`: `JKS`, `PKCS12` or `PEM`.
    pub truststore_type: String,
    /// `ssl.truststore.password`.
    pub truststore_password: Option<Password>,
    /// `ssl.keystore.location`: a file with the client's key and certificates.
    pub keystore_location: Option<PathBuf>,
    /// `ssl.keystore.type`: `JKS`, `PKCS12` or `PEM`.
    pub keystore_type: String,
    /// `ssl.keystore.password`.
    pub keystore_password: Option<Password>,
    /// `ssl.keystore.key`: the client's key, in PEM itself.
    pub keystore_key: Option<Password>,
    /// `ssl.keystore.certificate.chain`: its certificates, in PEM itself.
    pub keystore_certificate_chain: Option<String>,
    /// `ssl.key.password`.
    pub key_password: Option<Password>,
    /// `ssl.endpoint.identification.algorithm`: whether the certificate has to name the host (`https`); empty is no.
    pub checks_host: bool,
    /// `ssl.enabled.protocols`.
    pub enabled_protocols: Vec<String>,
}

impl Default for TlsOptions {
    fn default() -> TlsOptions {
        TlsOptions {
            truststore_location: None,
            truststore_certificates: None,
            truststore_type: "JKS".to_owned(),
            truststore_password: None,
            keystore_location: None,
            keystore_type: "JKS".to_owned(),
            keystore_password: None,
            keystore_key: None,
            keystore_certificate_chain: None,
            key_password: None,
            checks_host: true,
            enabled_protocols: vec!["TLSv1.2".to_owned(), "TLSv1.3".to_owned()],
        }
    }
}

/// `sasl.mechanism`: how to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    /// `PLAIN`: name and password as they are.
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
    /// `OAUTHBEARER`.
    OAuthBearer,
    /// `GSSAPI`: Kerberos, Java's default.
    Gssapi,
}

impl SaslMechanism {
    fn parse(text: &str) -> Result<SaslMechanism, String> {
        match text {
            "PLAIN" => Ok(SaslMechanism::Plain),
            "SCRAM-SHA-256" => Ok(SaslMechanism::ScramSha256),
            "SCRAM-SHA-512" => Ok(SaslMechanism::ScramSha512),
            "OAUTHBEARER" => Ok(SaslMechanism::OAuthBearer),
            "GSSAPI" => Ok(SaslMechanism::Gssapi),
            _ => Err("PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or GSSAPI is expected".to_owned()),
        }
    }
}

/// `sasl.jaas.config`: a log-in module and its options, in the words of Java's JAAS files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jaas {
    /// The class of the log-in module.
    pub module: String,
    /// Its options in their order; any may be a secret.
    pub options: Vec<(String, Password)>,
}

impl Jaas {
    /// The option of this name, such as `username`.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(key, _)| key == name).map(|(_, value)| value.expose())
    }

    /// Reads `<class> required key="value" …;`.
    fn parse(text: &str) -> Result<Jaas, String> {
        const EXAMPLE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                               username=\"alice\" password=\"secret\";";
        let wrong = |what: &str| format!("{what}; an example: {EXAMPLE}");
        let text = text.trim().strip_suffix(';').ok_or_else(|| wrong("it has to end with a semicolon"))?;
        let (module, rest) =
            text.split_once(char::is_whitespace).ok_or_else(|| wrong("a flag is missing"))?;
        let rest = rest.trim_start();
        let (flag, mut rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if !["required", "requisite", "sufficient", "optional"].contains(&flag.to_lowercase().as_str()) {
            return Err(wrong("after the class, 'required' is expected"));
        }
        let mut options = Vec::new();
        while !rest.trim_start().is_empty() {
            let (key, after) = rest.split_once('=').ok_or_else(|| wrong("an option has no value"))?;
            let (value, after) = value(after).ok_or_else(|| wrong("a quotation mark is missing"))?;
            options.push((key.trim().to_owned(), Password(value)));
            rest = after;
        }
        Ok(Jaas { module: module.to_owned(), options })
    }
}

/// A value in quotation marks, with `\` before any that are meant, or a bare word; and what comes behind it.
fn value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// Everything about security.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecurityOptions {
    /// `security.protocol`.
    pub protocol: SecurityProtocol,
    /// `ssl.*`.
    pub tls: TlsOptions,
    /// `sasl.mechanism`; GSSAPI in Java if absent.
    pub sasl_mechanism: Option<SaslMechanism>,
    /// `sasl.jaas.config`.
    pub sasl_jaas: Option<Jaas>,
}

/// Known names of the Java clients that say no more than what is read here, or are for mechanisms that are not.
const ACCEPTED: &[&str] = &[
    "sasl.client.callback.handler.class",
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.service.name",
    "sasl.kerberos.ticket.renew.jitter",
    "sasl.kerberos.ticket.renew.window.factor",
    "ssl.cipher.suites",
    "ssl.engine.factory.class",
    "ssl.keymanager.algorithm",
    "ssl.protocol",
    "ssl.provider",
    "ssl.secure.random.implementation",
    "ssl.trustmanager.algorithm",
];

impl SecurityOptions {
    /// Sets one value by its Java name; false for names that are no settings of security.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let (tls, secret) = (&mut self.tls, || Some(Password::from(value)));
        match key {
            "security.protocol" => self.protocol = SecurityProtocol::parse(value)?,
            "sasl.mechanism" => self.sasl_mechanism = Some(SaslMechanism::parse(value)?),
            "sasl.jaas.config" => self.sasl_jaas = Some(Jaas::parse(value)?),
            "ssl.truststore.location" => tls.truststore_location = Some(value.into()),
            "ssl.truststore.certificates" => tls.truststore_certificates = Some(value.to_owned()),
            "ssl.truststore.type" => tls.truststore_type = store_type(value)?,
            "ssl.truststore.password" => tls.truststore_password = secret(),
            "ssl.keystore.location" => tls.keystore_location = Some(value.into()),
            "ssl.keystore.type" => tls.keystore_type = store_type(value)?,
            "ssl.keystore.password" => tls.keystore_password = secret(),
            "ssl.keystore.key" => tls.keystore_key = secret(),
            "ssl.keystore.certificate.chain" => tls.keystore_certificate_chain = Some(value.to_owned()),
            "ssl.key.password" => tls.key_password = secret(),
            "ssl.endpoint.identification.algorithm" => {
                tls.checks_host = match value.to_ascii_lowercase().as_str() {
                    "https" => true,
                    "" => false,
                    _ => return Err("https, or nothing for no check, is expected".to_owned()),
                };
            }
            "ssl.enabled.protocols" => {
                let list = value.split(',').map(str::trim).filter(|one| !one.is_empty());
                tls.enabled_protocols = list.map(str::to_owned).collect();
            }
            _ => return Ok(is_accepted(key)),
        }
        Ok(true)
    }

    /// Why no connection can be made so, if it cannot.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.protocol {
            SecurityProtocol::Plaintext => Ok(()),
            SecurityProtocol::Ssl | SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl => {
                Err("only PLAINTEXT is supported by this client so far".to_owned())
            }
        }
    }
}

fn is_accepted(key: &str) -> bool {
    // The log-in of OAUTHBEARER has some forty settings.
    ACCEPTED.contains(&key)
        || ["sasl.login.", "sasl.oauthbearer."].iter().any(|prefix| key.starts_with(prefix))
}

fn store_type(text: &str) -> Result<String, String> {
    let known = ["JKS", "PKCS12", "PEM"].into_iter().find(|one| one.eq_ignore_ascii_case(text));
    known.map(str::to_owned).ok_or_else(|| "JKS, PKCS12 or PEM is expected".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(settings: &[(&str, &str)]) -> Result<SecurityOptions, String> {
        let mut options = SecurityOptions::default();
        for (key, value) in settings {
            let is_known = options.set(key, value).map_err(|reason| format!("{key}: {reason}"))?;
            assert!(is_known, "{key}");
        }
        Ok(options)
    }

    #[test]
    fn javas_names() {
        let jaas =
            r#"a.b.ScramLoginModule required username="al\"ice" password="s=e c;ret" tokenauth=true ;"#;
        let options = set(&[
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.jaas.config", jaas),
            ("ssl.truststore.location", "/etc/trust.pem"),
            ("ssl.truststore.type", "pem"),
            ("ssl.keystore.password", "hush"),
            ("ssl.endpoint.identification.algorithm", ""),
            ("ssl.enabled.protocols", "TLSv1.3"),
            ("sasl.oauthbearer.token.endpoint.url", "https://a"),
        ]);
        let options = options.unwrap();
        assert_eq!(options.protocol, SecurityProtocol::SaslSsl);
        assert_eq!(options.sasl_mechanism, Some(SaslMechanism::ScramSha512));
        let login = options.sasl_jaas.as_ref().unwrap();
        assert_eq!(login.module, "a.b.ScramLoginModule");
        assert_eq!(
            (login.option("username"), login.option("password")),
            (Some("al\"ice"), Some("s=e c;ret"))
        );
        assert_eq!((login.option("tokenauth"), login.option("else")), (Some("true"), None));
        assert_eq!((options.tls.truststore_type.as_str(), options.tls.checks_host), ("PEM", false));
        let shown = format!("{options:?}");
        assert!(!shown.contains("hush") && !shown.contains("s=e") && !shown.contains("ice"), "{shown}");
        assert!(options.check().is_err() && SecurityOptions::default().check().is_ok());
    }

    #[test]
    fn what_is_wrong() {
        let problem = |key, value| set(&[(key, value)]).unwrap_err();
        assert_eq!(
            problem("security.protocol", "TLS"),
            "security.protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL is expected"
        );
        assert_eq!(problem("ssl.keystore.type", "zip"), "ssl.keystore.type: JKS, PKCS12 or PEM is expected");
        for (jaas, expected) in [
            ("a.B required", "it has to end with a semicolon"),
            ("a.B;", "a flag is missing"),
            ("a.B must x=1;", "after the class, 'required' is expected"),
            ("a.B required x;", "an option has no value"),
            ("a.B required x=\"1;", "a quotation mark is missing"),
        ] {
            let text = problem("sasl.jaas.config", jaas);
            assert!(text.starts_with(&format!("sasl.jaas.config: {expected}")), "{text}");
        }
        assert_eq!(SecurityOptions::default().set("bootstrap.servers", "a:1"), Ok(false));
    }
}
