//! Interceptors: what sets headers, changes bodies and drops events between a source and its channels.

use std::{
    net::UdpSocket,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use fancy_regex::Regex;

use crate::{
    event::{Event, Text},
    plan::{Component, keys::interceptors as keys},
    text::{Charset, DecodeErrorPolicy},
};

/// One interceptor, ready to run.
pub struct Interceptor {
    act: Act,
}

enum Act {
    /// Sets a header to something, unless it is there and to be kept.
    Header {
        name: Text,
        value: Value,
        keep: bool,
    },
    Filter {
        pattern: Regex,
        exclude: bool,
    },
    Extract {
        pattern: Regex,
        headers: Vec<Text>,
    },
    Replace {
        pattern: Regex,
        replacement: String,
        charset: Charset,
    },
    Remove {
        name: Option<Text>,
        list: Vec<String>,
        matching: Option<Regex>,
    },
}

enum Value {
    Fixed(Text),
    Time,
    Uuid { prefix: Text },
}

impl Interceptor {
    /// The interceptor that checked properties describe.
    #[must_use]
    pub fn new(component: &Component) -> Interceptor {
        let text = |key| component.text(key).unwrap_or_default();
        let pattern = |key, whole| component.pattern(key, whole);
        let act = match component.definition.name {
            "timestamp" => Act::Header {
                name: text(&keys::TIMESTAMP_NAME),
                value: Value::Time,
                keep: component.flag(&keys::PRESERVE),
            },
            "host" => Act::Header {
                name: text(&keys::HOST_HEADER),
                value: Value::Fixed(host(component.flag(&keys::USE_IP))),
                keep: component.flag(&keys::PRESERVE),
            },
            "static" => Act::Header {
                name: text(&keys::STATIC_KEY),
                value: Value::Fixed(text(&keys::STATIC_VALUE)),
                keep: component.flag(&keys::PRESERVE_BY_DEFAULT),
            },
            "uuid" => Act::Header {
                name: text(&keys::UUID_NAME),
                value: Value::Uuid { prefix: text(&keys::UUID_PREFIX) },
                keep: component.flag(&keys::PRESERVE_BY_DEFAULT),
            },
            "regex_filter" => Act::Filter {
                pattern: pattern(&keys::FILTER_REGEX, false).unwrap_or_else(anything),
                exclude: component.flag(&keys::EXCLUDE_EVENTS),
            },
            "regex_extractor" => Act::Extract {
                pattern: pattern(&keys::EXTRACTOR_REGEX, false).unwrap_or_else(anything),
                headers: extractor_headers(component),
            },
            "search_replace" => Act::Replace {
                pattern: pattern(&keys::SEARCH_PATTERN, false).unwrap_or_else(anything),
                replacement: java_replacement(&text(&keys::REPLACE_STRING)),
                charset: Charset::by_name(&text(&keys::SEARCH_CHARSET)).unwrap_or(Charset::Utf8),
            },
            _ => Act::Remove {
                name: component.text(&keys::WITH_NAME),
                list: listed(component),
                matching: pattern(&keys::MATCHING, true),
            },
        };
        Interceptor { act }
    }

    /// Lets an event pass, changed or not; `false` drops it. A pattern that gives up (too much backtracking) has
    /// found nothing.
    #[must_use]
    pub fn pass(&self, event: &mut Event) -> bool {
        match &self.act {
            Act::Header { name, value, keep } => {
                if !(*keep && event.headers.get(name).is_some()) {
                    event.headers.set(name.clone(), value.text());
                }
            }
            Act::Filter { pattern, exclude } => {
                let found = pattern.is_match(&*String::from_utf8_lossy(&event.body)).unwrap_or(false);
                return found != *exclude;
            }
            Act::Extract { pattern, headers } => extract(event, pattern, headers),
            Act::Replace { pattern, replacement, charset } => {
                let mut text = String::new();
                // With `Replace` nothing is malformed.
                let _ = charset.decode(&event.body, DecodeErrorPolicy::Replace, &mut text);
                if let Ok(true) = pattern.is_match(&text) {
                    event.body = Bytes::from(pattern.replace_all(&text, replacement.as_str()).into_owned());
                }
            }
            Act::Remove { name, list, matching } => event.headers.retain(|header, _| {
                let named = name.as_deref() == Some(header) || list.iter().any(|other| other == header);
                !named && !matching.as_ref().is_some_and(|pattern| pattern.is_match(header).unwrap_or(false))
            }),
        }
        true
    }
}

impl Value {
    fn text(&self) -> Text {
        match self {
            Value::Fixed(text) => text.clone(),
            Value::Time => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                since.as_millis().to_string().into()
            }
            Value::Uuid { prefix } => format!("{prefix}{}", uuid::Uuid::new_v4()).into(),
        }
    }
}

/// The table has checked every pattern; this stands where there is none.
fn anything() -> Regex {
    Regex::new("").expect("the empty pattern")
}

fn extract(event: &mut Event, pattern: &Regex, headers: &[Text]) {
    let text = String::from_utf8_lossy(&event.body).into_owned();
    let Ok(Some(found)) = pattern.captures(&text) else { return };
    for (group, header) in found.iter().skip(1).zip(headers) {
        if let Some(group) = group {
            event.headers.set(header.clone(), group.as_str().into());
        }
    }
}

fn extractor_headers(component: &Component) -> Vec<Text> {
    let name = |serializer: &String| {
        let key = format!("{serializer}.name");
        let named = component.open("serializers.").find(|(other, ..)| *other == key);
        named.map_or_else(|| serializer.as_str().into(), |(_, name, _)| name.into())
    };
    component.names(&keys::SERIALIZERS).iter().map(name).collect()
}

fn listed(component: &Component) -> Vec<String> {
    let Some(list) = component.text(&keys::FROM_LIST) else { return Vec::new() };
    let Some(separator) = component.pattern(&keys::FROM_LIST_SEPARATOR, false) else { return Vec::new() };
    separator.split(&list).filter_map(Result::ok).map(str::to_owned).collect()
}

/// Java's replacement text: `$1` is a group and a backslash takes the meaning from the character behind it.
/// In this crate's, `${1}` is a group and `$$` a dollar sign.
fn java_replacement(java: &str) -> String {
    let mut text = String::new();
    let mut chars = java.chars().peekable();
    while let Some(character) = chars.next() {
        match character {
            '\\' => match chars.next() {
                Some('$') => text.push_str("$$"),
                Some(other) => text.push(other),
                None => {}
            },
            '$' => {
                let mut group = String::new();
                while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                    group.push(digit);
                }
                text.push_str(&if group.is_empty() { "$$".to_owned() } else { format!("${{{group}}}") });
            }
            other => text.push(other),
        }
    }
    text
}

/// The address the host uses to reach others, or its name. No packet is sent: connecting a datagram socket only
/// chooses a route.
fn host(address: bool) -> Text {
    let name = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    if !address {
        return name().into();
    }
    let routed = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    routed.map_or_else(|_| name(), |own| own.ip().to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Headers, plan::testing::interceptor};

    fn run(settings: &str, body: &'static str, headers: &[(&str, &str)]) -> Option<Event> {
        let mut event = Event { headers: headers.iter().copied().collect::<Headers>(), ..Event::new(body) };
        Interceptor::new(&interceptor(settings)).pass(&mut event).then_some(event)
    }

    #[track_caller]
    fn check(
        settings: &str,
        body: &'static str,
        headers: &[(&str, &str)],
        expected: Option<(&str, &[(&str, &str)])>,
    ) {
        let found = run(settings, body, headers);
        let found = found.as_ref().map(|event| (std::str::from_utf8(&event.body).unwrap(), &event.headers));
        let expected = expected.map(|(body, headers)| (body, headers.iter().copied().collect::<Headers>()));
        assert_eq!(found, expected.as_ref().map(|(body, headers)| (*body, headers)));
    }

    #[test]
    fn fixed_headers() {
        check("type = static\nkey = dc\nvalue = 北京", "x", &[], Some(("x", &[("dc", "北京")])));
        check("type = static\nkey = dc", "x", &[("dc", "old")], Some(("x", &[("dc", "old")])));
        let overwrite = "type = static\nkey = dc\npreserveExisting = false";
        check(overwrite, "x", &[("dc", "old")], Some(("x", &[("dc", "value")])));
    }

    #[test]
    fn time_host_and_identity() {
        let time = run("type = timestamp", "x", &[("timestamp", "5")]).unwrap();
        assert!(time.headers.get("timestamp").unwrap().parse::<u64>().unwrap() > 1_600_000_000_000);
        assert!(
            !run("type = host\nuseIP = false", "x", &[]).unwrap().headers.get("host").unwrap().is_empty()
        );
        let name = r"org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder";
        let uuid = run(&format!("type = {name}\nprefix = p-"), "x", &[]).unwrap();
        assert_eq!(uuid.headers.get("id").unwrap().len(), 2 + 36);
    }

    #[test]
    fn filters() {
        check("type = regex_filter\nregex = err(or)?", "an error", &[], Some(("an error", &[])));
        check("type = regex_filter\nregex = ^err", "an error", &[], None);
        check("type = regex_filter\nregex = err\nexcludeEvents = true", "an error", &[], None);
    }

    #[test]
    fn extraction() {
        let settings = "type = regex_extractor\nregex = (\\\\d+):(\\\\d+)\nserializers = s1 s2\nserializers.s1.name = hour";
        check(settings, "at 12:34", &[], Some(("at 12:34", &[("hour", "12"), ("s2", "34")])));
        check(settings, "never", &[], Some(("never", &[])));
    }

    #[test]
    fn replacement() {
        let settings =
            "type = search_replace\nsearchPattern = (\\\\w+)@(\\\\w+)\nreplaceString = $2 at $1 \\\\$";
        check(settings, "me@home", &[], Some(("home at me $", &[])));
    }

    #[test]
    fn removal() {
        let headers = [("a", "1"), ("b", "2"), ("c1", "3"), ("d", "4")];
        let settings = "type = remove_header\nwithName = a\nfromList = b , d\nmatching = c\\\\d";
        check(settings, "x", &headers, Some(("x", &[])));
        check("type = remove_header\nmatching = c", "x", &headers[2..3], Some(("x", &headers[2..3])));
    }
}
