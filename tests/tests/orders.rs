//! The tutorial's messages (`订单信息!0` …) as every client under test prints them: `partition offset text`.

use std::collections::{BTreeMap, BTreeSet};

/// One printed record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) text: String,
}

/// Parses what a client printed.
pub(crate) fn parse(stdout: &str) -> Vec<Order> {
    stdout.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Order> {
    let mut words = line.splitn(3, ' ');
    let partition = words.next()?.parse().ok()?;
    let offset = words.next()?.parse().ok()?;
    Some(Order { partition, offset, text: words.next()?.to_owned() })
}

/// The texts of `count` orders.
pub(crate) fn texts(count: usize) -> BTreeSet<String> {
    (0..count).map(|i| format!("订单信息!{i}")).collect()
}

/// Asserts that `orders` are exactly the first `count` texts, each once, dense and in order in each partition.
pub(crate) fn check_complete(orders: &[Order], count: usize) {
    assert_eq!(orders.len(), count, "so many records");
    let seen: BTreeSet<String> = orders.iter().map(|order| order.text.clone()).collect();
    assert_eq!(seen, texts(count), "each text once, byte for byte");
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    let mut last: BTreeMap<i32, usize> = BTreeMap::new();
    for order in orders {
        let expected = next.entry(order.partition).or_insert(0);
        assert_eq!(order.offset, *expected, "offsets of partition {} are dense from 0", order.partition);
        *expected += 1;
        let number: usize = order.text.trim_start_matches("订单信息!").parse().expect("a numbered order");
        if let Some(before) = last.insert(order.partition, number) {
            assert!(before < number, "partition {} keeps the order of sending", order.partition);
        }
    }
}
