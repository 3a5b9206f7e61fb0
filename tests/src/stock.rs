//! Stock Kafka from Maven Central: fetched once through `mvn` into `target/stock/<set>/`, then run from there.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use crate::build;
use crate::process::{Outcome, Process};

/// Short-lived tools: the serial collector and the first compiler tier start fastest.
const SMALL: &[&str] = &["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// A set of artifacts, described by `tests/stock/<name>/pom.xml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stock {
    /// Broker and tools of Apache Kafka 2.2.0 (the tutorial's version).
    Kafka22,
    /// Broker and tools of Apache Kafka 4.3.1, the newest release whose tools are on Maven Central.
    Kafka43,
    /// ZooKeeper 3.5, in front of the one that Kafka 2.2 brings along: see its `pom.xml`.
    ZooKeeper35,
    /// `kafka-clients` 2.8.
    Clients28,
    /// `kafka-clients` 3.9.
    Clients39,
    /// The newest `kafka-clients` 4.x.
    Clients4,
    /// Apache Flume 1.11.0 with its Kafka sink, for the race of agents.
    Flume,
}

impl Stock {
    /// The name of the folder with the set's `pom.xml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kafka22 => "kafka-2.2.0",
            Self::Kafka43 => "kafka-4.3.1",
            Self::ZooKeeper35 => "zookeeper-3.5",
            Self::Clients28 => "clients-2.8",
            Self::Clients39 => "clients-3.9",
            Self::Clients4 => "clients-4",
            Self::Flume => "flume-1.11.0",
        }
    }

    /// The folder with the set's jars, fetched through Maven if it is not there yet.
    ///
    /// # Panics
    /// When Maven is absent (with the command that installs it) or cannot fetch the artifacts.
    #[must_use]
    pub fn jars(self) -> PathBuf {
        // One Maven at a time: test threads share the cache.
        static FETCHING: Mutex<()> = Mutex::new(());
        let _guard = FETCHING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = build::target().join("stock").join(self.name());
        let complete = folder.join(".complete");
        if complete.exists() {
            return folder;
        }
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "-f"]);
        maven.arg(build::root().join("tests/stock").join(self.name()).join("pom.xml"));
        maven.arg("org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies");
        maven.arg("-DincludeScope=runtime").arg(format!("-DoutputDirectory={}", folder.display()));
        let output = maven.output().unwrap_or_else(|error| {
            panic!("cannot run mvn ({error}); install it with: apt-get install -y maven default-jdk-headless")
        });
        assert!(
            output.status.success(),
            "mvn could not fetch {}:\n{}",
            self.name(),
            String::from_utf8_lossy(&output.stdout)
        );
        std::fs::write(&complete, "").expect("target/ is writable");
        folder
    }

    /// A `java` command with the set on its class path and a small heap.
    #[must_use]
    pub fn java(self, main_class: &str) -> Command {
        self.java_with(SMALL, main_class)
    }

    /// A `java` command with the set on its class path and these options for the JVM: benchmarks use those of
    /// the stock scripts.
    #[must_use]
    pub fn java_with(self, options: &[&str], main_class: &str) -> Command {
        self.java_behind(&[], options, main_class)
    }

    /// [`Stock::java`] with another set's jars in front of this one's.
    #[must_use]
    pub fn java_after(self, other: Stock, main_class: &str) -> Command {
        self.java_behind(&[other], SMALL, main_class)
    }

    fn java_behind(self, others: &[Stock], options: &[&str], main_class: &str) -> Command {
        let mut java = Command::new("java");
        java.args(options).arg("-Dfile.encoding=UTF-8");
        java.args(["-Dstdout.encoding=UTF-8", "-Dstderr.encoding=UTF-8"]);
        let resources = build::root().join("tests/stock/resources");
        let mut class_path = resources.display().to_string();
        for set in others.iter().copied().chain([self]) {
            class_path.push_str(&format!(":{}/*", set.jars().display()));
        }
        java.arg("-cp").arg(class_path);
        java.arg(main_class);
        java
    }

    /// Runs one of the set's tools to its end with `input` on standard input.
    #[must_use]
    pub fn run_with_input(self, main_class: &str, args: &[&str], input: &str) -> Outcome {
        let mut java = self.java(main_class);
        java.args(args);
        Process::run(java, input, Duration::from_secs(120))
    }

    /// Runs one of the set's tools to its end.
    #[must_use]
    pub fn run(self, main_class: &str, args: &[&str]) -> Outcome {
        self.run_with_input(main_class, args, "")
    }
}

/// Main classes of the stock tools; they moved between 2.2 and 4.x.
pub mod tool {
    use super::Stock;

    /// `kafka-topics.sh`.
    #[must_use]
    pub fn topics(stock: Stock) -> &'static str {
        if stock == Stock::Kafka22 {
            "kafka.admin.TopicCommand"
        } else {
            "org.apache.kafka.tools.TopicCommand"
        }
    }

    /// `kafka-console-producer.sh`.
    #[must_use]
    pub fn console_producer(stock: Stock) -> &'static str {
        if stock == Stock::Kafka22 {
            "kafka.tools.ConsoleProducer"
        } else {
            "org.apache.kafka.tools.ConsoleProducer"
        }
    }

    /// `kafka-console-consumer.sh`.
    #[must_use]
    pub fn console_consumer(stock: Stock) -> &'static str {
        if stock == Stock::Kafka22 {
            "kafka.tools.ConsoleConsumer"
        } else {
            "org.apache.kafka.tools.consumer.ConsoleConsumer"
        }
    }

    /// `kafka-consumer-groups.sh`.
    #[must_use]
    pub fn consumer_groups(stock: Stock) -> &'static str {
        if stock == Stock::Kafka22 {
            "kafka.admin.ConsumerGroupCommand"
        } else {
            "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
        }
    }

    /// `kafka-dump-log.sh`.
    #[must_use]
    pub fn dump_log(stock: Stock) -> &'static str {
        if stock == Stock::Kafka22 {
            "kafka.tools.DumpLogSegments"
        } else {
            "org.apache.kafka.tools.DumpLogSegments"
        }
    }

    /// `kafka-get-offsets.sh`.
    #[must_use]
    pub fn get_offsets(stock: Stock) -> &'static str {
        if stock == Stock::Kafka22 {
            "kafka.tools.GetOffsetShell"
        } else {
            "org.apache.kafka.tools.GetOffsetShell"
        }
    }

    /// `kafka-configs.sh`.
    #[must_use]
    pub fn configs(_stock: Stock) -> &'static str {
        "kafka.admin.ConfigCommand"
    }
}
