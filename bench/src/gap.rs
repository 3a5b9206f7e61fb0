//! What an application sees of a failing broker: rkafka's client with default settings sends a record every few
//! milliseconds to one partition, and the longest time without an acknowledgement is the gap.
//!
//! A client that repeats by itself is part of what is measured: this one does it as Java's does, and the same one
//! talks to both products.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rkafka_client::producer::{Producer, ProducerConfig, Record};
use tokio::time::MissedTickBehavior;

/// Between two records.
const EVERY: Duration = Duration::from_millis(5);
/// How long the last records may take.
const CLOSE_MAX: Duration = Duration::from_secs(60);

/// What came of the records.
#[derive(Clone, Debug, Default)]
struct Seen {
    acknowledged: Vec<Instant>,
    errors: Vec<String>,
}

/// A producer at work.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<Result<()>>,
}

/// What the producer saw.
#[derive(Clone, Debug)]
pub(crate) struct Gap {
    /// The longest time between two acknowledgements.
    pub(crate) longest: Duration,
    /// Records that the client gave up.
    pub(crate) errors: Vec<String>,
}

impl Watch {
    /// Begins to send to a partition; returns after some records were acknowledged.
    pub(crate) fn start(bootstrap: &str, topic: &str, partition: u32) -> Result<Self> {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let (stopped, notes) = (stop.clone(), seen.clone());
        let (bootstrap, topic) = (bootstrap.to_owned(), topic.to_owned());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(send(&bootstrap, &topic, partition.try_into()?, &stopped, &notes))
        });
        let watch = Self { stop, seen, thread };
        while watch.acknowledged() < 100 && !watch.thread.is_finished() {
            std::thread::sleep(EVERY);
        }
        Ok(watch)
    }

    /// Records acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.len()
    }

    /// Waits until so many more records are acknowledged.
    pub(crate) fn wait_for(&self, records: usize, limit: Duration) {
        let (begin, before) = (Instant::now(), self.acknowledged());
        while self.acknowledged() < before + records && begin.elapsed() < limit {
            std::thread::sleep(EVERY);
        }
    }

    /// Stops sending.
    pub(crate) fn end(self) -> Result<Gap> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the producer panicked"))??;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        seen.acknowledged.sort();
        let gaps = seen.acknowledged.windows(2).map(|pair| pair[1] - pair[0]);
        Ok(Gap { longest: gaps.max().context("acknowledged records")?, errors: seen.errors })
    }
}

async fn send(
    bootstrap: &str,
    topic: &str,
    partition: i32,
    stop: &AtomicBool,
    seen: &Arc<Mutex<Seen>>,
) -> Result<()> {
    let producer = Producer::connect(ProducerConfig::new(bootstrap)?).await?;
    let mut clock = tokio::time::interval(EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !stop.load(Ordering::Relaxed) {
        let _ = clock.tick().await;
        let delivery = producer.send(Record::to(topic).partition(partition).value("a record")).await?;
        let notes = seen.clone();
        drop(tokio::spawn(async move {
            let result = delivery.await;
            let mut seen = notes.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(_) => seen.acknowledged.push(Instant::now()),
                Err(error) => seen.errors.push(error.to_string()),
            }
        }));
    }
    producer.flush().await;
    let _ = producer.close(CLOSE_MAX).await;
    // The tasks that wait for deliveries run before this one again.
    tokio::time::sleep(EVERY).await;
    Ok(())
}
