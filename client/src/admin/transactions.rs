//! Transactions: list and describe them, fence their producers, end those that hang (KIP-664).

use std::collections::BTreeMap;
use std::time::Duration;

use rkafka_wire::ErrorCode;
use rkafka_wire::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use rkafka_wire::messages::{
    ApiKey, DescribeTransactionsRequest, InitProducerIdRequest, ListTransactionsRequest, ProducerId,
    TransactionalId, WriteTxnMarkersRequest,
};

use super::coordinator::{Coordinated, per_thing};
use super::leaders::{TopicPartition, refusal};
use super::{Admin, Each, text};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::metadata::topic_name;
use crate::net::Connection;

/// Which transactions are looked for; what is empty lets everything pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// States, such as `Ongoing`, `PrepareCommit` or `Empty`.
    pub states: Vec<String>,
    /// Ids of producers.
    pub producer_ids: Vec<i64>,
    /// Only those that have been open for longer (since 3.8).
    pub open_longer_than: Option<Duration>,
    /// A regular expression that transactional ids match (since 4.1).
    pub pattern: Option<String>,
}

/// A transactional id as ListTransactions tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionListing {
    /// The transactional id.
    pub id: String,
    /// Its producer's id.
    pub producer_id: i64,
    /// Its state, such as `Ongoing` or `CompleteCommit`.
    pub state: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
}

/// A transactional id and its present transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionDescription {
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// Its state, such as `Ongoing` or `CompleteCommit`.
    pub state: String,
    /// Its producer's id.
    pub producer_id: i64,
    /// Its producer's epoch.
    pub producer_epoch: i16,
    /// How long a transaction may be open.
    pub timeout: Duration,
    /// When the present transaction began, milliseconds since 1970; absent if there is none.
    pub start_ms: Option<i64>,
    /// The partitions that it has written to, in order.
    pub partitions: Vec<TopicPartition>,
}

/// A transaction that no coordinator will end: what [`Admin::describe_producers`] tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HangingTransaction {
    /// The partition in which it is open.
    pub partition: TopicPartition,
    /// Its producer's id.
    pub producer_id: i64,
    /// Its producer's epoch.
    pub producer_epoch: i16,
    /// The epoch of its coordinator; 0 if the partition knows none.
    pub coordinator_epoch: i32,
}

impl Admin {
    /// The transactional ids of all coordinators, by id (since 3.0).
    ///
    /// # Errors
    /// A broker that does not answer, or that is too old for the filter; a state that a broker does not know.
    pub async fn list_transactions(
        &self,
        filter: &TransactionFilter,
    ) -> Result<Vec<TransactionListing>, ClientError> {
        let metadata = self.cluster.metadata.brokers().await?;
        let mut found = Vec::new();
        for broker in metadata.brokers.keys() {
            let attempt = |connection: Connection| list_at(connection, filter, *broker);
            found.extend(self.cluster.retry("listTransactions", Route::Node(*broker), attempt).await?);
        }
        found.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(found)
    }

    /// Describes transactional ids (since 3.0).
    ///
    /// # Errors
    /// A coordinator that cannot be reached. An id that does not exist is its own error
    /// (TRANSACTIONAL_ID_NOT_FOUND).
    pub async fn describe_transactions(
        &self,
        ids: &[String],
    ) -> Result<Each<String, TransactionDescription>, ClientError> {
        let mut results = Vec::new();
        for id in ids {
            let describe = |connection, coordinator| describe(connection, id, coordinator);
            let of = Coordinated::Transactions(id);
            let described = self.at_coordinator("describeTransactions", of, describe).await;
            results.push((id.clone(), per_thing(described)?));
        }
        Ok(results)
    }

    /// Shuts out the present producers of transactional ids; their open transactions are aborted. The result is the
    /// producer id and epoch from which on they are refused.
    ///
    /// # Errors
    /// A coordinator that cannot be reached; why an id was not fenced is its own error.
    pub async fn fence_producers(&self, ids: &[String]) -> Result<Each<String, (i64, i16)>, ClientError> {
        let mut results = Vec::new();
        for id in ids {
            // Java's AdminClient sends its own patience as the transaction's time-out: nothing will be written.
            let request = InitProducerIdRequest::default()
                .with_transactional_id(Some(transactional_id(id)))
                .with_transaction_timeout_ms(self.timeout_ms())
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1);
            let fence = |connection: Connection, _| {
                let request = &request;
                async move {
                    let version = connection.version::<InitProducerIdRequest>()?;
                    let answer = connection.call(version, request).await?;
                    ApiError::check(answer.error_code, None)?;
                    Ok((answer.producer_id.0, answer.producer_epoch))
                }
            };
            let fenced = self.at_coordinator("fenceProducers", Coordinated::Transactions(id), fence).await;
            results.push((id.clone(), per_thing(fenced)?));
        }
        Ok(results)
    }

    /// Aborts a transaction that hangs in one partition, by writing the marker in the coordinator's place.
    ///
    /// # Errors
    /// The leader cannot be reached, or refuses.
    pub async fn abort_transaction(&self, hanging: &HangingTransaction) -> Result<(), ClientError> {
        let (topic, index) = &hanging.partition;
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(hanging.producer_id))
            .with_producer_epoch(hanging.producer_epoch)
            .with_coordinator_epoch(hanging.coordinator_epoch)
            .with_transaction_result(false)
            .with_topics(vec![
                WritableTxnMarkerTopic::default()
                    .with_name(topic_name(topic))
                    .with_partition_indexes(vec![*index]),
            ]);
        let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
        let attempt = |_| {
            let request = &request;
            async move {
                let found = self.by_leader([&hanging.partition].into_iter()).await?;
                let unknown = || refusal(ErrorCode::UnknownTopicOrPartition);
                let leader = *found.leaders.keys().next().ok_or_else(unknown)?;
                let connection = self.cluster.connection(Route::Node(leader)).await?;
                let version = connection.version::<WriteTxnMarkersRequest>()?;
                let answer = connection.call(version, request).await?;
                let partition = answer.markers.first().and_then(|marker| marker.topics.first());
                let partition = partition.and_then(|topic| topic.partitions.first());
                let about = || format!("{topic}-{index}");
                let partition = partition.ok_or_else(|| ClientError::Incomplete {
                    api: ApiKey::WriteTxnMarkers,
                    about: about(),
                })?;
                Ok(ApiError::check(partition.error_code, None)?)
            }
        };
        self.cluster.retry("abortTransaction", Route::Any, attempt).await
    }
}

fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

async fn list_at(
    connection: Connection,
    filter: &TransactionFilter,
    coordinator: i32,
) -> Result<Vec<TransactionListing>, ClientError> {
    let version = connection.version::<ListTransactionsRequest>()?;
    let newer = [
        (filter.open_longer_than.is_some(), 1, "transactions by how long they are open"),
        (filter.pattern.is_some(), 2, "transactions by a pattern of their ids"),
    ];
    if let Some((.., feature)) = newer.iter().find(|(is_wanted, first, _)| *is_wanted && version < *first) {
        let feature = (*feature).to_owned();
        return Err(ClientError::TooOld { address: connection.address().to_string(), feature });
    }
    let open_ms = filter.open_longer_than.map(|open| i64::try_from(open.as_millis()).unwrap_or(i64::MAX));
    let request = ListTransactionsRequest::default()
        .with_state_filters(filter.states.iter().map(|state| text(state)).collect())
        .with_producer_id_filters(filter.producer_ids.iter().copied().map(ProducerId).collect())
        .with_duration_filter(open_ms.unwrap_or(-1))
        .with_transactional_id_pattern(filter.pattern.as_deref().map(text));
    let answer = connection.call(version, &request).await?;
    ApiError::check(answer.error_code, None)?;
    if let Some(state) = answer.unknown_state_filters.first() {
        let message = format!("broker {coordinator} knows no transactions in a state '{state}'");
        return Err(ApiError { code: ErrorCode::InvalidRequest, message }.into());
    }
    let listing =
        |state: &rkafka_wire::messages::list_transactions_response::TransactionState| TransactionListing {
            id: state.transactional_id.to_string(),
            producer_id: state.producer_id.0,
            state: state.transaction_state.to_string(),
            coordinator,
        };
    Ok(answer.transaction_states.iter().map(listing).collect())
}

async fn describe(
    connection: Connection,
    id: &str,
    coordinator: i32,
) -> Result<TransactionDescription, ClientError> {
    let version = connection.version::<DescribeTransactionsRequest>()?;
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional_id(id)]);
    let answer = connection.call(version, &request).await?;
    let api = ApiKey::DescribeTransactions;
    let state = answer.transaction_states.into_iter().next();
    let state = state.ok_or_else(|| ClientError::Incomplete { api, about: id.to_owned() })?;
    ApiError::check(state.error_code, None)?;
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for topic in &state.topics {
        topics.entry(topic.topic.to_string()).or_default().extend(&topic.partitions);
    }
    let mut partitions: Vec<TopicPartition> = Vec::new();
    for (topic, indexes) in topics {
        partitions.extend(indexes.into_iter().map(|index| (topic.clone(), index)));
    }
    partitions.sort();
    Ok(TransactionDescription {
        coordinator,
        state: state.transaction_state.to_string(),
        producer_id: state.producer_id.0,
        producer_epoch: state.producer_epoch,
        timeout: Duration::from_millis(u64::try_from(state.transaction_timeout_ms).unwrap_or(0)),
        start_ms: Some(state.transaction_start_time_ms).filter(|start| *start >= 0),
        partitions,
    })
}
