//! Names that only a broker knows. It is given a second; without an answer there are none, and nothing is said.

use std::time::Duration;

use crate::common::connect;
use crate::common::profile::Profile;

/// How long the shell may wait for names.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a broker is looked for when neither the command line nor a profile names one.
const DEFAULT_BROKER: &str = "localhost:9092";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Topics,
    Groups,
}

/// The names in the cluster at `servers`, else in that of the profile.
pub(super) fn names(what: Names, servers: Option<&str>, cluster: Option<&str>) -> Vec<String> {
    let profile = Profile::find(cluster.map(str::to_owned)).ok().flatten();
    let servers = servers.or(profile.as_ref().map(|profile| profile.servers.as_str()));
    let servers = servers.unwrap_or(DEFAULT_BROKER);
    let Ok(mut config) = connect::client_config(Some(servers), None, "rkafka-completions") else {
        return Vec::new();
    };
    (config.connect_timeout, config.request_timeout, config.default_api_timeout) =
        (PATIENCE, PATIENCE, PATIENCE);
    let found = connect::with_cluster(config, async |admin| {
        Ok(match what {
            Names::Topics => admin.list_topics().await?.into_iter().map(|topic| topic.name).collect(),
            Names::Groups => admin.list_groups(&[], &[]).await?.into_iter().map(|group| group.id).collect(),
        })
    });
    found.unwrap_or_default()
}
