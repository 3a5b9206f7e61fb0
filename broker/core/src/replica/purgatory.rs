//! Requests that wait on a partition: produces with acks=-1 until the high watermark passes them, fetches until
//! enough bytes can be read.
//!
//! A wait is a [`Token`] in an ordered set; an event takes out exactly those that may go on. There are no timers
//! here: the node keeps one [`crate::time::DeadlineQueue`] of tokens, and a request that times out is cancelled.
//! Tokens are registered under the partition's lock, in the same step that appends or looks at its bounds, so
//! that no wake-up is lost between looking and waiting.

use std::collections::{BTreeSet, VecDeque};

/// A waiting request, as the shell names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Produce requests with acks=-1 that wait on one partition.
#[derive(Debug, Clone, Default)]
pub struct ProduceWaits {
    by_offset: BTreeSet<(i64, Token)>,
}

impl ProduceWaits {
    /// `token` waits until the high watermark is at least `required_offset`: the offset after its last record.
    pub fn wait(&mut self, required_offset: i64, token: Token) {
        self.by_offset.insert((required_offset, token));
    }

    /// Takes out those that `high_watermark` satisfies, in the order of their offsets.
    #[must_use]
    pub fn complete(&mut self, high_watermark: i64) -> Vec<Token> {
        let mut completed = Vec::new();
        let is_done =
            |required: i64| mutant!("lost-wake-up", required <= high_watermark, required < high_watermark);
        while self.by_offset.first().is_some_and(|(required, _)| is_done(*required)) {
            completed.extend(self.by_offset.pop_first().map(|(_, token)| token));
        }
        completed
    }

    /// Takes out one that waits no more; says whether it still waited.
    pub fn cancel(&mut self, required_offset: i64, token: Token) -> bool {
        self.by_offset.remove(&(required_offset, token))
    }

    /// Takes out all: the partition is led elsewhere, deleted or offline.
    #[must_use]
    pub fn clear(&mut self) -> Vec<Token> {
        std::mem::take(&mut self.by_offset).into_iter().map(|(_, token)| token).collect()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_offset.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_offset.is_empty()
    }

    /// Panics if one waits that need not.
    pub fn check_invariants(&self, high_watermark: i64) {
        let first = self.by_offset.first();
        assert!(
            first.is_none_or(|(required, _)| *required > high_watermark),
            "{first:?} at {high_watermark}"
        );
    }
}

/// Up to where a fetch may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// Followers: all there is.
    LogEnd,
    /// Consumers: what is committed.
    HighWatermark,
    /// Consumers that read committed transactions only.
    LastStableOffset,
}

/// Most appends between a bound and the log's end that are told apart; older ones are counted together.
const UNREAD_APPENDS_MAX: usize = 1024;

/// How many bytes have come below one bound since the partition was opened, and who waits for how many.
#[derive(Debug, Clone, Default)]
struct Progress {
    readable_bytes: u64,
    /// Appends that are not below the bound yet: the offset each ends at, and the bytes up to there.
    ahead: VecDeque<(i64, u64)>,
    waiting: BTreeSet<(u64, Token)>,
}

impl Progress {
    fn append(&mut self, end_offset: i64, bytes_total: u64) {
        if self.ahead.len() >= UNREAD_APPENDS_MAX {
            // Counting the second oldest as early as the oldest can only wake somebody too early.
            if let (Some((end, _)), Some((_, total))) = (self.ahead.pop_front(), self.ahead.pop_front()) {
                self.ahead.push_front((end, total));
            }
        }
        self.ahead.push_back((end_offset, bytes_total));
    }

    fn advance(&mut self, bound: i64) -> Vec<Token> {
        while let Some((_, total)) = self.ahead.front().filter(|(end, _)| *end <= bound) {
            self.readable_bytes = *total;
            self.ahead.pop_front();
        }
        let mut woken = Vec::new();
        while self.waiting.first().is_some_and(|(at, _)| *at <= self.readable_bytes) {
            woken.extend(self.waiting.pop_first().map(|(_, token)| token));
        }
        woken
    }
}

/// Fetch requests that wait on one partition.
///
/// A fetch over several partitions waits in each of them for its *share* of the bytes it needs: when the bytes
/// are there in sum, one partition at least has its share ([`FetchWaits::share`]). Who is woken looks at all of
/// them again and waits for what is still missing. A wait is for one partition and token at a time.
#[derive(Debug, Clone, Default)]
pub struct FetchWaits {
    appended_bytes: u64,
    log_end: Progress,
    high_watermark: Progress,
    last_stable_offset: Progress,
}

impl FetchWaits {
    /// How many bytes must come to one of `partitions` partitions before `needed_bytes` can be there in sum.
    #[must_use]
    pub fn share(needed_bytes: u64, partitions: usize) -> u64 {
        needed_bytes.div_ceil(partitions.max(1) as u64).max(1)
    }

    /// `token` waits until `bytes` more (at least 1) are below `bound`. Returns the handle to cancel it with.
    #[must_use]
    pub fn wait(&mut self, bound: Bound, bytes: u64, token: Token) -> FetchWait {
        let progress = self.progress(bound);
        let at = progress.readable_bytes.saturating_add(bytes.max(1));
        progress.waiting.insert((at, token));
        FetchWait { bound, at, token }
    }

    /// An append of `bytes` ended at `end_offset`: who may read up to the log's end is woken.
    #[must_use]
    pub fn append(&mut self, end_offset: i64, bytes: u64) -> Vec<Token> {
        self.appended_bytes = self.appended_bytes.saturating_add(bytes);
        let total = self.appended_bytes;
        for bound in [Bound::LogEnd, Bound::HighWatermark, Bound::LastStableOffset] {
            self.progress(bound).append(end_offset, total);
        }
        self.log_end.advance(end_offset)
    }

    /// A bound moved to `offset`: takes out those that can go on.
    #[must_use]
    pub fn advance(&mut self, bound: Bound, offset: i64) -> Vec<Token> {
        self.progress(bound).advance(offset)
    }

    /// Takes out one that waits no more; says whether it still waited.
    pub fn cancel(&mut self, wait: FetchWait) -> bool {
        self.progress(wait.bound).waiting.remove(&(wait.at, wait.token))
    }

    /// Takes out all: the partition is led elsewhere, deleted, offline, or was truncated.
    #[must_use]
    pub fn clear(&mut self) -> Vec<Token> {
        let bounds = [&mut self.log_end, &mut self.high_watermark, &mut self.last_stable_offset];
        let waiting = bounds.into_iter().flat_map(|progress| std::mem::take(&mut progress.waiting));
        waiting.map(|(_, token)| token).collect()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.log_end.waiting.len() + self.high_watermark.waiting.len() + self.last_stable_offset.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn progress(&mut self, bound: Bound) -> &mut Progress {
        match bound {
            Bound::LogEnd => &mut self.log_end,
            Bound::HighWatermark => &mut self.high_watermark,
            Bound::LastStableOffset => &mut self.last_stable_offset,
        }
    }

    /// Panics if one waits that need not.
    pub fn check_invariants(&self) {
        for progress in [&self.log_end, &self.high_watermark, &self.last_stable_offset] {
            let first = progress.waiting.first();
            assert!(first.is_none_or(|(at, _)| *at > progress.readable_bytes), "{progress:?}");
            assert!(progress.readable_bytes <= self.appended_bytes, "{progress:?}");
            assert!(progress.ahead.len() <= UNREAD_APPENDS_MAX, "{} appends", progress.ahead.len());
        }
    }
}

/// One wait of one fetch on one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchWait {
    bound: Bound,
    at: u64,
    token: Token,
}

#[cfg(test)]
mod tests;
