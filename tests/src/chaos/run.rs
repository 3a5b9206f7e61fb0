//! One run: start, work, hurt, heal, read back, judge.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rkafka_client::{Admin, ClientConfig, IsolationLevel, NewTopic, TopicDescription};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::cluster::{Cluster, PATIENCE, Setup};
use super::group;
use super::java::JavaProducer;
use super::replicas;
use super::schedule::{Action, Schedule, Target};
use super::workload::{self, Ends, Kind, Shared, TOPIC};
use crate::netns::{Link, Place};
use crate::proxy::Manner;
use crate::wait;

/// Partitions of the topic.
const PARTITIONS: i32 = 4;
/// Anomalies that are shown.
const SHOWN: usize = 12;
/// Producer numbers of Java's clients.
const JAVA: u32 = 1_000_000;

/// What a run is.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name, for the folder of its output.
    pub name: String,
    /// How many nodes.
    pub nodes: usize,
    /// What is done to them.
    pub schedule: Schedule,
    /// How to run it again, said on failure.
    pub again: String,
    /// A producer of the Java client works, too.
    pub java: bool,
}

impl Plan {
    /// A case that is written down.
    ///
    /// # Panics
    /// When the schedule cannot be read.
    #[must_use]
    pub fn directed(name: &str, nodes: usize, schedule: &str) -> Self {
        let schedule = schedule.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let again = format!("cargo test -p rkafka-tests --test main chaos::{name}");
        Self { name: name.to_owned(), nodes, schedule, again, java: false }
    }

    /// What a seed says.
    #[must_use]
    pub fn of_seed(seed: u64, nodes: usize, seconds: u64) -> Self {
        let schedule = Schedule::of_seed(seed, nodes, seconds * 1000);
        let again = format!("cargo xtask chaos --seed {seed} --nodes {nodes} --seconds {seconds}");
        Self { name: format!("seed-{seed}-{nodes}"), nodes, schedule, again, java: false }
    }
}

/// What a run that went well covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Values sent.
    pub sent: usize,
    /// Of them acknowledged with acks=all.
    pub acknowledged: usize,
    /// Records in the logs at the end.
    pub stored: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent, {} acknowledged by all, {} stored", self.sent, self.acknowledged, self.stored)
    }
}

/// Runs a plan.
///
/// # Panics
/// When a promise was broken; the message has the evidence, the schedule, and how to run it again.
pub fn run(plan: &Plan) -> Report {
    println!("{}: {}\n{}", plan.name, plan.again, plan.schedule);
    let mut run = Run::start(plan);
    run.await_acknowledgements("before anything is hurt");
    for step in &plan.schedule.steps {
        // The schedule itself: how long what was done before lasts.
        std::thread::sleep(Duration::from_millis(step.after_ms));
        run.act(step.action);
    }
    run.heal();
    run.judge()
}

struct Run<'a> {
    plan: &'a Plan,
    shared: Arc<Shared>,
    producers: Vec<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
    java: Option<JavaProducer>,
    ends: watch::Sender<Option<Ends>>,
    cluster: Cluster,
    clients: Runtime,
}

impl<'a> Run<'a> {
    fn start(plan: &'a Plan) -> Self {
        let cluster = Cluster::start(Setup {
            name: plan.name.clone(),
            nodes: plan.nodes,
            proxies: plan.schedule.needs_proxies(),
            clocks: plan.schedule.needs_clocks(),
            small_disk: plan.schedule.small_disk(),
        });
        let clients = cluster.network().clients().runtime(2);
        let shared = Shared::new(cluster.bootstrap(), PARTITIONS);
        let (client, min_in_sync) = (shared.client(), plan.schedule.min_in_sync.to_string());
        on(&clients, async move {
            let admin = Admin::connect(client).await.expect("reachable");
            let topic = NewTopic::new(TOPIC).with_partitions(PARTITIONS).with_replication_factor(3);
            let topic = topic.with_config("min.insync.replicas", min_in_sync);
            for (_, created) in admin.create_topics(&[topic], false).await.expect("an answer") {
                let _ = created.expect("the topic can be made");
            }
        });
        let java = plan.java.then(|| JavaProducer::start(&cluster, JAVA, PARTITIONS));
        let producers = Kind::ALL.map(|kind| clients.spawn(workload::produce(shared.clone(), kind)));
        let (ends, ended) = watch::channel(None);
        let readers = vec![
            clients.spawn(workload::consume(
                shared.clone(),
                1,
                IsolationLevel::ReadUncommitted,
                ended.clone(),
            )),
            clients.spawn(workload::consume(shared.clone(), 2, IsolationLevel::ReadCommitted, ended.clone())),
            clients.spawn(workload::watch_high_watermarks(shared.clone(), 3, ended.clone())),
            clients.spawn(group::share(shared.clone(), ended)),
        ];
        Self { plan, shared, producers: producers.into(), readers, java, ends, cluster, clients }
    }

    /// Waits until every producer has got an acknowledgement more than before.
    fn await_acknowledgements(&self, when: &str) {
        let partitions = |shared: &Shared| {
            let counts = shared.acknowledged();
            counts.into_keys().map(|(_, partition)| partition).collect::<BTreeSet<_>>()
        };
        wait::until_within(PATIENCE, &format!("acknowledgements in each partition {when}"), || {
            (partitions(&self.shared).len() == PARTITIONS.unsigned_abs() as usize).then_some(())
        });
    }

    fn act(&mut self, action: Action) {
        println!("  {action}");
        match action {
            Action::Kill(target) => self.with(target, Cluster::kill),
            Action::Stop(target) => self.with(target, Cluster::stop),
            Action::Start(node) => self.cluster.launch(node),
            Action::Freeze(target) => self.with(target, Cluster::freeze),
            Action::Thaw => self.cluster.thaw_all(),
            Action::PowerCut => self.cluster.power_cut(),
            Action::StartAll => self.cluster.start_all(),
            Action::Roll => self.cluster.roll(),
            Action::Cut(from, to) => self.cluster.hurt_links([((from, to), Link::Cut)]),
            Action::Isolate(target) => self.with(target, |cluster, node| {
                let others = (0..cluster.size()).filter(|other| *other != node).map(Place::Node);
                cluster.hurt_links(both_ways(node, others, Link::Cut));
            }),
            Action::CutClients(target) => self.with(target, |cluster, node| {
                cluster.hurt_links(both_ways(node, [Place::Clients], Link::Cut));
            }),
            Action::Lossy(target, percent) => self.with(target, |cluster, node| {
                let others = (0..cluster.size()).filter(|other| *other != node).map(Place::Node);
                let others = others.chain([Place::Clients]);
                cluster.hurt_links(both_ways(node, others, Link::Lossy(percent)));
            }),
            Action::Mend => self.cluster.mend_links(),
            Action::Fill(node) => self.cluster.fill(node),
            Action::Free(node) => self.cluster.free(node),
            Action::Clock(node, seconds) => self.cluster.set_clock(node, seconds),
            Action::Delay(node, ms) => self.cluster.pass(node, Manner::Late(Duration::from_millis(ms))),
            Action::Stall(node) => self.cluster.pass(node, Manner::Stalled),
            Action::Sever(node) => self.cluster.pass(node, Manner::Broken),
            Action::Smooth(node) => self.cluster.pass(node, Manner::Smoothly),
            Action::Wipe(node) => {
                self.cluster.await_ready();
                self.await_sync();
                self.cluster.wipe(node);
                self.cluster.await_ready();
                self.await_sync();
            }
        }
        for end in self.cluster.take_unexpected_ends() {
            self.shared.found(format!("by {action}: {end}"));
        }
    }

    fn with(&mut self, target: Target, act: impl FnOnce(&mut Cluster, usize)) {
        let node = match target {
            Target::Node(node) => node,
            Target::Leader => self.ask("the leader of partition 0", |admin| async move {
                let topics = admin.describe_topics(&[TOPIC.to_owned()], PARTITIONS).await.ok()?;
                let topic = topics.into_iter().find_map(|(_, topic)| topic.ok())?;
                usize::try_from(topic.partitions.first()?.leader?).ok()
            }),
            Target::Controller => self.ask("the active controller", |admin| async move {
                usize::try_from(admin.describe_quorum().await.ok()?.leader).ok()
            }),
        };
        act(&mut self.cluster, node);
    }

    /// Asks the cluster until it answers.
    fn ask<T, F>(&self, what: &str, question: impl Fn(Admin) -> F + Copy + Send + Sync + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = Option<T>> + Send,
    {
        let client = ClientConfig { default_api_timeout: Duration::from_secs(5), ..self.shared.client() };
        wait::until_within(PATIENCE, what, || {
            let client = client.clone();
            on(&self.clients, async move { question(Admin::connect(client).await.ok()?).await })
        })
    }

    /// Ends all faults and waits until nothing of them is left: every node is ready, every partition led and its
    /// replicas in sync, and all that was under way decided.
    fn heal(&mut self) {
        for end in self.cluster.take_unexpected_ends() {
            self.shared.found(format!("before healing: {end}"));
        }
        self.cluster.heal();
        self.cluster.await_ready();
        self.await_sync();
        let refused = on(&self.clients, workload::write_to_each(self.shared.clone()));
        if !refused.is_empty() {
            self.shared.found(format!("after everything was healed, partitions {refused:?} take no records"));
        }
        self.shared.stop_producers();
        let producers = std::mem::take(&mut self.producers);
        self.await_end("producers", producers);
        if let Some(java) = self.java.take() {
            java.finish(&self.shared);
        }
        self.await_sync();
    }

    fn await_sync(&self) {
        self.ask("all replicas to be in sync", |admin| async move {
            let topics = admin.describe_topics(&[TOPIC.to_owned()], PARTITIONS).await.ok()?;
            let topics: Vec<TopicDescription> =
                topics.into_iter().filter_map(|(_, topic)| topic.ok()).collect();
            let mut partitions = topics.iter().flat_map(|topic| &topic.partitions);
            let in_sync = partitions.all(|partition| {
                partition.leader.is_some() && partition.isr.len() == partition.replicas.len()
            });
            (in_sync && !topics.is_empty()).then_some(())
        });
    }

    fn await_end(&self, who: &str, tasks: Vec<JoinHandle<()>>) {
        let ended = on(&self.clients, async move {
            tokio::time::timeout(PATIENCE, async {
                for task in tasks {
                    task.await.expect("a client does not panic");
                }
            })
            .await
        });
        if ended.is_err() {
            self.shared
                .found(format!("{who} had not come to an end {PATIENCE:?} after everything was healed"));
        }
    }

    /// Reads everything back, compares the replicas, and judges.
    fn judge(mut self) -> Report {
        let shared = self.shared.clone();
        let ends =
            on(&self.clients, workload::ends_of(shared)).unwrap_or_else(|error| panic!("no ends: {error}"));
        self.ends.send_replace(Some(ends.clone()));
        let readers = std::mem::take(&mut self.readers);
        self.await_end("readers", readers);
        let reading = workload::read_back(self.shared.clone(), ends);
        let read = on(&self.clients, async move { tokio::time::timeout(PATIENCE, reading).await });
        read.unwrap_or_else(|_| panic!("the log cannot be read back"));
        self.compare_replicas();
        let history = self.shared.history();
        let anomalies = rkafka_checker::check(&history);
        let mut found = self.shared.take_findings();
        found.extend(anomalies.iter().map(ToString::to_string));
        if !found.is_empty() {
            let count = found.len();
            found.truncate(SHOWN);
            panic!(
                "{}: {count} things that must not be:\n{}\nthe schedule was\n{}run it again: {}",
                self.plan.name,
                found.join("\n"),
                self.plan.schedule,
                self.plan.again
            );
        }
        report(&history)
    }

    /// Waits until all replicas of a partition hold the same bytes.
    fn compare_replicas(&self) {
        for partition in 0..PARTITIONS {
            let mut difference = "none were found".to_owned();
            let same = wait::within(PATIENCE, || {
                let logs = self.cluster.replica_logs(TOPIC, partition);
                let found = match logs.len() {
                    0..3 => Some(format!("only {} were found", logs.len())),
                    _ => replicas::difference(&logs),
                };
                found.map_or(Some(()), |found| {
                    difference = found;
                    None
                })
            });
            if same.is_none() {
                self.shared.found(format!("replicas of partition {partition} differ: {difference}"));
            }
        }
    }
}

/// Runs `work` on a thread of the runtime: its sockets are on the runtime's host.
fn on<T: Send + 'static>(runtime: &Runtime, work: impl Future<Output = T> + Send + 'static) -> T {
    runtime.block_on(runtime.spawn(work)).expect("a client does not panic")
}

fn both_ways(
    node: usize,
    others: impl IntoIterator<Item = Place>,
    link: Link,
) -> Vec<((Place, Place), Link)> {
    let node = Place::Node(node);
    others.into_iter().flat_map(|other| [((node, other), link), ((other, node), link)]).collect()
}

fn report(history: &rkafka_checker::History) -> Report {
    use rkafka_checker::{Event, Outcome};
    let mut report = Report { sent: 0, acknowledged: 0, stored: 0 };
    for event in &history.events {
        match event {
            Event::Send(send) => {
                report.sent += 1;
                let acknowledged = send.promise.durable && matches!(send.outcome, Outcome::Acknowledged(_));
                report.acknowledged += usize::from(acknowledged);
            }
            Event::ReadBack { records, .. } => report.stored += records.len(),
            _ => {}
        }
    }
    report
}
