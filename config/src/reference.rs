//! The reference page `docs/configuration.md`, rendered from the table.

use std::fmt::Write;

use crate::key::{Default, KeyDef, OWN, Scope, Standing};
use crate::keys;

const HEAD: &str = "\
# Configuration

<!-- Rendered from the key table in `config/src/keys`; do not edit. `UPDATE_DOCS=1 cargo test -p rkafka-config` \
writes it anew. -->

Keys and defaults are those of Apache Kafka 4.3. Files of Kafka 2.2 and later are read as they are: every key that \
stock Kafka ever knew in these lines stands here. A key without effect is named once at start-up (`ignored: …`), an \
unknown key with the nearest known name; a bad value stops the start with file, line, key, value and what is accepted.

- A file is in the format of Java property files. `--override key=value` on the command line wins over it.
- What is set at run time (`kafka-configs.sh`) wins over the file: first what is set for one broker, then the \
default for all brokers.
- *Update* says how a broker key can be changed: `read-only` by a restart, `per-broker` at run time for one broker, \
`cluster-wide` at run time for one or for all.
- *Since* is the first Kafka line with the key; 2.2 stands for all up to 2.2. *Until* is the last one.
";

/// Where rkafka departs from stock, and why.
const DEPARTURES: &str = "
## Where rkafka departs from Apache Kafka 4.3

| key | here | why |
|---|---|---|
| `process.roles`, `node.id`, `controller.listener.names` | may be unset | files of the ZooKeeper era have none of \
them; such a node is a broker that votes, and the quorum's addresses must name its host |
| `zookeeper.connect` | addresses of rkafka's own metadata quorum | there is no ZooKeeper |
| `host.name`, `port`, `advertised.host.name`, `advertised.port` | used where `listeners` and \
`advertised.listeners` are unset | as in Kafka 2.2 |
| `log.message.timestamp.difference.max.ms`, `message.timestamp.difference.max.ms` | used where the two newer keys \
are unset | as in Kafka 3.x |
| `message.format.version`, `message.downconversion.enable` | taken for a topic, without effect | tools of Kafka \
2.2 set them |
| numbers | ASCII digits, no NaN | nothing else is meant |
| class names | not looked up | rkafka runs no Java code |
";

/// The whole page.
#[must_use]
pub fn reference_page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str(DEPARTURES);
    for (title, table) in keys::broker_tables() {
        section(&mut page, &format!("Broker: {title}"), table);
    }
    section(&mut page, "Topics", keys::of_scope(Scope::Topic).iter().copied());
    section(&mut page, "Groups", keys::of_scope(Scope::Group).iter().copied());
    page
}

fn section<'a>(page: &mut String, title: &str, table: impl IntoIterator<Item = &'a KeyDef>) {
    let mut defs: Vec<&KeyDef> = table.into_iter().collect();
    defs.sort_by_key(|def| def.name);
    page.push_str("\n## ");
    page.push_str(title);
    page.push('\n');
    for def in defs {
        entry(page, def);
    }
}

fn entry(page: &mut String, def: &KeyDef) {
    let default = match def.default {
        Default::Null => "none".to_owned(),
        Default::Text("") => "empty".to_owned(),
        Default::Text(text) => format!("`{text}`"),
    };
    let mut facts = vec![def.accepted(), format!("default {default}")];
    match (def.scope, def.broker_synonym) {
        (Scope::Broker, _) => facts.push(format!("update {}", def.update.name())),
        (_, Some(synonym)) => facts.push(format!("default from `{synonym}`")),
        (_, None) => {}
    }
    facts.push(format!("importance {}", def.importance.name()));
    facts.push(match def.until {
        Some(until) => format!("since {}, until {until}", def.since),
        None if def.since == OWN => "of rkafka only".to_owned(),
        None => format!("since {}", def.since),
    });
    if let Standing::Ignored(why) = def.standing {
        facts.push(format!("**ignored**: {why}"));
    }
    // Writing to a String does not fail.
    let _ = write!(page, "\n### `{}`\n{}\n\n*{}*\n", def.name, def.doc(), facts.join(" · "));
}
