//! What an agent's file says: components of one agent with checked properties and their wiring.
//!
//! Flume drops a component it dislikes and runs the rest, if need be nothing at all. Here every mistake is an error
//! with its line, all of them at once, and nothing starts; what Flume silently ignores is at least named.
//!
//! | module | what it is |
//! |---|---|
//! | [`keys`] | the one table of component types and properties |
//! | [`component`] | one component's properties, typed |
//! | [`substitute`] | `${…}` in values |
//! | [`mod@reference`] | the page of all properties |

pub mod component;
pub mod keys;
pub mod reference;
pub mod substitute;

use std::collections::BTreeMap;

use rkafka_config::{Properties, nearest};

pub use component::Component;
pub use keys::Kind;
pub use substitute::Surroundings;

/// A mistake or an oddity in a file, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The file as the user named it.
    pub file: String,
    /// The line, from 1; 0 if it is about something that is not there.
    pub line: usize,
    /// What is wrong and what to do.
    pub text: String,
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.text),
            line => write!(f, "{}:{line}: {}", self.file, self.text),
        }
    }
}

/// Why a file cannot be run: all its mistakes, and its oddities among them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Remark::to_string).collect::<Vec<_>>().join("\n"))]
pub struct PlanErrors(pub Vec<Remark>);

/// One agent of a file.
#[derive(Debug)]
pub struct Plan {
    /// The agent's name.
    pub agent: String,
    /// Its sources.
    pub sources: Vec<Component>,
    /// Its channels.
    pub channels: Vec<Component>,
    /// Its sinks.
    pub sinks: Vec<Component>,
    /// Its sink groups; a sink in none stands for itself.
    pub groups: Vec<Component>,
    /// Oddities that keep nothing from running.
    pub warnings: Vec<Remark>,
}

/// A value and the line it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// Collects what is wrong while a file is read.
pub(crate) struct Remarks {
    file: String,
    errors: Vec<Remark>,
    warnings: Vec<Remark>,
}

impl Remarks {
    pub(crate) fn error(&mut self, line: usize, text: impl Into<String>) {
        self.errors.push(Remark { file: self.file.clone(), line, text: text.into() });
    }

    pub(crate) fn warn(&mut self, line: usize, text: impl Into<String>) {
        self.warnings.push(Remark { file: self.file.clone(), line, text: text.into() });
    }
}

impl Plan {
    /// Reads the plan of `agent` out of a file's properties.
    ///
    /// # Errors
    /// All mistakes of the file that concern this agent.
    pub fn read(properties: &Properties, agent: &str, around: &dyn Surroundings) -> Result<Plan, PlanErrors> {
        let mut remarks =
            Remarks { file: properties.source().to_owned(), errors: Vec::new(), warnings: Vec::new() };
        let mine = own_keys(properties, agent, around, &mut remarks);
        let mut components = |kind| declared(&mine, kind, &mut remarks);
        let mut plan = Plan {
            agent: agent.to_owned(),
            sources: components(Kind::Source),
            channels: components(Kind::Channel),
            sinks: components(Kind::Sink),
            groups: components(Kind::SinkGroup),
            warnings: Vec::new(),
        };
        undeclared(&mine, &plan, &mut remarks);
        plan.check_wiring(&mine, &mut remarks);
        if mine.is_empty() {
            let known = agents(properties);
            let hint = match nearest(agent, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near:?}?"),
                None if known.is_empty() => "it has no agent at all".to_owned(),
                None => format!("it has {}", known.join(", ")),
            };
            remarks.errors.clear();
            remarks.warnings.clear();
            remarks.error(0, format!("no agent is called {agent:?}; {hint}"));
        }
        remarks.warnings.sort_by_key(|remark| remark.line);
        if remarks.errors.is_empty() {
            plan.warnings = remarks.warnings;
            return Ok(plan);
        }
        // An oddity is often the cause: a misspelt key beside a missing one.
        let mut all = remarks.errors;
        all.append(&mut remarks.warnings);
        all.sort_by_key(|remark| remark.line);
        Err(PlanErrors(all))
    }

    /// A channel by its name.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&Component> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// Sources and sinks must name channels there are, with room for their batches.
    fn check_wiring(&self, mine: &BTreeMap<String, Set>, remarks: &mut Remarks) {
        let listed = |kind: Kind| -> Vec<&str> {
            mine.get(kind.word()).map(|set| set.text.split_whitespace().collect()).unwrap_or_default()
        };
        let known = listed(Kind::Channel);
        for source in &self.sources {
            for name in source.names(&keys::sources::CHANNELS) {
                self.check_channel(source, &keys::sources::CHANNELS, &name, &known, remarks);
            }
        }
        for sink in &self.sinks {
            if let Some(name) = sink.text(&keys::sinks::CHANNEL) {
                self.check_channel(sink, &keys::sinks::CHANNEL, &name, &known, remarks);
            }
        }
        for group in &self.groups {
            for name in group.names(&keys::sinks::GROUP_SINKS) {
                if !listed(Kind::Sink).contains(&name.as_str()) {
                    let line = group.line(keys::sinks::GROUP_SINKS.name);
                    remarks.error(
                        line,
                        format!("sink group {} names sink {name:?}, which there is not", group.name),
                    );
                }
            }
        }
        for channel in &self.channels {
            check_capacity(channel, remarks);
        }
        for kind in [Kind::Source, Kind::Channel, Kind::Sink] {
            if listed(kind).is_empty() {
                let what = kind.word();
                remarks.error(0, format!("agent {0} has no {what}: set {0}.{what} = …", self.agent));
            }
        }
    }

    fn check_channel(
        &self,
        component: &Component,
        key: &keys::KeyDef,
        name: &str,
        known: &[&str],
        remarks: &mut Remarks,
    ) {
        let line = component.line(key.name);
        let noun = component.kind.noun();
        if !known.contains(&name) {
            let hint = nearest(name, known.iter().copied()).map(|near| format!("; did you mean {near:?}?"));
            let text = format!(
                "{noun} {} names channel {name:?}, which there is not{}",
                component.name,
                hint.unwrap_or_default()
            );
            remarks.error(line, text);
        }
        let Some(channel) = self.channel(name) else { return };
        let (Some((batch_key, batch)), Some(room)) =
            (component.batch_size(), channel.key("transactionCapacity").and_then(|key| channel.integer(key)))
        else {
            return;
        };
        if batch > room {
            let text = format!(
                "{noun} {}: {batch_key} {batch} is more than transactionCapacity {room} of channel {name}; \
                 make the one smaller or the other larger",
                component.name
            );
            let set = component.line(batch_key);
            remarks.error(if set > 0 { set } else { line }, text);
        }
    }
}

/// As Flume, whose defaults count too: a capacity of 50 needs a transactionCapacity.
fn check_capacity(channel: &Component, remarks: &mut Remarks) {
    let number = |name| channel.key(name).and_then(|key| channel.integer(key));
    if let (Some(room), Some(capacity)) = (number("transactionCapacity"), number("capacity"))
        && room > capacity
    {
        let line = channel.line("transactionCapacity").max(channel.line("capacity"));
        let text = format!(
            "channel {}: transactionCapacity {room} cannot be higher than capacity {capacity}; \
             make the one smaller or the other larger",
            channel.name
        );
        remarks.error(line, text);
    }
}

/// The keys behind `<agent>.`, values trimmed and substituted; the last of a key wins.
fn own_keys(
    properties: &Properties,
    agent: &str,
    around: &dyn Surroundings,
    remarks: &mut Remarks,
) -> BTreeMap<String, Set> {
    let mut mine = BTreeMap::new();
    for entry in properties.entries() {
        let key = entry.key.trim();
        let Some(rest) = key.strip_prefix(agent).and_then(|rest| rest.strip_prefix('.')) else { continue };
        let text = match substitute::substitute(entry.value.trim(), properties, agent, around) {
            Ok(text) => text,
            Err(problem) => {
                remarks.error(entry.line, format!("{key}: {problem}"));
                continue;
            }
        };
        if text.is_empty() {
            remarks.warn(entry.line, format!("{key} has no value and is ignored"));
            continue;
        }
        if mine.insert(rest.to_owned(), Set { text, line: entry.line }).is_some() {
            remarks.warn(entry.line, format!("{key} is set before: this one counts"));
        }
    }
    mine
}

/// The components that `<agent>.<kind> = …` names.
fn declared(mine: &BTreeMap<String, Set>, kind: Kind, remarks: &mut Remarks) -> Vec<Component> {
    let Some(names) = mine.get(kind.word()) else { return Vec::new() };
    let mut found: Vec<Component> = Vec::new();
    for name in names.text.split_whitespace() {
        if found.iter().any(|other| other.name == name) {
            remarks.warn(names.line, format!("{} {name} is named twice", kind.noun()));
            continue;
        }
        let prefix = format!("{}.{name}.", kind.word());
        let values = below(mine, &prefix);
        found.extend(Component::read(kind, name, names.line, values, remarks));
    }
    found
}

/// The keys behind a prefix.
pub(crate) fn below(mine: &BTreeMap<String, Set>, prefix: &str) -> BTreeMap<String, Set> {
    mine.range(prefix.to_owned()..)
        .take_while(|(key, _)| key.starts_with(prefix))
        .map(|(key, set)| (key[prefix.len()..].to_owned(), set.clone()))
        .collect()
}

/// Flume ignores properties of components that are not declared; that is most often a slip.
fn undeclared(mine: &BTreeMap<String, Set>, plan: &Plan, remarks: &mut Remarks) {
    let declared = |kind: &str| -> Option<Vec<&str>> {
        let components = match kind {
            "sources" => &plan.sources,
            "channels" => &plan.channels,
            "sinks" => &plan.sinks,
            "sinkgroups" => &plan.groups,
            _ => return None,
        };
        Some(components.iter().map(|component| component.name.as_str()).collect())
    };
    let mut said = Vec::new();
    for (key, set) in mine {
        let mut parts = key.splitn(3, '.');
        let (kind, name) = (parts.next().unwrap_or_default(), parts.next());
        match (declared(kind), name) {
            (_, None) | (Some(_), Some("")) => {}
            (Some(names), Some(name)) => {
                let listed =
                    mine.get(kind).is_some_and(|set| set.text.split_whitespace().any(|one| one == name));
                if !names.contains(&name) && !listed && !said.contains(&(kind, name)) {
                    said.push((kind, name));
                    let text =
                        format!("{kind}.{name}.… is ignored: {}.{kind} does not name {name:?}", plan.agent);
                    remarks.warn(set.line, text);
                }
            }
            (None, Some(_)) if kind == "configfilters" => {}
            (None, Some(_)) => {
                let words = ["sources", "channels", "sinks", "sinkgroups", "configfilters"];
                let hint =
                    nearest(kind, words).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                remarks.warn(
                    set.line,
                    format!("{}.{key} is ignored: {kind:?} is no kind of component{hint}", plan.agent),
                );
            }
        }
    }
}

/// The agents a file has keys for.
fn agents(properties: &Properties) -> Vec<String> {
    let mut known = Vec::new();
    for entry in properties.entries() {
        let mut parts = entry.key.trim().splitn(3, '.');
        if let (Some(agent), Some("sources" | "channels" | "sinks")) = (parts.next(), parts.next())
            && !known.iter().any(|other| other == agent)
        {
            known.push(agent.to_owned());
        }
    }
    known
}

#[cfg(test)]
mod tests;

/// Components for tests, without a whole file around them.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    struct Nowhere;

    impl Surroundings for Nowhere {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }

        fn system_property(&self, _: &str) -> Option<String> {
            None
        }

        fn run(&self, _: &str, _: &str) -> Result<String, String> {
            Err("nothing runs here".to_owned())
        }
    }

    /// The source `r1` of these properties.
    #[track_caller]
    pub(crate) fn source(settings: &str) -> Component {
        component("sources.r1", settings, Kind::Source)
    }

    /// The interceptor of these properties.
    #[track_caller]
    pub(crate) fn interceptor(settings: &str) -> Component {
        let settings: String = settings.lines().map(|line| format!("interceptors.i1.{line}\n")).collect();
        source(&format!("type = seq\nchannels = c1\ninterceptors = i1\n{settings}")).interceptors.remove(0)
    }

    /// The sink `k1` of these properties.
    #[track_caller]
    pub(crate) fn sink(settings: &str) -> Component {
        component("sinks.k1", settings, Kind::Sink)
    }

    /// The sink group `g1` of these properties.
    #[track_caller]
    pub(crate) fn group(settings: &str) -> Component {
        component("sinkgroups.g1", settings, Kind::SinkGroup)
    }

    #[track_caller]
    fn component(prefix: &str, settings: &str, kind: Kind) -> Component {
        let mut file = "a.sources = r1\na.channels = c1 c2 c3\na.sinks = k1\n".to_owned();
        for channel in ["c1", "c2", "c3"] {
            file.push_str(&format!("a.channels.{channel}.type = memory\n"));
        }
        if kind != Kind::Sink {
            file.push_str("a.sinks.k1.type = null\na.sinks.k1.channel = c1\n");
        }
        if kind != Kind::Source {
            file.push_str("a.sources.r1.type = seq\na.sources.r1.channels = c1\n");
        }
        if kind == Kind::SinkGroup {
            file.push_str("a.sinkgroups = g1\n");
        }
        for line in settings.lines() {
            file.push_str(&format!("a.{prefix}.{line}\n"));
        }
        let properties = Properties::parse("test", file.as_bytes()).unwrap();
        let mut plan = Plan::read(&properties, "a", &Nowhere).unwrap_or_else(|errors| panic!("{errors}"));
        match kind {
            Kind::Source => plan.sources.remove(0),
            Kind::SinkGroup => plan.groups.remove(0),
            _ => plan.sinks.remove(0),
        }
    }
}
