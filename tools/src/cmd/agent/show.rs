//! Progress on a terminal: a bar for each file being read, with bytes, lines, rate and remaining time; nothing where
//! standard error is no terminal.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use rkafka_agent::source::spooldir::progress::Progress;
use tracing_subscriber::fmt::MakeWriter;

/// All bars; log lines are written above them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How often the bars are drawn.
const EVERY: Duration = Duration::from_millis(200);
const STYLE: &str =
    "{msg:30!} {wide_bar} {percent:>3} %  {bytes}/{total_bytes}  {bytes_per_sec}  {prefix} lines  ~{eta}";

/// Draws the bars as long as it is polled.
pub(super) async fn draw(sources: Vec<Arc<Progress>>) -> Infallible {
    if !io::stderr().is_terminal() {
        return std::future::pending().await;
    }
    let style = ProgressStyle::with_template(STYLE).unwrap_or_else(|_| ProgressStyle::default_bar());
    let mut bars: HashMap<(usize, u64), ProgressBar> = HashMap::new();
    loop {
        let mut seen = Vec::new();
        for (at, progress) in sources.iter().enumerate() {
            for file in progress.files() {
                let key = (at, file.number);
                seen.push(key);
                let bar = bars.entry(key).or_insert_with(|| {
                    let bar = BARS.add(ProgressBar::new(file.size)).with_style(style.clone());
                    bar.set_message(file.path.file_name().unwrap_or_default().to_string_lossy().into_owned());
                    bar.with_position(file.from)
                });
                bar.set_length(file.size.max(file.offset));
                bar.set_position(file.offset);
                bar.set_prefix(file.events.to_string());
            }
        }
        bars.retain(|key, bar| {
            let stays = seen.contains(key);
            if !stays {
                bar.finish_and_clear();
            }
            stays
        });
        tokio::time::sleep(EVERY).await;
    }
}

/// Standard error, with the bars out of the way while a line is written.
pub(super) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = LogWriter;

    fn make_writer(&self) -> LogWriter {
        LogWriter
    }
}
