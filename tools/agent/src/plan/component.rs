//! One component's properties: checked against the table when the file is read, typed when they are used.

use std::{collections::BTreeMap, sync::Arc};

use fancy_regex::Regex;
use rkafka_config::nearest;

use super::{
    Kind, Remarks, Set, below,
    keys::{self, KeyDef, Takes, TypeDef},
};
use crate::text::Charset;

/// A component of a plan. Its properties have been checked: getters give what the file says or the default.
#[derive(Debug)]
pub struct Component {
    /// What it is.
    pub kind: Kind,
    /// Its name in the file.
    pub name: String,
    /// Its type.
    pub definition: &'static TypeDef,
    /// A source's interceptors, in order.
    pub interceptors: Vec<Component>,
    values: BTreeMap<String, Set>,
}

impl Component {
    /// Reads and checks one component; `None` if its type is missing or not known, with a remark.
    pub(crate) fn read(
        kind: Kind,
        name: &str,
        declared_in: usize,
        values: BTreeMap<String, Set>,
        remarks: &mut Remarks,
    ) -> Option<Component> {
        let definition = definition(kind, name, declared_in, &values, remarks)?;
        let mut component =
            Component { kind, name: name.to_owned(), definition, interceptors: Vec::new(), values };
        component.interceptors = component.read_interceptors(remarks);
        component.check(declared_in, remarks);
        Some(component)
    }

    fn read_interceptors(&self, remarks: &mut Remarks) -> Vec<Component> {
        if self.kind != Kind::Source {
            return Vec::new();
        }
        let line = self.line(keys::sources::INTERCEPTORS.name);
        self.names(&keys::sources::INTERCEPTORS)
            .iter()
            .filter_map(|name| {
                let values = below(&self.values, &format!("interceptors.{name}."));
                Component::read(Kind::Interceptor, name, line, values, remarks)
            })
            .collect()
    }

    fn keys(&self) -> impl Iterator<Item = &'static KeyDef> {
        let common: &[&KeyDef] = match self.kind {
            Kind::Source => keys::sources::COMMON,
            Kind::Sink => keys::sinks::COMMON,
            _ => &[],
        };
        common.iter().chain(self.definition.keys).copied()
    }

    fn is_open(&self, key: &str) -> bool {
        let common = if self.kind == Kind::Source { keys::sources::COMMON_OPEN } else { &[] };
        common.iter().chain(self.definition.open).any(|(prefix, _)| key.starts_with(prefix))
    }

    fn check(&self, declared_in: usize, remarks: &mut Remarks) {
        let who = format!("{} {}", self.kind.noun(), self.name);
        for (key, set) in &self.values {
            if key == "type" {
                continue;
            }
            match self.keys().find(|def| def.name == key) {
                Some(def) => {
                    if let Err(problem) = accepts(def.takes, &set.text) {
                        remarks.error(set.line, format!("{who}: {key} = {:?}: {problem}", set.text));
                    }
                }
                None if self.is_open(key) => {}
                None => {
                    let hint = nearest(key, self.keys().map(|def| def.name))
                        .or_else(|| self.keys().map(|def| def.name).find(|name| key.starts_with(name)))
                        .map(|near| format!("; did you mean {near}?"))
                        .unwrap_or_default();
                    remarks.warn(set.line, format!("{who}: {key} is not known and has no effect{hint}"));
                }
            }
        }
        for def in self.keys().filter(|def| def.required && !self.values.contains_key(def.name)) {
            remarks.error(declared_in, format!("{who}: {} must be set. {}", def.name, def.doc));
        }
    }

    /// The line of a property; 0 if it is not set.
    #[must_use]
    pub fn line(&self, key: &str) -> usize {
        self.values.get(key).map_or(0, |set| set.line)
    }

    /// Whether the file sets it.
    #[must_use]
    pub fn is_set(&self, key: &KeyDef) -> bool {
        self.values.contains_key(key.name)
    }

    fn value(&self, key: &KeyDef) -> Option<&str> {
        self.values.get(key.name).map(|set| set.text.as_str()).or(key.default)
    }

    /// A property's text.
    #[must_use]
    pub fn text(&self, key: &KeyDef) -> Option<Arc<str>> {
        self.value(key).map(Arc::from)
    }

    /// A property's number.
    #[must_use]
    pub fn integer(&self, key: &KeyDef) -> Option<i64> {
        self.value(key).and_then(|text| text.parse().ok())
    }

    /// A count, which the table keeps within bounds; 0 without value and default.
    #[must_use]
    pub fn count(&self, key: &KeyDef) -> usize {
        self.integer(key).and_then(|number| usize::try_from(number).ok()).unwrap_or_default()
    }

    /// A property that is true or false; false without value and default.
    #[must_use]
    pub fn flag(&self, key: &KeyDef) -> bool {
        self.value(key).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// Whether a property is this word, in any case.
    #[must_use]
    pub fn is(&self, key: &KeyDef, word: &str) -> bool {
        self.value(key).is_some_and(|text| text.eq_ignore_ascii_case(word))
    }

    /// A property's names.
    #[must_use]
    pub fn names(&self, key: &KeyDef) -> Vec<String> {
        self.value(key).map(|text| text.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// A property's pattern. `whole`: it must match all of a name, as Java's `matches` does.
    #[must_use]
    pub fn pattern(&self, key: &KeyDef, whole: bool) -> Option<Regex> {
        let text = self.value(key)?;
        let text = if whole { format!("^(?:{text})$") } else { text.to_owned() };
        Regex::new(&text).ok()
    }

    /// All properties behind a prefix, without it, with their lines.
    pub fn open(&self, prefix: &str) -> impl Iterator<Item = (&str, &str, usize)> {
        self.values
            .iter()
            .filter_map(move |(key, set)| Some((key.strip_prefix(prefix)?, set.text.as_str(), set.line)))
    }

    /// A property of its type by name: several types have one of the same name with another default.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static KeyDef> {
        self.definition.keys.iter().find(|key| key.name == name).copied()
    }

    /// How many events it puts or takes at a time, and the property that says so.
    #[must_use]
    pub fn batch_size(&self) -> Option<(&'static str, i64)> {
        use keys::{sinks, sources};
        let candidates: &[&'static KeyDef] = match self.kind {
            Kind::Source => &[&sources::BATCH_SIZE],
            Kind::Sink => &[
                &sinks::FLUME_BATCH_SIZE,
                &sinks::KAFKA_FLUME_BATCH_SIZE,
                &sinks::OLD_BATCH_SIZE,
                &sinks::FILE_ROLL_BATCH_SIZE,
            ],
            _ => &[],
        };
        let set =
            candidates.iter().find_map(|key| Some((key.name, self.values.get(key.name)?.text.parse().ok()?)));
        set.or_else(|| {
            self.keys()
                .find(|def| def.name.to_ascii_lowercase().ends_with("batchsize"))
                .map(|def| (def.name, def.default.and_then(|text| text.parse().ok()).unwrap_or(100)))
        })
    }
}

/// The type a component names.
fn definition(
    kind: Kind,
    name: &str,
    declared_in: usize,
    values: &BTreeMap<String, Set>,
    remarks: &mut Remarks,
) -> Option<&'static TypeDef> {
    if kind == Kind::SinkGroup {
        return Some(&keys::sinks::GROUP);
    }
    let who = format!("{} {name}", kind.noun());
    let offered = || kind.types().iter().map(|def| def.name).collect::<Vec<_>>().join(", ");
    let Some(set) = values.get("type") else {
        remarks.error(
            declared_in,
            format!("{who} has no type: set {}.{name}.type to one of {}", kind.word(), offered()),
        );
        return None;
    };
    let found =
        kind.types().iter().find(|def| def.names.iter().any(|other| other.eq_ignore_ascii_case(&set.text)));
    if let Some(found) = found {
        return Some(found);
    }
    if let Some(instead) = keys::unserved(kind, &set.text) {
        remarks.error(set.line, format!("{who}: type {} of Flume is not served: {instead}", set.text));
        return None;
    }
    let known = kind.types().iter().flat_map(|def| def.names).copied();
    let hint = match nearest(&set.text, known) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", offered()),
    };
    remarks.error(set.line, format!("{who}: type {} is not known; {hint}", set.text));
    None
}

/// Whether a value is what a property takes; else what it takes.
fn accepts(takes: Takes, text: &str) -> Result<(), String> {
    match takes {
        Takes::Text | Takes::Names => Ok(()),
        Takes::Integer(from, to) => match text.parse::<i64>() {
            Ok(number) if (from..=to).contains(&number) => Ok(()),
            Ok(_) if to >= i64::from(i32::MAX) => Err(format!("it must be {from} or more")),
            Ok(_) => Err(format!("it must be between {from} and {to}")),
            Err(_) => Err("it must be a whole number".to_owned()),
        },
        Takes::Flag if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") => Ok(()),
        Takes::Flag => Err("it must be true or false".to_owned()),
        Takes::Word(words) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(()),
        Takes::Word(words) => Err(format!("it must be one of {}", words.join(", "))),
        Takes::Pattern => {
            Regex::new(text).map(|_| ()).map_err(|error| format!("it is no regular expression: {error}"))
        }
        Takes::Unserved(instead) => Err(format!("it is not served: {instead}")),
        Takes::Charset if text.eq_ignore_ascii_case("auto") => Ok(()),
        Takes::Charset => Charset::by_name(text).map(|_| ()).map_err(|error| error.to_string()),
    }
}
