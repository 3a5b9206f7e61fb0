//! The property files of the archive's `config/` folder. A test reads each against the table.

/// One node with both roles; also what `rkafka server` runs with when it is given no file.
pub const SERVER_PROPERTIES: &str = include_str!("../properties/server.properties");
/// A broker of a larger cluster.
pub const BROKER_PROPERTIES: &str = include_str!("../properties/broker.properties");
/// A controller of a larger cluster.
pub const CONTROLLER_PROPERTIES: &str = include_str!("../properties/controller.properties");
/// One of three nodes with the keys of the ZooKeeper era.
pub const ZOOKEEPER_STYLE_PROPERTIES: &str = include_str!("../properties/zookeeper-style.properties");

/// Every shipped file of a node with its name.
pub const FILES: [(&str, &str); 4] = [
    ("server.properties", SERVER_PROPERTIES),
    ("broker.properties", BROKER_PROPERTIES),
    ("controller.properties", CONTROLLER_PROPERTIES),
    ("zookeeper-style.properties", ZOOKEEPER_STYLE_PROPERTIES),
];

/// The shipped files of clients; their keys are not in the table.
pub const CLIENT_FILES: [(&str, &str); 2] = [
    ("producer.properties", include_str!("../properties/producer.properties")),
    ("consumer.properties", include_str!("../properties/consumer.properties")),
];
