//! The two ways out of the program: results on stdout, everything else on stderr.
//!
//! Nothing here panics when the reader has gone away: `azura runs list | head -1` is no error.

use std::fmt::Arguments;
use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::failure::{Code, Failure, Stop};
use crate::run_dir::now;

/// Writes text to stdout; a reader that went away ends the program quietly.
///
/// # Errors
/// The operating system's reason if stdout cannot be written for another cause (a full disk).
pub fn result(text: Arguments<'_>) -> Result<(), Stop> {
    checked(|out| out.write_fmt(text))
}

/// Writes one JSON document and a newline to stdout.
///
/// # Errors
/// As [`result`].
pub fn json(document: &Value) -> Result<(), Stop> {
    let text = serde_json::to_string(document).map_err(|error| {
        Failure::new(
            Code::Unexpected,
            format!("the result cannot be written as JSON: {error}"),
        )
    })?;
    result(format_args!("{text}\n"))
}

/// Lets `write` write to a buffered stdout, and flushes it.
///
/// # Errors
/// As [`result`].
pub fn checked(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Stop> {
    let stdout = io::stdout();
    let mut out = io::BufWriter::new(stdout.lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            // What is buffered cannot be written any more; without this, dropping would try again.
            let _ = out.into_parts();
            Err(Stop::quietly(0))
        }
        Err(error) => {
            let _ = out.into_parts();
            Err(Failure::new(
                Code::Unexpected,
                format!("cannot write to standard output: {error}"),
            )
            .help("free some space, or write elsewhere")
            .into())
        }
    }
}

/// Columns of the terminal that stdout is; unlimited if it is none.
pub fn width() -> usize {
    if !io::stdout().is_terminal() {
        return usize::MAX;
    }
    terminal_size::terminal_size_of(io::stdout()).map_or(80, |(width, _)| width.0.into())
}

/// The progress bar on the screen, which lines on stderr must not run into.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Puts a bar on the screen, or takes it off.
pub fn set_bar(bar: Option<ProgressBar>) {
    *BAR.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner) = bar;
}

/// True if stderr is for a program: every line on it is one JSON object (`--progress json`).
static EVENTS: AtomicBool = AtomicBool::new(false);

/// Makes every line on stderr a JSON object.
pub fn set_events(on: bool) {
    EVENTS.store(on, Ordering::Relaxed);
}

/// Whether every line on stderr is a JSON object.
pub fn events() -> bool {
    EVENTS.load(Ordering::Relaxed)
}

/// Writes a line to stderr, above the progress bar. A stderr that cannot be written has nobody to tell.
pub fn note(text: Arguments<'_>) {
    if events() {
        return event(&json!({"event": "note", "text": text.to_string().trim(), "time": now()}));
    }
    line(text);
}

/// Writes a JSON object as a line to stderr.
pub fn event(value: &Value) {
    line(format_args!("{value}"));
}

fn line(text: Arguments<'_>) {
    let write = || {
        let mut err = io::stderr().lock();
        let _ = err.write_fmt(text).and_then(|()| err.write_all(b"\n"));
    };
    let bar = BAR
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// A line on stderr, with `format!` arguments.
macro_rules! say {
    ($($part:tt)*) => { $crate::output::note(format_args!($($part)*)) };
}
pub(crate) use say;
