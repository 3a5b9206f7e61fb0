//! `${…}` in values: environment variables, system properties (`-D`), other keys, and Flume's config filters.
//!
//! Served: `${env:NAME}`, `${sys:NAME}`, `${NAME}` (environment, as with Flume's `EnvVarResolverProperties`), `${key}`
//! of the same file, and `${filter['NAME']}` of a `configfilters` entry of type `env` or `external`. What cannot be
//! resolved stays as it is, as in Flume 1.11.

use rkafka_config::Properties;

/// What a file may refer to outside itself.
pub trait Surroundings {
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;
    /// A system property: `-Dname=value` on the command line.
    fn system_property(&self, name: &str) -> Option<String>;
    /// Runs an external config filter's command with a key and gives its output.
    ///
    /// # Errors
    /// Why there is none.
    fn run(&self, command: &str, key: &str) -> Result<String, String>;
}

/// Replaces what `value` refers to.
pub(crate) fn substitute(
    value: &str,
    properties: &Properties,
    agent: &str,
    around: &dyn Surroundings,
) -> Result<String, String> {
    let mut done = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let inside = &rest[start + 2..start + length];
        done.push_str(&rest[..start]);
        match resolve(inside, properties, agent, around)? {
            Some(text) => done.push_str(&text),
            None => done.push_str(&rest[start..=start + length]),
        }
        rest = &rest[start + length + 1..];
    }
    done.push_str(rest);
    Ok(done)
}

fn resolve(
    inside: &str,
    properties: &Properties,
    agent: &str,
    around: &dyn Surroundings,
) -> Result<Option<String>, String> {
    if let Some(name) = inside.strip_prefix("env:") {
        return Ok(around.variable(name));
    }
    if let Some(name) = inside.strip_prefix("sys:") {
        return Ok(around.system_property(name));
    }
    if let Some((filter, key)) = inside.strip_suffix(']').and_then(|inside| inside.split_once('[')) {
        return filtered(filter, key.trim_matches(['\'', '"']), properties, agent, around);
    }
    Ok(around.variable(inside).or_else(|| properties.get(inside).map(|value| value.trim().to_owned())))
}

fn filtered(
    filter: &str,
    key: &str,
    properties: &Properties,
    agent: &str,
    around: &dyn Surroundings,
) -> Result<Option<String>, String> {
    let declared = properties.get(&format!("{agent}.configfilters")).unwrap_or_default();
    if !declared.split_whitespace().any(|name| name == filter) {
        return Ok(None);
    }
    let setting =
        |name: &str| properties.get(&format!("{agent}.configfilters.{filter}.{name}")).map(str::trim);
    match setting("type") {
        Some("env" | "org.apache.flume.configfilter.EnvironmentVariableConfigFilter") => {
            Ok(around.variable(key))
        }
        Some("external" | "org.apache.flume.configfilter.ExternalProcessConfigFilter") => {
            let command = setting("command").ok_or_else(|| {
                format!("config filter {filter} has no command: set configfilters.{filter}.command")
            })?;
            around.run(command, key).map(|text| Some(text.trim_end().to_owned()))
        }
        other => Err(format!(
            "config filter {filter} has type {:?}, which is not served: env and external are",
            other.unwrap_or_default()
        )),
    }
}
