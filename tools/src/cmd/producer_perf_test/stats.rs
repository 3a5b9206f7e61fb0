//! Latencies and rates, and the lines that tell them, in the stock tool's words.

use std::time::{Duration, Instant};

/// Latencies kept for percentiles; of more records every n-th is kept.
const SAMPLES_MAX: u64 = 500_000;

/// Bytes of a MB here.
const MB: f64 = 1024.0 * 1024.0;

/// What became of the records so far. Filled by whoever sees an acknowledgement.
#[derive(Debug)]
pub(super) struct Stats {
    start: Instant,
    interval: Duration,
    /// Every so many records a latency is kept.
    sampling: u64,
    latencies: Vec<u32>,
    total: Window,
    window: Window,
    window_start: Instant,
    /// No lines about windows: others tell them, or it is still the warm-up.
    pub(super) is_quiet: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Window {
    count: u64,
    bytes: u64,
    latency_sum_ms: u64,
    latency_max_ms: u64,
}

impl Window {
    fn record(&mut self, latency_ms: u64, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
        self.latency_sum_ms += latency_ms;
        self.latency_max_ms = self.latency_max_ms.max(latency_ms);
    }

    fn latency_average_ms(&self) -> f64 {
        self.latency_sum_ms as f64 / self.count as f64
    }
}

impl Stats {
    /// Statistics of `count` records with a line every `interval`.
    pub(super) fn new(count: u64, interval: Duration, prints: bool) -> Stats {
        let now = Instant::now();
        Stats {
            start: now,
            interval,
            sampling: count.div_ceil(SAMPLES_MAX).max(1),
            latencies: Vec::new(),
            total: Window::default(),
            window: Window::default(),
            window_start: now,
            is_quiet: !prints,
        }
    }

    /// Notes a stored record; gives the line of a window that is over.
    pub(super) fn record(&mut self, number: u64, latency: Duration, bytes: usize) -> Option<String> {
        let latency_ms = latency.as_millis() as u64;
        self.total.record(latency_ms, bytes);
        self.window.record(latency_ms, bytes);
        if number.is_multiple_of(self.sampling) {
            self.latencies.push(u32::try_from(latency_ms).unwrap_or(u32::MAX));
        }
        let elapsed = self.window_start.elapsed();
        if elapsed < self.interval {
            return None;
        }
        let window = std::mem::take(&mut self.window);
        self.window_start = Instant::now();
        (!self.is_quiet).then(|| window_line(&window, elapsed))
    }

    /// The last line. `what` stands before "records": nothing, or " steady state".
    pub(super) fn summary(&self, what: &str) -> String {
        let total = &self.total;
        let seconds = (self.start.elapsed().as_millis() as f64 / 1000.0).max(0.001);
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        let percentile = |share: f64| {
            let at = (share * latencies.len() as f64) as usize;
            latencies.get(at.min(latencies.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        format!(
            "{}{what} records sent, {:.6} records/sec ({:.2} MB/sec), {} ms avg latency, {:.2} ms max latency, {} ms \
             50th, {} ms 95th, {} ms 99th, {} ms 99.9th.\n",
            total.count,
            total.count as f64 / seconds,
            total.bytes as f64 / MB / seconds,
            if total.count == 0 { "NaN".to_owned() } else { format!("{:.2}", total.latency_average_ms()) },
            total.latency_max_ms as f64,
            percentile(0.5),
            percentile(0.95),
            percentile(0.99),
            percentile(0.999),
        )
    }
}

fn window_line(window: &Window, elapsed: Duration) -> String {
    let seconds = elapsed.as_millis() as f64 / 1000.0;
    format!(
        "{} records sent, {:.1} records/sec ({:.2} MB/sec), {:.1} ms avg latency, {:.1} ms max latency.\n",
        window.count,
        window.count as f64 / seconds,
        window.bytes as f64 / MB / seconds,
        window.latency_average_ms(),
        window.latency_max_ms as f64,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_stock_tool() {
        let window = Window { count: 984, bytes: 98_400, latency_sum_ms: 6298, latency_max_ms: 105 };
        assert_eq!(
            window_line(&window, Duration::from_millis(1009)),
            "984 records sent, 975.2 records/sec (0.09 MB/sec), 6.4 ms avg latency, 105.0 ms max latency.\n"
        );
        let mut stats = Stats::new(100, Duration::from_secs(1000), true);
        for number in 0..100 {
            assert_eq!(stats.record(number, Duration::from_millis(number), 10), None);
        }
        let summary = stats.summary(" steady state");
        assert!(summary.starts_with("100 steady state records sent, "), "{summary}");
        let end =
            "49.50 ms avg latency, 99.00 ms max latency, 50 ms 50th, 95 ms 95th, 99 ms 99th, 99 ms 99.9th.\n";
        assert!(summary.ends_with(end), "{summary}");
    }

    #[test]
    fn a_window_ends() {
        let mut stats = Stats::new(10, Duration::ZERO, true);
        assert!(stats.record(0, Duration::ZERO, 1).is_some_and(|line| line.starts_with("1 records sent, ")));
        let mut quiet = Stats::new(10, Duration::ZERO, false);
        assert_eq!(quiet.record(0, Duration::ZERO, 1), None);
    }
}
