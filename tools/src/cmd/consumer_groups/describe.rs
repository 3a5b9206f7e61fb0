//! `--describe`: offsets, members or state of groups.

use std::collections::{BTreeMap, BTreeSet};

use rkafka_client::{Admin, CommittedOffset, GroupDescription, GroupMember, OffsetSpec};

use super::options::Options;
use super::tables::{self, OffsetRow};
use super::{say_error, told, wanted_groups};
use crate::common::connect::{self, Problem};
use crate::common::output::{self, Format, Rows};

pub(super) async fn describe(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let ids = wanted_groups(admin, options).await?;
    let mut groups = Vec::new();
    for (_, described) in admin.describe_groups(&ids).await? {
        groups.push(described.map_err(|error| told(&connect::described(&error.into())))?);
    }
    let is_plain = options.output.output == Format::Plain;
    let mut rows = match (options.members, options.state.is_some()) {
        (true, _) => tables::member_rows(),
        (_, true) => tables::state_rows(),
        _ => tables::offset_rows(),
    };
    for group in &groups {
        if options.members {
            print_members(options, group, is_plain, &mut rows)?;
        } else if options.state.is_some() {
            print_state(options, group, is_plain, &mut rows)?;
        } else {
            let offsets = offsets(admin, group).await?;
            if is_plain && say_state(group, offsets.len())? {
                output::write(&tables::offsets(&offsets, options.verbose))?;
            }
            offsets.iter().for_each(|row| tables::push_offset(&mut rows, row));
        }
    }
    if !is_plain {
        output::print(options.output.output, &rows, String::new)?;
    }
    Ok(())
}

fn print_members(
    options: &Options,
    group: &GroupDescription,
    is_plain: bool,
    rows: &mut Rows,
) -> Result<(), Problem> {
    if is_plain {
        say_state(group, group.members.len())?;
        output::write(&tables::members(group, options.verbose))?;
    }
    group.members.iter().for_each(|member| tables::push_member(rows, &group.id, member));
    Ok(())
}

fn print_state(
    options: &Options,
    group: &GroupDescription,
    is_plain: bool,
    rows: &mut Rows,
) -> Result<(), Problem> {
    if is_plain && say_state(group, 1)? {
        output::write(&tables::state(group, options.verbose))?;
    }
    tables::push_state(rows, group);
    Ok(())
}

/// Says what is special about the group's state; whether there is more to show.
fn say_state(group: &GroupDescription, rows: usize) -> Result<bool, Problem> {
    let id = &group.id;
    match group.state.as_str() {
        "Dead" => {
            say_error(&format!("Consumer group '{id}' does not exist."))?;
            return Ok(false);
        }
        "Empty" => eprintln!("\nConsumer group '{id}' has no active members."),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            eprintln!("\nWarning: Consumer group '{id}' is rebalancing.");
        }
        _ => {}
    }
    Ok(rows > 0)
}

/// A row for each partition: those of members first, the member with most of them on top, then those that only
/// have an offset.
async fn offsets(admin: &Admin, group: &GroupDescription) -> Result<Vec<OffsetRow>, Problem> {
    let committed = admin.group_offsets(&group.id).await?;
    let mut members: Vec<&GroupMember> =
        group.members.iter().filter(|member| !member.assignment.is_empty()).collect();
    members.sort_by_key(|member| std::cmp::Reverse(member.assignment.len()));
    let assigned: BTreeSet<&(String, i32)> = members.iter().flat_map(|member| &member.assignment).collect();
    let mut wanted: Vec<(&(String, i32), Option<&GroupMember>)> = members
        .iter()
        .flat_map(|member| member.assignment.iter().map(|partition| (partition, Some(*member))))
        .collect();
    wanted.extend(committed.keys().filter(|key| !assigned.contains(key)).map(|key| (key, None)));
    let ends = ends(admin, &wanted).await?;
    let row = |(partition, member): (&(String, i32), Option<&GroupMember>)| {
        let committed: Option<&CommittedOffset> = committed.get(partition);
        let end = ends.get(partition).copied();
        let current = committed.map(|committed| committed.offset);
        OffsetRow {
            group: group.id.clone(),
            topic: partition.0.clone(),
            partition: partition.1,
            leader_epoch: committed.and_then(|committed| committed.leader_epoch),
            current,
            end,
            lag: current.zip(end).map(|(current, end)| end.saturating_sub(current)),
            consumer_id: member.map(|member| member.id.clone()),
            host: member.map(|member| member.host.clone()),
            client_id: member.map(|member| member.client_id.clone()),
        }
    };
    Ok(wanted.into_iter().map(row).collect())
}

/// The ends of the logs; those of partitions that are gone are not known.
async fn ends(
    admin: &Admin,
    partitions: &[(&(String, i32), Option<&GroupMember>)],
) -> Result<BTreeMap<(String, i32), i64>, Problem> {
    let wanted: BTreeMap<_, _> =
        partitions.iter().map(|(partition, _)| ((*partition).clone(), OffsetSpec::Latest)).collect();
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let listed = admin.list_offsets(&wanted, false).await?;
    Ok(listed.into_iter().filter_map(|(partition, found)| Some((partition, found.ok()?.offset?))).collect())
}
