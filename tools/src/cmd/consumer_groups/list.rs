//! `--list`, with `--state` and `--type`.

use rkafka_client::{Admin, GroupListing};
use serde_json::json;

use super::options::Options;
use crate::cmd::groups::capitalised;
use crate::common::connect::Problem;
use crate::common::failure::Failure;
use crate::common::output::{self, Rows};

/// In the order in which the stock tool names them.
const STATES: [&str; 7] =
    ["CompletingRebalance", "Assigning", "Reconciling", "Stable", "PreparingRebalance", "Dead", "Empty"];
const TYPES: [&str; 2] = ["Consumer", "Classic"];

pub(super) async fn list(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let states = filter("state", &STATES, options.state.as_deref())?;
    let types = filter("types", &TYPES, options.group_type.as_deref())?;
    let mut groups = admin.list_groups(&states, &types).await?;
    groups.retain(is_of_consumers);
    let mut rows = Rows::new(&["group", "type", "state"]);
    for group in &groups {
        rows.push([json!(group.id), json!(group.group_type), json!(group.state)]);
    }
    output::print(options.output.output, &rows, || plain(&groups, options))?;
    Ok(())
}

/// Groups of consumers, and those that are offsets without members.
pub(super) fn is_of_consumers(group: &GroupListing) -> bool {
    matches!(group.protocol_type.as_str(), "consumer" | "")
}

fn filter(what: &str, known: &[&str], given: Option<&str>) -> Result<Vec<String>, Failure> {
    let Some(given) = given.filter(|given| !given.is_empty()) else { return Ok(Vec::new()) };
    let find = |name: &str| known.iter().find(|known| known.eq_ignore_ascii_case(name.trim()));
    let found: Option<Vec<String>> =
        given.split(',').map(|name| find(name).map(|name| (*name).to_owned())).collect();
    found.ok_or_else(|| {
        let valid = if what == "state" { "states" } else { what };
        Failure::usage(format!("Invalid {what} list '{given}'. Valid {valid} are: {}", known.join(", ")))
    })
}

fn plain(groups: &[GroupListing], options: &Options) -> String {
    let with_type = options.group_type.is_some();
    let with_state = options.state.is_some();
    if !with_type && !with_state {
        return groups.iter().map(|group| format!("{}\n", group.id)).collect();
    }
    let widest = groups.iter().map(|group| group.id.chars().count()).fold(15, usize::max);
    let width = widest + 10;
    let line = |id: &str, group_type: &str, state: &str| {
        let mut line = format!("{id:<width$}");
        for (is_shown, cell) in [(with_type, group_type), (with_state, state)] {
            if is_shown {
                line.push_str(&format!(" {cell:<20}"));
            }
        }
        line + "\n"
    };
    let mut text = line("GROUP", "TYPE", "STATE");
    for group in groups {
        let group_type = capitalised(group.group_type.as_deref().unwrap_or("unknown"));
        text.push_str(&line(&group.id, &group_type, group.state.as_deref().unwrap_or("Unknown")));
    }
    text
}
