//! Lines to send: of a file or a pipe as they are, of a terminal with editing and history.
//!
//! The history lives as long as the command: what is typed here are records, which are not left behind in files.

use std::io::{self, BufRead, IsTerminal};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::{Cmd, Config, DefaultEditor, KeyCode, KeyEvent, Modifiers};
use tokio::sync::mpsc;

/// Lines read ahead of what is sent.
const LINES_AHEAD: usize = 256;

/// What comes from standard input.
#[derive(Debug)]
pub(super) enum Input {
    Line(Vec<u8>),
    /// Ctrl-C on a terminal, which is a key there rather than a signal.
    Interrupted,
    Failed(io::Error),
}

/// Gives the terminal back as it was: the thread that edits a line may be left behind within one.
pub(super) struct TerminalGuard(Option<Termios>);

impl TerminalGuard {
    pub(super) fn new() -> TerminalGuard {
        TerminalGuard(tcgetattr(io::stdin()).ok())
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // Nothing can be done for a terminal that is gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Reads lines on a thread of their own, which nobody can wake: it is left behind at the end. On a terminal
/// each is asked for with `>`.
pub(super) fn read() -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            edit(&sender);
        } else {
            copy(&sender);
        }
    });
    receiver
}

fn copy(sender: &mpsc::Sender<Input>) {
    let mut stdin = io::stdin().lock();
    loop {
        let mut line = Vec::new();
        let input = match stdin.read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => Input::Line(without_line_end(line)),
            Err(error) => Input::Failed(error),
        };
        let is_last = matches!(input, Input::Failed(_));
        if sender.blocking_send(input).is_err() || is_last {
            return;
        }
    }
}

fn edit(sender: &mpsc::Sender<Input>) {
    // A terminal that cannot be set up is read as it is.
    let Ok(mut editor) = editor() else { return copy(sender) };
    loop {
        let input = match editor.readline(">") {
            Ok(line) => Input::Line(line.into_bytes()),
            Err(ReadlineError::Eof) => return,
            Err(ReadlineError::Interrupted) => Input::Interrupted,
            Err(ReadlineError::Io(error)) => Input::Failed(error),
            Err(error) => Input::Failed(io::Error::other(error)),
        };
        let goes_on = matches!(input, Input::Line(_));
        if sender.blocking_send(input).is_err() || !goes_on {
            return;
        }
    }
}

fn editor() -> rustyline::Result<DefaultEditor> {
    // Each pasted line is a record, as if it were typed.
    let config = Config::builder().auto_add_history(true).bracketed_paste(false).build();
    let mut editor = DefaultEditor::with_config(config)?;
    // Between key and value stands a tab.
    editor.bind_sequence(KeyEvent(KeyCode::Tab, Modifiers::NONE), Cmd::Insert(1, "\t".to_owned()));
    Ok(editor)
}

fn without_line_end(mut line: Vec<u8>) -> Vec<u8> {
    if line.pop_if(|byte| *byte == b'\n').is_some() {
        line.pop_if(|byte| *byte == b'\r');
    }
    line
}
