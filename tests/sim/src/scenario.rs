//! Directed runs: a script in `scenarios/` says what goes wrong and when.
//!
//! A scenario is one topic of one partition, `topic-0`, on brokers that are placed by hand, with three producers that
//! write only what they are told to: `idempotent`, `all` (acks=all without idempotence) and `one` (acks=1). All
//! invariants of the random runs hold after every event; at the end of the script everything is mended, the
//! producers write again, the cluster must heal, and the checker judges what was seen. The seed decides delays only.
//!
//! ```text
//! # KIP-101: what is told about the bug.
//! cluster brokers=3 replicas=0,1,2 min=2
//! write idempotent 20
//! until acknowledged 20
//! cut 1-2
//! kill 0
//! until leads 1
//! ```
//!
//! | command | what it does |
//! |---|---|
//! | `cluster brokers= replicas= min= session= lag= eligible=off sync=on compacted=on` | first line; times in ms |
//! | `seeds N` | run under so many seeds (4) |
//! | `repeat N` … `end` | those lines so often |
//! | `wait MS` · `until CONDITION` · `expect CONDITION` | time passes · at most 20 s · it is so now |
//! | `write WHO N\|on\|off` · `crash-client WHO` | so many values more · another producer in its place |
//! | `cut A-B A>B …` · `mend A-B …` · `mend` | hosts: a number, `controller`, `brokers`, `clients`, a producer |
//! | `weather lose-answer=300 delay=1000 max=200 …` | per mille of messages; `max` in ms |
//! | `kill B` · `power-cut B` · `wipe B` · `start B` · `stop B` · `pause B MS` | `all` for every broker; down until `start` |
//! | `copy-disk B` · `old-disk B` · `rot B` | the copy is what it finds when it starts · a byte not synced yet |
//! | `disk B full\|room` · `fail B read\|write\|sync` | the next such call fails |
//! | `images B MS` | images reach it so much later |
//! | `lead B` · `lead B perhaps` · `elect-preferred` · `reassign B,B` · `min N` · `hand-over GAP DEPOSED` · `recreate` | operators and controllers |
//! | `roll B` · `flush B` · `compact B` · `retain B` · `delete-records N` | upkeep |
//!
//! Conditions: `leader B\|none` (in the newest image) · `leads B` · `replicas B,B` · `isr B,B` · `elr B,B\|none` · `fenced B` ·
//! `live B` · `up B` · `end B N` and `high-watermark B N` (at least) · `start-of B N` · `same-end B B` ·
//! `behind B B` · `committed N` · `acknowledged N` · `not …`.

use rkafka_checker::{Event, Outcome};
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::{Image, Partition};
use rkafka_log::disk::mem::{CallKind, Crash, Failure, SimDisk, SimRng};

use crate::net::Host;
use crate::plan::{Plan, TopicPlan};
use crate::replica::Replica;
use crate::seeds::texts_in;
use crate::world::World;
use crate::{Report, caught};

/// The producers of a scenario, in the order of [`crate::client::Habits::ALL`].
const PRODUCERS: [&str; 3] = ["idempotent", "all", "one"];

/// A script with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    lines: Vec<(usize, String)>,
    seeds: u64,
}

/// All scenarios, in the order of their files' names.
///
/// # Errors
/// A file that cannot be read.
pub fn scenarios() -> Result<Vec<Scenario>, String> {
    texts_in("scenarios")?.iter().map(|(name, text)| Scenario::parse(name, text)).collect()
}

impl Scenario {
    /// Reads a script.
    ///
    /// # Errors
    /// What is wrong with its outline; commands are looked at when they are run.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut scenario = Scenario { name: name.to_owned(), lines: Vec::new(), seeds: 4 };
        let mut repeated: Option<(usize, usize)> = None;
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let wrong = |what: &str| format!("{name}, line {number}: {what}");
            match words.as_slice() {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                ["seeds", count] => scenario.seeds = count.parse().map_err(|_| wrong("not a number"))?,
                ["repeat", count] => {
                    let count = count.parse().map_err(|_| wrong("not a number"))?;
                    repeated = Some((count, scenario.lines.len()));
                }
                ["end"] => {
                    let (count, from) = repeated.take().ok_or_else(|| wrong("nothing is repeated"))?;
                    let body = scenario.lines.split_off(from);
                    scenario.lines.extend((0..count).flat_map(|_| body.iter().cloned()));
                }
                _ => scenario.lines.push((number, line.to_owned())),
            }
        }
        match scenario.lines.first() {
            Some((_, first)) if first.starts_with("cluster") && repeated.is_none() => Ok(scenario),
            _ => Err(format!("{name} must begin with `cluster` and end each `repeat`")),
        }
    }

    /// Runs it under all its seeds.
    ///
    /// # Errors
    /// The first failure.
    pub fn run_all(&self) -> Result<(), String> {
        (0..self.seeds).try_for_each(|seed| self.run(seed, false).map(drop))
    }

    /// Runs it under one seed.
    ///
    /// # Errors
    /// What was wrong, with the command that shows it again.
    pub fn run(&self, seed: u64, trace: bool) -> Result<Report, String> {
        let run = || {
            let (_, cluster) = &self.lines[0];
            let mut world = World::new(plan(cluster, seed)?, trace);
            world.run_until(300)?;
            for (number, line) in &self.lines[1..] {
                world.say(|| format!("--- {line}"));
                let words: Vec<&str> = line.split_whitespace().collect();
                world.command(&words).map_err(|error| format!("line {number}, `{line}`: {error}"))?;
            }
            world.producers.iter_mut().for_each(|producer| producer.quota = u64::MAX);
            world.finish()
        };
        let name = &self.name;
        let again = format!("cargo xtask sim --scenario {name} --seed {seed} --trace");
        caught(run).map_err(|what| format!("{name}: {what}\n    shown again by: {again}"))
    }
}

fn plan(line: &str, seed: u64) -> Result<Plan, String> {
    let mut plan = Plan::of(seed);
    plan.faults.clear();
    let mut topic = TopicPlan {
        name: "topic-0".to_owned(),
        partitions: 1,
        replicas: -1,
        assignment: vec![0, 1, 2],
        compacted: false,
    };
    (plan.brokers, plan.min_isr, plan.eligible_replicas, plan.sync_each) = (3, 2, true, false);
    (plan.session_ms, plan.lag_ms, plan.directed) = (1_000, 20_000, true);
    for word in line.split_whitespace().skip(1) {
        let (key, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is not key=value"))?;
        match key {
            "brokers" => plan.brokers = number(value)?,
            "replicas" => topic.assignment = ids(value)?.iter().map(|id| id.0).collect(),
            "min" => plan.min_isr = number(value)?,
            "session" => plan.session_ms = number(value)?,
            "lag" => plan.lag_ms = number(value)?,
            "eligible" => plan.eligible_replicas = value == "on",
            "sync" => plan.sync_each = value == "on",
            "compacted" => topic.compacted = value == "on",
            _ => return Err(format!("a cluster has no `{key}`")),
        }
    }
    plan.topics = vec![topic];
    Ok(plan)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

fn ids(text: &str) -> Result<Vec<BrokerId>, String> {
    match text {
        "none" => Ok(Vec::new()),
        _ => text.split(',').map(|id| number(id).map(BrokerId)).collect(),
    }
}

impl World {
    fn command(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["wait", ms] => self.run_until(self.now_ms + number::<u64>(ms)?),
            ["until", condition @ ..] => self.wait_until(condition),
            ["expect", condition @ ..] => match self.holds(condition)? {
                true => Ok(()),
                false => Err(format!("it is not so: {}", self.described())),
            },
            ["write", who, count] => {
                let quota = match *count {
                    "on" => u64::MAX,
                    "off" => 0,
                    count => number(count)?,
                };
                let place = PRODUCERS.iter().position(|name| name == who).ok_or("no such producer")?;
                self.producers[place].quota = quota;
                Ok(())
            }
            ["crash-client", who] => {
                let place = PRODUCERS.iter().position(|name| name == who).ok_or("no such producer")?;
                let id = self.producers[place].partition().ok_or("it has not begun")?;
                self.begin_producer(place, id);
                Ok(())
            }
            ["cut", links @ ..] => self.links(links, false),
            ["mend"] => {
                self.network.unblock_all();
                self.network.weather = crate::net::Weather::default();
                Ok(())
            }
            ["mend", links @ ..] => self.links(links, true),
            ["weather", changes @ ..] => self.set_weather(changes),
            [what, "all"] => {
                let brokers = self.plan.brokers;
                (0..brokers).try_for_each(|broker| self.on_broker(what, broker, &[]))
            }
            [what, broker, rest @ ..] if broker.parse::<i32>().is_ok() && !is_of_cluster(what) => {
                self.on_broker(what, number(broker)?, rest)
            }
            _ => self.on_cluster(words),
        }
    }

    fn on_cluster(&mut self, words: &[&str]) -> Result<(), String> {
        let now_ms = self.now_ms;
        match words {
            ["lead", broker] => {
                let (id, broker) = (self.only_partition()?, BrokerId(number(broker)?));
                match self.quorum.move_leader(id, broker, now_ms) {
                    true => Ok(()),
                    false => Err(format!("it cannot lead: {}", self.described())),
                }
            }
            ["lead", broker, "perhaps"] => {
                let (id, broker) = (self.only_partition()?, BrokerId(number(broker)?));
                self.quorum.move_leader(id, broker, now_ms);
                Ok(())
            }
            ["elect-preferred"] => {
                self.quorum.elect_preferred(now_ms);
                Ok(())
            }
            ["reassign", replicas] => {
                let (id, replicas) = (self.only_partition()?, ids(replicas)?);
                match self.quorum.reassign(id, &replicas, now_ms) {
                    true => Ok(()),
                    false => Err(format!("it was refused: {}", self.described())),
                }
            }
            ["min", min_isr] => {
                self.quorum.set_min_isr("topic-0", number(min_isr)?, now_ms);
                Ok(())
            }
            ["hand-over", gap_ms, deposed_ms] => {
                self.quorum.hand_over(now_ms, number(gap_ms)?, number(deposed_ms)?);
                Ok(())
            }
            ["recreate"] => {
                self.quorum.delete_topic("topic-0", now_ms);
                Ok(())
            }
            ["delete-records", below] => {
                let id = self.only_partition()?;
                let leader = self.state()?.leader.ok_or("nobody leads")?.0;
                let below = number(below)?;
                let deleted = self.with_process(leader, |process, _| process.delete_records(id, below));
                let below = deleted.flatten().ok_or("nothing was deleted")?;
                let partition = self.named(id);
                self.history.events.push(Event::Deleted { partition, below });
                Ok(())
            }
            _ => Err("no such command".to_owned()),
        }
    }

    fn on_broker(&mut self, what: &str, broker: i32, rest: &[&str]) -> Result<(), String> {
        match (what, rest) {
            ("kill", []) => self.kill(broker, Crash::Kill { eighths: 8 }),
            ("power-cut", []) => self.kill(broker, Crash::PowerCutAll),
            ("wipe", []) => self.kill_with(broker, SimDisk::new())?,
            ("start", []) => self.start(broker),
            ("stop", []) => {
                self.with_process(broker, |process, _| {
                    process.leaving = true;
                    Ok(())
                });
            }
            ("pause", [ms]) => {
                let until_ms = self.now_ms + number::<u64>(ms)?;
                self.machine(broker).ok_or("no such broker")?.paused_until_ms = until_ms;
            }
            ("copy-disk", []) => {
                let machine = self.machine(broker).ok_or("no such broker")?;
                machine.copy = Some(machine.disk.state());
            }
            ("old-disk", []) => {
                let copy = self.machine(broker).and_then(|machine| machine.copy.take());
                self.kill_with(broker, SimDisk::from_state(copy.ok_or("there is no copy")?))?;
            }
            ("rot", []) => self.rot_now(broker)?,
            ("disk", [state]) => {
                let capacity = (*state == "full").then_some(0);
                self.machine(broker).ok_or("no such broker")?.disk.set_capacity(capacity);
            }
            ("fail", [call]) => {
                let kind = match *call {
                    "read" => CallKind::Read,
                    "write" => CallKind::Write,
                    _ => CallKind::Sync,
                };
                self.machine(broker).ok_or("no such broker")?.disk.fail_nth(kind, 1, Failure::Io);
            }
            ("images", [ms]) => {
                self.machine(broker).ok_or("no such broker")?.image_delay_ms = number(ms)?;
            }
            ("roll", []) => drop(self.with_process(broker, |p, context| p.roll(context.now.wall_ms))),
            ("flush", []) => drop(self.with_process(broker, |process, _| process.flush())),
            ("compact", []) => drop(self.with_process(broker, |p, context| p.compact(context.now.wall_ms))),
            ("retain", []) => self.retain(broker),
            _ => return Err("no such command".to_owned()),
        }
        Ok(())
    }

    fn kill_with(&mut self, broker: i32, disk: SimDisk) -> Result<(), String> {
        self.kill(broker, Crash::Kill { eighths: 8 });
        let machine = self.machine(broker).ok_or("no such broker")?;
        machine.disk = disk;
        machine.damaged = true;
        Ok(())
    }

    fn rot_now(&mut self, broker: i32) -> Result<(), String> {
        let mut rng = SimRng::new(self.plan.seed);
        let place = self.with_process(broker, |process, _| Ok(process.rottable(&mut rng))).flatten();
        let place = place.ok_or("everything is synced")?;
        self.kill(broker, Crash::Kill { eighths: 8 });
        self.corrupt(broker, &place);
        Ok(())
    }

    fn set_weather(&mut self, changes: &[&str]) -> Result<(), String> {
        for change in changes {
            let (key, value) = change.split_once('=').ok_or("key=value is wanted")?;
            let weather = &mut self.network.weather;
            match key {
                "lose-request" => weather.lose_request = number(value)?,
                "lose-answer" => weather.lose_answer = number(value)?,
                "delay" => weather.delay = number(value)?,
                "max" => weather.delay_max_ms = number(value)?,
                "stall" => weather.stall = number(value)?,
                "duplicate" => weather.duplicate = number(value)?,
                _ => return Err(format!("no such weather: {key}")),
            }
        }
        Ok(())
    }

    fn links(&mut self, links: &[&str], mend: bool) -> Result<(), String> {
        for link in links {
            let both = link.split_once('-').map(|(a, b)| (a, b, true));
            let one_way = || link.split_once('>').map(|(a, b)| (a, b, false));
            let (from, to, both) = both.or_else(one_way).ok_or("A-B or A>B is wanted")?;
            let (from, to) = (self.hosts(from)?, self.hosts(to)?);
            for (a, b) in from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b) {
                let ways = if both { vec![(a, b), (b, a)] } else { vec![(a, b)] };
                for (a, b) in ways {
                    if mend { self.network.unblock(a, b) } else { self.network.block(a, b) }
                }
            }
        }
        Ok(())
    }

    fn hosts(&self, name: &str) -> Result<Vec<Host>, String> {
        let consumers = self.consumers.iter().map(|consumer| Host::Client(consumer.host));
        let producers = self.producers.iter().map(|producer| Host::Client(producer.host));
        Ok(match name {
            "controller" => vec![Host::Controller],
            "brokers" => (0..self.plan.brokers).map(Host::Broker).collect(),
            "consumer" => consumers.collect(),
            "clients" => producers.chain(consumers).collect(),
            name => match PRODUCERS.iter().position(|producer| *producer == name) {
                Some(place) => vec![Host::Client(self.producers[place].host)],
                None => vec![Host::Broker(number(name)?)],
            },
        })
    }

    fn wait_until(&mut self, condition: &[&str]) -> Result<(), String> {
        const LONG_MS: u64 = 20_000;
        let end_ms = self.now_ms + LONG_MS;
        while !self.holds(condition)? {
            if self.now_ms >= end_ms {
                return Err(format!("it is not so after {LONG_MS} ms: {}", self.described()));
            }
            self.run_until(self.now_ms + 1)?;
        }
        Ok(())
    }

    fn holds(&self, condition: &[&str]) -> Result<bool, String> {
        let same = |list: &[BrokerId], text: &str| {
            let mut wanted = ids(text)?;
            let mut list = list.to_vec();
            list.sort_unstable();
            wanted.sort_unstable();
            Ok::<bool, String>(list == wanted)
        };
        let image: &Image = self.quorum.image();
        Ok(match condition {
            ["not", condition @ ..] => !self.holds(condition)?,
            ["leader", "none"] => self.state()?.leader.is_none(),
            ["leader", broker] => self.state()?.leader == Some(BrokerId(number(broker)?)),
            ["leads", broker] => {
                let state = self.state()?;
                let leader = self.replica(broker)?.and_then(|replica| replica.leader.as_ref());
                state.leader == Some(BrokerId(number(broker)?))
                    && leader.is_some_and(|leader| leader.leader_epoch() == state.leader_epoch)
            }
            ["replicas", list] => same(&self.state()?.replicas, list)?,
            ["isr", list] => same(&self.state()?.isr, list)?,
            ["elr", list] => same(self.state()?.elr(), list)?,
            ["fenced", broker] => !image.brokers().is_active(BrokerId(number(broker)?)),
            ["live", broker] => image.brokers().is_active(BrokerId(number(broker)?)),
            ["up", broker] => self.replica(broker)?.is_some(),
            ["end", broker, end] => {
                let end: i64 = number(end)?;
                self.replica(broker)?.is_some_and(|replica| replica.log.log_end_offset() >= end)
            }
            ["start-of", broker, start] => {
                let start: i64 = number(start)?;
                self.replica(broker)?.is_some_and(|replica| replica.log.log_start_offset() >= start)
            }
            ["high-watermark", broker, offset] => {
                let offset: i64 = number(offset)?;
                self.replica(broker)?.is_some_and(|replica| replica.log.high_watermark() >= offset)
            }
            ["same-end", one, other] => {
                let end = |replica: &Replica| replica.log.log_end_offset();
                self.replica(one)?.map(end) == self.replica(other)?.map(end)
            }
            ["behind", one, other] => {
                let end = |replica: &Replica| replica.log.log_end_offset();
                self.replica(one)?.map(end) < self.replica(other)?.map(end)
            }
            ["committed", offset] => {
                self.truth.committed_end(self.only_partition()?) >= number::<i64>(offset)?
            }
            ["acknowledged", count] => self.acknowledged() >= number(count)?,
            _ => return Err("no such condition".to_owned()),
        })
    }

    /// How many sends were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        let is_acknowledged = |event: &&Event| match event {
            Event::Send(send) => matches!(send.outcome, Outcome::Acknowledged(_)),
            _ => false,
        };
        self.history.events.iter().filter(is_acknowledged).count()
    }

    fn only_partition(&self) -> Result<PartitionId, String> {
        let topic = self.quorum.image().topics().by_name("topic-0").ok_or("there is no topic yet")?;
        Ok(PartitionId { topic: topic.id, index: 0 })
    }

    fn state(&self) -> Result<&Partition, String> {
        let topic = self.quorum.image().topics().by_name("topic-0").ok_or("there is no topic yet")?;
        topic.partition(0).ok_or_else(|| "there is no partition".to_owned())
    }

    fn replica(&self, broker: &str) -> Result<Option<&Replica>, String> {
        let (id, broker): (PartitionId, i32) = (self.only_partition()?, number(broker)?);
        let machine = self.machines.iter().find(|machine| machine.id == broker);
        Ok(machine.and_then(|machine| machine.process.as_ref()?.replicas.get(&id)))
    }

    /// Where everybody stands, for messages.
    fn described(&self) -> String {
        let ends = (0..self.plan.brokers).map(|broker| match self.replica(&broker.to_string()) {
            Ok(Some(replica)) => {
                let (high, end) = (replica.log.high_watermark(), replica.log.log_end_offset());
                format!("broker {broker} ends at {end}, high watermark {high}")
            }
            _ => format!("broker {broker} has nothing"),
        });
        let ends: Vec<String> = ends.collect();
        format!("{} · {} · {} acknowledged", self.describe_image(), ends.join(" · "), self.acknowledged())
    }
}

/// Commands whose number is not a broker.
fn is_of_cluster(command: &str) -> bool {
    matches!(command, "lead" | "min" | "hand-over" | "delete-records" | "reassign")
}
