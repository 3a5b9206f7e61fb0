//! What `--generate` suggests: replicas round the racks, and within a rack round its brokers, as the controller places
//! those of new topics.

use std::collections::BTreeMap;

/// A broker and its rack.
pub(super) type Broker = (i32, Option<String>);

/// Replicas for `partitions` partitions with `replication_factor` each. `start` is any number: where to begin.
///
/// # Errors
/// Fewer brokers than replicas.
pub(super) fn place(
    brokers: &[Broker],
    partitions: usize,
    replication_factor: usize,
    start: usize,
) -> Result<Vec<Vec<i32>>, String> {
    if brokers.len() < replication_factor {
        return Err(format!(
            "The target replication factor of {replication_factor} cannot be reached because only {} broker(s) are \
             registered.",
            brokers.len()
        ));
    }
    let mut racks: BTreeMap<&Option<String>, Vec<i32>> = BTreeMap::new();
    for (id, rack) in brokers {
        racks.entry(rack).or_default().push(*id);
    }
    let racks: Vec<Vec<i32>> = racks.into_values().collect();
    Ok((0..partitions).map(|partition| replicas(&racks, replication_factor, start + partition)).collect())
}

/// The replicas of one partition: one broker of each rack, then the next ones of each, until there are enough.
fn replicas(racks: &[Vec<i32>], replication_factor: usize, turn: usize) -> Vec<i32> {
    let mut chosen = Vec::with_capacity(replication_factor);
    let deepest = racks.iter().map(Vec::len).max().unwrap_or(0);
    // A new start in every rack once all racks have had their turn at leading.
    let round = turn / racks.len().max(1);
    for depth in 0..deepest {
        for at in 0..racks.len() {
            let Some(rack) = racks.get((turn + at) % racks.len()) else { continue };
            if chosen.len() < replication_factor && depth < rack.len() {
                chosen.extend(rack.get((round + depth) % rack.len()));
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(racks: &[Option<&str>], partitions: usize, replication_factor: usize) {
        let brokers: Vec<Broker> = (1..).zip(racks).map(|(id, rack)| (id, rack.map(str::to_owned))).collect();
        let placed = place(&brokers, partitions, replication_factor, 5).unwrap();
        let rack_of = |id: &i32| brokers.iter().find(|(known, _)| known == id).unwrap().1.clone();
        let mut led = BTreeMap::new();
        for replicas in &placed {
            let mut distinct = replicas.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), replication_factor, "{placed:?}");
            let mut racks_used: Vec<_> = replicas.iter().map(rack_of).collect();
            racks_used.sort();
            racks_used.dedup();
            let all: std::collections::BTreeSet<_> = brokers.iter().map(|(_, rack)| rack).collect();
            assert_eq!(racks_used.len(), all.len().min(replication_factor), "{placed:?}");
            *led.entry(replicas[0]).or_insert(0_usize) += 1;
        }
        let (least, most) = (led.values().min().unwrap(), led.values().max().unwrap());
        assert!(led.len() == brokers.len() && most - least <= 1, "{led:?}");
    }

    #[test]
    fn replicas_are_spread_over_racks_and_leaders_over_brokers() {
        check(&[None, None, None], 9, 2);
        check(&[Some("a"), Some("b"), Some("c")], 12, 3);
        check(&[Some("a"), Some("a"), Some("b"), Some("b")], 8, 2);
        check(&[None; 5], 10, 5);
    }

    #[test]
    fn too_few_brokers() {
        let error = place(&[(1, None)], 1, 2, 0).unwrap_err();
        assert!(error.contains("only 1 broker(s) are registered"), "{error}");
    }
}
