//! What is done to a cluster and when: written down as text, or drawn from a seed.
//!
//! ```text
//! +800 kill 1
//! +1200 cut 0 2
//! +500 start 1
//! ```
//! The first line may be `min-insync-replicas 1`; it is 2 otherwise. Each line waits so many milliseconds after the one before and then acts. `kill leader` means whoever leads the first
//! partition then. Whatever is still broken at the end is healed by the run itself.

use std::fmt;
use std::str::FromStr;

use crate::netns::Place;

/// A node that something is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// This one.
    Node(usize),
    /// Whoever leads the first partition.
    Leader,
    /// The active controller.
    Controller,
}

/// One thing that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// kill -9.
    Kill(Target),
    /// SIGTERM, without waiting for the end.
    Stop(Target),
    /// Starts a node that was killed or stopped, after its end.
    Start(usize),
    /// SIGSTOP.
    Freeze(Target),
    /// SIGCONT to all.
    Thaw,
    /// kill -9 to all at once.
    PowerCut,
    /// Starts all that do not run.
    StartAll,
    /// SIGTERM, end, start, ready: one node after the other.
    Roll,
    /// Nothing from the first arrives at the second.
    Cut(Place, Place),
    /// The node hears no other node and is heard by none; clients reach it.
    Isolate(Target),
    /// Clients and the node do not reach one another.
    CutClients(Target),
    /// Packets to and from the node are lost: so many of a hundred.
    Lossy(Target, u8),
    /// All links are whole again.
    Mend,
    /// The node's disk is full.
    Fill(usize),
    /// There is room again.
    Free(usize),
    /// The node's wall clock is off by so many seconds.
    Clock(usize, i64),
    /// What other nodes say to this one and are told comes so many milliseconds later.
    Delay(usize, u64),
    /// What other nodes say to this one and are told stalls in the middle of a frame.
    Stall(usize),
    /// Connections of other nodes to this one break in the middle of a frame.
    Sever(usize),
    /// No delays, stalls and breaks any more.
    Smooth(usize),
    /// Once all replicas are in sync: the node is killed, loses its disk, and comes back. Waits until they are again.
    Wipe(usize),
}

/// An action and how long after the one before it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Milliseconds.
    pub after_ms: u64,
    /// What then happens.
    pub action: Action,
}

/// What happens to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// `min.insync.replicas` of the topic.
    pub min_in_sync: u8,
    /// In order.
    pub steps: Vec<Step>,
}

impl Schedule {
    /// What the seed says for so many nodes and milliseconds. A seed takes some kinds of faults, which overlap.
    #[must_use]
    pub fn of_seed(seed: u64, nodes: usize, length_ms: u64) -> Self {
        Draw::new(seed, nodes).schedule(length_ms)
    }

    /// Whether nodes need proxies before them.
    #[must_use]
    pub fn needs_proxies(&self) -> bool {
        let is_proxied = |action| {
            matches!(action, Action::Delay(..) | Action::Stall(_) | Action::Sever(_) | Action::Smooth(_))
        };
        self.steps.iter().any(|step| is_proxied(step.action))
    }

    /// Whether nodes need clocks that can be set.
    #[must_use]
    pub fn needs_clocks(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Clock(..)))
    }

    /// The node that needs a small disk.
    #[must_use]
    pub fn small_disk(&self) -> Option<usize> {
        self.steps.iter().find_map(|step| match step.action {
            Action::Fill(node) => Some(node),
            _ => None,
        })
    }
}

/// Kinds of faults that a seed takes or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kill,
    Stop,
    Freeze,
    PowerCut,
    Cut,
    Isolate,
    CutClients,
    Lossy,
    Proxied,
    Clock,
    Fill,
    Wipe,
}

const KINDS: [Kind; 12] = [
    Kind::Kill,
    Kind::Stop,
    Kind::Freeze,
    Kind::PowerCut,
    Kind::Cut,
    Kind::Isolate,
    Kind::CutClients,
    Kind::Lossy,
    Kind::Proxied,
    Kind::Clock,
    Kind::Fill,
    Kind::Wipe,
];

/// Faults being drawn.
struct Draw {
    random: fastrand::Rng,
    nodes: usize,
    kinds: Vec<Kind>,
    down: Vec<usize>,
    frozen: bool,
    links_hurt: bool,
    slow: Option<usize>,
    /// The one node whose disk is small, and whether it is full.
    disk: (usize, bool),
    min_in_sync: u8,
}

impl Draw {
    fn new(seed: u64, nodes: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut kinds = KINDS.to_vec();
        random.shuffle(&mut kinds);
        kinds.truncate(random.usize(3..=KINDS.len()));
        let disk = (random.usize(..nodes), false);
        let min_in_sync = random.u8(1..=2);
        let down = Vec::new();
        Self { random, nodes, kinds, down, frozen: false, links_hurt: false, slow: None, disk, min_in_sync }
    }

    fn schedule(mut self, length_ms: u64) -> Schedule {
        let mut steps = Vec::new();
        let mut at_ms = 0;
        loop {
            let after_ms = self.random.u64(200..2500);
            at_ms += after_ms;
            if at_ms > length_ms {
                return Schedule { min_in_sync: self.min_in_sync, steps };
            }
            let action = match self.heal() {
                Some(action) => action,
                None => self.hurt(),
            };
            steps.push(Step { after_ms, action });
        }
    }

    /// The more is broken, the likelier something is mended.
    fn heal(&mut self) -> Option<Action> {
        let mut wounds: Vec<Action> = self.down.iter().map(|node| Action::Start(*node)).collect();
        wounds.extend(self.frozen.then_some(Action::Thaw));
        wounds.extend(self.links_hurt.then_some(Action::Mend));
        wounds.extend(self.slow.map(Action::Smooth));
        wounds.extend(self.disk.1.then_some(Action::Free(self.disk.0)));
        if wounds.is_empty() || self.random.usize(..4) > wounds.len() {
            return None;
        }
        let action = *self.random.choice(&wounds)?;
        match action {
            Action::Start(node) => self.down.retain(|down| *down != node),
            Action::Thaw => self.frozen = false,
            Action::Mend => self.links_hurt = false,
            Action::Smooth(_) => self.slow = None,
            _ => self.disk.1 = false,
        }
        Some(action)
    }

    fn is_whole(&self) -> bool {
        self.down.is_empty() && !self.frozen && !self.links_hurt && self.slow.is_none() && !self.disk.1
    }

    /// Mends the next thing, on the way to being whole.
    fn mend_one(&mut self) -> Action {
        loop {
            if let Some(action) = self.heal() {
                return action;
            }
        }
    }

    fn hurt(&mut self) -> Action {
        let up: Vec<usize> = (0..self.nodes).filter(|node| !self.down.contains(node)).collect();
        let kind = *self.random.choice(&self.kinds).unwrap_or(&Kind::Kill);
        let node = *self.random.choice(&up).unwrap_or(&0);
        let target = Target::Node(node);
        match kind {
            _ if up.is_empty() => {
                self.down.clear();
                Action::StartAll
            }
            Kind::Kill | Kind::Stop => {
                self.down.push(node);
                if kind == Kind::Kill { Action::Kill(target) } else { Action::Stop(target) }
            }
            Kind::Freeze => {
                self.frozen = true;
                Action::Freeze(target)
            }
            Kind::PowerCut => {
                self.down = (0..self.nodes).collect();
                Action::PowerCut
            }
            Kind::Cut | Kind::Isolate | Kind::CutClients | Kind::Lossy => {
                self.links_hurt = true;
                match kind {
                    Kind::Cut => {
                        let other = (node + self.random.usize(1..self.nodes)) % self.nodes;
                        Action::Cut(Place::Node(node), Place::Node(other))
                    }
                    Kind::Isolate => Action::Isolate(target),
                    Kind::CutClients => Action::CutClients(target),
                    _ => Action::Lossy(target, self.random.u8(5..30)),
                }
            }
            Kind::Proxied => {
                self.slow = Some(node);
                match self.random.usize(..3) {
                    0 => Action::Delay(node, self.random.u64(10..200)),
                    1 => Action::Stall(node),
                    _ => Action::Sever(node),
                }
            }
            Kind::Clock => {
                let far = *self.random.choice(&[1, 60, 3_600, 86_400]).unwrap_or(&1);
                Action::Clock(node, if self.random.bool() { far } else { -far })
            }
            // With anything else broken, the replica that is wiped could be the last.
            Kind::Wipe if self.is_whole() => Action::Wipe(node),
            Kind::Wipe => self.mend_one(),
            Kind::Fill => {
                self.disk.1 = true;
                Action::Fill(self.disk.0)
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "{node}"),
            Self::Leader => f.write_str("leader"),
            Self::Controller => f.write_str("controller"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |place: &Place| match place {
            Place::Node(node) => node.to_string(),
            Place::Clients => "clients".to_owned(),
        };
        match self {
            Self::Kill(node) => write!(f, "kill {node}"),
            Self::Stop(node) => write!(f, "stop {node}"),
            Self::Start(node) => write!(f, "start {node}"),
            Self::Freeze(node) => write!(f, "freeze {node}"),
            Self::Thaw => f.write_str("thaw"),
            Self::PowerCut => f.write_str("power-cut"),
            Self::StartAll => f.write_str("start-all"),
            Self::Roll => f.write_str("roll"),
            Self::Cut(from, to) => write!(f, "cut {} {}", place(from), place(to)),
            Self::Isolate(node) => write!(f, "isolate {node}"),
            Self::CutClients(node) => write!(f, "cut-clients {node}"),
            Self::Lossy(node, percent) => write!(f, "lossy {node} {percent}"),
            Self::Mend => f.write_str("mend"),
            Self::Fill(node) => write!(f, "fill {node}"),
            Self::Free(node) => write!(f, "free {node}"),
            Self::Clock(node, seconds) => write!(f, "clock {node} {seconds}"),
            Self::Delay(node, ms) => write!(f, "delay {node} {ms}"),
            Self::Stall(node) => write!(f, "stall {node}"),
            Self::Sever(node) => write!(f, "sever {node}"),
            Self::Smooth(node) => write!(f, "smooth {node}"),
            Self::Wipe(node) => write!(f, "wipe {node}"),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "min-insync-replicas {}", self.min_in_sync)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "+{} {}", step.after_ms, step.action))
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word:?} is no number that fits"))
}

impl FromStr for Target {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "leader" => Ok(Self::Leader),
            "controller" => Ok(Self::Controller),
            _ => Ok(Self::Node(number(word)?)),
        }
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = |word: &str| match word {
            "clients" => Ok(Place::Clients),
            _ => number(word).map(Place::Node),
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        Ok(match words.as_slice() {
            ["kill", node] => Self::Kill(node.parse()?),
            ["stop", node] => Self::Stop(node.parse()?),
            ["start", node] => Self::Start(number(node)?),
            ["freeze", node] => Self::Freeze(node.parse()?),
            ["thaw"] => Self::Thaw,
            ["power-cut"] => Self::PowerCut,
            ["start-all"] => Self::StartAll,
            ["roll"] => Self::Roll,
            ["cut", from, to] => Self::Cut(place(from)?, place(to)?),
            ["isolate", node] => Self::Isolate(node.parse()?),
            ["cut-clients", node] => Self::CutClients(node.parse()?),
            ["lossy", node, percent] => Self::Lossy(node.parse()?, number(percent)?),
            ["mend"] => Self::Mend,
            ["fill", node] => Self::Fill(number(node)?),
            ["free", node] => Self::Free(number(node)?),
            ["clock", node, seconds] => Self::Clock(number(node)?, number(seconds)?),
            ["delay", node, ms] => Self::Delay(number(node)?, number(ms)?),
            ["stall", node] => Self::Stall(number(node)?),
            ["sever", node] => Self::Sever(number(node)?),
            ["smooth", node] => Self::Smooth(number(node)?),
            ["wipe", node] => Self::Wipe(number(node)?),
            _ => return Err(format!("no such action: {text:?}")),
        })
    }
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut lines = lines.peekable();
        let first = lines.next_if(|line| line.starts_with("min-insync-replicas "));
        let min_in_sync =
            first.and_then(|line| line.split_once(' ')).map_or(Ok(2), |(_, count)| number(count))?;
        let steps = lines.map(|line| {
            let told = line.strip_prefix('+').and_then(|line| line.split_once(' '));
            let (after, action) = told.ok_or_else(|| format!("{line:?} is not +MILLISECONDS ACTION"))?;
            Ok(Step { after_ms: number(after)?, action: action.parse()? })
        });
        Ok(Self { min_in_sync, steps: steps.collect::<Result<_, String>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read_again() {
        for seed in 0..200 {
            let schedule = Schedule::of_seed(seed, 5, 60_000);
            assert_eq!(schedule.to_string().parse(), Ok(schedule.clone()), "seed {seed}:\n{schedule}");
            assert_eq!(Schedule::of_seed(seed, 5, 60_000), schedule);
            assert!(!schedule.steps.is_empty());
        }
        let text = "min-insync-replicas 1\n+0 kill leader\n+10 isolate controller\n+5 roll\n+1 cut 0 clients\n+1 start-all\n";
        assert_eq!(text.parse::<Schedule>().map(|schedule| schedule.to_string()), Ok(text.to_owned()));
        assert_eq!("+1 burn 1".parse::<Schedule>(), Err("no such action: \"burn 1\"".to_owned()));
    }

    #[test]
    fn seeds_take_all_kinds_of_faults_and_mend_most() {
        let all: String = (0..100).map(|seed| Schedule::of_seed(seed, 3, 30_000).to_string()).collect();
        let every = [
            "kill",
            "stop",
            "start",
            "freeze",
            "thaw",
            "power-cut",
            "cut ",
            "isolate",
            "cut-clients",
            "lossy",
            "mend",
            "fill",
            "free",
            "clock",
            "delay",
            "stall",
            "sever",
            "smooth",
            "wipe",
        ];
        for action in every {
            assert!(all.contains(&format!(" {action}")), "no {action}");
        }
    }
}
