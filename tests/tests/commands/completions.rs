//! Completions, by the shells themselves.

use std::process::Command;
use std::time::Duration;

use rkafka_tests::build;
use rkafka_tests::foreign::need;
use rkafka_tests::node::{Node, rkafka};
use rkafka_tests::process::Process;

/// A broker with topics and groups to complete.
fn node() -> Node {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    for topic in ["orders", "order-lines", "payments"] {
        let args = ["topics", "--bootstrap-server", &bootstrap, "--create", "--topic", topic];
        let _ = rkafka(&args).success();
    }
    let reset = ["consumer-groups", "--bootstrap-server", &bootstrap, "--reset-offsets", "--to-earliest"];
    let _ =
        rkafka(&[&reset[..], &["--group", "billing", "--topic", "orders", "--execute"]].concat()).success();
    node
}

/// Runs a script of a shell, with rkafka on the path, and gives its lines.
fn shell(name: &str, args: &[&str], script: &str) -> Vec<String> {
    let mut command = Command::new(name);
    let folder = build::rkafka().parent().expect("a program lies in a folder").display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(args).arg(script).env("PATH", format!("{folder}:{path}")).env("TERM", "dumb");
    let outcome = Process::run(command, "", Duration::from_secs(60)).success();
    outcome.stdout.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The candidates that a shell finds. A shell waits a second for a broker's names, which a crowded machine may
/// not have in time: what is missing is asked for again.
fn check(line: &str, mut expected: Vec<&str>, ask: impl Fn() -> Vec<String>) {
    expected.sort_unstable();
    let sorted = || {
        let mut found = ask();
        found.sort();
        found
    };
    let found = (1..5).map(|_| sorted()).find(|found| *found == expected).unwrap_or_else(sorted);
    assert_eq!(found, expected, "{line}");
}

/// What all three shells have to find: the line, and the candidates.
fn table(bootstrap: &str) -> Vec<(String, Vec<&'static str>)> {
    let server = format!("--bootstrap-server {bootstrap}");
    vec![
        ("rkafka consumer-g".to_owned(), vec!["consumer-groups"]),
        ("kafka-topics.sh --replication".to_owned(), vec!["--replication-factor"]),
        ("rkafka-topics --describe --output j".to_owned(), vec!["json"]),
        (format!("rkafka topics {server} --topic order"), vec!["order-lines", "orders"]),
        (format!("kafka-topics.sh {server} --describe --topic pay"), vec!["payments"]),
        (format!("kafka-console-consumer {server} --topic orders --group bi"), vec!["billing"]),
        (format!("rkafka cat -b {bootstrap} -C -t pay"), vec!["payments"]),
    ]
}

#[test]
fn bash() {
    let node = node();
    for (line, expected) in table(&node.bootstrap()) {
        // Bash itself makes the words, as it does on a terminal: at colons, too.
        let words = line.replace(':', " : ");
        let script = format!(
            "source <(rkafka completions bash); complete -p {} >/dev/null || exit 1; \
             COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _rkafka; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            line.split(' ').next().unwrap_or_default()
        );
        check(&line, expected, || shell("bash", &["-c"], &script));
    }
}

#[test]
fn zsh() {
    need("zsh", "apt-get install -y zsh");
    let node = node();
    for (line, expected) in table(&node.bootstrap()) {
        // What zsh would insert is what the function hands to compadd.
        let script = format!(
            "autoload -U compinit; compinit -D -u; source <(rkafka completions zsh); \
             [[ ${{_comps[{}]}} == _rkafka ]] || exit 1; \
             compadd() {{ print -l -- \"${{(P@)@[-1]}}\" }}; \
             words=({line}); CURRENT=${{#words}}; _rkafka",
            line.split(' ').next().unwrap_or_default()
        );
        check(&line, expected, || shell("zsh", &["-f", "-c"], &script));
    }
}

#[test]
fn fish() {
    need("fish", "apt-get install -y fish");
    let node = node();
    for (line, expected) in table(&node.bootstrap()) {
        let script = format!("rkafka completions fish | source; complete -C '{line}'");
        let candidate = |line: &String| line.split('\t').next().unwrap_or_default().to_owned();
        check(&line, expected, || {
            shell("fish", &["--no-config", "-c"], &script).iter().map(candidate).collect()
        });
    }
}
