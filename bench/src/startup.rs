//! How fast commands start: from exec to the first byte that reaches a broker, of rkafka's and of the stock tools in
//! turn. The broker is a listener that never answers, so nothing but the command is measured.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use rkafka_tests::build;
use rkafka_tests::stock::Stock;

use crate::broker::Product;
use crate::report::Report;

/// The options of `kafka-run-class.sh` for tools.
const TOOL_JVM: &[&str] = &["-Xmx256M", "-server", "-XX:+UseG1GC", "-Djava.awt.headless=true"];

/// Commands, their stock tools, and the rest of the line before `--bootstrap-server`.
const COMMANDS: &[(&str, &str, &[&str])] = &[
    ("topics", "org.apache.kafka.tools.TopicCommand", &["--list"]),
    ("consumer-groups", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", &["--list"]),
    ("get-offsets", "org.apache.kafka.tools.GetOffsetShell", &["--topic", "orders"]),
    ("console-producer", "org.apache.kafka.tools.ConsoleProducer", &["--topic", "orders"]),
    ("console-consumer", "org.apache.kafka.tools.consumer.ConsoleConsumer", &["--topic", "orders"]),
];

/// Runs all rounds; saved as `startup` in `folder`.
pub(crate) fn run(rounds: usize, folder: &Path) -> Result<()> {
    let mut report = Report::of_commands(rounds);
    for _ in 0..rounds {
        for (name, class, options) in COMMANDS {
            for product in Product::BOTH {
                let command = match product {
                    Product::Rkafka => {
                        let mut command = Command::new(build::rkafka());
                        command.arg(name);
                        command
                    }
                    Product::Apache => Stock::Kafka43.java_with(TOOL_JVM, class),
                };
                let time = first_byte(command, options)?;
                report.add(product, &format!("{name} {}", options.join(" ")), "ms", time.as_secs_f64() * 1e3);
            }
        }
    }
    report.save(folder, "startup")?;
    println!("{}", report.markdown());
    Ok(())
}

/// From before the process is made until its first byte is here.
fn first_byte(mut command: Command, options: &[&str]) -> Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    command.args(options).args(["--bootstrap-server", &address]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    let mut child = command.spawn()?;
    let (mut connection, _) = listener.accept()?;
    connection.read_exact(&mut [0])?;
    let time = begin.elapsed();
    child.kill()?;
    let _ = child.wait()?;
    Ok(time)
}
