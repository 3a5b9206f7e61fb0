//! Prints the topics of a cluster with their sizes, the groups, and the quotas if the brokers have any:
//! `cargo run -p rkafka-client --example admin -- localhost:9092`

use std::collections::BTreeMap;

use rkafka_client::{Admin, ClientConfig, ClientError, OffsetSpec, QuotaFilter};

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let bootstrap = std::env::args().nth(1).unwrap_or_else(|| "localhost:9092".to_owned());
    let admin = Admin::connect(ClientConfig::new(&bootstrap)?).await?;
    for topic in admin.list_topics().await? {
        println!("topic {}", topic.name);
        let described = admin.describe_topics(std::slice::from_ref(&topic.name), 2000).await?;
        let Some((_, Ok(described))) = described.into_iter().next() else { continue };
        let key = |index: i32| (topic.name.clone(), index);
        let wanted: BTreeMap<(String, i32), OffsetSpec> =
            described.partitions.iter().map(|one| (key(one.index), OffsetSpec::Latest)).collect();
        for ((_, partition), end) in admin.list_offsets(&wanted, false).await? {
            match end {
                Ok(end) => println!("  partition {partition} ends at {}", end.offset.unwrap_or_default()),
                Err(error) => println!("  partition {partition}: {error}"),
            }
        }
    }
    for group in admin.list_groups(&[], &[]).await? {
        println!("group {} is {}", group.id, group.state.as_deref().unwrap_or("there"));
    }
    match admin.describe_client_quotas(&QuotaFilter::all()).await {
        Ok(all) => all.iter().for_each(|(entity, quotas)| println!("{entity}: {quotas:?}")),
        Err(error @ ClientError::Unsupported { .. }) => println!("no quotas: {error}"),
        Err(error) => return Err(error),
    }
    Ok(())
}
