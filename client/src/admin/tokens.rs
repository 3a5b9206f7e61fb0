//! Delegation tokens: create, renew, expire and describe them (KIP-48, owners by KIP-373).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use rkafka_wire::messages::create_delegation_token_request::CreatableRenewers;
use rkafka_wire::messages::describe_delegation_token_request::DescribeDelegationTokenOwner;
use rkafka_wire::messages::{
    CreateDelegationTokenRequest, DescribeDelegationTokenRequest, ExpireDelegationTokenRequest,
    RenewDelegationTokenRequest,
};

use super::{Admin, text};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::net::Connection;

/// The first version that creates tokens for others.
const FIRST_WITH_OWNERS: i16 = 3;

/// Somebody, by kind and name: `User` and `alice`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal {
    /// The kind, `User` unless brokers are extended.
    pub kind: String,
    /// The name.
    pub name: String,
}

impl Principal {
    /// The user of this name.
    pub fn user(name: impl Into<String>) -> Principal {
        Principal { kind: "User".to_owned(), name: name.into() }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

/// A token to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewDelegationToken {
    /// For whom, if not for who asks (since 3.3).
    pub owner: Option<Principal>,
    /// Who may renew it besides its owner.
    pub renewers: Vec<Principal>,
    /// How long it can be renewed; the broker's `delegation.token.max.lifetime.ms` if absent or longer.
    pub max_lifetime: Option<Duration>,
}

/// A delegation token. Times are milliseconds since 1970.
#[derive(Clone, PartialEq, Eq)]
pub struct DelegationToken {
    /// Its id: the user name to log in with.
    pub id: String,
    /// Its secret: the password to log in with, in base64.
    pub hmac: Bytes,
    /// For whom it is.
    pub owner: Principal,
    /// Who asked for it.
    pub requester: Principal,
    /// Who may renew it besides its owner; not told of one just created.
    pub renewers: Vec<Principal>,
    /// When it was made.
    pub issued_ms: i64,
    /// Until when it is good unless it is renewed.
    pub expires_ms: i64,
    /// Until when it can be renewed.
    pub last_ms: i64,
}

impl fmt::Debug for DelegationToken {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DelegationToken {{ {} of {}, expires {} }}", self.id, self.owner, self.expires_ms)
    }
}

impl Admin {
    /// Creates a token.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers without tokens; the broker's refusal: DELEGATION_TOKEN_AUTH_DISABLED
    /// without a master key, DELEGATION_TOKEN_REQUEST_NOT_ALLOWED on connections that do not say who asks.
    pub async fn create_delegation_token(
        &self,
        new: &NewDelegationToken,
    ) -> Result<DelegationToken, ClientError> {
        let renewer = |renewer: &Principal| {
            CreatableRenewers::default()
                .with_principal_type(text(&renewer.kind))
                .with_principal_name(text(&renewer.name))
        };
        let request = CreateDelegationTokenRequest::default()
            .with_renewers(new.renewers.iter().map(renewer).collect())
            .with_owner_principal_type(new.owner.as_ref().map(|owner| text(&owner.kind)))
            .with_owner_principal_name(new.owner.as_ref().map(|owner| text(&owner.name)))
            .with_max_lifetime_ms(new.max_lifetime.map_or(-1, millis));
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<CreateDelegationTokenRequest>()?;
                if version < FIRST_WITH_OWNERS && new.owner.is_some() {
                    let feature = "delegation tokens for others".to_owned();
                    return Err(ClientError::TooOld { address: connection.address().to_string(), feature });
                }
                let answer = connection.call(version, request).await?;
                ApiError::check(answer.error_code, None)?;
                let owner = principal(&answer.principal_type, &answer.principal_name);
                let (kind, name) =
                    (&answer.token_requester_principal_type, &answer.token_requester_principal_name);
                Ok(DelegationToken {
                    id: answer.token_id.to_string(),
                    hmac: answer.hmac,
                    requester: if name.is_empty() { owner.clone() } else { principal(kind, name) },
                    owner,
                    renewers: Vec::new(),
                    issued_ms: answer.issue_timestamp_ms,
                    expires_ms: answer.expiry_timestamp_ms,
                    last_ms: answer.max_timestamp_ms,
                })
            }
        };
        self.cluster.retry("createDelegationToken", Route::Controller, attempt).await
    }

    /// Makes a token good for another `period`, or for the broker's `delegation.token.expiry.time.ms`. The result is
    /// until when, in milliseconds since 1970.
    ///
    /// # Errors
    /// As [`Admin::create_delegation_token`]; a token that is not known or has expired.
    pub async fn renew_delegation_token(
        &self,
        hmac: &Bytes,
        period: Option<Duration>,
    ) -> Result<i64, ClientError> {
        let request = RenewDelegationTokenRequest::default()
            .with_hmac(hmac.clone())
            .with_renew_period_ms(period.map_or(-1, millis));
        self.ask("renewDelegationToken", Route::Controller, &request, |answer| {
            ApiError::check(answer.error_code, None)?;
            Ok(answer.expiry_timestamp_ms)
        })
        .await
    }

    /// Lets a token expire after `after`, or removes it at once. The result is when, in milliseconds since 1970.
    ///
    /// # Errors
    /// As [`Admin::renew_delegation_token`].
    pub async fn expire_delegation_token(
        &self,
        hmac: &Bytes,
        after: Option<Duration>,
    ) -> Result<i64, ClientError> {
        let request = ExpireDelegationTokenRequest::default()
            .with_hmac(hmac.clone())
            .with_expiry_time_period_ms(after.map_or(-1, millis));
        self.ask("expireDelegationToken", Route::Controller, &request, |answer| {
            ApiError::check(answer.error_code, None)?;
            Ok(answer.expiry_timestamp_ms)
        })
        .await
    }

    /// The tokens of these owners, or all that one may see.
    ///
    /// # Errors
    /// As [`Admin::create_delegation_token`].
    pub async fn describe_delegation_tokens(
        &self,
        owners: Option<&[Principal]>,
    ) -> Result<Vec<DelegationToken>, ClientError> {
        let owner = |owner: &Principal| {
            DescribeDelegationTokenOwner::default()
                .with_principal_type(text(&owner.kind))
                .with_principal_name(text(&owner.name))
        };
        let owners = owners.map(|owners| owners.iter().map(owner).collect());
        let request = DescribeDelegationTokenRequest::default().with_owners(owners);
        self.ask("describeDelegationToken", Route::Any, &request, |answer| {
            ApiError::check(answer.error_code, None)?;
            let tokens = answer.tokens.into_iter().map(|token| {
                let renewers = token.renewers.iter();
                let owner = principal(&token.principal_type, &token.principal_name);
                let (kind, name) =
                    (&token.token_requester_principal_type, &token.token_requester_principal_name);
                DelegationToken {
                    id: token.token_id.to_string(),
                    hmac: token.hmac,
                    requester: if name.is_empty() { owner.clone() } else { principal(kind, name) },
                    owner,
                    renewers: renewers
                        .map(|one| principal(&one.principal_type, &one.principal_name))
                        .collect(),
                    issued_ms: token.issue_timestamp,
                    expires_ms: token.expiry_timestamp,
                    last_ms: token.max_timestamp,
                }
            });
            Ok(tokens.collect())
        })
        .await
    }
}

fn principal(kind: &str, name: &str) -> Principal {
    Principal { kind: kind.to_owned(), name: name.to_owned() }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
