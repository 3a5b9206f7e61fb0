//! A bar for long work, on the terminal of standard error; nothing where standard error is no terminal.

use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressStyle};

/// The bar of this process, which runs one command: standard output may share its terminal, and whoever writes there
/// asks [`beside`] to take the bar away meanwhile.
static BAR: OnceLock<ProgressBar> = OnceLock::new();

/// Progress of something that has a known number of steps; the bar goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Begins; `what` is what is counted, as in `records`.
    pub(crate) fn new(total: u64, what: &'static str) -> Progress {
        Self::with_template(total, "{wide_bar} {pos}/{len} {msg} {per_sec} eta {eta}").said(what)
    }

    /// Begins to count bytes.
    pub(crate) fn of_bytes(total: u64) -> Progress {
        let template =
            "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} eta {eta}";
        Self::with_template(total, template)
    }

    fn with_template(total: u64, template: &str) -> Progress {
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        // It draws on standard error, and only where that is a terminal.
        let bar = ProgressBar::new(total).with_style(style);
        let _ = BAR.set(bar.clone());
        Progress(bar)
    }

    fn said(self, what: &'static str) -> Progress {
        self.0.set_message(what);
        self
    }

    /// What is to be known beside the bar.
    pub(crate) fn note(&self, text: String) {
        self.0.set_message(text);
    }

    /// There is so much to do, by what is known now.
    pub(crate) fn set_total(&self, total: u64) {
        self.0.set_length(total);
    }

    /// So much is done.
    pub(crate) fn set(&self, done: u64) {
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Does `work` while no bar is shown.
pub(crate) fn beside<T>(work: impl FnOnce() -> T) -> T {
    match BAR.get() {
        Some(bar) => bar.suspend(work),
        None => work(),
    }
}
