//! The one table of everything an agent's file may say: component types, their properties, types, defaults and
//! docs. Validation, suggestions for misspelt names and the reference page come from it.

pub mod channels;
pub mod interceptors;
pub mod sinks;
pub mod sources;
pub mod streams;
mod unserved;

pub use unserved::unserved;

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Where events come from.
    Source,
    /// Where they wait.
    Channel,
    /// Where they go.
    Sink,
    /// Several sinks behind one processor.
    SinkGroup,
    /// What changes or drops events between a source and its channels.
    Interceptor,
}

impl Kind {
    /// The word in the file's keys: `a1.<word>.<name>…`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Source => "sources",
            Kind::Channel => "channels",
            Kind::Sink => "sinks",
            Kind::SinkGroup => "sinkgroups",
            Kind::Interceptor => "interceptors",
        }
    }

    /// One of them, in a sentence.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Kind::Source => "source",
            Kind::Channel => "channel",
            Kind::Sink => "sink",
            Kind::SinkGroup => "sink group",
            Kind::Interceptor => "interceptor",
        }
    }

    /// The served types of this kind.
    #[must_use]
    pub fn types(self) -> &'static [&'static TypeDef] {
        match self {
            Kind::Source => sources::TYPES,
            Kind::Channel => channels::TYPES,
            Kind::Sink => sinks::TYPES,
            Kind::SinkGroup => sinks::GROUPS,
            Kind::Interceptor => interceptors::TYPES,
        }
    }
}

/// What a property's value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Takes {
    /// Any text.
    Text,
    /// A whole number between these, both included.
    Integer(i64, i64),
    /// `true` or `false`.
    Flag,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// Names separated by blanks.
    Names,
    /// A Java regular expression.
    Pattern,
    /// A character set's name.
    Charset,
    /// Nothing: Flume has it, rkafka does not; what to use instead.
    Unserved(&'static str),
}

/// One property.
#[derive(Debug)]
pub struct KeyDef {
    /// Its name behind the component's.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Its value when it is not set; `None`: there is none, or it must be set.
    pub default: Option<&'static str>,
    /// Whether it must be set.
    pub required: bool,
    /// What it does.
    pub doc: &'static str,
}

/// One type of component.
#[derive(Debug)]
pub struct TypeDef {
    /// The name used in messages: Flume's alias.
    pub name: &'static str,
    /// All names it goes by in a file: aliases and class names.
    pub names: &'static [&'static str],
    /// Its properties.
    pub keys: &'static [&'static KeyDef],
    /// Beginnings of names behind which anything may stand, each with what it is for.
    pub open: &'static [(&'static str, &'static str)],
    /// What it is.
    pub doc: &'static str,
}

/// A property with a default.
pub(crate) const fn key(
    name: &'static str,
    takes: Takes,
    default: &'static str,
    doc: &'static str,
) -> KeyDef {
    KeyDef { name, takes, default: Some(default), required: false, doc }
}

/// A property that has no default and may be left out.
pub(crate) const fn optional(name: &'static str, takes: Takes, doc: &'static str) -> KeyDef {
    KeyDef { name, takes, default: None, required: false, doc }
}

/// A property that must be set.
pub(crate) const fn required(name: &'static str, takes: Takes, doc: &'static str) -> KeyDef {
    KeyDef { name, takes, default: None, required: true, doc }
}

/// A count from 1 up.
pub(crate) const COUNT: Takes = Takes::Integer(1, i32::MAX as i64);
/// A time in milliseconds from 0 up.
pub(crate) const MILLISECONDS: Takes = Takes::Integer(0, i64::MAX / 2);
