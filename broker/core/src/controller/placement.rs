//! Which brokers get the replicas of a new partition: Kafka's striped placement.
//!
//! Partitions go round the racks, and inside a rack round its brokers, from a drawn starting point. So the
//! replicas of one partition lie in as many racks as there are, and leaders and replicas are spread evenly.
//! Fenced brokers are taken only when no other is left, and never first (the first leads). After as many
//! partitions as there are live brokers the order is shuffled, so that two brokers do not always share the
//! same partitions.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::ids::BrokerId;
use crate::image::{BrokerList, Image};

/// Why replicas can't be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlacementError {
    /// Not a number of replicas.
    NotPositive(i32),
    /// Every broker is fenced.
    AllFenced,
    /// More replicas than brokers.
    TooFewBrokers {
        /// How many replicas were asked for.
        replication_factor: i32,
        /// How many brokers there are, fenced ones included.
        brokers: usize,
    },
}

/// Chooses `partitions` times `replication_factor` brokers; the same image and seed give the same answer.
pub(super) fn place(
    image: &Image,
    partitions: usize,
    replication_factor: i32,
    seed: u64,
) -> Result<Vec<BrokerList>, PlacementError> {
    let mut stripe = Stripe::new(image, seed);
    let replicas = match usize::try_from(replication_factor) {
        Ok(replicas) if replicas > 0 => replicas,
        _ => return Err(PlacementError::NotPositive(replication_factor)),
    };
    if stripe.unfenced == 0 {
        return Err(PlacementError::AllFenced);
    }
    if replicas > stripe.brokers {
        return Err(PlacementError::TooFewBrokers { replication_factor, brokers: stripe.brokers });
    }
    Ok((0..partitions).map(|_| stripe.next(replicas)).collect())
}

/// Brokers of one rack in one state, handed out in turn; each round starts one further.
#[derive(Debug, Default)]
struct Ring {
    brokers: Vec<BrokerId>,
    start: usize,
    taken: usize,
}

impl Ring {
    fn next_round(&mut self) {
        self.taken = 0;
        if !self.brokers.is_empty() {
            self.start = (self.start + 1) % self.brokers.len();
        }
    }

    fn take(&mut self) -> Option<BrokerId> {
        if self.taken == self.brokers.len() {
            return None;
        }
        let broker = self.brokers[(self.start + self.taken) % self.brokers.len()];
        self.taken += 1;
        Some(broker)
    }
}

#[derive(Debug, Default)]
struct Rack {
    unfenced: Ring,
    fenced: Ring,
}

impl Rack {
    fn take(&mut self) -> Option<BrokerId> {
        self.unfenced.take().or_else(|| self.fenced.take())
    }

    fn rings(&mut self) -> [&mut Ring; 2] {
        [&mut self.unfenced, &mut self.fenced]
    }
}

/// The racks in turn.
struct Stripe {
    racks: Vec<Rack>,
    brokers: usize,
    unfenced: usize,
    /// The rack the next partition starts in.
    first_rack: usize,
    /// Partitions placed since the last shuffle.
    round: usize,
    random: SplitMix64,
}

impl Stripe {
    fn new(image: &Image, seed: u64) -> Self {
        let mut random = SplitMix64(seed);
        // Ordered: brokers without a rack first, then racks by name, each with its brokers by id.
        let mut racks: BTreeMap<Option<&str>, Rack> = BTreeMap::new();
        let (mut brokers, mut unfenced) = (0, 0);
        for broker in image.brokers().iter().filter(|broker| !broker.in_controlled_shutdown) {
            let rack = racks.entry(broker.rack.as_deref()).or_default();
            let ring = if broker.fenced { &mut rack.fenced } else { &mut rack.unfenced };
            ring.brokers.push(broker.id);
            brokers += 1;
            unfenced += usize::from(!broker.fenced);
        }
        let mut racks: Vec<Rack> = racks.into_values().collect();
        for ring in racks.iter_mut().flat_map(Rack::rings) {
            ring.start = random.below(ring.brokers.len());
        }
        let first_rack = random.below(racks.len());
        Stripe { racks, brokers, unfenced, first_rack, round: 0, random }
    }

    /// The replicas of the next partition. There are at least `replicas` brokers, one of them live.
    fn next(&mut self, replicas: usize) -> BrokerList {
        self.next_round();
        let mut chosen: BrokerList = SmallVec::with_capacity(replicas);
        let racks = self.racks.len();
        let mut leader_rack = None;
        for rack in (0..racks).map(|step| (self.first_rack + step) % racks) {
            if let Some(broker) = self.racks[rack].unfenced.take() {
                chosen.push(broker);
                leader_rack = Some(rack);
                break;
            }
        }
        let mut rack = self.first_rack;
        while chosen.len() < replicas {
            // The rack of the leader is passed over once: it has had its turn.
            if leader_rack == Some(rack) {
                leader_rack = None;
            } else {
                chosen.extend(self.racks[rack].take());
            }
            rack = (rack + 1) % racks;
        }
        self.first_rack = (self.first_rack + 1) % racks;
        chosen
    }

    fn next_round(&mut self) {
        if self.round == self.unfenced && self.unfenced > 1 {
            self.random.shuffle(&mut self.racks);
            for ring in self.racks.iter_mut().flat_map(Rack::rings) {
                self.random.shuffle(&mut ring.brokers);
            }
            self.round = 0;
        }
        if self.round > 0 {
            self.racks.iter_mut().flat_map(Rack::rings).for_each(Ring::next_round);
        } else {
            self.racks.iter_mut().flat_map(Rack::rings).for_each(|ring| ring.taken = 0);
        }
        self.round += 1;
    }
}

/// SplitMix64: enough to spread replicas, and the same on every machine.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if there is none.
    fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.next() % bound as u64) as usize }
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests;
