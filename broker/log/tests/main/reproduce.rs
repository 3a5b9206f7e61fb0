//! One line that repeats a failure.

/// A place in the test runs: which script, which change of the disk, which image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) seed: u64,
    pub(crate) change: usize,
    pub(crate) image: usize,
}

impl Place {
    /// From `RKAFKA_LOG_REPRODUCE=<kind>:<seed>:<change>:<image>`, if it names this kind.
    pub(crate) fn from_env(kind: &str) -> Option<Self> {
        let text = std::env::var("RKAFKA_LOG_REPRODUCE").ok()?;
        let mut fields = text.split(':');
        if fields.next() != Some(kind) {
            return None;
        }
        let mut number = || fields.next().and_then(|field| field.parse::<u64>().ok());
        let (seed, change, image) = (number()?, number()?, number()?);
        Some(Self { seed, change: change as usize, image: image as usize })
    }

    /// A seed of its own.
    pub(crate) fn mixed(&self) -> u64 {
        self.seed.wrapping_mul(1_000_003).wrapping_add(self.change as u64).wrapping_mul(101)
            + self.image as u64
    }

    /// The command to paste.
    pub(crate) fn reproduce(&self, kind: &str, test: &str) -> String {
        let Self { seed, change, image } = self;
        let place = format!("RKAFKA_LOG_REPRODUCE={kind}:{seed}:{change}:{image}");
        format!("reproduce: {place} cargo test -p rkafka-log --test main {test}")
    }
}
