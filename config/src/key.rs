//! One entry of the key table, and the macro that writes tables with typed handles.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use crate::error::InvalidConfig;
use crate::range::Accepts;
use crate::value::{KeyType, Typed, Value};

/// Which resource a key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A broker or controller node, or the cluster-wide default of all of them.
    Broker,
    /// One topic.
    Topic,
    /// One group (KIP-848, KIP-932).
    Group,
}

/// Whether and where a broker key can be changed while the node runs (KIP-226).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    /// Only by a restart.
    ReadOnly,
    /// For one broker at a time.
    PerBroker,
    /// For one broker, or for all as the cluster default.
    ClusterWide,
}

impl UpdateMode {
    /// The word of Kafka's documentation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            UpdateMode::ReadOnly => "read-only",
            UpdateMode::PerBroker => "per-broker",
            UpdateMode::ClusterWide => "cluster-wide",
        }
    }
}

/// How much a key matters to the person who runs a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Look at it before going live.
    High,
    /// Sometimes worth a look.
    Medium,
    /// Rarely touched.
    Low,
}

impl Importance {
    /// The word of Kafka's documentation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Importance::High => "high",
            Importance::Medium => "medium",
            Importance::Low => "low",
        }
    }
}

/// What rkafka does with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its value has its effect.
    Served,
    /// Known, checked, without effect; the text says why. Named once at start-up when set.
    Ignored(&'static str),
}

/// Default of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// Unset means null.
    Null,
    /// The value, as it would stand in a file.
    Text(&'static str),
}

/// [`KeyDef::since`] of keys that Kafka does not have.
pub const OWN: &str = "rkafka";

/// One key of the table: everything parsing, validation, DescribeConfigs and the reference page know of it.
#[derive(Debug)]
pub struct KeyDef {
    /// Name in property files and on the wire.
    pub name: &'static str,
    /// Resource it belongs to.
    pub scope: Scope,
    /// Type of its value.
    pub kind: KeyType,
    /// Position within its scope's table.
    pub slot: usize,
    /// Value when nobody sets it.
    pub default: Default,
    /// Accepted values beyond the type.
    pub accepts: Accepts,
    /// Whether and where it can change at run time; of no meaning outside the broker scope.
    pub update: UpdateMode,
    /// How much it matters.
    pub importance: Importance,
    /// First Kafka release line that has it; 2.2 stands for all up to 2.2, the oldest whose files are read.
    pub since: &'static str,
    /// Last Kafka release line that had it, for keys that are gone from the newest.
    pub until: Option<&'static str>,
    /// Whether it has an effect here.
    pub standing: Standing,
    /// For a topic or group key: the broker key that gives its default.
    pub broker_synonym: Option<&'static str>,
    /// DescribeConfigs shows it only where it is set: Kafka's internal keys and those that exist at run time only.
    pub unlisted: bool,
    doc: &'static str,
}

impl KeyDef {
    /// What the key does, in a sentence or two.
    #[must_use]
    pub fn doc(&self) -> &'static str {
        self.doc.trim_start()
    }

    /// Whether values must never be shown.
    #[must_use]
    pub fn is_sensitive(&self) -> bool {
        self.kind == KeyType::Password
    }

    /// Whether it has an effect in rkafka.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.standing == Standing::Served
    }

    /// Reads `text` as a value of this key and checks its range.
    ///
    /// # Errors
    /// Kafka's error for a value of the wrong type or out of range.
    pub fn parse(&self, text: &str) -> Result<Value, InvalidConfig> {
        let mut value = Value::parse(self.kind, text).map_err(|reason| InvalidConfig::BadValue {
            name: self.name.to_owned(),
            value: text.to_owned(),
            reason,
        })?;
        if let (Value::List(items), true) = (&mut value, self.accepts.drops_repetitions()) {
            let mut seen = BTreeSet::new();
            items.retain(|item| seen.insert(item.clone()));
        }
        self.accepts.check(&value).map_err(|refusal| InvalidConfig::refused(self.name, refusal))?;
        Ok(value)
    }

    /// The value when nobody sets it.
    #[must_use]
    pub fn default_value(&self) -> Value {
        match self.default {
            // A test reads every default of the table.
            Default::Text(text) => self.parse(text).unwrap_or(Value::Null),
            Default::Null => Value::Null,
        }
    }

    /// Whether DescribeConfigs shows it even where nobody set it.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        !self.unlisted && self.until.is_none()
    }

    /// Whether it is no key of property files at all, but a setting that exists at run time only.
    #[must_use]
    pub fn is_run_time_only(&self) -> bool {
        self.unlisted && self.update != UpdateMode::ReadOnly
    }

    /// The accepted values in words: type and range.
    #[must_use]
    pub fn accepted(&self) -> String {
        let range = self.accepts.describe();
        let kind = match self.kind {
            KeyType::Boolean => return "true or false".to_owned(),
            KeyType::Int => "a 32-bit integer",
            KeyType::Short => "a 16-bit integer",
            KeyType::Long => "a 64-bit integer",
            KeyType::Double => "a number",
            KeyType::List => "a comma-separated list",
            KeyType::String | KeyType::Class | KeyType::Password => "a text",
        };
        if range.is_empty() { kind.to_owned() } else { format!("{kind}, {range}") }
    }
}

/// Marks handles of broker keys.
#[derive(Debug, Clone, Copy)]
pub enum OfBroker {}
/// Marks handles of topic keys.
#[derive(Debug, Clone, Copy)]
pub enum OfTopic {}
/// Marks handles of group keys.
#[derive(Debug, Clone, Copy)]
pub enum OfGroup {}

/// A scope as a type, so that a topic's key cannot be asked of a broker.
pub trait ScopeMarker {
    /// The scope.
    const SCOPE: Scope;
}
impl ScopeMarker for OfBroker {
    const SCOPE: Scope = Scope::Broker;
}
impl ScopeMarker for OfTopic {
    const SCOPE: Scope = Scope::Topic;
}
impl ScopeMarker for OfGroup {
    const SCOPE: Scope = Scope::Group;
}

/// Typed handle of a key: what code passes to `get`.
pub struct Key<S, T> {
    def: &'static KeyDef,
    marker: PhantomData<fn() -> (S, T)>,
}

/// Handle of a broker key.
pub type BrokerKey<T> = Key<OfBroker, T>;
/// Handle of a topic key.
pub type TopicKey<T> = Key<OfTopic, T>;
/// Handle of a group key.
pub type GroupKey<T> = Key<OfGroup, T>;

impl<S, T> Clone for Key<S, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T> Copy for Key<S, T> {}

impl<S, T> std::fmt::Debug for Key<S, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.def.name)
    }
}

impl<S, T> Key<S, T> {
    pub(crate) const fn new(def: &'static KeyDef) -> Key<S, T> {
        Key { def, marker: PhantomData }
    }

    /// The table's entry.
    #[must_use]
    pub const fn def(self) -> &'static KeyDef {
        self.def
    }

    /// The key's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.def.name
    }
}

/// The part of a [`KeyDef`] that a table line writes down; starts with [`default`] or [`null`].
pub(crate) struct Spec {
    default: Default,
    accepts: Accepts,
    update: UpdateMode,
    importance: Importance,
    since: &'static str,
    until: Option<&'static str>,
    standing: Standing,
    broker_synonym: Option<&'static str>,
    unlisted: bool,
}

/// A key with this default, of medium importance, read-only, served, known to Kafka 2.2.
pub(crate) const fn default(text: &'static str) -> Spec {
    Spec {
        default: Default::Text(text),
        accepts: Accepts::Any,
        update: UpdateMode::ReadOnly,
        importance: Importance::Medium,
        since: "2.2",
        until: None,
        standing: Standing::Served,
        broker_synonym: None,
        unlisted: false,
    }
}

/// A key that is null unless set.
pub(crate) const fn null() -> Spec {
    Spec { default: Default::Null, ..default("") }
}

impl Spec {
    pub(crate) const fn accepts(self, accepts: Accepts) -> Spec {
        Spec { accepts, ..self }
    }
    pub(crate) const fn at_least(self, min: i64) -> Spec {
        self.accepts(Accepts::AtLeast(min))
    }
    pub(crate) const fn high(self) -> Spec {
        Spec { importance: Importance::High, ..self }
    }
    pub(crate) const fn low(self) -> Spec {
        Spec { importance: Importance::Low, ..self }
    }
    pub(crate) const fn per_broker(self) -> Spec {
        Spec { update: UpdateMode::PerBroker, ..self }
    }
    pub(crate) const fn cluster_wide(self) -> Spec {
        Spec { update: UpdateMode::ClusterWide, ..self }
    }
    pub(crate) const fn since(self, since: &'static str) -> Spec {
        Spec { since, ..self }
    }
    pub(crate) const fn until(self, until: &'static str) -> Spec {
        Spec { until: Some(until), ..self }
    }
    pub(crate) const fn ignored(self, why: &'static str) -> Spec {
        Spec { standing: Standing::Ignored(why), ..self }
    }
    pub(crate) const fn synonym(self, broker_key: &'static str) -> Spec {
        Spec { broker_synonym: Some(broker_key), ..self }
    }
    pub(crate) const fn unlisted(self) -> Spec {
        Spec { unlisted: true, ..self }
    }

    pub(crate) const fn define<S: ScopeMarker, T: Typed>(
        self,
        name: &'static str,
        slot: usize,
        doc: &'static str,
    ) -> KeyDef {
        assert!(
            matches!(self.default, Default::Text(_)) || T::NULLABLE,
            "a key that may be null needs an Option"
        );
        KeyDef {
            name,
            scope: S::SCOPE,
            kind: T::KIND,
            slot,
            default: self.default,
            accepts: self.accepts,
            update: self.update,
            importance: self.importance,
            since: self.since,
            until: self.until,
            standing: self.standing,
            broker_synonym: self.broker_synonym,
            unlisted: self.unlisted,
            doc,
        }
    }
}

/// Writes one table of keys: `/// doc` + `HANDLE: type = "name" => spec;` a line. Yields the `DEFS` slice, a
/// typed handle a key, and `END`, the first free slot, where the scope's next table begins.
macro_rules! key_table {
    (
        $scope:ident from $first:expr;
        $($(#[doc = $doc:literal])+ $handle:ident: $type:ty = $name:literal => $spec:expr;)+
    ) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(usize)]
        enum Row { $($handle,)+ Count }

        /// First slot of the scope's next table.
        pub(super) const END: usize = $first + Row::Count as usize;

        /// The entries of this file.
        pub(super) static DEFS: [$crate::key::KeyDef; Row::Count as usize] = [$(
            $spec.define::<$crate::key::$scope, $type>(
                $name, $first + Row::$handle as usize, concat!($($doc),+)),
        )+];

        $(
            $(#[doc = $doc])+
            pub const $handle: $crate::key::Key<$crate::key::$scope, $type> =
                $crate::key::Key::new(&DEFS[Row::$handle as usize]);
        )+
    };
}
pub(crate) use key_table;
