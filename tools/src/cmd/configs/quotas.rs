//! Quotas of users, clients and IP addresses, and SCRAM credentials of users.

use std::collections::BTreeMap;

use rkafka_client::{
    Admin, AlterConfigOp, ApiError, ClientError, ErrorCode, QuotaEntity, QuotaFilter, QuotaMatch, Quotas,
    ScramAlteration, ScramMechanism,
};
use serde_json::json;

use super::changes::Changes;
use super::options::{EntityType, Options};
use crate::common::connect::{self, Problem};
use crate::common::failure::Failure;
use crate::common::output::{self, Format, Rows};

/// Settings of users and of clients that are quotas; everything else of a user is a SCRAM mechanism.
const QUOTAS: [&str; 4] =
    ["controller_mutation_rate", "consumer_byte_rate", "producer_byte_rate", "request_percentage"];

/// The one quota of IP addresses.
const OF_IPS: &str = "connection_creation_rate";

/// How often a password is hashed unless the command line says otherwise.
const DEFAULT_ITERATIONS: u32 = 4096;

/// Whom it is about: kinds with their names; an empty name is the default of the kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) kinds: Vec<EntityType>,
    /// As many as kinds, or fewer when describing: any name.
    pub(super) names: Vec<String>,
}

/// What is to be changed.
#[derive(Debug, Clone, PartialEq)]
enum Change {
    Quotas(BTreeMap<String, Option<f64>>),
    Credentials(Vec<ScramAlteration>),
}

fn kind_name(kind: EntityType) -> &'static str {
    match kind {
        EntityType::Clients => QuotaEntity::CLIENT_ID,
        EntityType::Ips => QuotaEntity::IP,
        _ => QuotaEntity::USER,
    }
}

impl Target {
    /// The entity that is changed; a name for every kind is there.
    fn entity(&self) -> QuotaEntity {
        let parts = self.kinds.iter().zip(&self.names);
        parts.fold(QuotaEntity::default(), |entity, (kind, name)| {
            entity.with(kind_name(*kind), Some(name.as_str()).filter(|name| !name.is_empty()))
        })
    }

    fn filter(&self) -> QuotaFilter {
        let names = self.names.iter().map(Some).chain(std::iter::repeat(None));
        let parts = self.kinds.iter().zip(names);
        let filter = parts.fold(QuotaFilter::all(), |filter, (kind, name)| {
            let names = match name {
                Some(name) if name.is_empty() => QuotaMatch::Default,
                Some(name) => QuotaMatch::Exactly(name.clone()),
                None => QuotaMatch::Any,
            };
            filter.with(kind_name(*kind), names)
        });
        filter.only()
    }

    /// The change, after the stock tool's checks in its order and words.
    fn change(&self, changes: &Changes) -> Result<Change, String> {
        let is_scram = |name: &str| name.parse::<ScramMechanism>().is_ok();
        let is_quota = |name: &str| QUOTAS.contains(&name);
        let is_added = |change: &AlterConfigOp| *change != AlterConfigOp::Delete;
        let of = |wanted: bool| changes.iter().filter(move |(_, change)| is_added(change) == wanted);
        let first = self.kinds.first().copied().unwrap_or(EntityType::Users);
        for (is_addition, what) in [(true, "added"), (false, "deleted")] {
            let names = of(is_addition).map(|(name, _)| name.as_str());
            let (kind, which, unknown): (_, _, Vec<&str>) = match first {
                EntityType::Ips => {
                    ("ips", "connection quota", names.filter(|name| *name != OF_IPS).collect())
                }
                EntityType::Users if self.kinds.len() == 1 => {
                    let unknown = names.filter(|name| !is_quota(name) && !is_scram(name));
                    ("users", "quota and SCRAM credential", unknown.collect())
                }
                _ => ("clients", "quota", names.filter(|name| !is_quota(name)).collect()),
            };
            if !unknown.is_empty() {
                let unknown = unknown.join(",");
                let what = if first == EntityType::Ips { "added" } else { what };
                return Err(format!(
                    "Only {which} configs can be {what} for '{kind}' using --bootstrap-server. Unexpected config names: \
                     {unknown}"
                ));
            }
        }
        let credentials = changes.keys().any(|name| is_scram(name));
        if !credentials {
            return quotas(changes).map(Change::Quotas);
        }
        if self.names.iter().any(String::is_empty) {
            return Err("The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using \
                        --bootstrap-server."
                .to_owned());
        }
        if changes.keys().any(|name| is_quota(name)) {
            return Err(
                "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using \
                        --bootstrap-server."
                    .to_owned(),
            );
        }
        let alterations = changes.iter().map(|(name, change)| credential(name, change));
        alterations.collect::<Result<_, _>>().map(Change::Credentials)
    }
}

fn quotas(changes: &Changes) -> Result<BTreeMap<String, Option<f64>>, String> {
    let quota = |(name, change): (&String, &AlterConfigOp)| match change {
        AlterConfigOp::Set(value) => match value.trim().parse::<f64>() {
            Ok(number) => Ok((name.clone(), Some(number))),
            Err(_) => Err(format!("Cannot parse quota configuration value for {name}: {value}")),
        },
        _ => Ok((name.clone(), None)),
    };
    changes.iter().map(quota).collect()
}

/// Reads `SCRAM-SHA-256=[iterations=8192,password=secret]`.
fn credential(name: &str, change: &AlterConfigOp) -> Result<ScramAlteration, String> {
    let mechanism: ScramMechanism = name.parse().map_err(|_| format!("unknown mechanism {name}"))?;
    let AlterConfigOp::Set(text) = change else { return Ok(ScramAlteration::Delete(mechanism)) };
    // The value is a secret: it is not repeated.
    let invalid = || {
        format!(
            "Invalid credential property {name}: iterations=number,password=text or password=text is expected"
        )
    };
    let (iterations, rest) = match text.strip_prefix("iterations=").map(|rest| rest.split_once(',')) {
        Some(Some(("-1" | "", rest))) => (DEFAULT_ITERATIONS, rest),
        Some(Some((iterations, rest))) => (iterations.parse().map_err(|_| invalid())?, rest),
        Some(None) => return Err(invalid()),
        None => (DEFAULT_ITERATIONS, text.as_str()),
    };
    let password = rest.strip_prefix("password=").ok_or_else(invalid)?.to_owned();
    let min = ScramMechanism::ITERATIONS_MIN;
    if iterations < min {
        return Err(format!("Iterations {iterations} is less than the minimum {min} required for {name}"));
    }
    Ok(ScramAlteration::Upsert { mechanism, iterations, password, salt: None })
}

pub(super) async fn alter(admin: &Admin, target: &Target, changes: &Changes) -> Result<(), Problem> {
    if target.kinds.len() != target.names.len() {
        return Err(Failure::message("An entity name must be specified for every entity type").into());
    }
    match target.change(changes).map_err(Failure::message)? {
        Change::Quotas(quotas) => alter_quotas(admin, target, quotas).await,
        Change::Credentials(alterations) => {
            let user = target.names.first().cloned().unwrap_or_default();
            let altered = admin.alter_user_scram_credentials(&BTreeMap::from([(user, alterations)])).await?;
            Ok(altered.into_iter().try_for_each(|(_, result)| result)?)
        }
    }
}

async fn alter_quotas(
    admin: &Admin,
    target: &Target,
    quotas: BTreeMap<String, Option<f64>>,
) -> Result<(), Problem> {
    let present = admin.describe_client_quotas(&target.filter()).await?;
    let present = present.into_values().next().unwrap_or_default();
    let deleted = quotas.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name);
    let absent: Vec<&str> = deleted.filter(|name| !present.contains_key(*name)).map(String::as_str).collect();
    if !absent.is_empty() {
        return Err(Failure::message(format!("Invalid config(s): {}", absent.join(","))).into());
    }
    let altered = admin.alter_client_quotas(&BTreeMap::from([(target.entity(), quotas)]), false).await?;
    Ok(altered.into_iter().try_for_each(|(_, result)| result)?)
}

pub(super) async fn describe(admin: &Admin, options: &Options, target: &Target) -> Result<(), Problem> {
    if target.names.len() > target.kinds.len() {
        return Err(Failure::message("More entity names specified than entity types").into());
    }
    let as_2_2 = options.connect.zookeeper.is_some();
    let mut rows = Rows::new(&["entity", "name", "value"]);
    let mut text = String::new();
    for (entity, quotas) in admin.describe_client_quotas(&target.filter()).await? {
        let name = described(&entity);
        text.push_str(&line(&name, &quotas, as_2_2));
        for (key, value) in quotas {
            rows.push([json!(name), json!(key), json!(value)]);
        }
    }
    let has_default = target.names.iter().any(String::is_empty);
    if target.kinds == [EntityType::Users] && !has_default {
        for (user, credentials) in credentials(admin, &target.names).await? {
            let name = format!("user-principal '{user}'");
            match credentials {
                Ok(credentials) => {
                    let pairs: Vec<(&str, String)> = credentials
                        .iter()
                        .map(|one| (one.mechanism.name(), format!("iterations={}", one.iterations)))
                        .collect();
                    let all: Vec<String> =
                        pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
                    text.push_str(&format!("SCRAM credential configs for {name} are {}\n", all.join(", ")));
                    pairs.iter().for_each(|(key, value)| rows.push([json!(name), json!(key), json!(value)]));
                }
                Err(error) => {
                    let described = connect::described(&ClientError::from(error));
                    let described = described.rsplit("errors.").next().unwrap_or_default();
                    text.push_str(&format!(
                        "Error retrieving SCRAM credential configs for {name}: {described}\n"
                    ));
                }
            }
        }
    }
    if options.output.output == Format::Plain && text.is_empty() {
        return Ok(());
    }
    Ok(output::print(options.output.output, &rows, || text)?)
}

type Credentials = Vec<(String, Result<Vec<rkafka_client::ScramCredential>, ApiError>)>;

/// The credentials of the users that have any. A cluster without SCRAM has none.
async fn credentials(admin: &Admin, users: &[String]) -> Result<Credentials, Problem> {
    let users = (!users.is_empty()).then_some(users);
    let mut found = admin.describe_user_scram_credentials(users).await?;
    found.retain(|(_, one)| !one.as_ref().is_err_and(|error| error.code == ErrorCode::ResourceNotFound));
    found.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(found)
}

/// As the stock tool names an entity.
fn described(entity: &QuotaEntity) -> String {
    let part = |(kind, shown): (&str, &str)| {
        let name = entity.names().get(kind)?;
        Some(match name {
            Some(name) => format!("{shown} '{name}'"),
            None => format!("the default {shown}"),
        })
    };
    let kinds = [
        (QuotaEntity::USER, "user-principal"),
        (QuotaEntity::CLIENT_ID, "client-id"),
        (QuotaEntity::IP, "ip"),
    ];
    kinds.into_iter().filter_map(part).collect::<Vec<_>>().join(", ")
}

fn line(name: &str, quotas: &Quotas, as_2_2: bool) -> String {
    if as_2_2 {
        let name = name.replace("the default", "default");
        let pairs: Vec<String> = quotas.iter().map(|(key, value)| format!("{key}={value}")).collect();
        return format!("Configs for {name} are {}\n", pairs.join(","));
    }
    let pairs: Vec<String> =
        quotas.iter().map(|(key, value)| format!("{key}={}", java_double(*value))).collect();
    format!("Quota configs for {name} are {}\n", pairs.join(", "))
}

/// A number as Java writes it: `1024.0`, `1.0E7`.
fn java_double(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 || (1e-3..1e7).contains(&size) || !size.is_finite() {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::configs::changes;

    fn target(kinds: &[EntityType], names: &[&str]) -> Target {
        Target { kinds: kinds.to_vec(), names: names.iter().map(|name| (*name).to_owned()).collect() }
    }

    fn change(kinds: &[EntityType], names: &[&str], add: &str, delete: &[&str]) -> Result<Change, String> {
        let delete: Vec<String> = delete.iter().map(|name| (*name).to_owned()).collect();
        let add = Some(add).filter(|add| !add.is_empty());
        target(kinds, names).change(&changes::read(add, None, &delete).unwrap())
    }

    #[test]
    fn what_may_be_changed() {
        use EntityType::{Clients, Ips, Users};
        let quotas = change(&[Users], &["u"], "producer_byte_rate=1024", &["request_percentage"]).unwrap();
        let expected =
            [("producer_byte_rate".to_owned(), Some(1024.0)), ("request_percentage".to_owned(), None)];
        assert_eq!(quotas, Change::Quotas(expected.into()));
        let check = |kinds: &[EntityType], names: &[&str], add: &str, expected: &str| {
            assert_eq!(change(kinds, names, add, &[]).unwrap_err(), expected, "{add}");
        };
        let only = "Only quota configs can be added for 'clients' using --bootstrap-server. Unexpected config names: ";
        check(&[Clients], &["c"], "a=1", &format!("{only}a"));
        check(&[Users, Clients], &["u", "c"], "SCRAM-SHA-256=[password=p]", &format!("{only}SCRAM-SHA-256"));
        check(
            &[Users],
            &["u"],
            "a=1",
            "Only quota and SCRAM credential configs can be added for 'users' using --bootstrap-server. Unexpected \
             config names: a",
        );
        check(
            &[Ips],
            &["127.0.0.1"],
            "producer_byte_rate=1",
            "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: \
             producer_byte_rate",
        );
        check(
            &[Users],
            &["u"],
            "producer_byte_rate=fast",
            "Cannot parse quota configuration value for producer_byte_rate: fast",
        );
        check(
            &[Users],
            &[""],
            "SCRAM-SHA-256=[password=p]",
            "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using \
             --bootstrap-server.",
        );
        check(
            &[Users],
            &["u"],
            "SCRAM-SHA-256=[password=p],producer_byte_rate=1",
            "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.",
        );
    }

    #[test]
    fn credentials_of_users() {
        let read = |text: &str| {
            let set = AlterConfigOp::Set(text.to_owned());
            credential("SCRAM-SHA-512", &set).map(|alteration| match alteration {
                ScramAlteration::Upsert { iterations, password, .. } => (iterations, password),
                ScramAlteration::Delete(_) => panic!("deleted"),
            })
        };
        assert_eq!(read("password=a=b,c"), Ok((4096, "a=b,c".to_owned())));
        assert_eq!(read("iterations=8192,password=p"), Ok((8192, "p".to_owned())));
        assert_eq!(read("iterations=-1,password=p"), Ok((4096, "p".to_owned())));
        let few = "Iterations 10 is less than the minimum 4096 required for SCRAM-SHA-512";
        assert_eq!(read("iterations=10,password=p"), Err(few.to_owned()));
        for wrong in ["secret", "iterations=9000", "iterations=x,password=p"] {
            assert!(
                read(wrong).unwrap_err().starts_with("Invalid credential property SCRAM-SHA-512:"),
                "{wrong}"
            );
            assert!(!read(wrong).unwrap_err().contains("secret"), "passwords are not repeated");
        }
    }

    #[test]
    fn lines_as_the_stock_tools_write_them() {
        let quotas = Quotas::from([("a".to_owned(), 1024.0), ("b".to_owned(), 1e7), ("c".to_owned(), 0.5)]);
        let entity = QuotaEntity::default().user("u").default_client_id();
        let name = described(&entity);
        assert_eq!(
            line(&name, &quotas, false),
            "Quota configs for user-principal 'u', the default client-id are a=1024.0, b=1.0E7, c=0.5\n"
        );
        assert_eq!(
            line(&name, &quotas, true),
            "Configs for user-principal 'u', default client-id are a=1024,b=10000000,c=0.5\n"
        );
        assert_eq!(java_double(12_345_678.0), "1.2345678E7");
        assert_eq!(java_double(0.0001), "1.0E-4");
    }
}
