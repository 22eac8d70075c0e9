//! Whether to colour, and the few colours there are.
//!
//! `--color` decides first, then `NO_COLOR`, `FORCE_COLOR`, `AZURA_COLOR` and `TERM=dumb`, then whether the
//! stream is a terminal. Colour never carries a meaning that the words do not.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;

/// The choice of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// Colour on a terminal.
    #[default]
    Auto,
    /// Colour always.
    Always,
    /// Never.
    Never,
}

static ON_STDERR: AtomicBool = AtomicBool::new(false);
static ON_STDOUT: AtomicBool = AtomicBool::new(false);

/// Decides once for the whole program.
pub fn decide(choice: Option<ColorChoice>) {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let choice = choice
        .or_else(|| {
            let text = std::env::var("AZURA_COLOR").ok()?;
            ColorChoice::from_str(&text, true).ok()
        })
        .unwrap_or_default();
    let forced = match choice {
        ColorChoice::Always => Some(true),
        ColorChoice::Never => Some(false),
        ColorChoice::Auto if set("NO_COLOR") => Some(false),
        ColorChoice::Auto if set("FORCE_COLOR") => Some(true),
        ColorChoice::Auto if dumb_terminal() => Some(false),
        ColorChoice::Auto => None,
    };
    ON_STDERR.store(
        forced.unwrap_or_else(|| std::io::stderr().is_terminal()),
        Ordering::Relaxed,
    );
    ON_STDOUT.store(
        forced.unwrap_or_else(|| std::io::stdout().is_terminal()),
        Ordering::Relaxed,
    );
}

/// No colour on stderr from now on: a program reads it.
pub fn plain_stderr() {
    ON_STDERR.store(false, Ordering::Relaxed);
}

/// Whether stderr is coloured.
pub fn colors_stderr() -> bool {
    ON_STDERR.load(Ordering::Relaxed)
}

/// Whether stdout is coloured.
pub fn colors_stdout() -> bool {
    ON_STDOUT.load(Ordering::Relaxed)
}

/// Whether `TERM` says that the terminal understands no escape sequences.
pub fn dumb_terminal() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// A colour or weight of text on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Errors.
    Red,
    /// Warnings.
    Yellow,
    /// Success.
    Green,
    /// Places and rulers.
    Blue,
    /// Names of things.
    Bold,
    /// What matters less.
    Dim,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Paint::Red => "1;31",
            Paint::Yellow => "1;33",
            Paint::Green => "1;32",
            Paint::Blue => "1;34",
            Paint::Bold => "1",
            Paint::Dim => "2",
        }
    }

    /// `text` for stderr, painted if stderr is coloured.
    pub fn err(self, text: impl std::fmt::Display) -> String {
        self.when(colors_stderr(), text)
    }

    /// `text` for stdout, painted if stdout is coloured.
    pub fn out(self, text: impl std::fmt::Display) -> String {
        self.when(colors_stdout(), text)
    }

    /// `text`, painted if `on`.
    pub fn when(self, on: bool, text: impl std::fmt::Display) -> String {
        if on {
            format!("\x1b[{}m{text}\x1b[0m", self.code())
        } else {
            text.to_string()
        }
    }
}
