//! What values a key accepts beyond its type, with Kafka's texts for what it refuses.

use crate::value::Value;

/// The accepted values of a key.
#[derive(Debug, Clone, Copy)]
pub enum Accepts {
    /// Whatever the type allows.
    Any,
    /// A number not below this.
    AtLeast(i64),
    /// A number within these bounds, both included.
    Between(i64, i64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One of these words in any case.
    OneOfAnyCase(&'static [&'static str]),
    /// A list of these words, or of anything if there are none here. What stands twice is taken once.
    AnyOf(&'static [&'static str]),
    /// Like [`Accepts::AnyOf`], with at least one entry.
    SomeOf(&'static [&'static str]),
    /// A text that is not empty.
    NonEmpty,
    /// A rule of its own: its description, and the check giving Kafka's reason for refusing.
    Rule(&'static str, fn(&Value) -> Result<(), String>),
}

/// Why a value is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The value (as Kafka shows it) and the reason: `Invalid value 0 for configuration x: reason`.
    Value(String, String),
    /// What is wrong with the list as a whole: `Configuration 'x' what`.
    List(String),
}

impl Accepts {
    /// Whether what stands twice in a list counts once.
    pub(crate) fn drops_repetitions(&self) -> bool {
        matches!(self, Accepts::AnyOf(_) | Accepts::SomeOf(_))
    }

    /// Checks a parsed value that is not null.
    pub(crate) fn check(&self, value: &Value) -> Result<(), Refusal> {
        let verdict = match (self, value) {
            (_, Value::Null) | (Accepts::Any, _) => Ok(()),
            (Accepts::AtLeast(min), value) => at_least(value, *min),
            (Accepts::Between(min, max), value) => at_least(value, *min).and_then(|()| at_most(value, *max)),
            (Accepts::OneOf(words), value) => one_of(words, &value.to_string()),
            (Accepts::OneOfAnyCase(words), value) => one_of_any_case(words, &value.to_string()),
            (Accepts::NonEmpty, Value::String(text)) if text.is_empty() => {
                Err("String must be non-empty".to_owned())
            }
            (Accepts::Rule(_, rule), value) => rule(value),
            (Accepts::SomeOf(words), Value::List(items)) if items.is_empty() => {
                return Err(empty_list(words));
            }
            (Accepts::AnyOf(words) | Accepts::SomeOf(words), Value::List(items)) => {
                return list(items, words);
            }
            (Accepts::NonEmpty | Accepts::AnyOf(_) | Accepts::SomeOf(_), _) => Ok(()),
        };
        verdict.map_err(|reason| Refusal::Value(value.in_error(), reason))
    }

    /// The accepted values in words, for errors about property files and the reference page; empty for any.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Accepts::Any => String::new(),
            Accepts::AtLeast(min) => format!("at least {min}"),
            Accepts::Between(min, max) => format!("{min} to {max}"),
            Accepts::OneOf(words) => format!("one of {}", words.join(", ")),
            Accepts::OneOfAnyCase(words) => format!("one of {} (any case)", words.join(", ")),
            Accepts::AnyOf([]) => String::new(),
            Accepts::SomeOf([]) => "not empty".to_owned(),
            Accepts::AnyOf(words) | Accepts::SomeOf(words) => format!("of {}", words.join(", ")),
            Accepts::NonEmpty => "not empty".to_owned(),
            Accepts::Rule(text, _) => (*text).to_owned(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "Kafka compares ranges as doubles too")]
fn at_least(value: &Value, min: i64) -> Result<(), String> {
    match value.as_f64() {
        Some(number) if number < min as f64 => Err(format!("Value must be at least {min}")),
        _ => Ok(()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "Kafka compares ranges as doubles too")]
fn at_most(value: &Value, max: i64) -> Result<(), String> {
    match value.as_f64() {
        Some(number) if number > max as f64 => Err(format!("Value must be no more than {max}")),
        _ => Ok(()),
    }
}

fn one_of(words: &[&str], text: &str) -> Result<(), String> {
    if words.contains(&text) {
        return Ok(());
    }
    Err(format!("String must be one of: {}", words.join(", ")))
}

fn one_of_any_case(words: &[&str], text: &str) -> Result<(), String> {
    if words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Ok(());
    }
    Err(format!("String must be one of (case insensitive): {}", words.join(", ")))
}

fn empty_list(words: &[&str]) -> Refusal {
    let accepted =
        if words.is_empty() { "any non-empty value".to_owned() } else { format!("[{}]", words.join(", ")) };
    Refusal::List(format!("must not be empty. Valid values include: {accepted}"))
}

/// A list without empty entries, each of `words` if there are any (`ConfigDef.ValidList`).
fn list(items: &[String], words: &[&str]) -> Result<(), Refusal> {
    for item in items {
        if item.is_empty() {
            return Err(Refusal::List("values must not be empty.".to_owned()));
        }
        if !words.is_empty() {
            one_of(words, item).map_err(|reason| Refusal::Value(item.clone(), reason))?;
        }
    }
    Ok(())
}
