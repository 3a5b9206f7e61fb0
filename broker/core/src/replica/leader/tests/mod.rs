//! Stories of one leader as text, and a random walk against a model that knows every replica's log.
//!
//! | file | theme |
//! |---|---|
//! | `high_watermark.rs` | up to where records are committed |
//! | `in_sync.rs` | who joins and leaves the ISR |
//! | `requests.rs` | what else a leader is asked |
//! | `random.rs` | the random walk |

mod high_watermark;
mod in_sync;
mod random;
mod requests;

use expect_test::Expect;

use super::*;
use crate::image::{BrokerRegistration, Delta, Image, MetadataRecord};

const LAG_MS: u64 = 100;

/// A leader (broker 1) with what surrounds it: the image it sees, a clock, the controller's partition.
struct World {
    now_ms: u64,
    image: Image,
    committed: Partition,
    leader: LeaderState,
    proposal: Option<IsrProposal>,
}

fn brokers(text: &str) -> BrokerList {
    text.split(',').map(|id| BrokerId(id.parse().expect("a number"))).collect()
}

fn registration(id: BrokerId, epoch: i64, fenced: bool) -> MetadataRecord {
    MetadataRecord::RegisterBroker {
        broker: Box::new(BrokerRegistration {
            id,
            epoch,
            incarnation: [0; 16],
            endpoints: Vec::new(),
            rack: None,
            features: Vec::new(),
            fenced,
            in_controlled_shutdown: false,
        }),
    }
}

/// `key=value` of a command.
fn option<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}

impl World {
    /// `lead replicas=1,2 isr=1,2 min=2 end=10 hw=5`
    fn new(words: &[&str]) -> (Self, LeaderEffects) {
        let replicas = brokers(option(words, "replicas").unwrap_or("1"));
        let isr = option(words, "isr").map_or_else(|| replicas.clone(), brokers);
        let committed = Partition::new(replicas.clone(), isr);
        let mut delta = Delta::new(&Image::default());
        for id in &replicas {
            delta.replay(&registration(*id, 10 * i64::from(id.0), false)).expect("applies");
        }
        let image = delta.finish().0;
        let at = |key| option(words, key).map_or(0, number);
        let log = LogBounds { log_start_offset: 0, high_watermark: at("hw"), log_end_offset: at("end") };
        let settings = ReplicationSettings {
            min_insync_replicas: option(words, "min").map_or(1, number) as usize,
            lag_time_max_ms: LAG_MS,
        };
        let now_ms = 1_000;
        let (leader, effects) =
            LeaderState::new(BrokerId(1), &committed, image.brokers(), log, settings, now_ms);
        (World { now_ms, image, committed, leader, proposal: None }, effects)
    }

    fn step(&mut self, command: &str) -> Result<LeaderEffects, String> {
        let words: Vec<&str> = command.split_whitespace().collect();
        let now_ms = self.now_ms;
        let effects = match words.as_slice() {
            ["append", count] => self.leader.on_append(self.leader.log_end_offset + number(count), now_ms),
            ["fetch", broker, offset, rest @ ..] => {
                let broker = brokers(broker)[0];
                let broker_epoch = option(rest, "epoch").map_or(10 * i64::from(broker.0), number);
                let offset = number(offset);
                let fetch = FollowerFetch { broker, broker_epoch, offset, log_start_offset: 0 };
                self.leader.on_follower_fetch(&fetch, now_ms).map_err(|error| error.to_string())?
            }
            ["wait", ms] => {
                self.now_ms += number(ms) as u64;
                self.leader.on_tick(self.now_ms)
            }
            ["commit"] => {
                let proposal = self.proposal.take().expect("something was proposed");
                self.committed.isr = proposal.isr.iter().map(|(member, _)| *member).collect();
                self.committed.partition_epoch += 1;
                let answer = ProposalAnswer::Committed(self.committed.clone());
                self.leader.on_answer(&proposal, &answer, now_ms)
            }
            ["answer", answer] => {
                let proposal = self.proposal.clone().expect("something was proposed");
                let answer = match *answer {
                    "ineligible" => ProposalAnswer::Ineligible,
                    "stale" => ProposalAnswer::Stale,
                    _ => ProposalAnswer::Unknown,
                };
                self.leader.on_answer(&proposal, &answer, now_ms)
            }
            ["broker", id, rest @ ..] => {
                let epoch = option(rest, "epoch").map_or(10 * number(id), number);
                self.register(brokers(id)[0], epoch, rest.contains(&"fenced"))
            }
            ["image", rest @ ..] => self.image(rest),
            ["old-image", isr] => {
                let mut old = self.committed.clone();
                old.isr = brokers(isr);
                old.partition_epoch -= 1;
                self.leader.on_image(&old, self.image.brokers(), now_ms)
            }
            ["min", min] => {
                let settings = ReplicationSettings {
                    min_insync_replicas: number(min) as usize,
                    lag_time_max_ms: LAG_MS,
                };
                self.leader.on_settings(settings, now_ms)
            }
            ["produce", acks] => {
                let acks = number(acks) as i16;
                self.leader.check_append(acks).map_err(|error| error.to_string())?;
                LeaderEffects::default()
            }
            _ => panic!("unknown command {command}"),
        };
        Ok(effects)
    }

    fn register(&mut self, id: BrokerId, epoch: i64, fenced: bool) -> LeaderEffects {
        let mut delta = Delta::new(&self.image);
        delta.replay(&registration(id, epoch, fenced)).expect("applies");
        self.image = delta.finish().0;
        self.leader.on_image(&self.committed, self.image.brokers(), self.now_ms)
    }

    /// The controller changes the partition by itself.
    fn image(&mut self, words: &[&str]) -> LeaderEffects {
        if let Some(isr) = option(words, "isr") {
            self.committed.isr = brokers(isr);
        }
        if let Some(elr) = option(words, "elr") {
            self.committed.set_elr(if elr == "none" { BrokerList::new() } else { brokers(elr) });
        }
        if let Some(replicas) = option(words, "replicas") {
            self.committed.replicas = brokers(replicas);
        }
        self.committed.leader_epoch += i32::from(words.contains(&"new-epoch"));
        self.committed.partition_epoch += 1;
        self.leader.on_image(&self.committed, self.image.brokers(), self.now_ms)
    }
}

/// Runs a story: each line is a command; below it stands what the leader wants done. `status` shows the state.
fn check(story: &str, expected: &Expect) {
    let mut world: Option<World> = None;
    let mut transcript = String::new();
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        transcript += &format!("> {line}\n");
        let words: Vec<&str> = line.split_whitespace().collect();
        let effects = match (words.as_slice(), world.as_mut()) {
            (["lead", rest @ ..], _) => {
                let (new, effects) = World::new(rest);
                world = Some(new);
                Ok(effects)
            }
            (["status"], Some(world)) => {
                transcript += &status(&world.leader);
                continue;
            }
            (_, Some(world)) => world.step(line),
            (_, None) => panic!("a story begins with `lead`"),
        };
        let world = world.as_mut().expect("set above");
        world.leader.check_invariants();
        match effects {
            Ok(effects) => transcript += &shown(world, effects),
            Err(error) => transcript += &format!("  refused: {error}\n"),
        }
    }
    expected.assert_eq(&transcript);
}

fn shown(world: &mut World, effects: LeaderEffects) -> String {
    let mut text = String::new();
    if let Some(high_watermark) = effects.high_watermark {
        text += &format!("  high watermark {high_watermark}\n");
    }
    if let Some(proposal) = effects.proposal {
        let isr: Vec<String> = proposal.isr.iter().map(|(id, epoch)| format!("{id}@{epoch}")).collect();
        let (leader_epoch, partition_epoch) = (proposal.leader_epoch, proposal.partition_epoch);
        text += &format!("  propose isr {} in epoch {leader_epoch}.{partition_epoch}\n", isr.join(" "));
        world.proposal = Some(proposal);
    }
    text
}

fn status(leader: &LeaderState) -> String {
    let state = match &leader.isr_state {
        IsrState::Committed => "committed".to_owned(),
        IsrState::PendingExpand { joining, .. } => format!("{joining} joining"),
        IsrState::PendingShrink { .. } => "shrinking".to_owned(),
    };
    let isr: Vec<String> = leader.isr.iter().map(ToString::to_string).collect();
    format!(
        "  epoch {}.{} isr {} ({state}) high watermark {} of {}{}\n",
        leader.leader_epoch,
        leader.partition_epoch,
        isr.join(","),
        leader.high_watermark,
        leader.log_end_offset,
        if leader.is_high_watermark_lagging() { ", lagging" } else { "" },
    )
}
