//! What Flume has and rkafka has not, each with what to use instead.

use super::Kind;

/// Types of Flume that are not served: kind, names, what to do instead.
static TYPES: &[(Kind, &[&str], &str)] = &[
    (
        Kind::Source,
        &["avro", "thrift", "org.apache.flume.source.AvroSource", "org.apache.flume.source.ThriftSource"],
        "agents need no hop between them: let each send to the cluster with the Kafka sink",
    ),
    (
        Kind::Source,
        &["http", "org.apache.flume.source.http.HTTPSource"],
        "let the programs produce with a Kafka client",
    ),
    (Kind::Source, &["jms", "org.apache.flume.source.jms.JMSSource"], "use a JMS connector of Kafka Connect"),
    (
        Kind::Source,
        &["syslogtcp", "syslogudp", "multiport_syslogtcp"],
        "let the syslog daemon write files into a spooling directory",
    ),
    (
        Kind::Source,
        &["netcatudp", "org.apache.flume.source.NetcatUdpSource"],
        "datagrams get lost; use netcat",
    ),
    (
        Kind::Channel,
        &["jdbc", "org.apache.flume.channel.jdbc.JdbcChannel", "spillablememory"],
        "use memory, which loses no line of a file here, or file, which keeps events on disk",
    ),
    (
        Kind::Channel,
        &["org.apache.flume.channel.kafka.KafkaChannel"],
        "use memory with the Kafka sink: the topic is the durable channel",
    ),
    (
        Kind::Sink,
        &[
            "hdfs",
            "hive",
            "hbase",
            "hbase2",
            "asynchbase",
            "elasticsearch",
            "morphline_solr",
            "http",
            "irc",
            "avro",
            "thrift",
        ],
        "send to a topic with the Kafka sink and let a Kafka Connect sink take it from there",
    ),
];

/// What to do instead of a type of Flume that is not served.
#[must_use]
pub fn unserved(kind: Kind, name: &str) -> Option<&'static str> {
    TYPES
        .iter()
        .find(|(of, names, _)| *of == kind && names.iter().any(|other| other.eq_ignore_ascii_case(name)))
        .map(|(_, _, instead)| *instead)
}
