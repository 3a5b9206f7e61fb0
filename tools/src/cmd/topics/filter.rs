//! `--topic` as the stock tool takes it: a regular expression for whole names, or a list of them.

use regex::Regex;
use rkafka_client::TopicListing;

use super::TOOL;
use crate::common::failure::Failure;

/// Topics that belong to Kafka itself whatever a broker says.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

pub(super) struct TopicFilter {
    pattern: Option<Regex>,
    exclude_internal: bool,
}

impl TopicFilter {
    /// Commas separate alternatives; blanks and quotes around the whole are dropped.
    pub(super) fn new(topic: Option<&str>, exclude_internal: bool) -> Result<TopicFilter, Failure> {
        let pattern = match topic {
            Some(topic) => Some(compile(topic)?),
            None => None,
        };
        Ok(TopicFilter { pattern, exclude_internal })
    }

    pub(super) fn allows(&self, topic: &TopicListing) -> bool {
        let is_internal = topic.is_internal || INTERNAL.contains(&topic.name.as_str());
        let matches = self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&topic.name));
        matches && !(self.exclude_internal && is_internal)
    }
}

fn compile(topic: &str) -> Result<Regex, Failure> {
    let cleaned = topic.trim().replace(',', "|").replace(' ', "");
    let cleaned = cleaned.trim_matches(['"', '\'']);
    Regex::new(&format!("^(?:{cleaned})$")).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        TOOL.error("java.lang.RuntimeException", format!("{topic} is an invalid regex. ({reason})"))
    })
}

#[cfg(test)]
mod tests {
    use rkafka_client::TopicId;

    use super::*;

    fn check(topic: Option<&str>, exclude_internal: bool, expected: &[&str]) {
        let filter = TopicFilter::new(topic, exclude_internal).unwrap();
        let names = ["__consumer_offsets", "other", "test", "test-1"];
        let allowed = names.into_iter().filter(|name| {
            filter.allows(&TopicListing { name: (*name).into(), id: TopicId::ZERO, is_internal: false })
        });
        assert_eq!(allowed.collect::<Vec<_>>(), expected, "{topic:?}");
    }

    #[test]
    fn names_lists_and_expressions() {
        check(None, false, &["__consumer_offsets", "other", "test", "test-1"]);
        check(None, true, &["other", "test", "test-1"]);
        check(Some("test"), false, &["test"]);
        check(Some("test.*"), false, &["test", "test-1"]);
        check(Some(" 'test, other' "), false, &["other", "test"]);
        check(Some("__.*"), true, &[]);
        check(Some(""), false, &[]);
    }

    #[test]
    fn no_expression() {
        let Err(Failure::Execution(error)) = TopicFilter::new(Some("a("), false) else { panic!("a failure") };
        assert_eq!(error.message, "a( is an invalid regex. (unclosed group)");
    }
}
