//! One event: what Flume calls a body with headers, on its way from a source through a channel to a sink.

use std::sync::Arc;

use bytes::Bytes;

use crate::receipt::Receipt;

/// A header's name or value. Shared, because most headers of a file's events are the same text.
pub type Text = Arc<str>;

/// One event between a source and a sink.
#[derive(Debug, Clone)]
pub struct Event {
    /// Headers in the order they were set; a name stands once.
    pub headers: Headers,
    /// The payload; for text, UTF-8.
    pub body: Bytes,
    /// Whom to tell when it has arrived.
    pub receipt: Receipt,
}

impl Event {
    /// An event without headers that nobody waits for.
    #[must_use]
    pub fn new(body: impl Into<Bytes>) -> Event {
        Event { headers: Headers::default(), body: body.into(), receipt: Receipt::none() }
    }

    /// What the event counts towards a channel's byte capacity: its body, as in Flume's memory channel.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len()
    }
}

/// The headers of an event. Few, so a list beats a map; an empty one allocates nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Text, Text)>);

impl Headers {
    /// The value of a header.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Text> {
        self.0.iter().find(|(other, _)| &**other == name).map(|(_, value)| value)
    }

    /// Sets a header, replacing its value where it stands already.
    pub fn set(&mut self, name: Text, value: Text) {
        match self.0.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Keeps the headers for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.0.retain(|(name, value)| keep(name, value));
    }

    /// All headers in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<Text>, V: Into<Text>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in pairs {
            headers.set(name.into(), value.into());
        }
        headers
    }
}
