//! Several Java consumers in one group: who owns what when they come, go, and are killed.

use rkafka_tests::java;
use rkafka_tests::node::Node;
use rkafka_tests::process::Process;
use rkafka_tests::stock::{Stock, tool};
use rkafka_tests::wait;
use rustix::process::Signal;

use crate::orders;

const PARTITIONS: usize = 4;

fn node_with_topic() -> Node {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let partitions = PARTITIONS.to_string();
    let args =
        ["--bootstrap-server", &bootstrap, "--create", "--topic", "shared", "--partitions", &partitions];
    let _ = Stock::Kafka43.run(tool::topics(Stock::Kafka43), &args).success();
    node
}

/// A running `SharingConsumer`.
struct Consumer(Process);

impl Consumer {
    fn start(node: &Node, clients: Stock, settings: &[&str]) -> Self {
        let bootstrap = node.bootstrap();
        let args = [&[bootstrap.as_str(), "shared", "sharing"], settings].concat();
        Self(Process::start(java::command(clients, "SharingConsumer", &args)))
    }

    /// How many partitions it owns, as it said last.
    fn owned(&self) -> Option<usize> {
        let stdout = self.0.stdout();
        let line = stdout.lines().rev().find_map(|line| line.strip_prefix("owns ["))?;
        Some(line.trim_end_matches(']').split(", ").filter(|number| !number.is_empty()).count())
    }

    fn until_owned(&self, count: usize) {
        wait::until("the partitions to be owned", || {
            let (stdout, stderr) = (self.0.stdout(), self.0.stderr());
            assert!(!stderr.contains("Exception in thread"), "never {count} partitions:\n{stdout}{stderr}");
            (self.owned() == Some(count)).then_some(())
        });
    }

    /// Lines that begin with `word`.
    fn said(&self, word: &str) -> usize {
        self.0.stdout().lines().filter(|line| line.starts_with(word)).count()
    }

    fn orders(&self) -> Vec<orders::Order> {
        orders::parse(&self.0.stdout())
    }

    /// Closes it, and returns what it has read.
    fn close(mut self) -> Vec<orders::Order> {
        self.0.write("\n");
        orders::parse(&self.0.finish(wait::PATIENCE).success().stdout)
    }

    fn kill(self) -> Vec<orders::Order> {
        let orders = self.orders();
        self.0.signal(Signal::KILL);
        let _ = self.0.finish(wait::PATIENCE);
        orders
    }
}

fn produce(node: &Node, count: usize) {
    let sent =
        java::run(Stock::Clients4, "OrderProducer", &[&node.bootstrap(), "shared", &count.to_string()]);
    assert_eq!(orders::parse(&sent.success().stdout).len(), count);
}

/// Waits until `consumers` have read `texts` different orders among them.
fn until_read(consumers: &[&Consumer], before: &[orders::Order], count: usize) {
    wait::until(&format!("{count} orders"), || {
        let read = consumers.iter().flat_map(|consumer| consumer.orders());
        let mut read: Vec<_> = read.chain(before.iter().cloned()).collect();
        read.sort();
        read.dedup();
        (read.len() >= count).then_some(())
    });
}

/// Old and new clients agree on the range assignor, which both know.
fn check_pair(one: Stock, other: Stock) {
    let node = node_with_topic();
    let first = Consumer::start(&node, one, &[]);
    first.until_owned(PARTITIONS);
    produce(&node, 100);
    until_read(&[&first], &[], 100);

    let second = Consumer::start(&node, other, &[]);
    second.until_owned(2);
    first.until_owned(2);
    produce(&node, 100);
    until_read(&[&first, &second], &[], 200);

    // A killed member is missed only after its session timeout.
    let killed = second.kill();
    first.until_owned(PARTITIONS);
    produce(&node, 100);
    until_read(&[&first], &killed, 300);

    // One that leaves is missed at once.
    let third = Consumer::start(&node, other, &[]);
    third.until_owned(2);
    first.until_owned(2);
    let left = third.close();
    first.until_owned(PARTITIONS);
    produce(&node, 100);
    until_read(&[&first], &[killed, left].concat(), 400);
    first.close();
}

#[test]
fn clients_2_2_and_newest() {
    check_pair(Stock::Kafka22, Stock::Clients4);
}

#[test]
fn clients_newest_and_2_2() {
    check_pair(Stock::Clients4, Stock::Kafka22);
}

#[test]
fn clients_2_8_and_3_9() {
    check_pair(Stock::Clients28, Stock::Clients39);
}

/// With the cooperative assignor (KIP-429) a member keeps what it need not give up.
#[test]
fn cooperative_rebalance() {
    let cooperative =
        ["partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor"];
    let node = node_with_topic();
    let first = Consumer::start(&node, Stock::Clients4, &cooperative);
    first.until_owned(PARTITIONS);
    let second = Consumer::start(&node, Stock::Clients4, &cooperative);
    second.until_owned(2);
    first.until_owned(2);
    let stdout = first.0.stdout();
    let revoked: Vec<&str> =
        stdout.lines().filter(|line| line.starts_with("revoked [") && *line != "revoked []").collect();
    assert_eq!(revoked.len(), 1, "two partitions were given up once, the others stayed:\n{stdout}");
    assert_eq!(revoked[0].matches(',').count(), 1, "two partitions: {}", revoked[0]);
    produce(&node, 100);
    until_read(&[&first, &second], &[], 100);
    second.close();
    first.until_owned(PARTITIONS);
    first.close();
}

/// A static member (KIP-345) that comes back within its session timeout disturbs nobody.
#[test]
fn static_membership() {
    let node = node_with_topic();
    let instance = |name: &str| [format!("group.instance.id={name}"), "session.timeout.ms=30000".to_owned()];
    let start = |name: &str| {
        let settings = instance(name);
        Consumer::start(&node, Stock::Clients4, &settings.each_ref().map(String::as_str))
    };
    let first = start("one");
    first.until_owned(PARTITIONS);
    let second = start("two");
    second.until_owned(2);
    first.until_owned(2);
    let before = first.said("assigned");
    let closed = second.close();
    let again = start("two");
    again.until_owned(2);
    produce(&node, 100);
    until_read(&[&first, &again], &closed, 100);
    assert_eq!(first.said("assigned"), before, "no rebalance:\n{}", first.0.stdout());
    let killed = again.kill();
    let again = start("two");
    again.until_owned(2);
    produce(&node, 100);
    until_read(&[&first, &again], &[closed, killed].concat(), 200);
    assert_eq!(first.said("assigned"), before, "no rebalance:\n{}", first.0.stdout());
}
