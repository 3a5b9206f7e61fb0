//! The lines of `--describe`, as the stock tool prints them, and the same as rows for tables and JSON.

use std::collections::BTreeMap;
use std::fmt::Display;

use rkafka_client::{GroupDescription, GroupMember};
use serde_json::json;

use crate::common::output::Rows;

/// The narrowest columns of names.
const WIDTH: usize = 15;

/// A partition of a group.
pub(super) struct OffsetRow {
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) leader_epoch: Option<i32>,
    pub(super) current: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) lag: Option<i64>,
    pub(super) consumer_id: Option<String>,
    pub(super) host: Option<String>,
    pub(super) client_id: Option<String>,
}

/// What there is, or a dash.
fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// The width of the widest of these, or `least`.
fn width<'a>(least: usize, cells: impl Iterator<Item = &'a str>) -> usize {
    cells.map(|cell| cell.chars().count()).fold(least, usize::max)
}

pub(super) fn offsets(rows: &[OffsetRow], verbose: bool) -> String {
    let group_width = width(WIDTH, rows.iter().map(|row| row.group.as_str()));
    let topic_width = width(WIDTH, rows.iter().map(|row| row.topic.as_str()));
    let id_width = width(WIDTH, rows.iter().filter_map(|row| row.consumer_id.as_deref()));
    let host_width = width(WIDTH, rows.iter().filter_map(|row| row.host.as_deref()));
    let line = |[group, topic, partition, epoch, current, end, lag, id, host, client]: [&str; 10]| {
        let epoch = if verbose { format!("{epoch:<15} ") } else { String::new() };
        format!(
            "\n{group:<group_width$} {topic:<topic_width$} {partition:<10} {epoch}{current:<15} {end:<15} {lag:<15} \
             {id:<id_width$} {host:<host_width$} {client}"
        )
    };
    let mut text = line([
        "GROUP",
        "TOPIC",
        "PARTITION",
        "LEADER-EPOCH",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ]);
    for row in rows {
        text.push_str(&line([
            &row.group,
            &row.topic,
            &row.partition.to_string(),
            &or_dash(row.leader_epoch),
            &or_dash(row.current),
            &or_dash(row.end),
            &or_dash(row.lag),
            &or_dash(row.consumer_id.as_ref()),
            &or_dash(row.host.as_ref()),
            &or_dash(row.client_id.as_ref()),
        ]));
    }
    text + "\n"
}

pub(super) fn offset_rows() -> Rows {
    Rows::new(&[
        "group",
        "topic",
        "partition",
        "leader_epoch",
        "current_offset",
        "log_end_offset",
        "lag",
        "consumer_id",
        "host",
        "client_id",
    ])
}

pub(super) fn push_offset(rows: &mut Rows, row: &OffsetRow) {
    rows.push([
        json!(row.group),
        json!(row.topic),
        json!(row.partition),
        json!(row.leader_epoch),
        json!(row.current),
        json!(row.end),
        json!(row.lag),
        json!(row.consumer_id),
        json!(row.host),
        json!(row.client_id),
    ]);
}

pub(super) fn members(group: &GroupDescription, verbose: bool) -> String {
    let members = &group.members;
    let group_width = width(WIDTH, [group.id.as_str()].into_iter());
    let id_width = width(WIDTH, members.iter().map(|member| member.id.as_str()));
    let instance_width = width(17, members.iter().filter_map(|member| member.instance_id.as_deref()));
    let host_width = width(WIDTH, members.iter().map(|member| member.host.as_str()));
    let client_width = width(WIDTH, members.iter().map(|member| member.client_id.as_str()));
    let has_instances = members.iter().any(|member| member.instance_id.is_some());
    let assignments: Vec<(String, String)> = members
        .iter()
        .map(|member| (assignment(Some(&member.assignment)), assignment(member.target.as_deref())))
        .collect();
    let current_width = width(20, assignments.iter().map(|(current, _)| current.as_str()));
    let target_width = width(20, assignments.iter().map(|(_, target)| target.as_str()));
    let line = |[group, id, instance, host, client, count]: [&str; 6], more: [&str; 4]| {
        let instance = if has_instances { format!("{instance:<instance_width$} ") } else { String::new() };
        let [epoch, current, target_epoch, target] = more;
        let more = if verbose {
            format!("{epoch:<15} {current:<current_width$} {target_epoch:<15} {target:<target_width$}")
        } else {
            String::new()
        };
        format!(
            "{group:<group_width$} {id:<id_width$} {instance}{host:<host_width$} {client:<client_width$} {count:<15} \
             {more}\n"
        )
    };
    let mut text = "\n".to_owned();
    text.push_str(&line(
        ["GROUP", "CONSUMER-ID", "GROUP-INSTANCE-ID", "HOST", "CLIENT-ID", "#PARTITIONS"],
        ["CURRENT-EPOCH", "CURRENT-ASSIGNMENT", "TARGET-EPOCH", "TARGET-ASSIGNMENT"],
    ));
    for (member, (current, target)) in members.iter().zip(&assignments) {
        let count = member.assignment.len().to_string();
        let instance = member.instance_id.as_deref().unwrap_or_default();
        let target_epoch = or_dash(group.epochs.map(|epochs| epochs.assignment));
        text.push_str(&line(
            [&group.id, &member.id, instance, &member.host, &member.client_id, &count],
            [&or_dash(member.epoch), current, &target_epoch, target],
        ));
    }
    text
}

/// `orders:0,1;payments:2`.
fn assignment(partitions: Option<&[(String, i32)]>) -> String {
    let mut by_topic: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (topic, index) in partitions.unwrap_or_default() {
        by_topic.entry(topic).or_default().push(index.to_string());
    }
    let topics = by_topic.iter().map(|(topic, indexes)| format!("{topic}:{}", indexes.join(",")));
    let text = topics.collect::<Vec<_>>().join(";");
    if text.is_empty() { "-".to_owned() } else { text }
}

pub(super) fn member_rows() -> Rows {
    Rows::new(&["group", "consumer_id", "group_instance_id", "host", "client_id", "epoch", "assignment"])
}

pub(super) fn push_member(rows: &mut Rows, group: &str, member: &GroupMember) {
    let partitions: Vec<String> =
        member.assignment.iter().map(|(topic, index)| format!("{topic}-{index}")).collect();
    rows.push([
        json!(group),
        json!(member.id),
        json!(member.instance_id),
        json!(member.host),
        json!(member.client_id),
        json!(member.epoch),
        json!(partitions),
    ]);
}

/// The coordinator as the stock tool names it.
fn coordinator(group: &GroupDescription) -> String {
    let address = &group.coordinator.address;
    format!("{}:{}  ({})", address.host, address.port, group.coordinator.id)
}

pub(super) fn state(group: &GroupDescription, verbose: bool) -> String {
    let coordinator = coordinator(group);
    let group_width = width(WIDTH, [group.id.as_str()].into_iter());
    let coordinator_width = width(25, [coordinator.as_str()].into_iter());
    let line = |[group, coordinator, assignor, state, epoch, target, members]: [&str; 7]| {
        let epochs = if verbose { format!("{epoch:<15} {target:<25} ") } else { String::new() };
        format!(
            "\n{group:<group_width$} {coordinator:<coordinator_width$} {assignor:<20} {state:<20} {epochs}{members}"
        )
    };
    let assignor = Some(group.assignor.as_str()).filter(|assignor| !assignor.is_empty());
    let (epoch, target) =
        (group.epochs.map(|epochs| epochs.group), group.epochs.map(|epochs| epochs.assignment));
    let heading = line([
        "GROUP",
        "COORDINATOR (ID)",
        "ASSIGNMENT-STRATEGY",
        "STATE",
        "GROUP-EPOCH",
        "TARGET-ASSIGNMENT-EPOCH",
        "#MEMBERS",
    ]);
    let row = line([
        &group.id,
        &coordinator,
        &or_dash(assignor),
        &group.state,
        &or_dash(epoch),
        &or_dash(target),
        &group.members.len().to_string(),
    ]);
    format!("{heading}{row}\n")
}

pub(super) fn state_rows() -> Rows {
    Rows::new(&["group", "coordinator", "assignor", "state", "group_epoch", "assignment_epoch", "members"])
}

pub(super) fn push_state(rows: &mut Rows, group: &GroupDescription) {
    rows.push([
        json!(group.id),
        json!(group.coordinator.id),
        json!(group.assignor),
        json!(group.state),
        json!(group.epochs.map(|epochs| epochs.group)),
        json!(group.epochs.map(|epochs| epochs.assignment)),
        json!(group.members.len()),
    ]);
}
