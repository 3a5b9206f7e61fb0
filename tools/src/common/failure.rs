//! How a command ends other than well: what it prints where, and its exit code.
//!
//! Kafka's tools have three ways, and scripts rely on them: a mistake in the options goes to standard error, an
//! error while executing goes to standard *output* with an `ERROR` line on standard error, and both end with 1.

use std::io::Write;
use std::process::ExitCode;

use chrono::Local;

/// Why a command stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The options are wrong; `hint` says how to go on.
    Usage {
        /// What is wrong, in the words of the stock tools.
        message: String,
        /// What to do instead; may be empty.
        hint: String,
    },
    /// Something else that standard error is told in these words.
    Message(String),
    /// The command was understood but did not work out.
    Execution(ExecutionError),
    /// Help or version was asked for; this is it.
    Print(String),
    /// Everything is said already.
    Said,
}

/// What `Error while executing … command : …` is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExecutionError {
    /// What was executing, as in `topic command`.
    pub(crate) what: &'static str,
    /// The Java class of the stock tool, which ends its log line.
    pub(crate) logger: &'static str,
    /// The Java class of the error, which begins the log line's text.
    pub(crate) class: String,
    /// What went wrong.
    pub(crate) message: String,
    /// What may have been meant; the stock tools have no such line. May be empty.
    pub(crate) hint: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), hint: String::new() }
    }

    pub(crate) fn message(message: impl Into<String>) -> Failure {
        Failure::Message(message.into())
    }

    /// The same mistake with a hint, unless it has one.
    pub(crate) fn or_hint(self, text: impl FnOnce() -> String) -> Failure {
        match self {
            Failure::Usage { message, hint } if hint.is_empty() => Failure::Usage { message, hint: text() },
            Failure::Execution(error) if error.hint.is_empty() => {
                Failure::Execution(ExecutionError { hint: text(), ..error })
            }
            other => other,
        }
    }

    /// Prints it and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        // A reader that went away (`| head`) is no reason to complain.
        let (mut stdout, mut stderr) = (std::io::stdout(), std::io::stderr());
        let _ =
            self.write(&mut stdout, &mut stderr, &Local::now().format("%Y-%m-%d %H:%M:%S,%3f").to_string());
        let _ = stdout.flush();
        if matches!(self, Failure::Print(_)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn write(&self, stdout: &mut dyn Write, stderr: &mut dyn Write, time: &str) -> std::io::Result<()> {
        match self {
            Failure::Usage { message, hint } if hint.is_empty() => writeln!(stderr, "{message}"),
            Failure::Usage { message, hint } => writeln!(stderr, "{message}\n{hint}"),
            Failure::Message(message) => writeln!(stderr, "{message}"),
            Failure::Execution(ExecutionError { what, logger, class, message, hint }) => {
                writeln!(stdout, "Error while executing {what} : {message}")?;
                writeln!(stderr, "[{time}] ERROR {class}: {message}\n ({logger})")?;
                if hint.is_empty() { Ok(()) } else { writeln!(stderr, "{hint}") }
            }
            Failure::Print(text) => write!(stdout, "{text}"),
            Failure::Said => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(failure: &Failure, stdout: &str, stderr: &str) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        failure.write(&mut out, &mut err, "2026-01-02 03:04:05,006").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), stdout);
        assert_eq!(String::from_utf8(err).unwrap(), stderr);
    }

    #[test]
    fn where_it_goes() {
        check(
            &Failure::message("--bootstrap-server must be specified"),
            "",
            "--bootstrap-server must be specified\n",
        );
        check(&Failure::usage("wrong").or_hint(|| "do this".into()), "", "wrong\ndo this\n");
        check(&Failure::Print("help\n".into()), "help\n", "");
        let error = ExecutionError {
            what: "topic command",
            logger: "org.apache.kafka.tools.TopicCommand",
            class: "org.apache.kafka.common.errors.TopicExistsException".into(),
            message: "Topic 'test' already exists.".into(),
            hint: String::new(),
        };
        check(
            &Failure::Execution(error),
            "Error while executing topic command : Topic 'test' already exists.\n",
            "[2026-01-02 03:04:05,006] ERROR org.apache.kafka.common.errors.TopicExistsException: Topic 'test' \
             already exists.\n (org.apache.kafka.tools.TopicCommand)\n",
        );
    }
}
