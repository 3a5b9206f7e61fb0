//! Shares a topic with the other members of a group and prints its records until Ctrl-C:
//! `cargo run -p rkafka-client --example consume -- localhost:9092 orders my-group`

use std::time::Duration;

use futures_util::future::BoxFuture;
use rkafka_client::{
    AutoOffsetReset, Consumer, ConsumerConfig, ConsumerError, RebalanceListener, TopicPartition,
};

/// Says what comes and goes.
struct Announcer;

impl RebalanceListener for Announcer {
    fn partitions_revoked<'a>(
        &'a mut self,
        _consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move { eprintln!("gone: {partitions:?}") })
    }

    fn partitions_assigned<'a>(
        &'a mut self,
        _consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move { eprintln!("came: {partitions:?}") })
    }
}

#[tokio::main]
async fn main() -> Result<(), ConsumerError> {
    let mut args = std::env::args().skip(1);
    let servers = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "orders".to_owned());
    let group = args.next().unwrap_or_else(|| "example".to_owned());

    let config =
        ConsumerConfig::new(&servers)?.with_group_id(group).with_auto_offset_reset(AutoOffsetReset::Earliest);
    let consumer = Consumer::connect(config).await?;
    consumer.subscribe_with([topic], Announcer)?;
    loop {
        let polled = tokio::select! {
            polled = consumer.poll(Duration::from_secs(1)) => polled?,
            _ = tokio::signal::ctrl_c() => break,
        };
        for record in polled {
            let value = record.value.as_deref().map(String::from_utf8_lossy);
            println!(
                "{}-{}@{}: {}",
                record.topic,
                record.partition,
                record.offset,
                value.unwrap_or_default()
            );
        }
    }
    consumer.close(Duration::from_secs(5)).await
}
