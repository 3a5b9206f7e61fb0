//! Names of topics on command lines: a regular expression for whole names, or a list of them.

use regex::Regex;

/// Topics that belong to Kafka itself whatever a broker says.
pub(crate) const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// Commas separate alternatives; blanks and quotes around the whole are dropped.
///
/// # Errors
/// Why it is no regular expression, in the stock tools' words.
pub(crate) fn topic_pattern(text: &str) -> Result<Regex, String> {
    let cleaned = text.trim().replace(',', "|").replace(' ', "");
    let cleaned = cleaned.trim_matches(['"', '\'']);
    Regex::new(&format!("^(?:{cleaned})$")).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("{text} is an invalid regex. ({reason})")
    })
}
