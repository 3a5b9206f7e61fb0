//! The memory channel: a queue bounded by events and bytes.
//!
//! A batch goes in whole or not at all. What a sink has taken comes back to the front, in order, if it is not
//! delivered. Room is given back when events are *taken*, so that a sink may have several batches on their way; what
//! it has taken is bounded by the sink's own window.

use std::{collections::VecDeque, sync::atomic::Ordering, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{ChannelCounters, Refused};
use crate::{event::Event, receipt};

/// What bounds a memory channel.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most events that wait.
    pub events: usize,
    /// The most bytes of bodies that wait. One batch fits into an empty channel whatever its size.
    pub bytes: usize,
    /// How long a put waits for room.
    pub keep_alive: Duration,
}

/// Events in memory between any number of sources and sinks.
pub struct MemoryChannel {
    name: String,
    limits: Limits,
    queue: Mutex<Queue>,
    /// Somebody put events in.
    filled: Notify,
    /// Somebody took events out.
    drained: Notify,
    counters: ChannelCounters,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    bytes: usize,
    closed: bool,
}

impl MemoryChannel {
    /// An empty channel.
    #[must_use]
    pub fn new(name: &str, limits: Limits) -> MemoryChannel {
        MemoryChannel {
            name: name.to_owned(),
            limits,
            queue: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
            counters: ChannelCounters::default(),
        }
    }

    /// Its name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has seen.
    #[must_use]
    pub fn counters(&self) -> &ChannelCounters {
        &self.counters
    }

    /// How many events may wait.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.limits.events
    }

    /// How many events wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.lock().events.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a batch in, waiting for room up to the keep-alive time.
    ///
    /// # Errors
    /// There is still no room; the batch comes back.
    pub async fn put(&self, mut batch: Vec<Event>) -> Result<(), Refused> {
        self.counters.put_attempts.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let deadline = Instant::now() + self.limits.keep_alive;
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            batch = match self.try_put(batch) {
                Ok(()) => return Ok(()),
                Err(batch) => batch,
            };
            if tokio::time::timeout_at(deadline, drained).await.is_err() {
                return Err(Refused::full(&self.name, self.limits.keep_alive, batch));
            }
        }
    }

    fn try_put(&self, batch: Vec<Event>) -> Result<(), Vec<Event>> {
        let bytes: usize = batch.iter().map(Event::size).sum();
        let count = batch.len();
        {
            let mut queue = self.queue.lock();
            let fits =
                queue.events.len() + count <= self.limits.events && queue.bytes + bytes <= self.limits.bytes;
            if !fits && !queue.events.is_empty() {
                return Err(batch);
            }
            queue.events.extend(batch);
            queue.bytes += bytes;
        }
        self.counters.puts.fetch_add(count as u64, Ordering::Relaxed);
        self.filled.notify_waiters();
        Ok(())
    }

    /// Takes up to `most` events, waiting for the first; none once the channel is closed and empty.
    ///
    /// Unlike Flume's, a take does not wait for more than there is: a lone line is delivered at once.
    pub async fn take(&self, most: usize) -> Vec<Event> {
        loop {
            let filled = self.filled.notified();
            tokio::pin!(filled);
            filled.as_mut().enable();
            {
                let mut queue = self.queue.lock();
                let count = queue.events.len().min(most);
                if count > 0 {
                    let taken: Vec<Event> = queue.events.drain(..count).collect();
                    queue.bytes -= taken.iter().map(Event::size).sum::<usize>();
                    drop(queue);
                    self.counters.take_attempts.fetch_add(count as u64, Ordering::Relaxed);
                    self.drained.notify_waiters();
                    return taken;
                }
                if queue.closed {
                    return Vec::new();
                }
            }
            filled.await;
        }
    }

    /// What was taken has been delivered.
    pub fn commit(&self, events: &[Event]) {
        self.counters.takes.fetch_add(events.len() as u64, Ordering::Relaxed);
        receipt::acknowledge(events);
    }

    /// What was taken could not be delivered: it is the next to be taken, above the capacity if need be.
    pub fn roll_back(&self, events: Vec<Event>) {
        let mut queue = self.queue.lock();
        queue.bytes += events.iter().map(Event::size).sum::<usize>();
        for event in events.into_iter().rev() {
            queue.events.push_front(event);
        }
        drop(queue);
        self.filled.notify_waiters();
    }

    /// No more will be put: takers get what there is, then nothing.
    pub fn close(&self) {
        self.queue.lock().closed = true;
        self.filled.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::Ledger;

    fn channel(events: usize, bytes: usize) -> MemoryChannel {
        MemoryChannel::new("c1", Limits { events, bytes, keep_alive: Duration::from_secs(3) })
    }

    fn batch(bodies: &[&'static str]) -> Vec<Event> {
        bodies.iter().map(|body| Event::new(*body)).collect()
    }

    fn bodies(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| std::str::from_utf8(&event.body).unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_goes_in_whole_or_comes_back() {
        let channel = channel(3, 100);
        channel.put(batch(&["a", "b"])).await.unwrap();
        let before = Instant::now();
        let full = channel.put(batch(&["c", "d"])).await.unwrap_err();
        assert_eq!(before.elapsed(), Duration::from_secs(3));
        assert_eq!(full.to_string(), "channel c1 is full: no room for 2 events within 3s");
        assert_eq!((bodies(&full.batch), channel.len()), (vec!["c", "d"], 2));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_bound_it_but_one_batch_always_fits() {
        let channel = channel(100, 4);
        channel.put(batch(&["longer than four"])).await.unwrap();
        channel.put(batch(&["x"])).await.unwrap_err();
        assert_eq!(bodies(&channel.take(9).await), ["longer than four"]);
        channel.put(batch(&["x"])).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_put_goes_on_when_something_is_taken() {
        let channel = channel(2, 100);
        channel.put(batch(&["a", "b"])).await.unwrap();
        let (put, taken) = tokio::join!(channel.put(batch(&["c"])), channel.take(1));
        put.unwrap();
        assert_eq!(bodies(&taken), ["a"]);
        assert_eq!(bodies(&channel.take(9).await), ["b", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_rolled_back_is_next_in_order() {
        let channel = channel(9, 100);
        channel.put(batch(&["a", "b", "c"])).await.unwrap();
        let taken = channel.take(2).await;
        channel.roll_back(taken);
        assert_eq!(bodies(&channel.take(9).await), ["a", "b", "c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_tells_the_source_and_a_close_ends_takers() {
        let channel = channel(9, 100);
        let ledger = Ledger::new(|| ());
        let receipt = ledger.open(2);
        let events = batch(&["a", "b"]).into_iter().map(|event| Event { receipt: receipt.clone(), ..event });
        channel.put(events.collect()).await.unwrap();
        let taken = channel.take(9).await;
        assert_eq!(ledger.completed(), 0);
        channel.commit(&taken);
        assert_eq!(ledger.completed(), 1);
        channel.close();
        assert!(channel.take(1).await.is_empty());
    }
}
