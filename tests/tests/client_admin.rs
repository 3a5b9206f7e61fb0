//! The Rust client's admin requests against Apache Kafka 4.3, and what it says where rkafka does not serve them.

use std::collections::BTreeMap;
use std::time::Duration;

use rkafka_client::admin::{
    AccessControl, AclBinding, AclFilter, AclOperation, AclPermission, AclResourceKind, FeatureUpdate,
    HangingTransaction, NewDelegationToken, PatternType, Principal, ResourcePattern, TransactionFilter,
    UpgradeType,
};
use rkafka_client::{
    Admin, AlterConfigOp, ApiError, ClientConfig, ClientError, ConfigResource, Consumer, ConsumerConfig,
    ErrorCode, NewTopic, Producer, ProducerConfig, QuotaEntity, QuotaFilter, QuotaMatch, Record,
    ResourceKind, ScramAlteration, ScramCredential, ScramMechanism,
};
use rkafka_tests::node::Node;
use rkafka_wire::ApiKey;

/// How long anything here may take; only a broken product needs it.
const PATIENCE: Duration = Duration::from_secs(90);

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let bounded = async { tokio::time::timeout(PATIENCE, work).await.expect("an end in time") };
    runtime.expect("a runtime").block_on(bounded)
}

async fn admin(node: &Node) -> Admin {
    Admin::connect(ClientConfig::new(&node.bootstrap()).expect("an address")).await.expect("reachable")
}

/// A change is in the brokers' image a moment after the controller took it.
async fn settled<T: PartialEq + std::fmt::Debug, F: Future<Output = T>>(wanted: T, look: impl Fn() -> F) {
    let mut seen = look().await;
    while seen != wanted {
        // `block_on` bounds this.
        tokio::time::sleep(Duration::from_millis(20)).await;
        seen = look().await;
    }
}

fn values(pairs: &[(&str, f64)]) -> BTreeMap<String, f64> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
}

async fn quotas(admin: &Admin) {
    let alice = QuotaEntity::default().user("alice").client_id("c1");
    let others = QuotaEntity::default().default_user();
    let address = QuotaEntity::default().ip("127.0.0.9");
    let set = |key: &str, value| BTreeMap::from([(key.to_owned(), value)]);
    let changes = BTreeMap::from([
        (alice.clone(), set("producer_byte_rate", Some(1024.0))),
        (others.clone(), set("request_percentage", Some(12.5))),
        (address.clone(), set("connection_creation_rate", Some(7.0))),
    ]);
    for (entity, result) in admin.alter_client_quotas(&changes, true).await.expect("an answer") {
        result.unwrap_or_else(|error| panic!("{entity}: {error}"));
    }
    let none = admin.describe_client_quotas(&QuotaFilter::all()).await.expect("an answer");
    assert_eq!(none, BTreeMap::new(), "it was only validated");
    let altered = admin.alter_client_quotas(&changes, false).await.expect("an answer");
    assert_eq!(altered.len(), 3);
    for (entity, result) in altered {
        result.unwrap_or_else(|error| panic!("{entity}: {error}"));
    }
    let look =
        |filter: QuotaFilter| async move { admin.describe_client_quotas(&filter).await.expect("an answer") };
    let of_users = BTreeMap::from([
        (alice.clone(), values(&[("producer_byte_rate", 1024.0)])),
        (others.clone(), values(&[("request_percentage", 12.5)])),
    ]);
    let users = QuotaFilter::all().with(QuotaEntity::USER, QuotaMatch::Any);
    settled(of_users, || look(users.clone())).await;
    let alone = look(users.clone().only()).await;
    assert_eq!(alone.keys().collect::<Vec<_>>(), [&others], "strictly users");
    let exactly = QuotaFilter::all().with(QuotaEntity::USER, QuotaMatch::Exactly("alice".into()));
    assert_eq!(look(exactly).await.keys().collect::<Vec<_>>(), [&alice]);
    let default = QuotaFilter::all().with(QuotaEntity::USER, QuotaMatch::Default);
    assert_eq!(look(default).await.keys().collect::<Vec<_>>(), [&others]);
    let of_address = BTreeMap::from([(address, values(&[("connection_creation_rate", 7.0)]))]);
    assert_eq!(look(QuotaFilter::all().with(QuotaEntity::IP, QuotaMatch::Any)).await, of_address);

    let removed = BTreeMap::from([(alice.clone(), set("producer_byte_rate", None))]);
    let [(_, Ok(()))] = &admin.alter_client_quotas(&removed, false).await.expect("an answer")[..] else {
        panic!("not removed");
    };
    settled(1, || async { look(users.clone()).await.len() }).await;
    let wrong = BTreeMap::from([(alice, set("no_such_rate", Some(1.0)))]);
    let [(_, Err(error))] = &admin.alter_client_quotas(&wrong, false).await.expect("an answer")[..] else {
        panic!("an unknown key was taken");
    };
    assert_eq!(error.code, ErrorCode::InvalidRequest);
}

async fn scram_credentials(admin: &Admin) {
    let upsert = |mechanism, iterations| ScramAlteration::Upsert {
        mechanism,
        iterations,
        password: "secret".to_owned(),
        salt: None,
    };
    let (sha256, sha512) = (ScramMechanism::Sha256, ScramMechanism::Sha512);
    let changes = BTreeMap::from([
        ("alice".to_owned(), vec![upsert(sha256, 4096)]),
        ("bob".to_owned(), vec![upsert(sha256, 4095)]),
        ("carol".to_owned(), vec![ScramAlteration::Delete(sha256)]),
    ]);
    let results = admin.alter_user_scram_credentials(&changes).await.expect("an answer");
    let codes: BTreeMap<&str, ErrorCode> = results
        .iter()
        .map(|(user, result)| {
            (user.as_str(), result.as_ref().err().map_or(ErrorCode::None, |error| error.code))
        })
        .collect();
    let expected = [
        ("alice", ErrorCode::None),
        ("bob", ErrorCode::UnacceptableCredential),
        ("carol", ErrorCode::ResourceNotFound),
    ];
    assert_eq!(codes, BTreeMap::from(expected));
    // The controller takes one change of a user in a request.
    let both = BTreeMap::from([("alice".to_owned(), vec![upsert(sha256, 4096), upsert(sha512, 8192)])]);
    let refused = admin.alter_user_scram_credentials(&both).await.expect("an answer");
    assert_eq!(code_of(&refused[0].1), ErrorCode::DuplicateResource);
    let alter = |change| async move {
        let changes = BTreeMap::from([("alice".to_owned(), vec![change])]);
        admin.alter_user_scram_credentials(&changes).await.expect("an answer").remove(0).1
    };
    assert_eq!(alter(upsert(sha512, 8192)).await, Ok(()));
    let described = || async {
        let mut all = admin.describe_user_scram_credentials(None).await.expect("an answer");
        for (_, result) in &mut all {
            if let Ok(credentials) = result {
                credentials.sort_by_key(|one| one.mechanism);
            }
        }
        all
    };
    let both = vec![
        ScramCredential { mechanism: sha256, iterations: 4096 },
        ScramCredential { mechanism: sha512, iterations: 8192 },
    ];
    settled(vec![("alice".to_owned(), Ok(both))], described).await;
    let named = admin.describe_user_scram_credentials(Some(&["bob".to_owned()])).await.expect("an answer");
    assert_eq!(named[0].1.as_ref().expect_err("bob has none").code, ErrorCode::ResourceNotFound);

    for mechanism in [sha256, sha512] {
        assert_eq!(alter(ScramAlteration::Delete(mechanism)).await, Ok(()));
    }
    settled(Vec::new(), described).await;
}

fn topic_partition(topic: &str) -> (String, i32) {
    (topic.to_owned(), 0)
}

fn code_of<T: std::fmt::Debug>(result: &Result<T, ApiError>) -> ErrorCode {
    result.as_ref().expect_err("a refusal").code
}

async fn client_metrics(admin: &Admin) {
    let resource = ConfigResource { kind: ResourceKind::ClientMetrics, name: "all-clients".to_owned() };
    let set = BTreeMap::from([("interval.ms".to_owned(), AlterConfigOp::Set("1000".to_owned()))]);
    admin.incremental_alter_configs(&resource, &set, false).await.expect("an answer").expect("set");
    let names =
        || async { admin.list_config_resources(ResourceKind::ClientMetrics).await.expect("an answer") };
    settled(vec!["all-clients".to_owned()], names).await;
}

async fn features(admin: &Admin) {
    let features = admin.describe_features().await.expect("an answer");
    let level = features.finalized["metadata.version"];
    assert!(level.max <= features.supported["metadata.version"].max && features.finalized_epoch.is_some());
    let update = |name: &str, level| {
        let upgrade_type = UpgradeType::Upgrade;
        BTreeMap::from([(name.to_owned(), FeatureUpdate { level, upgrade_type })])
    };
    let tried = admin.update_features(&update("eligible.leader.replicas.version", 1), true).await;
    assert_eq!(tried, Ok(vec![("eligible.leader.replicas.version".to_owned(), Ok(()))]));
    let wrong = admin.update_features(&update("metadata.version", level.max + 100), true).await;
    assert_eq!(wrong.expect_err("no such level").code(), Some(ErrorCode::InvalidUpdateVersion));
    assert_eq!(admin.describe_features().await.expect("an answer").finalized, features.finalized);
}

async fn reassignments(admin: &Admin) {
    let moves = |replicas| BTreeMap::from([(topic_partition("admin"), replicas)]);
    let to = |replicas| async move {
        admin.alter_reassignments(&moves(replicas)).await.expect("an answer").remove(0).1
    };
    assert_eq!(to(Some(vec![1])).await, Ok(()), "it is there already");
    assert_eq!(code_of(&to(Some(vec![9])).await), ErrorCode::InvalidReplicaAssignment);
    assert_eq!(code_of(&to(None).await), ErrorCode::NoReassignmentInProgress);
    assert!(admin.list_reassignments().await.expect("an answer").is_empty());
    assert!(admin.list_reassignments_of(&[topic_partition("admin")]).await.expect("an answer").is_empty());
}

async fn log_dirs(admin: &Admin) {
    let dirs = admin.describe_log_dirs(1).await.expect("an answer");
    let move_to = |path: &str| BTreeMap::from([(topic_partition("admin"), path.to_owned())]);
    let stays = admin.alter_replica_log_dirs(1, &move_to(&dirs[0].path)).await.expect("an answer");
    assert_eq!(stays, [(topic_partition("admin"), Ok(()))]);
    let nowhere = admin.alter_replica_log_dirs(1, &move_to("/no/such/directory")).await.expect("an answer");
    assert_eq!(code_of(&nowhere[0].1), ErrorCode::LogDirNotFound);
}

async fn producers_and_transactions(node: &Node, admin: &Admin) {
    let producer = Producer::connect(ProducerConfig::new(&node.bootstrap()).expect("an address")).await;
    let producer = producer.expect("reachable");
    for text in ["one", "two"] {
        producer.send(Record::to("admin").value(text)).await.expect("room").await.expect("stored");
    }
    let unknown = topic_partition("no-such-topic");
    let asked = [topic_partition("admin"), unknown.clone()];
    let described = admin.describe_producers(&asked, None).await.expect("an answer");
    let [state] = described[0].1.as_ref().expect("known").as_slice() else { panic!("{described:?}") };
    assert_eq!((state.last_sequence, state.transaction_start_offset), (Some(1), None));
    assert_eq!((&described[1].0, code_of(&described[1].1)), (&unknown, ErrorCode::UnknownTopicOrPartition));
    assert_eq!(admin.describe_producers(&asked[..1], Some(1)).await.expect("an answer")[0], described[0]);

    let ids = ["tx".to_owned()];
    let fenced = admin.fence_producers(&ids).await.expect("an answer");
    let (id, epoch) = *fenced[0].1.as_ref().expect("fenced");
    let described = admin.describe_transactions(&ids).await.expect("an answer");
    let transaction = described[0].1.as_ref().expect("known");
    assert_eq!((transaction.state.as_str(), transaction.producer_id), ("Empty", id));
    assert_eq!((transaction.producer_epoch, transaction.start_ms), (epoch, None));
    let strange = admin.describe_transactions(&["strange".to_owned()]).await.expect("an answer");
    assert_eq!(code_of(&strange[0].1), ErrorCode::TransactionalIdNotFound);
    let list = |filter: TransactionFilter| async move {
        let found = admin.list_transactions(&filter).await.expect("an answer");
        found.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(list(TransactionFilter::default()).await, ids);
    let pattern = Some("t.*".to_owned());
    let states = vec!["Empty".to_owned()];
    assert_eq!(list(TransactionFilter { pattern, states, ..TransactionFilter::default() }).await, ids);
    let none = TransactionFilter { producer_ids: vec![id + 1000], ..TransactionFilter::default() };
    assert!(list(none).await.is_empty());
    let wrong = TransactionFilter { states: vec!["Lost".to_owned()], ..TransactionFilter::default() };
    let error = admin.list_transactions(&wrong).await.expect_err("no such state").to_string();
    assert_eq!(error, "broker 1 knows no transactions in a state 'Lost'");

    let hanging = HangingTransaction {
        partition: topic_partition("admin"),
        producer_id: state.producer_id,
        producer_epoch: i16::try_from(state.producer_epoch).expect("an epoch") + 1,
        coordinator_epoch: 0,
    };
    assert_eq!(admin.abort_transaction(&hanging).await, Ok(()));
    let described = admin.describe_producers(&asked[..1], None).await.expect("an answer");
    let state = described[0].1.as_ref().expect("known")[0];
    assert_eq!(state.producer_epoch, i32::from(hanging.producer_epoch), "the marker was written");
}

async fn access_control(admin: &Admin) {
    let binding = |name: &str, operation| AclBinding {
        resource: ResourcePattern {
            kind: AclResourceKind::Topic,
            name: name.to_owned(),
            pattern: PatternType::Prefixed,
        },
        entry: AccessControl {
            principal: "User:alice".to_owned(),
            host: "*".to_owned(),
            operation,
            permission: AclPermission::Allow,
        },
    };
    let (read, write) = (binding("orders", AclOperation::Read), binding("orders", AclOperation::Write));
    let mut wrong = read.clone();
    wrong.entry.principal = "alice".to_owned();
    let created = admin.create_acls(&[read.clone(), write.clone(), wrong]).await.expect("an answer");
    assert_eq!(&created[..2], [Ok(()), Ok(())]);
    assert_eq!(code_of(&created[2]), ErrorCode::InvalidRequest);
    let described = |filter: AclFilter| async move { admin.describe_acls(&filter).await.expect("an answer") };
    settled(vec![read.clone(), write.clone()], || described(AclFilter::default())).await;
    let matching = AclFilter {
        kind: AclResourceKind::Topic,
        name: Some("orders-of-today".to_owned()),
        pattern: PatternType::Match,
        operation: AclOperation::Read,
        ..AclFilter::default()
    };
    assert_eq!(described(matching.clone()).await, std::slice::from_ref(&read));
    let other = AclFilter { principal: Some("User:bob".to_owned()), ..AclFilter::default() };
    assert_eq!(described(other.clone()).await, []);
    let deleted = admin.delete_acls(&[matching, other]).await.expect("an answer");
    assert_eq!(deleted, [Ok(vec![(read, Ok(()))]), Ok(Vec::new())]);
    settled(vec![write.clone()], || described(AclFilter::default())).await;
    let deleted = admin.delete_acls(&[AclFilter::from(&write)]).await.expect("an answer");
    assert_eq!(deleted, [Ok(vec![(write, Ok(()))])]);
}

/// Tokens need a connection that says who asks.
async fn delegation_tokens(admin: &Admin) {
    let refused = Some(ErrorCode::DelegationTokenRequestNotAllowed);
    let error = admin.create_delegation_token(&NewDelegationToken::default()).await.expect_err("plain text");
    assert_eq!(error.code(), refused);
    let hmac = bytes::Bytes::from_static(b"secret");
    let error = admin.renew_delegation_token(&hmac, None).await.expect_err("plain text");
    assert_eq!(error.code(), refused);
    let hour = Some(Duration::from_secs(3600));
    let error = admin.expire_delegation_token(&hmac, hour).await.expect_err("plain text");
    assert_eq!(error.code(), refused);
    let owners = [Principal::user("alice")];
    let error = admin.describe_delegation_tokens(Some(&owners)).await.expect_err("plain text");
    assert_eq!(error.code(), refused);
}

async fn members(node: &Node, admin: &Admin) {
    let config = ConsumerConfig::new(&node.bootstrap()).expect("an address");
    let config = config.with_group_id("removed").with_group_instance_id("one");
    let consumer = Consumer::connect(config).await.expect("reachable");
    consumer.subscribe(["admin"]).expect("a group");
    while consumer.assignment().is_empty() {
        let _ = consumer.poll(Duration::from_millis(100)).await.expect("a poll");
    }
    let ids = ["one".to_owned(), "nobody".to_owned()];
    let removed = admin.remove_group_members("removed", Some(&ids), "a test").await.expect("an answer");
    assert_eq!((&removed[0].0, &removed[0].1), (&ids[0], &Ok(())));
    assert_eq!(code_of(&removed[1].1), ErrorCode::UnknownMemberId);
}

/// Broker and controller in one, with an authorizer that lets everybody in.
const AUTHORIZER: &[(&str, &str)] = &[
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("super.users", "User:ANONYMOUS"),
    ("delegation.token.secret.key", "key"),
];

#[test]
fn everything_on_apache_kafka() {
    let node = Node::start_apache(AUTHORIZER);
    block_on(async {
        let admin = admin(&node).await;
        let topic = NewTopic::new("admin").with_partitions(1);
        admin.create_topics(&[topic], false).await.expect("an answer").remove(0).1.expect("made");
        quotas(&admin).await;
        scram_credentials(&admin).await;
        client_metrics(&admin).await;
        features(&admin).await;
        reassignments(&admin).await;
        log_dirs(&admin).await;
        producers_and_transactions(&node, &admin).await;
        access_control(&admin).await;
        delegation_tokens(&admin).await;
        members(&node, &admin).await;
    });
}

/// A request that the broker does not serve fails at once, with words that say which and where; no other does so.
#[test]
fn what_rkafka_does_not_serve_is_said() {
    let node = Node::start(&[]);
    block_on(async {
        let admin = admin(&node).await;
        let served: Vec<i16> =
            admin.api_versions(1).await.expect("an answer").iter().map(|api| api.key).collect();
        let check = |api: ApiKey, result: Result<(), ClientError>| {
            let text = format!("the broker at {} does not support {api:?} requests", node.bootstrap());
            let is_said = result.is_err_and(|error| error.to_string() == text);
            assert_eq!(is_said, !served.contains(&(api as i16)), "{api:?}");
        };
        let quotas = QuotaFilter::all();
        check(ApiKey::DescribeClientQuotas, admin.describe_client_quotas(&quotas).await.map(drop));
        check(ApiKey::AlterClientQuotas, admin.alter_client_quotas(&BTreeMap::new(), false).await.map(drop));
        let described = admin.describe_user_scram_credentials(None).await;
        check(ApiKey::DescribeUserScramCredentials, described.map(drop));
        let altered = admin.alter_user_scram_credentials(&BTreeMap::new()).await;
        check(ApiKey::AlterUserScramCredentials, altered.map(drop));
        check(ApiKey::UpdateFeatures, admin.update_features(&BTreeMap::new(), false).await.map(drop));
        let moved = admin.alter_reassignments(&BTreeMap::new()).await;
        check(ApiKey::AlterPartitionReassignments, moved.map(drop));
        let moved = admin.alter_replica_log_dirs(1, &BTreeMap::new()).await;
        check(ApiKey::AlterReplicaLogDirs, moved.map(drop));
        let transactions = admin.list_transactions(&TransactionFilter::default()).await;
        check(ApiKey::ListTransactions, transactions.map(drop));
        let created = admin.create_delegation_token(&NewDelegationToken::default()).await;
        check(ApiKey::CreateDelegationToken, created.map(drop));
        let tokens = admin.describe_delegation_tokens(None).await;
        check(ApiKey::DescribeDelegationToken, tokens.map(drop));
    });
}
