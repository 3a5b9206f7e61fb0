//! The settings of the broker to start: a property file and overrides, or the embedded default.

use std::path::Path;

use rkafka_config::{BrokerConfig, Notices, Properties};

use crate::common::failure::Failure;

/// What a start without a file runs on: one node for trying things out and for development.
const EMBEDDED: &[(&str, &str)] = &[
    ("node.id", "1"),
    ("listeners", "PLAINTEXT://:9092"),
    // A laptop's own name often resolves for nobody, not even for itself.
    ("advertised.listeners", "PLAINTEXT://localhost:9092"),
    ("log.dirs", "data"),
    ("offsets.topic.replication.factor", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
];

/// Settings to start a broker with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: BrokerConfig,
    pub(crate) notices: Notices,
    /// Whether no file was named.
    pub(crate) embedded: bool,
}

/// Reads the file, if any, and puts the overrides on top.
pub(crate) fn load(file: Option<&Path>, overrides: &[(String, String)]) -> Result<Settings, Failure> {
    let properties = match file {
        Some(file) => read(file)?,
        None => embedded(overrides),
    };
    let (config, notices) = BrokerConfig::from_properties(&properties, overrides)
        .map_err(|errors| Failure::message(errors.to_string()))?;
    Ok(Settings { config, notices, embedded: file.is_none() })
}

/// The embedded default. What it advertises goes with its own listeners, not with others.
fn embedded(overrides: &[(String, String)]) -> Properties {
    let moved = overrides.iter().any(|(key, _)| key == "listeners");
    let kept = EMBEDDED.iter().filter(|(key, _)| !(moved && *key == "advertised.listeners"));
    Properties::from_pairs(kept.copied())
}

/// Reads a property file.
pub(crate) fn read(file: &Path) -> Result<Properties, Failure> {
    let name = file.display().to_string();
    let bytes =
        std::fs::read(file).map_err(|error| Failure::message(format!("cannot read {name}: {error}")))?;
    Properties::parse(&name, &bytes).map_err(|error| Failure::message(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn overrides(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("server.properties");
        std::fs::write(&file, text).unwrap();
        (dir, file)
    }

    #[test]
    fn the_embedded_default_is_good() {
        let settings = load(None, &[]).unwrap();
        assert!(settings.embedded && settings.notices.is_empty(), "{:?}", settings.notices);
        let node = settings.config.node();
        assert_eq!(node.log_dirs, [PathBuf::from("data")]);
        assert_eq!(node.listeners.bound[0].port, 9092);
        let other = load(None, &overrides(&[("log.dirs", "/elsewhere")])).unwrap();
        assert_eq!(other.config.node().log_dirs, [PathBuf::from("/elsewhere")]);
        let moved = load(None, &overrides(&[("listeners", "PLAINTEXT://127.0.0.1:4711")])).unwrap();
        assert_eq!(moved.config.node().listeners.advertised[0].port, 4711);
    }

    #[test]
    fn the_tutorials_file() {
        let (_dir, file) = file(
            "broker.id=0\nlog.dirs=/tmp/x\nzookeeper.connect=hadoop01:2181,hadoop02:2181\n\
             delete.topic.enable=true\nlog.dri=y\n",
        );
        let settings = load(Some(&file), &overrides(&[("broker.id", "7")])).unwrap();
        assert_eq!(settings.config.node().id, Some(7));
        let notices: Vec<String> = settings.notices.iter().map(ToString::to_string).collect();
        assert_eq!(notices, [format!("{}:5: unknown key log.dri (did you mean log.dir?)", file.display())]);
    }

    #[test]
    fn a_bad_value_stops_the_start() {
        let (_dir, file) = file("broker.id=0\nnum.partitions=none\n");
        let failure = load(Some(&file), &[]).unwrap_err();
        let Failure::Message(text) = failure else { panic!("{failure:?}") };
        let place = format!("{}:2: num.partitions=none: ", file.display());
        assert!(text.starts_with(&place), "{text}");
        let Failure::Message(text) = load(Some(Path::new("/nowhere/x")), &[]).unwrap_err() else { panic!() };
        assert_eq!(text, "cannot read /nowhere/x: No such file or directory (os error 2)");
    }
}
