//! A histogram of powers of two with the names that openraft expects of the crate `base2histogram`.
//!
//! openraft keeps histograms of its batch sizes, whether anybody reads them or not. The crate it uses builds
//! tables for sixteen bucket widths on first use and keeps 26 MB of them for good: more than all the rest of
//! an idle broker. Here is what openraft calls, with one bucket for each number of significant bits and no
//! tables. Should a later openraft call more, the build says so.

use std::fmt;
use std::marker::PhantomData;

/// One for each number of significant bits, 0 included.
const BUCKETS: usize = u64::BITS as usize + 1;

/// Counts of values by their number of significant bits: 0, 1, 2–3, 4–7, 8–15 …
///
/// `T` is what the original attaches to time slots; it has no meaning here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    counts: [u64; BUCKETS],
    slot: PhantomData<T>,
}

impl<T> Histogram<T> {
    /// A histogram without values.
    #[must_use]
    pub fn new() -> Self {
        Self { counts: [0; BUCKETS], slot: PhantomData }
    }

    /// Counts `value` once.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts `value` `count` times.
    pub fn record_n(&mut self, value: u64, count: u64) {
        let bits = u64::BITS - value.leading_zeros();
        if let Some(bucket) = self.counts.get_mut(bits as usize) {
            *bucket = bucket.saturating_add(count);
        }
    }

    /// How many values were recorded.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |total, count| total.saturating_add(*count))
    }

    /// The largest value of the bucket that holds the `per_mille`-th value of 1,000; 0 without values.
    #[must_use]
    pub fn per_mille(&self, per_mille: u64) -> u64 {
        let wanted = u128::from(self.total()) * u128::from(per_mille);
        let mut below = 0u128;
        for (bits, count) in self.counts.iter().enumerate() {
            below += u128::from(*count) * 1000;
            if *count > 0 && below >= wanted {
                return u64::MAX.checked_shr(u64::BITS - u32::try_from(bits).unwrap_or(0)).unwrap_or(0);
            }
        }
        0
    }

    /// What is looked at in a distribution.
    #[must_use]
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats {
            samples: self.total(),
            p0_1: self.per_mille(1),
            p1: self.per_mille(10),
            p5: self.per_mille(50),
            p10: self.per_mille(100),
            p50: self.per_mille(500),
            p90: self.per_mille(900),
            p99: self.per_mille(990),
            p99_9: self.per_mille(999),
        }
    }
}

impl<T> Default for Histogram<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Some percentiles of a [`Histogram`], each as the largest value of its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PercentileStats {
    /// How many values there are.
    pub samples: u64,
    /// The 0.1th percentile.
    pub p0_1: u64,
    /// The 1st percentile.
    pub p1: u64,
    /// The 5th percentile.
    pub p5: u64,
    /// The 10th percentile.
    pub p10: u64,
    /// The median.
    pub p50: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The 99.9th percentile.
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, p50, p90, p99, p99_9, .. } = self;
        write!(f, "[samples: {samples}, P50: {p50}, P90: {p90}, P99: {p99}, P99.9: {p99_9}]")
    }
}

/// Several histograms shown one below the other.
#[derive(Debug, Clone, Default)]
pub struct AsciiChart {
    series: Vec<(String, PercentileStats)>,
}

impl AsciiChart {
    /// A chart of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The chart with one more histogram.
    #[expect(clippy::needless_pass_by_value, reason = "as in the original")]
    #[must_use]
    pub fn add<T>(mut self, name: impl Into<String>, histogram: Histogram<T>) -> Self {
        self.series.push((name.into(), histogram.percentile_stats()));
        self
    }

    /// The chart as text.
    #[must_use]
    pub fn detailed(&self) -> &Self {
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.series.iter().try_for_each(|(name, stats)| writeln!(f, "{name}: {stats}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_ends_of_buckets() {
        let mut histogram = Histogram::<()>::new();
        assert_eq!(histogram.percentile_stats().p99, 0);
        for value in [0, 1, 2, 3, 4, u64::MAX] {
            histogram.record(value);
        }
        histogram.record_n(5, 94);
        let stats = histogram.percentile_stats();
        assert_eq!((stats.samples, stats.p0_1, stats.p1, stats.p5), (100, 0, 0, 7));
        assert_eq!((stats.p50, stats.p99, stats.p99_9), (7, 7, u64::MAX));
        let chart = AsciiChart::new().add("sizes", histogram);
        assert!(chart.detailed().to_string().starts_with("sizes: [samples: 100, P50: 7"));
    }

    #[test]
    fn a_histogram_is_small() {
        assert!(size_of::<Histogram>() < 1024, "the reason for this crate");
    }
}
