//! The known name nearest to a misspelt one.

/// Gives the candidate with the smallest edit distance to `name`, if it is near enough to be what was meant:
/// at most a third of the name's length. Ties go to the earlier candidate.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase(), limit), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) that make `left` into `right`; `limit + 1` when their
/// lengths alone show that it takes more than `limit`.
fn distance(left: &str, right: &str, limit: usize) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    if left.len().abs_diff(right.len()) > limit {
        return limit + 1;
    }
    let mut before_previous: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.iter().enumerate() {
        let mut current = vec![i + 1];
        for (j, to) in right.iter().enumerate() {
            let mut cost =
                (previous[j] + usize::from(from != to)).min(previous[j + 1] + 1).min(current[j] + 1);
            if i > 0 && j > 0 && *from == right[j - 1] && left[i - 1] == *to {
                cost = cost.min(before_previous[j - 1] + 1);
            }
            current.push(cost);
        }
        before_previous = std::mem::replace(&mut previous, current);
    }
    previous.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        let known = ["log.dirs", "log.dir", "broker.id", "log.retention.hours"];
        let check = |name, expected| assert_eq!(nearest(name, known), expected, "{name}");
        check("log.dris", Some("log.dirs"));
        check("logdirs", Some("log.dirs"));
        check("Broker.ID", Some("broker.id"));
        check("log.retenton.hour", Some("log.retention.hours"));
        check("x", None);
        check("my.plugin.setting", None);
        check("", None);
    }
}
