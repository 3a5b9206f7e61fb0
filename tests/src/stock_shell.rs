//! Many command lines of stock tools in one virtual machine: `tests/java/tools/StockTools.java` runs them one after the
//! other, which costs a start once instead of for each.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::build;
use crate::java;
use crate::stock::Stock;

/// What a tool did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// A virtual machine that waits for command lines. Dropping it ends it.
pub struct StockShell {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl StockShell {
    /// Starts the machine with the tools of `stock`.
    ///
    /// # Panics
    /// When Java cannot be started.
    #[must_use]
    pub fn start(stock: Stock) -> Self {
        let resources = build::root().join("tests/stock/resources");
        let (classes, jars) = (java::classes(stock), stock.jars());
        let mut command = Command::new("java");
        command.args([
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dfile.encoding=UTF-8",
            "-cp",
        ]);
        command.arg(format!("{}:{}:{}/*", classes.display(), resources.display(), jars.display()));
        command.arg("StockTools").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("java can be started");
        let input = child.stdin.take().expect("stdin is piped");
        let output = child.stdout.take().expect("stdout is piped");
        Self { child, input, output }
    }

    /// Runs the tool of this class to its end.
    ///
    /// # Panics
    /// When the machine ended, as it does for a tool that ends it behind the back of Kafka's own `Exit`.
    pub fn run(&mut self, class: &str, args: &[&str]) -> Ran {
        self.exchange(class, args).unwrap_or_else(|error| panic!("{class} {args:?}: {error}"))
    }

    fn exchange(&mut self, class: &str, args: &[&str]) -> io::Result<Ran> {
        let words: Vec<&str> = std::iter::once(class).chain(args.iter().copied()).collect();
        let mut message = count(words.len()).to_vec();
        for word in words {
            message.extend_from_slice(&count(word.len()));
            message.extend_from_slice(word.as_bytes());
        }
        self.input.write_all(&message)?;
        self.input.flush()?;
        let code = self.number()?;
        Ok(Ran { code, stdout: self.text()?, stderr: self.text()? })
    }

    fn number(&mut self) -> io::Result<i32> {
        let mut bytes = [0; 4];
        self.output.read_exact(&mut bytes)?;
        Ok(i32::from_be_bytes(bytes))
    }

    fn text(&mut self) -> io::Result<String> {
        let length = self.number()?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.output.read_exact(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for StockShell {
    fn drop(&mut self) {
        // Its own child, not reaped yet: the pid is still its.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn count(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}
