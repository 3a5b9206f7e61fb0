//! JSON files that name partitions: `{"partitions": [{"topic": "t", "partition": 0, …}], "version": 1}`.

use std::path::Path;

use serde_json::Value;

/// An entry of such a file.
pub(crate) struct Entry<'a>(&'a Value);

/// Reads a file and takes it for JSON.
///
/// # Errors
/// In the stock tools' words.
pub(crate) fn read(path: &Path) -> Result<Option<Value>, String> {
    let text =
        std::fs::read_to_string(path).map_err(|_| format!("Unable to read file {}", path.display()))?;
    Ok(serde_json::from_str(&text).ok())
}

/// The entries, unless there is no field `partitions`.
pub(crate) fn partitions(file: &Value) -> Option<Result<Vec<Entry<'_>>, String>> {
    let list = file.get("partitions")?;
    let entries = list.as_array().map(|list| list.iter().map(Entry).collect());
    Some(entries.ok_or_else(|| format!("Expected JSON array, received {list}")))
}

impl Entry<'_> {
    /// The field, which must be text.
    pub(crate) fn text(&self, name: &str) -> Result<String, String> {
        let value = self.field(name)?;
        value.as_str().map(str::to_owned).ok_or_else(|| format!("Expected `String` value, received {value}"))
    }

    /// The field, which must be a number of a partition.
    pub(crate) fn partition(&self) -> Result<i32, String> {
        let value = self.field("partition")?;
        let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
        number.ok_or_else(|| format!("Expected `Int` value, received {value}"))
    }

    /// The field, which must be a whole number.
    pub(crate) fn number(&self, name: &str) -> Result<i64, String> {
        let value = self.field(name)?;
        value.as_i64().ok_or_else(|| format!("Expected `Long` value, received {value}"))
    }

    fn field(&self, name: &str) -> Result<&Value, String> {
        self.0.get(name).ok_or_else(|| format!("No such field exists: `{name}`"))
    }
}

/// The partitions that are named twice, as the stock tools list them.
pub(crate) fn duplicates(partitions: &[(String, i32)]) -> Vec<String> {
    let mut twice: Vec<String> = partitions
        .iter()
        .enumerate()
        .filter(|(at, partition)| partitions[..*at].contains(partition))
        .map(|(_, (topic, partition))| format!("{topic}-{partition}"))
        .collect();
    twice.sort();
    twice.dedup();
    twice
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_and_what_is_wrong_with_them() {
        let file = json!({"partitions": [{"topic": "t", "partition": 3, "offset": "x"}]});
        let entries = partitions(&file).unwrap().unwrap();
        assert_eq!(entries[0].text("topic"), Ok("t".to_owned()));
        assert_eq!(entries[0].partition(), Ok(3));
        assert_eq!(entries[0].number("offset"), Err("Expected `Long` value, received \"x\"".to_owned()));
        assert_eq!(entries[0].number("end"), Err("No such field exists: `end`".to_owned()));
        assert!(partitions(&json!({"version": 1})).is_none());
        assert!(partitions(&json!({"partitions": 1})).unwrap().is_err());
    }

    #[test]
    fn twice() {
        let named = |index| ("t".to_owned(), index);
        assert_eq!(duplicates(&[named(2), named(1), named(2), named(2)]), ["t-2"]);
    }
}
