//! Shows training to the person or program that waits for it, on stderr.
//!
//! A bar only on a terminal; otherwise one `key=value` line for each epoch and at least one every 30 seconds, without
//! carriage returns and colours; or one JSON object for each event; or nothing.

mod bar;
mod json;
mod plain;
pub mod text;
mod verbose;

pub use json::describe;

use std::io::IsTerminal;

use azura_learner::{Event, Observer};
use clap::ValueEnum;

use crate::args::{Globals, ProgressChoice};
use crate::output::say;
use crate::style::{self, Paint};

/// Whether a command says what it does: neither `-q`, nor `--progress none`, nor a stderr that is for a program.
pub fn talks(globals: &Globals) -> bool {
    !globals.quiet && !matches!(choose(globals), ProgressChoice::None | ProgressChoice::Json)
}

/// The observer that the flags, the environment and the terminal ask for.
pub fn observer(globals: &Globals, monitor: &str) -> Vec<Box<dyn Observer>> {
    let choice = choose(globals);
    let mut observers: Vec<Box<dyn Observer>> = match choice {
        ProgressChoice::None => vec![Box::new(Warnings)],
        ProgressChoice::Json => vec![Box::new(json::Json)],
        ProgressChoice::Bar => vec![Box::new(bar::Bar::new(monitor))],
        ProgressChoice::Plain | ProgressChoice::Auto => vec![Box::new(plain::Plain::new())],
    };
    if globals.verbose > 0 && choice != ProgressChoice::Json {
        observers.push(Box::new(verbose::Verbose {
            steps: globals.verbose > 1,
        }));
    }
    observers
}

/// Shows warnings and nothing else.
struct Warnings;

impl Observer for Warnings {
    fn on(&mut self, event: &Event<'_>) {
        if let Event::Warning(warning) = event {
            say!("{} {warning}", Paint::Yellow.err("warning:"));
        }
    }
}

/// How to show progress: what was asked for, else what fits the terminal.
pub fn choose(globals: &Globals) -> ProgressChoice {
    let from_env = || {
        let text = std::env::var("AZURA_PROGRESS").ok()?;
        ProgressChoice::from_str(&text, true).ok()
    };
    if let Some(choice) = globals.progress.or_else(from_env)
        && choice != ProgressChoice::Auto
    {
        return choice;
    }
    if globals.quiet {
        ProgressChoice::None
    } else if std::io::stderr().is_terminal() && !style::dumb_terminal() {
        ProgressChoice::Bar
    } else {
        ProgressChoice::Plain
    }
}
