//! SCRAM credentials of users: DescribeUserScramCredentials and AlterUserScramCredentials (KIP-554).
//!
//! Passwords never leave the client: it salts and hashes them as RFC 5802 says (PBKDF2 with the mechanism's HMAC),
//! and brokers keep keys that are derived from the result.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use rkafka_wire::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use rkafka_wire::messages::describe_user_scram_credentials_request::UserName;
use rkafka_wire::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};
use uuid::Uuid;

use super::{Admin, Each, text, unless_moved};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};

/// A mechanism of SASL/SCRAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScramMechanism {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl ScramMechanism {
    /// The fewest iterations that brokers accept, of either mechanism.
    pub const ITERATIONS_MIN: u32 = 4096;
    /// The most iterations that brokers accept, of either mechanism.
    pub const ITERATIONS_MAX: u32 = 16_384;

    /// The name that configurations and stock tools use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ScramMechanism::Sha256 => "SCRAM-SHA-256",
            ScramMechanism::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn code(self) -> i8 {
        match self {
            ScramMechanism::Sha256 => 1,
            ScramMechanism::Sha512 => 2,
        }
    }

    fn from_code(code: i8) -> Option<ScramMechanism> {
        [ScramMechanism::Sha256, ScramMechanism::Sha512].into_iter().find(|one| one.code() == code)
    }

    /// `Hi(password, salt, iterations)` of RFC 5802: what a broker derives its keys from. Like Java's client this
    /// takes the password's UTF-8 as it is, without SASLprep.
    #[must_use]
    pub fn salted_password(self, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
        let password = password.as_bytes();
        match self {
            ScramMechanism::Sha256 => {
                pbkdf2::pbkdf2_hmac_array::<sha2::Sha256, 32>(password, salt, iterations).to_vec()
            }
            ScramMechanism::Sha512 => {
                pbkdf2::pbkdf2_hmac_array::<sha2::Sha512, 64>(password, salt, iterations).to_vec()
            }
        }
    }
}

impl fmt::Display for ScramMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no mechanism.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no SCRAM mechanism: SCRAM-SHA-256 and SCRAM-SHA-512 are")]
pub struct ParseScramMechanismError(String);

impl FromStr for ScramMechanism {
    type Err = ParseScramMechanismError;

    fn from_str(text: &str) -> Result<ScramMechanism, ParseScramMechanismError> {
        let found =
            [ScramMechanism::Sha256, ScramMechanism::Sha512].into_iter().find(|one| one.name() == text);
        found.ok_or_else(|| ParseScramMechanismError(text.to_owned()))
    }
}

/// A credential of a user, as far as brokers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScramCredential {
    /// What it is for.
    pub mechanism: ScramMechanism,
    /// How often its password was hashed.
    pub iterations: u32,
}

/// A change of a user's credentials.
#[derive(Clone, PartialEq, Eq)]
pub enum ScramAlteration {
    /// Sets the password.
    Upsert {
        /// For this mechanism.
        mechanism: ScramMechanism,
        /// How often to hash it: [`ScramMechanism::ITERATIONS_MIN`] to [`ScramMechanism::ITERATIONS_MAX`].
        iterations: u32,
        /// The password.
        password: String,
        /// The salt; absent for one made by chance, as it should be.
        salt: Option<Vec<u8>>,
    },
    /// Removes the credential.
    Delete(ScramMechanism),
}

impl fmt::Debug for ScramAlteration {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScramAlteration::Upsert { mechanism, iterations, .. } => {
                write!(f, "Upsert {{ {mechanism}, {iterations} iterations }}")
            }
            ScramAlteration::Delete(mechanism) => write!(f, "Delete({mechanism})"),
        }
    }
}

impl Admin {
    /// The credentials of these users, or of all that have any (since 2.7). A user without credentials is its own
    /// error (RESOURCE_NOT_FOUND).
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers without SCRAM credentials.
    pub async fn describe_user_scram_credentials(
        &self,
        users: Option<&[String]>,
    ) -> Result<Each<String, Vec<ScramCredential>>, ClientError> {
        let named = |users: &[String]| {
            users.iter().map(|user| UserName::default().with_name(text(user))).collect::<Vec<_>>()
        };
        let request = DescribeUserScramCredentialsRequest::default().with_users(users.map(named));
        self.ask("describeUserScramCredentials", Route::Any, &request, |answer| {
            ApiError::check(answer.error_code, answer.error_message.as_deref())?;
            let results = answer.results.into_iter().map(|result| {
                let checked = ApiError::check(result.error_code, result.error_message.as_deref());
                let credentials = result.credential_infos.iter().filter_map(|one| {
                    let iterations = u32::try_from(one.iterations).ok()?;
                    Some(ScramCredential { mechanism: ScramMechanism::from_code(one.mechanism)?, iterations })
                });
                (result.user.to_string(), checked.map(|()| credentials.collect()))
            });
            Ok(results.collect())
        })
        .await
    }

    /// Changes credentials of users (since 2.7). Controllers of Apache Kafka take one change of a user in a request and
    /// refuse several with DUPLICATE_RESOURCE.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers without SCRAM credentials; why a user's change was refused is its
    /// own error (RESOURCE_NOT_FOUND for a credential to delete that is not there, UNACCEPTABLE_CREDENTIAL for too
    /// few or too many iterations).
    pub async fn alter_user_scram_credentials(
        &self,
        changes: &BTreeMap<String, Vec<ScramAlteration>>,
    ) -> Result<Each<String, ()>, ClientError> {
        let request = request(changes);
        self.ask("alterUserScramCredentials", Route::Controller, &request, |answer| {
            let results = answer.results.iter().map(|result| {
                let checked = ApiError::check(result.error_code, result.error_message.as_deref());
                (result.user.to_string(), checked)
            });
            unless_moved(results.collect())
        })
        .await
    }
}

fn request(changes: &BTreeMap<String, Vec<ScramAlteration>>) -> AlterUserScramCredentialsRequest {
    let mut request = AlterUserScramCredentialsRequest::default();
    for (user, changes) in changes {
        for change in changes {
            match change {
                ScramAlteration::Delete(mechanism) => request.deletions.push(
                    ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(mechanism.code()),
                ),
                ScramAlteration::Upsert { mechanism, iterations, password, salt } => {
                    let salt = salt.clone().unwrap_or_else(random_salt);
                    request.upsertions.push(upsertion(user, *mechanism, *iterations, password, salt));
                }
            }
        }
    }
    request
}

fn upsertion(
    user: &str,
    mechanism: ScramMechanism,
    iterations: u32,
    password: &str,
    salt: Vec<u8>,
) -> ScramCredentialUpsertion {
    // What brokers refuse anyway is not computed: four billion iterations take half an hour.
    let hashed = iterations.min(ScramMechanism::ITERATIONS_MAX);
    let salted = mechanism.salted_password(password, &salt, hashed);
    ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(mechanism.code())
        .with_iterations(i32::try_from(iterations).unwrap_or(i32::MAX))
        .with_salt(Bytes::from(salt))
        .with_salted_password(Bytes::from(salted))
}

/// 244 bits from the operating system's source of chance.
fn random_salt() -> Vec<u8> {
    [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 7677's example: user `user`, password `pencil`.
    #[test]
    fn salting_as_the_rfc() {
        let salt =
            [0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81];
        assert_eq!(
            hex(&ScramMechanism::Sha256.salted_password("pencil", &salt, 4096)),
            "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d"
        );
        // One more from `python3 -c "import hashlib; hashlib.pbkdf2_hmac('sha512', …)"`.
        assert_eq!(
            hex(&ScramMechanism::Sha512.salted_password("пароль", b"salt", 4096)),
            "db7773ef2ad49f9206ef1ea81b1931ca6bc9227a2852ca678bed627653fea521\
             e95ea073ba38660aa7089e04b456045674c722846e4d80e1a8e48087c6b26804"
        );
    }

    #[test]
    fn changes_on_the_wire() {
        let upsert = ScramAlteration::Upsert {
            mechanism: ScramMechanism::Sha512,
            iterations: 4096,
            password: "secret".into(),
            salt: None,
        };
        assert!(!format!("{upsert:?}").contains("secret"));
        let changes = BTreeMap::from([(
            "alice".to_owned(),
            vec![upsert, ScramAlteration::Delete(ScramMechanism::Sha256)],
        )]);
        let [one, other] = [request(&changes), request(&changes)];
        assert_eq!((&*one.deletions[0].name, one.deletions[0].mechanism), ("alice", 1));
        let upserted = &one.upsertions[0];
        assert_eq!((upserted.mechanism, upserted.iterations, upserted.salted_password.len()), (2, 4096, 64));
        assert_eq!(upserted.salt.len(), 32);
        assert_ne!(upserted.salt, other.upsertions[0].salt, "salts are made by chance");
    }

    #[test]
    fn names() {
        for mechanism in [ScramMechanism::Sha256, ScramMechanism::Sha512] {
            assert_eq!(mechanism.name().parse(), Ok(mechanism));
        }
        let error = "SCRAM-SHA-1".parse::<ScramMechanism>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "'SCRAM-SHA-1' is no SCRAM mechanism: SCRAM-SHA-256 and SCRAM-SHA-512 are"
        );
    }
}
