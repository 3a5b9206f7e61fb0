//! Types and values of configuration keys, parsed and printed as Apache Kafka's `ConfigDef` does, so that
//! stock tools show the same text and clients read the same errors.

use std::fmt;

/// Type of a key's value; the numbers are those of the DescribeConfigs response (KIP-569).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum KeyType {
    /// `true` or `false`, in any case.
    Boolean = 1,
    /// Any text, trimmed.
    String = 2,
    /// 32-bit signed integer.
    Int = 3,
    /// 16-bit signed integer.
    Short = 4,
    /// 64-bit signed integer.
    Long = 5,
    /// 64-bit floating point number.
    Double = 6,
    /// Comma-separated texts.
    List = 7,
    /// Name of a Java class; kept as text, since rkafka loads none.
    Class = 8,
    /// Text that is never shown.
    Password = 9,
}

impl KeyType {
    /// The code of this type in a DescribeConfigs response.
    #[must_use]
    pub fn wire_code(self) -> i8 {
        self as i8
    }

    /// The name that Kafka prints in errors and docs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            KeyType::Boolean => "BOOLEAN",
            KeyType::String => "STRING",
            KeyType::Int => "INT",
            KeyType::Short => "SHORT",
            KeyType::Long => "LONG",
            KeyType::Double => "DOUBLE",
            KeyType::List => "LIST",
            KeyType::Class => "CLASS",
            KeyType::Password => "PASSWORD",
        }
    }
}

/// A text that `Debug` and `Display` never show.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Password {
        Password(secret.into())
    }

    /// The secret itself; the caller must not print it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// One parsed value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Not set, and the key has no default.
    Null,
    /// See [`KeyType::Boolean`].
    Boolean(bool),
    /// See [`KeyType::String`].
    String(String),
    /// See [`KeyType::Int`].
    Int(i32),
    /// See [`KeyType::Short`].
    Short(i16),
    /// See [`KeyType::Long`].
    Long(i64),
    /// See [`KeyType::Double`].
    Double(f64),
    /// See [`KeyType::List`].
    List(Vec<String>),
    /// See [`KeyType::Class`].
    Class(String),
    /// See [`KeyType::Password`].
    Password(Password),
}

impl Value {
    /// Reads `text` as `kind`; the error is the reason alone, in Kafka's words (`Not a number of type INT`).
    ///
    /// # Errors
    /// The text is not of that type.
    pub fn parse(kind: KeyType, text: &str) -> Result<Value, String> {
        let text = text.trim();
        match kind {
            KeyType::Boolean if text.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
            KeyType::Boolean if text.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
            KeyType::Boolean => Err("Expected value to be either true or false".to_owned()),
            KeyType::String => Ok(Value::String(text.to_owned())),
            KeyType::Int => number(kind, text).map(Value::Int),
            KeyType::Short => number(kind, text).map(Value::Short),
            KeyType::Long => number(kind, text).map(Value::Long),
            KeyType::Double => double(text).map(Value::Double),
            KeyType::List if text.is_empty() => Ok(Value::List(Vec::new())),
            KeyType::List => Ok(Value::List(text.split(',').map(|part| part.trim().to_owned()).collect())),
            KeyType::Class => Ok(Value::Class(text.to_owned())),
            KeyType::Password => Ok(Value::Password(Password::new(text))),
        }
    }

    /// The number as a double, for ranges; `None` for what is no number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(f64::from(*n)),
            Value::Short(n) => Some(f64::from(*n)),
            #[expect(clippy::cast_precision_loss, reason = "Kafka compares ranges as doubles too")]
            Value::Long(n) => Some(*n as f64),
            Value::Double(n) => Some(*n),
            _ => None,
        }
    }

    /// The text of Kafka's errors, where lists stand in brackets.
    pub(crate) fn in_error(&self) -> String {
        match self {
            Value::List(values) => format!("[{}]", values.join(", ")),
            other => other.to_string(),
        }
    }

    /// The text of DescribeConfigs: `None` for null and for passwords.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Value::Null | Value::Password(_) => None,
            other => Some(other.to_string()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Boolean(value) => write!(f, "{value}"),
            Value::String(value) | Value::Class(value) => f.write_str(value),
            Value::Int(value) => write!(f, "{value}"),
            Value::Short(value) => write!(f, "{value}"),
            Value::Long(value) => write!(f, "{value}"),
            Value::Double(value) => f.write_str(&java_double(*value)),
            Value::List(values) => f.write_str(&values.join(",")),
            Value::Password(value) => write!(f, "{value}"),
        }
    }
}

fn number<N: std::str::FromStr>(kind: KeyType, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("Not a number of type {}", kind.name()))
}

/// A finite double in Java's form, which may end in `d` or `f`. Java also takes NaN, which no key can mean.
fn double(text: &str) -> Result<f64, String> {
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let value: f64 = number(KeyType::Double, digits)?;
    let is_digits = !digits.contains(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E'));
    if is_digits { Ok(value) } else { number(KeyType::Double, "") }
}

/// A double as Java's `Double.toString` prints it: plain between 10^-3 and 10^7, else as `1.5E8`.
fn java_double(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&magnitude) || !value.is_finite() {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

/// A Rust type that a key can have: ties the type of a handle to the key's [`KeyType`].
pub trait Typed {
    /// The key's type.
    const KIND: KeyType;
    /// Whether the key may be unset without a default.
    const NULLABLE: bool = false;
    /// What `get` gives.
    type Out<'a>;
    /// Takes the value out; `None` when the value is of another type (a wrong table, found by its test).
    fn from_value(value: &Value) -> Option<Self::Out<'_>>;
}

/// Marks a STRING key; `get` gives `&str`.
#[derive(Debug, Clone, Copy)]
pub enum Text {}

/// Marks a LIST key; `get` gives `&[String]`.
#[derive(Debug, Clone, Copy)]
pub enum List {}

/// Marks a CLASS key; `get` gives `&str`.
#[derive(Debug, Clone, Copy)]
pub enum Class {}

/// Marks a PASSWORD key; `get` gives `&Password`.
#[derive(Debug, Clone, Copy)]
pub enum Secret {}

macro_rules! typed {
    ($marker:ty, $kind:ident, $out:ty, $pattern:pat => $result:expr) => {
        impl Typed for $marker {
            const KIND: KeyType = KeyType::$kind;
            type Out<'a> = $out;
            fn from_value(value: &Value) -> Option<Self::Out<'_>> {
                match value {
                    $pattern => Some($result),
                    _ => None,
                }
            }
        }
    };
}

typed!(bool, Boolean, bool, Value::Boolean(v) => *v);
typed!(i32, Int, i32, Value::Int(v) => *v);
typed!(i16, Short, i16, Value::Short(v) => *v);
typed!(i64, Long, i64, Value::Long(v) => *v);
typed!(f64, Double, f64, Value::Double(v) => *v);
typed!(Text, String, &'a str, Value::String(v) => v);
typed!(List, List, &'a [String], Value::List(v) => v);
typed!(Class, Class, &'a str, Value::Class(v) => v);
typed!(Secret, Password, &'a Password, Value::Password(v) => v);

impl<T: Typed> Typed for Option<T> {
    const KIND: KeyType = T::KIND;
    const NULLABLE: bool = true;
    type Out<'a> = Option<T::Out<'a>>;
    fn from_value(value: &Value) -> Option<Self::Out<'_>> {
        match value {
            Value::Null => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: KeyType, text: &str, expected: Result<&str, &str>) {
        let parsed = Value::parse(kind, text).map(|value| value.to_string());
        assert_eq!(parsed.as_deref().map_err(String::as_str), expected, "{kind:?} {text:?}");
    }

    #[test]
    fn texts_are_read_as_config_def_reads_them() {
        check(KeyType::Boolean, " TRUE ", Ok("true"));
        check(KeyType::Boolean, "yes", Err("Expected value to be either true or false"));
        check(KeyType::Int, "+7", Ok("7"));
        check(KeyType::Int, "2147483648", Err("Not a number of type INT"));
        check(KeyType::Short, "1.5", Err("Not a number of type SHORT"));
        check(KeyType::Long, "", Err("Not a number of type LONG"));
        check(KeyType::Long, "9223372036854775807", Ok("9223372036854775807"));
        check(KeyType::Double, "1", Ok("1.0"));
        check(KeyType::Double, "0.5f", Ok("0.5"));
        check(KeyType::Double, "1e-1", Ok("0.1"));
        check(KeyType::Double, "NaN", Err("Not a number of type DOUBLE"));
        check(KeyType::Double, "infinity", Err("Not a number of type DOUBLE"));
        check(KeyType::List, " a , b,c ", Ok("a,b,c"));
        check(KeyType::List, "  ", Ok(""));
        check(KeyType::Password, "secret", Ok("[hidden]"));
    }

    #[test]
    fn doubles_print_as_java_prints_them() {
        for (value, expected) in
            [(0.5, "0.5"), (1e7, "1.0E7"), (1.25e-4, "1.25E-4"), (9_999_999.0, "9999999.0")]
        {
            assert_eq!(java_double(value), expected);
        }
    }
}
