//! How messages are shown: the stock tool's formatters by their short names or Java classes.

use std::io::{self, Write};

use rkafka_client::ConsumerRecord;
use rkafka_client::consumer::TimestampType;

use super::coordinator;
use crate::common::failure::Failure;

/// A formatter, ready to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Formatter {
    Default(Columns),
    /// The default's line, and one for the log on standard error.
    Logging(Columns),
    NoOp,
    /// Of Kafka 2.2: it has shown 0 since message format 2, whose records have no checksum; the topic before
    /// it.
    Checksum(Option<String>),
    /// Commits in `__consumer_offsets`.
    Offsets,
    /// Groups in `__consumer_offsets`.
    GroupMetadata,
    /// Transactions in `__transaction_state`.
    TransactionLog,
}

/// Why a message cannot be shown.
#[derive(Debug)]
pub(super) enum FormatError {
    /// Nobody reads standard output any more.
    Output,
    /// The message is not what the formatter expects.
    Message(String),
}

impl From<io::Error> for FormatError {
    fn from(_: io::Error) -> FormatError {
        FormatError::Output
    }
}

impl Formatter {
    /// The formatter of this name with its settings.
    pub(super) fn new(name: Option<&str>, properties: &[(String, String)]) -> Result<Formatter, Failure> {
        let simple = name.unwrap_or("default").rsplit(['.', '$']).next().unwrap_or_default();
        match simple {
            "default" | "DefaultMessageFormatter" => Ok(Formatter::Default(Columns::new(properties)?)),
            "logging" | "LoggingMessageFormatter" => Ok(Formatter::Logging(Columns::new(properties)?)),
            "no-op" | "NoOpMessageFormatter" => Ok(Formatter::NoOp),
            "checksum" | "ChecksumMessageFormatter" => {
                let topic = properties.iter().rev().find(|(key, _)| key == "topic");
                Ok(Formatter::Checksum(topic.map(|(_, topic)| topic.clone())))
            }
            "offsets" | "OffsetsMessageFormatter" => Ok(Formatter::Offsets),
            "group-metadata" | "GroupMetadataMessageFormatter" => Ok(Formatter::GroupMetadata),
            "transaction-log" | "TransactionLogMessageFormatter" => Ok(Formatter::TransactionLog),
            _ => Err(Failure::usage(format!(
                "No formatter '{}': default, logging, no-op, checksum, offsets, group-metadata and transaction-log are \
                 there.",
                name.unwrap_or_default()
            ))),
        }
    }

    /// Writes one message.
    pub(super) fn write(&self, record: &ConsumerRecord, out: &mut impl Write) -> Result<(), FormatError> {
        match self {
            Formatter::Default(columns) => columns.write(record, out),
            Formatter::Logging(columns) => {
                columns.write(record, out)?;
                eprintln!("{}", log_line(record));
                Ok(())
            }
            Formatter::NoOp => Ok(()),
            Formatter::Checksum(topic) => {
                let topic = topic.as_ref().map(|topic| format!("{topic}:")).unwrap_or_default();
                Ok(writeln!(out, "{topic}checksum:0")?)
            }
            Formatter::Offsets => coordinator::write(record, coordinator::Wanted::Offsets, out),
            Formatter::GroupMetadata => coordinator::write(record, coordinator::Wanted::Groups, out),
            Formatter::TransactionLog => coordinator::write(record, coordinator::Wanted::Transactions, out),
        }
    }
}

fn timestamp(record: &ConsumerRecord) -> Option<String> {
    let kind = match record.timestamp_type {
        _ if record.timestamp < 0 => return None,
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    Some(format!("{kind}:{}", record.timestamp))
}

fn log_line(record: &ConsumerRecord) -> String {
    let text = |bytes: &Option<bytes::Bytes>| match bytes {
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        None => "null".to_owned(),
    };
    let timestamp = timestamp(record).map(|timestamp| format!("{timestamp}, ")).unwrap_or_default();
    format!("{timestamp}key:{}, value:{}", text(&record.key), text(&record.value))
}

/// What the default formatter shows of a message, and what stands between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    timestamp: bool,
    partition: bool,
    offset: bool,
    epoch: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key_deserializer: Option<Deserializer>,
    value_deserializer: Option<Deserializer>,
    headers_deserializer: Option<Deserializer>,
}

impl Columns {
    fn new(properties: &[(String, String)]) -> Result<Columns, Failure> {
        let mut columns = Columns {
            timestamp: false,
            partition: false,
            offset: false,
            epoch: false,
            headers: false,
            key: false,
            value: true,
            key_separator: b"\t".to_vec(),
            line_separator: b"\n".to_vec(),
            headers_separator: b",".to_vec(),
            null_literal: b"null".to_vec(),
            key_deserializer: None,
            value_deserializer: None,
            headers_deserializer: None,
        };
        for (key, value) in properties {
            let is_true = value.trim().eq_ignore_ascii_case("true");
            let bytes = value.as_bytes().to_vec();
            match key.as_str() {
                "print.timestamp" => columns.timestamp = is_true,
                "print.partition" => columns.partition = is_true,
                "print.offset" => columns.offset = is_true,
                "print.epoch" => columns.epoch = is_true,
                "print.headers" => columns.headers = is_true,
                "print.key" => columns.key = is_true,
                "print.value" => columns.value = is_true,
                "key.separator" => columns.key_separator = bytes,
                "line.separator" => columns.line_separator = bytes,
                "headers.separator" => columns.headers_separator = bytes,
                "null.literal" => columns.null_literal = bytes,
                "key.deserializer" => columns.key_deserializer = Some(Deserializer::new(value)?),
                "value.deserializer" => columns.value_deserializer = Some(Deserializer::new(value)?),
                "headers.deserializer" => columns.headers_deserializer = Some(Deserializer::new(value)?),
                // Settings of formatters and deserializers that are not there are nobody's business, as in
                // the stock tool.
                _ => {}
            }
        }
        Ok(columns)
    }

    /// The columns in their order, each followed by the separator, the last one by the end of the line.
    fn write(&self, record: &ConsumerRecord, out: &mut impl Write) -> Result<(), FormatError> {
        let mut left =
            [self.timestamp, self.partition, self.offset, self.epoch, self.headers, self.key, self.value]
                .into_iter()
                .filter(|shown| *shown)
                .count();
        let mut separate = |out: &mut _| {
            left -= 1;
            Write::write_all(out, if left > 0 { &self.key_separator } else { &self.line_separator })
        };
        // All of it or nothing: a message that cannot be shown leaves no half line.
        let mut line = Vec::new();
        if self.timestamp {
            line.extend(timestamp(record).unwrap_or_else(|| "NO_TIMESTAMP".to_owned()).bytes());
            separate(&mut line)?;
        }
        if self.partition {
            write!(line, "Partition:{}", record.partition)?;
            separate(&mut line)?;
        }
        if self.offset {
            write!(line, "Offset:{}", record.offset)?;
            separate(&mut line)?;
        }
        if self.epoch {
            match record.leader_epoch {
                Some(epoch) => write!(line, "Epoch:{epoch}")?,
                None => line.extend(b"Epoch:NOT_PRESENT"),
            }
            separate(&mut line)?;
        }
        if self.headers {
            self.write_headers(record, &mut line)?;
            separate(&mut line)?;
        }
        if self.key {
            self.write_bytes(record.key.as_deref(), self.key_deserializer, &mut line)?;
            separate(&mut line)?;
        }
        if self.value {
            self.write_bytes(record.value.as_deref(), self.value_deserializer, &mut line)?;
            separate(&mut line)?;
        }
        Ok(out.write_all(&line)?)
    }

    fn write_headers(&self, record: &ConsumerRecord, line: &mut Vec<u8>) -> Result<(), FormatError> {
        if record.headers.is_empty() {
            line.extend(b"NO_HEADERS");
        }
        for (at, header) in record.headers.iter().enumerate() {
            if at > 0 {
                line.extend(&self.headers_separator);
            }
            line.extend_from_slice(&header.key);
            line.push(b':');
            self.write_bytes(header.value.as_deref(), self.headers_deserializer, line)?;
        }
        Ok(())
    }

    /// Null is shown as it is: the stock tool lets deserializers at the literal, which fails for numbers.
    fn write_bytes(
        &self,
        bytes: Option<&[u8]>,
        deserializer: Option<Deserializer>,
        line: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        match (bytes, deserializer) {
            (None, _) => line.extend(&self.null_literal),
            (Some(bytes), None) => line.extend(bytes),
            (Some(bytes), Some(deserializer)) => {
                line.extend(deserializer.read(bytes).map_err(FormatError::Message)?.bytes());
            }
        }
        Ok(())
    }
}

/// Kafka's own deserializers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deserializer {
    Text,
    Bytes,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Uuid,
    Boolean,
}

impl Deserializer {
    fn new(class: &str) -> Result<Deserializer, Failure> {
        match class.trim().rsplit('.').next().unwrap_or_default() {
            "StringDeserializer" => Ok(Deserializer::Text),
            "ByteArrayDeserializer" | "BytesDeserializer" | "ByteBufferDeserializer" => {
                Ok(Deserializer::Bytes)
            }
            "ShortDeserializer" => Ok(Deserializer::Short),
            "IntegerDeserializer" => Ok(Deserializer::Integer),
            "LongDeserializer" => Ok(Deserializer::Long),
            "FloatDeserializer" => Ok(Deserializer::Float),
            "DoubleDeserializer" => Ok(Deserializer::Double),
            "UUIDDeserializer" => Ok(Deserializer::Uuid),
            "BooleanDeserializer" => Ok(Deserializer::Boolean),
            _ => Err(Failure::usage(format!(
                "Unable to instantiate a deserializer from {class}: those of org.apache.kafka.common.serialization for \
                 String, ByteArray, Short, Integer, Long, Float, Double, UUID and Boolean are there."
            ))),
        }
    }

    fn read(self, bytes: &[u8]) -> Result<String, String> {
        fn sized<const N: usize>(bytes: &[u8], name: &str) -> Result<[u8; N], String> {
            bytes.try_into().map_err(|_| format!("Size of data received by {name}Deserializer is not {N}"))
        }
        match self {
            Deserializer::Text | Deserializer::Uuid => Ok(String::from_utf8_lossy(bytes).into_owned()),
            Deserializer::Bytes => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
            Deserializer::Short => Ok(i16::from_be_bytes(sized(bytes, "Short")?).to_string()),
            Deserializer::Integer => Ok(i32::from_be_bytes(sized(bytes, "Integer")?).to_string()),
            Deserializer::Long => Ok(i64::from_be_bytes(sized(bytes, "Long")?).to_string()),
            Deserializer::Float => Ok(format!("{:?}", f32::from_be_bytes(sized(bytes, "Float")?))),
            Deserializer::Double => Ok(format!("{:?}", f64::from_be_bytes(sized(bytes, "Double")?))),
            Deserializer::Boolean => match sized::<1>(bytes, "Boolean")? {
                [0] => Ok("false".to_owned()),
                [1] => Ok("true".to_owned()),
                [other] => Err(format!("Unexpected byte received by BooleanDeserializer: {other}")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rkafka_client::consumer::Header;

    use super::*;

    fn record() -> ConsumerRecord {
        ConsumerRecord {
            topic: "t".into(),
            partition: 3,
            offset: 42,
            timestamp: 1000,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: None,
            key: None,
            value: Some("订单".into()),
            headers: Vec::new(),
        }
    }

    fn shown(record: &ConsumerRecord, name: &str, properties: &[(&str, &str)]) -> String {
        let owned: Vec<_> =
            properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut out = Vec::new();
        Formatter::new(Some(name), &owned).unwrap().write(record, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_the_stock_ones() {
        let record = record();
        assert_eq!(shown(&record, "default", &[]), "订单\n");
        let all = ["timestamp", "partition", "offset", "epoch", "headers", "key"];
        let names: Vec<String> = all.iter().map(|name| format!("print.{name}")).collect();
        let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "true")).collect();
        assert_eq!(
            shown(&record, "org.apache.kafka.tools.consumer.DefaultMessageFormatter", &all),
            "CreateTime:1000\tPartition:3\tOffset:42\tEpoch:NOT_PRESENT\tNO_HEADERS\tnull\t订单\n"
        );
        let only_key =
            [("print.key", "true"), ("print.value", "false"), ("null.literal", "-"), ("line.separator", "|")];
        assert_eq!(shown(&record, "default", &only_key), "-|");
    }

    #[test]
    fn headers_keys_and_deserializers() {
        let header = |key: &'static str, value| Header { key: Bytes::from_static(key.as_bytes()), value };
        let mut record = record();
        record.headers = vec![header("a", Some("1".into())), header("a", None)];
        record.key = Some(Bytes::copy_from_slice(&7_i32.to_be_bytes()));
        let properties = [
            ("print.headers", "TRUE"),
            ("headers.separator", ";"),
            ("print.key", "true"),
            ("key.separator", " = "),
            ("key.deserializer", "org.apache.kafka.common.serialization.IntegerDeserializer"),
        ];
        assert_eq!(shown(&record, "default", &properties), "a:1;a:null = 7 = 订单\n");
        record.key = Some("x".into());
        let owned: Vec<_> = properties.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let mut out = Vec::new();
        let failed = Formatter::new(None, &owned).unwrap().write(&record, &mut out);
        assert!(matches!(failed, Err(FormatError::Message(text)) if text.ends_with("is not 4")));
        assert_eq!(out, b"", "no half lines");
    }

    #[test]
    fn other_formatters() {
        let record = record();
        assert_eq!(shown(&record, "kafka.tools.NoOpMessageFormatter", &[]), "");
        assert_eq!(
            shown(&record, "kafka.tools.ChecksumMessageFormatter", &[("topic", "t")]),
            "t:checksum:0\n"
        );
        assert_eq!(shown(&record, "logging", &[]), "订单\n");
        assert_eq!(log_line(&record), "CreateTime:1000, key:null, value:订单");
        assert!(Formatter::new(Some("com.example.Mine"), &[]).is_err());
    }

    #[test]
    fn transactions() {
        let value = [
            b"\0\0".as_slice(),
            &7_i64.to_be_bytes(),
            b"\0\x01\0\0\xea\x60\x04\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x02",
            &8_i64.to_be_bytes(),
            &9_i64.to_be_bytes(),
        ]
        .concat();
        let key = Some(Bytes::from_static(b"\0\0\0\x02id"));
        let mut record = ConsumerRecord { key, value: Some(value.into()), ..record() };
        let class = "kafka.coordinator.transaction.TransactionLog$TransactionLogMessageFormatter";
        assert_eq!(
            shown(&record, class, &[]),
            "{\"key\":{\"type\":0,\"data\":{\"transactionalId\":\"id\"}},\"value\":{\"version\":0,\"data\":\
             {\"producerId\":7,\"producerEpoch\":1,\"transactionTimeoutMs\":60000,\"transactionStatus\":4,\
             \"transactionPartitions\":[{\"topic\":\"t\",\"partitionIds\":[2]}],\
             \"transactionLastUpdateTimestampMs\":8,\"transactionStartTimestampMs\":9}}}\n"
        );
        record.value = None;
        assert_eq!(
            shown(&record, "transaction-log", &[]),
            "{\"key\":{\"type\":0,\"data\":{\"transactionalId\":\"id\"}},\"value\":null}\n"
        );
    }
}
