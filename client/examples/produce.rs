//! Sends lines of standard input to a topic: `cargo run -p rkafka-client --example produce -- localhost:9092 orders`.

use std::io::BufRead;
use std::time::Duration;

use rkafka_client::producer::{Producer, ProducerConfig, Record};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let servers = args.next().unwrap_or_else(|| "localhost:9092".to_owned());
    let topic = args.next().unwrap_or_else(|| "test".to_owned());
    let config = ProducerConfig::new(&servers)?.with("compression.type", "lz4")?;
    let producer = Producer::connect(config).await?;

    let mut deliveries = Vec::new();
    for line in std::io::stdin().lock().lines() {
        // Waits only while the buffer is full; the acknowledgement comes later.
        deliveries.push(producer.send(Record::to(&topic).value(&line?)).await?);
    }
    producer.flush().await;
    for delivery in deliveries {
        let stored = delivery.await?;
        println!("{}-{}@{:?}", stored.topic, stored.partition, stored.offset);
    }
    producer.close(Duration::from_secs(10)).await;
    Ok(())
}
