//! The settings of a producer, by the names of the Java client.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use rkafka_config::Properties;
use rkafka_record::{Codec, Compression};

use crate::config::{ClientConfig, millis};
use crate::error::ConfigProblem;

/// How many copies a record must have before it counts as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// `0`: none; nobody answers, nothing is known.
    None,
    /// `1`: the leader's.
    Leader,
    /// `all` or `-1`: those of all replicas in sync.
    All,
}

impl Acks {
    /// The number in requests.
    #[must_use]
    pub fn code(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// How a partition is chosen for records that name none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitioner {
    /// By the key's hash, else sticky (KIP-794).
    BuiltIn,
    /// Each record the next partition, whatever its key: `RoundRobinPartitioner`.
    RoundRobin,
}

/// Settings of a producer. The defaults are those of Kafka 4.3's Java client.
///
/// ```
/// use std::time::Duration;
/// use rkafka_client::producer::{Acks, ProducerConfig};
///
/// # fn main() -> Result<(), rkafka_client::ConfigProblem> {
/// let config = ProducerConfig::new("localhost:9092")?.with_linger(Duration::from_millis(20)).with_acks(Acks::All);
/// let same = ProducerConfig::new("localhost:9092")?.with("linger.ms", "20")?.with("acks", "all")?;
/// assert_eq!(config, same);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerConfig {
    /// Addresses, time-outs and retries.
    pub client: ClientConfig,
    /// `acks`: all.
    pub acks: Acks,
    /// `enable.idempotence`: no duplicates and no reordering by retries. Unless it is set, it is on where
    /// `acks` and `retries` allow it.
    pub idempotence: Option<bool>,
    /// `batch.size`: most bytes of a batch of several records, compressed; 16384.
    pub batch_size: usize,
    /// `linger.ms`: how long a batch waits for more records; 5 ms.
    pub linger: Duration,
    /// `buffer.memory`: bytes that wait to be sent or acknowledged; 32 MiB.
    pub buffer_memory: usize,
    /// `max.block.ms`: how long `send` waits for metadata and for room; 60 s.
    pub max_block: Duration,
    /// `max.request.size`: most bytes of a record and of the batches in one request; 1 MiB.
    pub max_request_size: usize,
    /// `max.in.flight.requests.per.connection`: 5. Above 1 without idempotence, retries may reorder.
    pub max_in_flight: usize,
    /// `delivery.timeout.ms`: from `send` to the acknowledgement or an error; 120 s. If it is not set, it is
    /// never less than `linger.ms` and `request.timeout.ms` together.
    pub delivery_timeout: Option<Duration>,
    /// `compression.type` and `compression.<codec>.level`: none.
    pub compression: Compression,
    /// `partitioner.class`.
    pub partitioner: Partitioner,
    /// `partitioner.ignore.keys`: false.
    pub ignore_keys: bool,
    /// `partitioner.adaptive.partitioning.enable`: true; partitions with short queues get more.
    pub adaptive_partitioning: bool,
    /// `partitioner.availability.timeout.ms`: a broker that takes nothing for so long gets no keyless
    /// records; 0: it does.
    pub availability_timeout: Duration,
    /// `metadata.max.idle.ms`: a topic without records for so long is not asked about any more; 5 min.
    pub metadata_max_idle: Duration,
}

/// Names that take effect here.
const SERVED: &[&str] = &[
    "acks",
    "batch.size",
    "buffer.memory",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "delivery.timeout.ms",
    "enable.idempotence",
    "key.serializer",
    "linger.ms",
    "max.block.ms",
    "max.in.flight.requests.per.connection",
    "max.request.size",
    "metadata.max.idle.ms",
    "partitioner.adaptive.partitioning.enable",
    "partitioner.availability.timeout.ms",
    "partitioner.class",
    "partitioner.ignore.keys",
    "transactional.id",
    "value.serializer",
];

/// Names of the Java producer that are accepted without effect: bytes are sent as they are given.
const ACCEPTED: &[&str] = &[
    "compression.lz4.level",
    "enable.metrics.push",
    "interceptor.classes",
    "key.serializer",
    "transaction.timeout.ms",
    "transaction.two.phase.commit.enable",
    "value.serializer",
];

/// Most requests in flight that keep idempotence: brokers remember so many batches of a producer.
const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;

impl ProducerConfig {
    /// The defaults with these `host:port` addresses, separated by commas.
    ///
    /// # Errors
    /// A list that is empty or holds something other than `host:port`.
    pub fn new(bootstrap_servers: &str) -> Result<ProducerConfig, ConfigProblem> {
        Ok(ProducerConfig::over(ClientConfig::new(bootstrap_servers)?))
    }

    /// The defaults over settings of the connection.
    #[must_use]
    pub fn over(client: ClientConfig) -> ProducerConfig {
        ProducerConfig {
            client,
            acks: Acks::All,
            idempotence: None,
            batch_size: 16_384,
            linger: Duration::from_millis(5),
            buffer_memory: 32 << 20,
            max_block: Duration::from_secs(60),
            max_request_size: 1 << 20,
            max_in_flight: 5,
            delivery_timeout: None,
            compression: Compression::default(),
            partitioner: Partitioner::BuiltIn,
            ignore_keys: false,
            adaptive_partitioning: true,
            availability_timeout: Duration::ZERO,
            metadata_max_idle: Duration::from_secs(300),
        }
    }

    /// Reads a property file; `bootstrap_servers` of the command line wins over the file's. The second result
    /// is what there is to say about names that nobody knows.
    ///
    /// # Errors
    /// The first value that is not of its type or not supported, or values that contradict each other.
    pub fn from_properties(
        properties: &Properties,
        bootstrap_servers: Option<&str>,
    ) -> Result<(ProducerConfig, Vec<String>), ConfigProblem> {
        let placeholder = ClientConfig::new("localhost:9092")?;
        let mut config = ProducerConfig::over(placeholder);
        let own = |key: &str, value: &str| config.set(key, value);
        let (client, remarks) = ClientConfig::read(properties, bootstrap_servers, SERVED, own)?;
        config.client = client;
        config.validate()?;
        Ok((config, remarks))
    }

    /// With one setting by its Java name; names without effect are accepted, unknown ones refused.
    ///
    /// # Errors
    /// A value that is not of its type or not supported.
    pub fn with(mut self, key: &str, value: &str) -> Result<ProducerConfig, ConfigProblem> {
        let taken = self.set(key, value).and_then(|taken| match taken {
            true => Ok(None),
            false => self.client.set_by_name(key, value),
        });
        match taken {
            Ok(None) => Ok(self),
            Ok(Some(remark)) => Err(problem(key, value, remark)),
            Err(reason) => Err(problem(key, value, reason)),
        }
    }

    /// With this `acks`.
    #[must_use]
    pub fn with_acks(self, acks: Acks) -> ProducerConfig {
        ProducerConfig { acks, ..self }
    }

    /// With this `linger.ms`.
    #[must_use]
    pub fn with_linger(self, linger: Duration) -> ProducerConfig {
        ProducerConfig { linger, ..self }
    }

    /// With this `batch.size`, in bytes.
    #[must_use]
    pub fn with_batch_size(self, batch_size: usize) -> ProducerConfig {
        ProducerConfig { batch_size, ..self }
    }

    /// With this `buffer.memory`, in bytes.
    #[must_use]
    pub fn with_buffer_memory(self, buffer_memory: usize) -> ProducerConfig {
        ProducerConfig { buffer_memory, ..self }
    }

    /// With this codec, at its default level.
    #[must_use]
    pub fn with_compression(self, codec: Codec) -> ProducerConfig {
        ProducerConfig { compression: codec.into(), ..self }
    }

    /// With idempotence on or off, whatever the other settings.
    #[must_use]
    pub fn with_idempotence(self, idempotence: bool) -> ProducerConfig {
        ProducerConfig { idempotence: Some(idempotence), ..self }
    }

    /// With this `delivery.timeout.ms`.
    #[must_use]
    pub fn with_delivery_timeout(self, timeout: Duration) -> ProducerConfig {
        ProducerConfig { delivery_timeout: Some(timeout), ..self }
    }

    /// Whether the producer will be idempotent.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.idempotence.unwrap_or(self.acks == Acks::All && self.client.retries > 0)
    }

    /// `delivery.timeout.ms`, in effect.
    #[must_use]
    pub fn delivery_timeout(&self) -> Duration {
        let least = self.linger.saturating_add(self.client.request_timeout);
        self.delivery_timeout.unwrap_or_else(|| least.max(Duration::from_secs(120)))
    }

    /// Checks that the settings go together.
    ///
    /// # Errors
    /// The first contradiction, in the words of the Java client.
    pub fn validate(&self) -> Result<(), ConfigProblem> {
        self.client.check()?;
        if self.is_idempotent() {
            self.validate_idempotence()?;
        }
        if self.delivery_timeout() < self.linger.saturating_add(self.client.request_timeout) {
            let reason = "should be equal to or larger than linger.ms + request.timeout.ms";
            return Err(problem("delivery.timeout.ms", self.delivery_timeout().as_millis(), reason));
        }
        if self.max_in_flight == 0 {
            let reason = "Value must be at least 1";
            return Err(problem("max.in.flight.requests.per.connection", self.max_in_flight, reason));
        }
        Ok(())
    }

    fn validate_idempotence(&self) -> Result<(), ConfigProblem> {
        if self.client.retries == 0 {
            return Err(problem(
                "retries",
                0,
                "Must set retries to non-zero when using the idempotent producer.",
            ));
        }
        if self.acks != Acks::All {
            let reason = "Must set acks to all in order to use the idempotent producer. Otherwise we cannot \
                          guarantee idempotence.";
            return Err(problem("acks", self.acks.code(), reason));
        }
        if self.max_in_flight > IDEMPOTENT_IN_FLIGHT_MAX {
            let name = "max.in.flight.requests.per.connection";
            let reason = format!("Must set {name} to at most 5 to use the idempotent producer.");
            return Err(problem(name, self.max_in_flight, reason));
        }
        Ok(())
    }

    /// Sets one value of the producer's own; false for other names.
    fn set(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match key {
            "acks" => self.acks = acks(value)?,
            "enable.idempotence" => self.idempotence = Some(boolean(value)?),
            "batch.size" => self.batch_size = number(value, 0, i32::MAX as usize)?,
            "linger.ms" => self.linger = millis(value)?,
            "buffer.memory" => self.buffer_memory = number(value, 0, usize::MAX / 2)?,
            "max.block.ms" => self.max_block = long_millis(value)?,
            "max.request.size" => self.max_request_size = number(value, 0, i32::MAX as usize)?,
            "max.in.flight.requests.per.connection" => {
                self.max_in_flight = number(value, 1, i32::MAX as usize)?;
            }
            "delivery.timeout.ms" => self.delivery_timeout = Some(millis(value)?),
            "compression.type" => self.set_codec(value)?,
            "compression.gzip.level" => self.set_level(Codec::Gzip, value)?,
            "compression.zstd.level" => self.set_level(Codec::Zstd, value)?,
            "partitioner.class" => self.set_partitioner(value)?,
            "partitioner.ignore.keys" => self.ignore_keys = boolean(value)?,
            "partitioner.adaptive.partitioning.enable" => self.adaptive_partitioning = boolean(value)?,
            "partitioner.availability.timeout.ms" => self.availability_timeout = millis(value)?,
            "metadata.max.idle.ms" => self.metadata_max_idle = millis(value)?,
            "transactional.id" => {
                return Err("transactions are not served by this client so far".to_owned());
            }
            _ => return Ok(ACCEPTED.contains(&key)),
        }
        Ok(true)
    }

    fn set_codec(&mut self, name: &str) -> Result<(), String> {
        let known = Codec::from_name(name).filter(|codec| codec.name() == name);
        let codec = known.ok_or("String must be one of: none, gzip, snappy, lz4, zstd")?;
        // A level may come before its codec in the file; it counts only for its own.
        let level = self.compression.level.filter(|_| self.compression.codec == codec);
        self.compression = Compression { codec, level };
        Ok(())
    }

    fn set_level(&mut self, codec: Codec, value: &str) -> Result<(), String> {
        let level = value.parse().map_err(|_| "a whole number is expected")?;
        if matches!(self.compression.codec, Codec::None) || self.compression.codec == codec {
            self.compression.level = Some(level);
        }
        Ok(())
    }

    fn set_partitioner(&mut self, class: &str) -> Result<(), String> {
        match class.rsplit('.').next().unwrap_or_default() {
            "" | "DefaultPartitioner" => self.partitioner = Partitioner::BuiltIn,
            "UniformStickyPartitioner" => {
                (self.partitioner, self.ignore_keys) = (Partitioner::BuiltIn, true);
            }
            "RoundRobinPartitioner" => self.partitioner = Partitioner::RoundRobin,
            _ => {
                return Err(
                    "only DefaultPartitioner, UniformStickyPartitioner and RoundRobinPartitioner are \
                            known here; name the partition with each record instead"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }
}

fn problem(key: &str, value: impl Display, reason: impl Into<String>) -> ConfigProblem {
    let (key, value, reason) = (key.to_owned(), value.to_string(), reason.into());
    ConfigProblem { place: String::new(), key, value, reason }
}

fn acks(text: &str) -> Result<Acks, String> {
    match text {
        "all" | "-1" => Ok(Acks::All),
        "1" => Ok(Acks::Leader),
        "0" => Ok(Acks::None),
        _ => Err("String must be one of: all, -1, 0, 1".to_owned()),
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("true or false is expected".to_owned()),
    }
}

fn number<N: FromStr + Display + PartialOrd + Copy>(text: &str, least: N, most: N) -> Result<N, String> {
    let parsed = text.parse().ok().filter(|number| *number >= least && *number <= most);
    parsed.ok_or_else(|| format!("a number from {least} to {most} is expected"))
}

/// Milliseconds of a `long`: Java programs write `Long.MAX_VALUE` for "for ever".
fn long_millis(text: &str) -> Result<Duration, String> {
    let number: i64 = number(text, 0, i64::MAX)?;
    Ok(Duration::from_millis(number.unsigned_abs().min(FOR_EVER_MS)))
}

/// A hundred years: longer than any program runs, short enough to be added to a point in time.
const FOR_EVER_MS: u64 = 100 * 365 * 24 * 3600 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(ProducerConfig, Vec<String>), String> {
        let properties = Properties::parse("p.properties", text.as_bytes()).unwrap();
        ProducerConfig::from_properties(&properties, Some("a:1")).map_err(|problem| problem.to_string())
    }

    #[test]
    fn java_names() {
        let text = "acks=1\nlinger.ms=7\nbatch.size=100\nbuffer.memory=200\nmax.block.ms=9223372036854775807\n\
                    compression.type=zstd\ncompression.zstd.level=9\ncompression.gzip.level=2\nrequest.timeout.ms=11\n\
                    key.serializer=org.apache.kafka.common.serialization.StringSerializer\nlingr.ms=1\n\
                    partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner\n";
        let (config, remarks) = read(text).unwrap();
        assert_eq!(config.acks, Acks::Leader);
        assert_eq!(config.linger, Duration::from_millis(7));
        assert_eq!((config.batch_size, config.buffer_memory), (100, 200));
        assert_eq!(config.compression, Compression { codec: Codec::Zstd, level: Some(9) });
        assert_eq!(config.client.request_timeout, Duration::from_millis(11));
        assert_eq!(config.partitioner, Partitioner::RoundRobin);
        assert!(!config.is_idempotent(), "acks=1 turns it off, as it was not asked for");
        assert_eq!(remarks, ["p.properties:11: unknown key lingr.ms (did you mean linger.ms?)"]);
    }

    #[test]
    fn what_is_refused() {
        let refused = |text: &str| read(text).unwrap_err();
        assert_eq!(refused("acks=2"), "p.properties:1: acks=2: String must be one of: all, -1, 0, 1");
        assert_eq!(
            refused("transactional.id=t"),
            "p.properties:1: transactional.id=t: transactions are not served by this client so far"
        );
        assert_eq!(
            refused("acks=0\nenable.idempotence=true"),
            "acks=0: Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee \
             idempotence."
        );
        assert_eq!(
            refused("max.in.flight.requests.per.connection=6"),
            "max.in.flight.requests.per.connection=6: Must set max.in.flight.requests.per.connection to at most 5 \
             to use the idempotent producer."
        );
        assert_eq!(
            refused("delivery.timeout.ms=30000"),
            "delivery.timeout.ms=30000: should be equal to or larger than linger.ms + request.timeout.ms"
        );
        assert_eq!(
            refused("compression.type=lzma"),
            "p.properties:1: compression.type=lzma: String must be one of: none, gzip, snappy, lz4, zstd"
        );
        let config = ProducerConfig::new("a:1").unwrap();
        assert_eq!(config.with("linger", "1").unwrap_err().to_string(), "linger=1: unknown key linger");
    }
}
