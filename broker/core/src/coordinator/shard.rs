//! The life of one shard.

use std::collections::VecDeque;

use super::loader::Loader;
use super::parked::Parked;
use super::writer::{self, Batch};
use super::{AppendFailure, Effects, LoadError, LoadProgress};
use crate::group::{
    Completion, GroupConfig, GroupError, GroupReply, GroupRequest, GroupShard, Outcome, Output,
    RecordPosition, ReplyToken,
};
use crate::time::Now;

/// Where a shard is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardState {
    /// Not led here.
    Initial,
    /// Reading its log.
    Loading,
    /// Serving.
    Active,
    /// The log could not be read, or a write failed in a way that leaves open what is in it: must be loaded again.
    Failed,
}

/// One coordinator shard: one partition of `__consumer_offsets` that this broker leads or led.
///
/// Owned by one task of the broker. Life: [`start_loading`](Self::start_loading) when leadership is won, then
/// [`load`](Self::load) with the partition's batches from the log start offset on, then
/// [`finish_loading`](Self::finish_loading); from then on every input gives [`Effects`];
/// [`resign`](Self::resign) when leadership is lost. In [`ShardState::Failed`] it must be loaded again.
///
/// The driver's loop is, for every input:
/// ```text
/// effects = shard.<input>(now, …)
/// loop {
///     send effects.replies
///     match effects.append {
///         Some(batch) => effects = shard.on_append(now, partition.append(batch)),
///         None => break,
///     }
/// }
/// ```
/// and besides: [`on_high_watermark`](Self::on_high_watermark) whenever it rises, [`on_timer`](Self::on_timer) at
/// [`next_deadline`](Self::next_deadline). Records take effect once they are appended, answers leave once they are
/// committed.
#[derive(Debug)]
pub struct CoordinatorShard {
    config: GroupConfig,
    state: ShardState,
    groups: GroupShard,
    loader: Loader,
    parked: Parked,
    in_flight: Option<InFlight>,
    /// Outputs with records that came while others were being appended.
    queued: VecDeque<Output>,
    high_watermark: i64,
}

/// Records on their way into the log.
#[derive(Debug)]
struct InFlight {
    /// The first one has been handed out.
    batches: VecDeque<Batch>,
    completions: Vec<Completion>,
    wait_for_offset: i64,
}

impl CoordinatorShard {
    /// A shard that does not serve yet.
    #[must_use]
    pub fn new(config: GroupConfig) -> Self {
        Self {
            groups: GroupShard::new(config.clone()),
            config,
            state: ShardState::Initial,
            loader: Loader::default(),
            parked: Parked::default(),
            in_flight: None,
            queued: VecDeque::new(),
            high_watermark: 0,
        }
    }

    /// Where the shard is in its life.
    #[must_use]
    pub fn state(&self) -> ShardState {
        self.state
    }

    // ---- life cycle ----

    /// Leadership was won: forgets everything and begins to load. The effects refuse what still waited.
    pub fn start_loading(&mut self) -> Effects {
        let effects = self.resign();
        self.state = ShardState::Loading;
        effects
    }

    /// Replays whole record batches in log order. `high_watermark` as known now; what lies above it is loaded too,
    /// but shown only once it is committed.
    ///
    /// # Errors
    /// A damaged batch or record, or one of a newer broker; the shard is [`ShardState::Failed`] then.
    pub fn load(&mut self, batches: &[u8], high_watermark: i64) -> Result<LoadProgress, LoadError> {
        if self.state != ShardState::Loading {
            return Err(LoadError::NotLoading { state: self.state });
        }
        self.raise_high_watermark(high_watermark);
        let loaded = self.loader.load(batches, &mut self.groups);
        if loaded.is_err() {
            self.state = ShardState::Failed;
        }
        loaded
    }

    /// All of the log has been replayed: serves from now on.
    pub fn finish_loading(&mut self, now: Now, high_watermark: i64) -> Effects {
        let mut effects = Effects::default();
        if self.state == ShardState::Loading {
            self.state = ShardState::Active;
            self.loader = Loader::default();
            self.raise_high_watermark(high_watermark);
            let output = self.groups.on_loaded(now);
            self.absorb(now, output, &mut effects);
        }
        effects
    }

    /// Leadership was lost or the broker stops: all that waits is answered `NOT_COORDINATOR`.
    pub fn resign(&mut self) -> Effects {
        let effects = self.refuse_all(GroupError::NotCoordinator);
        self.high_watermark = 0;
        self.state = ShardState::Initial;
        effects
    }

    /// Forgets everything; what waits is refused.
    fn refuse_all(&mut self, error: GroupError) -> Effects {
        let now = Now::default();
        let mut effects = Effects::default();
        let mut completions: Vec<Completion> = std::iter::from_fn(|| self.parked.pop()).collect();
        completions.extend(self.in_flight.take().into_iter().flat_map(|in_flight| in_flight.completions));
        completions.extend(self.queued.drain(..).flat_map(|output| output.completions));
        for completion in completions {
            // Only those replies: whoever waits in a group is refused below.
            let output = self.groups.complete(now, completion, Outcome::TimedOut(error));
            effects.replies.extend(output.replies);
        }
        effects.replies.extend(self.groups.resign(now, error));
        self.loader = Loader::default();
        effects
    }

    // ---- inputs ----

    /// Takes a request. The answer comes in these or later effects, exactly once.
    pub fn handle(&mut self, now: Now, token: ReplyToken, request: &GroupRequest) -> Effects {
        let mut effects = Effects::default();
        let refusal = match self.state {
            ShardState::Active if self.in_flight.is_none() => {
                let output = self.groups.step(now, token, request);
                self.absorb(now, output, &mut effects);
                return effects;
            }
            ShardState::Initial => request.refused(GroupError::NotCoordinator),
            // A member need not know that its coordinator is loading: its session will begin anew.
            ShardState::Loading if matches!(request, GroupRequest::Heartbeat(_)) => {
                GroupReply::Heartbeat(Ok(()))
            }
            ShardState::Active | ShardState::Loading | ShardState::Failed => {
                request.refused(GroupError::CoordinatorLoadInProgress)
            }
        };
        effects.replies.push((token, refusal));
        effects
    }

    /// The outcome of the append that the last effects asked for: the batch's base offset, or why it failed.
    ///
    /// If it is open whether anything was written the shard is [`ShardState::Failed`] and must be loaded again.
    pub fn on_append(&mut self, now: Now, outcome: Result<i64, AppendFailure>) -> Effects {
        let mut effects = Effects::default();
        let Some(in_flight) = self.in_flight.take() else { return effects };
        match outcome {
            Ok(base_offset) => self.on_appended(now, base_offset, in_flight, &mut effects),
            Err(failure) => {
                let not_appended = Outcome::NotAppended(failure.as_group_error());
                self.complete_all(now, in_flight.completions, not_appended, &mut effects);
                if !failure.is_certain() {
                    effects.replies.extend(self.refuse_all(GroupError::NotCoordinator).replies);
                    effects.append = None;
                    self.state = ShardState::Failed;
                }
            }
        }
        self.start_next_append(now, &mut effects);
        effects
    }

    fn on_appended(&mut self, now: Now, base_offset: i64, mut in_flight: InFlight, effects: &mut Effects) {
        if let Some(batch) = in_flight.batches.pop_front() {
            for (offset, record) in (base_offset..).zip(&batch.records) {
                self.groups.replay(RecordPosition { offset, transaction: None }, record);
                in_flight.wait_for_offset = in_flight.wait_for_offset.max(offset + 1);
            }
        }
        if let Some(next) = in_flight.batches.front() {
            effects.append = Some(next.append.clone());
            self.in_flight = Some(in_flight);
        } else {
            self.complete_at(now, in_flight.wait_for_offset, in_flight.completions, effects);
        }
    }

    /// The partition's high watermark has risen.
    pub fn on_high_watermark(&mut self, now: Now, high_watermark: i64) -> Effects {
        let mut effects = Effects::default();
        self.raise_high_watermark(high_watermark);
        while let Some(completion) = self.parked.pop_committed(self.high_watermark) {
            self.complete_all(now, vec![completion], Outcome::Committed, &mut effects);
        }
        effects
    }

    fn raise_high_watermark(&mut self, high_watermark: i64) {
        self.high_watermark = self.high_watermark.max(high_watermark);
        self.groups.on_high_watermark(self.high_watermark);
    }

    /// When [`on_timer`](Self::on_timer) must be called next (monotonic milliseconds).
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let groups = self.groups.next_deadline().filter(|_| self.in_flight.is_none());
        groups.into_iter().chain(self.parked.next_deadline()).min()
    }

    /// Handles what is due, up to the first append. The rest stays due: ask [`next_deadline`](Self::next_deadline)
    /// again after it.
    pub fn on_timer(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        while let Some(completion) = self.parked.pop_expired(now.mono_ms) {
            let late = Outcome::TimedOut(GroupError::CoordinatorNotAvailable);
            self.complete_all(now, vec![completion], late, &mut effects);
        }
        while self.in_flight.is_none() {
            let Some(output) = self.groups.on_timer(now) else { break };
            self.absorb(now, output, &mut effects);
        }
        effects
    }

    /// Partitions were deleted with their topics: their offsets go too.
    pub fn on_partitions_deleted(&mut self, now: Now, partitions: &[(String, i32)]) -> Effects {
        let mut effects = Effects::default();
        if self.state == ShardState::Active {
            let output = self.groups.on_partitions_deleted(partitions);
            self.absorb(now, output, &mut effects);
        }
        effects
    }

    // ---- outputs ----

    fn absorb(&mut self, now: Now, output: Output, effects: &mut Effects) {
        if output.records.is_empty() {
            effects.replies.extend(output.replies);
            self.complete_at(now, output.wait_for_offset, output.completions, effects);
        } else {
            self.queued.push_back(output);
            self.start_next_append(now, effects);
        }
    }

    fn start_next_append(&mut self, now: Now, effects: &mut Effects) {
        while self.in_flight.is_none() {
            let Some(output) = self.queued.pop_front() else { return };
            effects.replies.extend(output.replies);
            match writer::batches(&self.config, now.wall_ms, output.records, output.may_be_split) {
                Ok(batches) => {
                    effects.append = batches.front().map(|batch| batch.append.clone());
                    let (completions, wait_for_offset) = (output.completions, output.wait_for_offset);
                    self.in_flight = Some(InFlight { batches, completions, wait_for_offset });
                }
                Err(error) => {
                    self.complete_all(now, output.completions, Outcome::NotAppended(error), effects);
                }
            }
        }
    }

    /// Runs the completions if the log is committed up to `offset`, or parks them.
    fn complete_at(&mut self, now: Now, offset: i64, completions: Vec<Completion>, effects: &mut Effects) {
        if offset <= self.high_watermark {
            self.complete_all(now, completions, Outcome::Committed, effects);
            return;
        }
        let deadline_ms = now.mono_ms.saturating_add(self.config.commit_timeout_ms);
        for completion in completions {
            self.parked.park(offset, deadline_ms, completion);
        }
    }

    fn complete_all(
        &mut self,
        now: Now,
        completions: Vec<Completion>,
        outcome: Outcome,
        effects: &mut Effects,
    ) {
        for completion in completions {
            let output = self.groups.complete(now, completion, outcome);
            self.absorb(now, output, effects);
        }
    }

    #[cfg(test)]
    pub(super) fn groups(&self) -> &GroupShard {
        &self.groups
    }

    /// Panics if the parts of the state contradict each other; for tests and simulation.
    pub fn check_invariants(&self) {
        self.groups.check_invariants();
        self.parked.check_invariants(self.high_watermark);
        assert!(
            self.queued.is_empty() || self.in_flight.is_some(),
            "records wait though nothing is appended"
        );
    }
}
