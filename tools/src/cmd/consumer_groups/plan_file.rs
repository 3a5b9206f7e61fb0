//! The CSV of `--export` and `--from-file`: `topic,partition,offset`, with the group in front if there are several.

use std::collections::BTreeMap;
use std::path::Path;

use super::reset::NewOffsets;

/// New offsets by group.
pub(super) type Plan = BTreeMap<String, NewOffsets>;

/// Reads a file; lines without a group are for the only one.
///
/// # Errors
/// What is wrong with the file, with the line.
pub(super) fn read(path: &Path, groups: &[String]) -> Result<Plan, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|_| format!("java.io.IOException: Unable to read file {}", path.display()))?;
    parse(&text, groups).map_err(|(line, problem)| format!("{}:{line}: {problem}", path.display()))
}

fn parse(text: &str, groups: &[String]) -> Result<Plan, (usize, String)> {
    let mut plan = Plan::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').map(|cell| cell.trim().trim_matches('"')).collect();
        let refuse = |problem: String| (at + 1, problem);
        let (group, topic, partition, offset) = match (cells.as_slice(), groups) {
            ([topic, partition, offset], [only]) => (only.as_str(), *topic, *partition, *offset),
            ([_, _, _], _) => {
                let problem = "no group: with several groups each line is group,topic,partition,offset";
                return Err(refuse(problem.to_owned()));
            }
            ([group, topic, partition, offset], _) => (*group, *topic, *partition, *offset),
            _ => return Err(refuse(format!("'{line}' is not [group,]topic,partition,offset"))),
        };
        let partition =
            partition.parse().map_err(|_| refuse(format!("'{partition}' is no number of a partition")))?;
        let offset = offset.parse().map_err(|_| refuse(format!("'{offset}' is no offset")))?;
        plan.entry(group.to_owned()).or_default().insert((topic.to_owned(), partition), offset);
    }
    Ok(plan)
}

/// A line for each offset.
pub(super) fn write(plan: &Plan, is_single: bool) -> String {
    let mut text = String::new();
    for (group, offsets) in plan {
        for ((topic, partition), offset) in offsets {
            if !is_single {
                text.push_str(&format!("{group},"));
            }
            text.push_str(&format!("{topic},{partition},{offset}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut plan = Plan::new();
        plan.entry("g".to_owned()).or_default().insert(("t".to_owned(), 0), 7);
        plan.entry("g".to_owned()).or_default().insert(("t".to_owned(), 1), 8);
        let one = ["g".to_owned()];
        assert_eq!(write(&plan, true), "t,0,7\nt,1,8\n");
        assert_eq!(parse(&write(&plan, true), &one), Ok(plan.clone()));
        plan.entry("h".to_owned()).or_default().insert(("t".to_owned(), 0), 9);
        let two = ["g".to_owned(), "h".to_owned()];
        assert_eq!(parse(&write(&plan, false), &two), Ok(plan));
    }

    #[test]
    fn mistakes() {
        let one = ["g".to_owned()];
        let refused = |text: &str| parse(text, &one).unwrap_err();
        assert_eq!(refused("t,0,1\nt,x,1"), (2, "'x' is no number of a partition".to_owned()));
        assert_eq!(refused("t,0"), (1, "'t,0' is not [group,]topic,partition,offset".to_owned()));
        assert!(parse("t,0,1", &["g".to_owned(), "h".to_owned()]).is_err());
    }
}
