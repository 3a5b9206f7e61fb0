//! `--add-config`, `--add-config-file` and `--delete-config`.

use std::collections::BTreeMap;
use std::path::Path;

use rkafka_client::AlterConfigOp;

use crate::common::connect;
use crate::common::failure::Failure;

/// Changes by the name of the setting.
pub(super) type Changes = BTreeMap<String, AlterConfigOp>;

pub(super) fn read(add: Option<&str>, add_file: Option<&Path>, delete: &[String]) -> Result<Changes, String> {
    let mut changes = Changes::new();
    if let Some(file) = add_file {
        let properties = connect::read(file).map_err(|failure| match failure {
            Failure::Message(text) => text,
            other => format!("{other:?}"),
        })?;
        for entry in properties.entries() {
            changes.insert(entry.key.clone(), AlterConfigOp::Set(entry.value.trim().to_owned()));
        }
    }
    for pair in add.into_iter().flat_map(|text| split(text, ',')) {
        let [name, value] = split(pair, '=')[..] else {
            return Err(
                "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" \
                 or  \"key=[val1,val2]\" to group values which contain commas."
                    .to_owned(),
            );
        };
        let value = value.replace(['[', ']'], "").trim().to_owned();
        changes.insert(name.trim().to_owned(), AlterConfigOp::Set(value));
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "$._-".contains(c);
    if let Some(name) = changes.keys().find(|name| !name.chars().all(is_allowed)) {
        return Err(format!("Invalid character found for config key: {name}"));
    }
    for name in delete.iter().flat_map(|list| list.split(',')) {
        changes.insert(name.trim().to_owned(), AlterConfigOp::Delete);
    }
    Ok(changes)
}

/// Parts between separators that are outside brackets: those after which no `]` comes before the next `[`.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(at) = rest[from..].find(separator).map(|at| from + at) {
        let behind = &rest[at + separator.len_utf8()..];
        let is_outside = behind.find(['[', ']']).is_none_or(|bracket| behind[bracket..].starts_with('['));
        if is_outside {
            parts.push(&rest[..at]);
            rest = behind;
            from = 0;
        } else {
            from = at + separator.len_utf8();
        }
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_with_brackets() {
        let changes = read(Some("a=1,b=[x,y=z], c =,d=[]"), None, &["e, f".to_owned()]).unwrap();
        let set = |value: &str| AlterConfigOp::Set(value.to_owned());
        let expected = [
            ("a", set("1")),
            ("b", set("x,y=z")),
            ("c", set("")),
            ("d", set("")),
            ("e", AlterConfigOp::Delete),
            ("f", AlterConfigOp::Delete),
        ];
        let found: Vec<_> = changes.iter().map(|(name, change)| (name.as_str(), change.clone())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_pair() {
        let refused = |text: &str| read(Some(text), None, &[]).unwrap_err();
        assert!(refused("a").starts_with("requirement failed: Invalid entity config:"));
        assert!(refused("a=b=c").starts_with("requirement failed: Invalid entity config:"));
        assert_eq!(refused("a b=1"), "Invalid character found for config key: a b");
    }
}
