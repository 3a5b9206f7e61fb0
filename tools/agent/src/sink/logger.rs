//! The logger sink: events in the agent's log, as Flume shows them.

use crate::{
    event::Event,
    plan::{Component, keys::sinks},
};

/// Writes events into the log.
pub struct LoggerSink {
    most: usize,
}

impl LoggerSink {
    /// The sink of checked properties.
    #[must_use]
    pub fn new(component: &Component) -> LoggerSink {
        LoggerSink { most: component.count(&sinks::MAX_BYTES_TO_LOG) }
    }

    /// Logs each event.
    pub fn deliver(&self, events: &[Event]) {
        for event in events {
            tracing::info!("{}", self.show(event));
        }
    }

    /// `Event: { headers:{k=v} body: 68 65 6C 6C 6F hello }`
    fn show(&self, event: &Event) -> String {
        let headers: Vec<String> =
            event.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let shown = &event.body[..event.body.len().min(self.most)];
        let hexadecimal: Vec<String> = shown.iter().map(|byte| format!("{byte:02X}")).collect();
        let text: String = shown
            .iter()
            .map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' })
            .collect();
        format!("Event: {{ headers:{{{}}} body: {} {text} }}", headers.join(", "), hexadecimal.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Headers;

    #[test]
    fn events_are_shown_as_flume_shows_them() {
        let event =
            Event { headers: Headers::from_iter([("a", "1"), ("b", "2")]), ..Event::new("hello\nworld") };
        let sink = LoggerSink { most: 6 };
        assert_eq!(sink.show(&event), "Event: { headers:{a=1, b=2} body: 68 65 6C 6C 6F 0A hello. }");
    }
}
