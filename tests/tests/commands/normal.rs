//! What is made equal before outputs are compared.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

/// Random ids of members, topics, directories and clusters, and times of log lines.
static RANDOM: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
        (r"(directory\.id=|Cluster ID: |topicId\x22:\x22)[A-Za-z0-9_-]{22}", "${1}ID"),
        (r"(?m)^\[[-0-9 :,]+\] ", ""),
        (r"(?m)^Exception in thread .main. [A-Za-z.]+: ", ""),
        (r"adminclient-[0-9]+", "adminclient"),
        // Several tools of 2.2 in one virtual machine register themselves under one name.
        (r"(?m)^WARN Error registering AppInfo mbean.*\n(?:javax\..*\n|\s+at .*\n)*", ""),
        // Of several log directories the stock tool names one by chance.
        (r"/[ab]( is already formatted|/meta\.properties)", "/DIR${1}"),
    ]
    .map(|(pattern, to)| (Regex::new(pattern).expect("a sound pattern"), to))
    .into()
});

/// Lists that the stock tools keep in hash tables, behind these words.
const LISTS: [&str; 7] = [
    "these options: ",
    "following options: ",
    "following scenarios: ",
    "Valid states are: ",
    "Valid types are: ",
    "were deleted successfully: ",
    "' are ",
];

/// The text without what is different by chance.
pub(super) fn text(text: &str, words: &BTreeMap<&'static str, String>, lines_in_any_order: bool) -> String {
    let mut text = text.to_owned();
    for (name, value) in words {
        text = text.replace(value.as_str(), &format!("{{{name}}}"));
        if let Some((host, port)) = value.split_once(':') {
            // Tables have host and port in columns.
            text = text.replace(&format!("{host} {port}"), &format!("{{{name}}}"));
        }
    }
    for (pattern, to) in RANDOM.iter() {
        text = pattern.replace_all(&text, *to).into_owned();
    }
    let mut lines: Vec<String> = text.lines().map(list_in_order).collect();
    if lines_in_any_order {
        lines.sort();
    }
    lines.join("\n")
}

fn list_in_order(line: &str) -> String {
    let Some((start, list)) = LISTS.iter().find_map(|words| {
        let at = line.find(words)? + words.len();
        Some(line.split_at(at))
    }) else {
        return line.to_owned();
    };
    let mut parts: Vec<&str> = list.split(", ").map(|part| part.trim_matches(['[', ']'])).collect();
    parts.sort_unstable();
    format!("{start}{}", parts.join(", "))
}

/// The first line that says something; the stock tools go on with their help or a stack trace.
pub(super) fn first_line(text: &str) -> String {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
}
