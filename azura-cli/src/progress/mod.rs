//! Shows training to the person or program that waits for it, on stderr.
//!
//! A bar only on a terminal; otherwise one `key=value` line for each epoch and at least one every 30 seconds, without
//! carriage returns and colours; or one JSON object for each event; or nothing.

mod bar;
mod json;
mod plain;
pub mod text;

pub use json::describe;

use std::io::IsTerminal;

use azura_learner::Observer;
use clap::ValueEnum;

use crate::args::{Globals, ProgressChoice};
use crate::style;

/// The observer that the flags, the environment and the terminal ask for.
pub fn observer(globals: &Globals, monitor: &str) -> Option<Box<dyn Observer>> {
    match choose(globals) {
        ProgressChoice::None => None,
        ProgressChoice::Json => Some(Box::new(json::Json)),
        ProgressChoice::Bar => Some(Box::new(bar::Bar::new(monitor))),
        ProgressChoice::Plain | ProgressChoice::Auto => Some(Box::new(plain::Plain::new())),
    }
}

fn choose(globals: &Globals) -> ProgressChoice {
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
