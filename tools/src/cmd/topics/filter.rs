//! `--topic` as the stock tool takes it: a regular expression for whole names, or a list of them.

use regex::Regex;
use rkafka_client::TopicListing;

use super::TOOL;
use crate::common::failure::Failure;
use crate::common::topic_pattern::{INTERNAL, topic_pattern};

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
    topic_pattern(topic).map_err(|problem| TOOL.error("java.lang.RuntimeException", problem))
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
