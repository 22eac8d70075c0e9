//! # azura-cli
//!
//! The command line, run directories and server of AzuraForge. A program with its own apps needs one line:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     azura_cli::run(azura_apps::builtin()) // .with(&MyApp)
//! }
//! ```
//!
//! Results go to stdout, everything else to stderr. Every failure has a code, a place and a remedy, and a stable
//! exit status (`azura help exit-codes`).

#![forbid(unsafe_code)]

mod args;
mod codes;
mod commands;
mod config;
mod errors;
mod failure;
mod near;
mod output;
mod panics;
mod plot;
mod progress;
mod require;
mod run_dir;
mod server;
mod signals;
mod study;
mod style;
mod tokens;

use std::ffi::OsString;
use std::process::ExitCode;

use azura_learner::Registry;
use clap::{CommandFactory, FromArgMatches};

use args::Cli;
use commands::Context;
use failure::{Code, Failure, Place, Stop};
use output::say;

/// Runs the command line of this process with the apps of `registry`, and returns its exit status.
pub fn run(registry: Registry) -> ExitCode {
    panics::install();
    let args: Vec<OsString> = std::env::args_os().collect();
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| start(registry, args)));
    ExitCode::from(ended.unwrap_or(panics::EXIT))
}

fn start(registry: Registry, args: Vec<OsString>) -> u8 {
    let mut command = Cli::command();
    let line = tokens::split(&command, args);
    let parsed = command
        .try_get_matches_from_mut(&line.rest)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            style::decide(None);
            return refuse(&error, &line);
        }
    };
    style::decide(cli.global.color);
    let schema = format!("azura.{}/1", cli.command.name());
    let json = cli.global.json;
    let context = Context {
        registry,
        globals: cli.global,
        line,
    };
    match context
        .prepare(&cli.command)
        .and_then(|()| commands::dispatch(&context, cli.command))
    {
        Ok(exit) => exit,
        Err(stop) => {
            output::set_bar(None);
            stop.report(&schema, json);
            stop.exit()
        }
    }
}

/// Whether a line that was not understood has `--progress json` on it.
fn asks_for_events(line: &tokens::Line) -> bool {
    let mut words = line.rest.iter().map(|word| word.to_string_lossy());
    let joined = |word: &str| word == "--progress=json";
    while let Some(word) = words.next() {
        if joined(&word) || (word == "--progress" && words.next().as_deref() == Some("json")) {
            return true;
        }
    }
    false
}

/// Help and version go to stdout; what clap did not understand becomes a message of ours.
fn refuse(error: &clap::Error, line: &tokens::Line) -> u8 {
    use clap::error::ErrorKind;
    output::set_events(asks_for_events(line));
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = error.render();
            let written = output::checked(|out| match style::colors_stdout() {
                true => write!(out, "{}", text.ansi()),
                false => write!(out, "{text}"),
            });
            written.map_or_else(|stop| stop.exit(), |()| 0)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            say!("{}", error.render());
            Code::CommandLine.exit()
        }
        _ => {
            let text = error.render().to_string();
            let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            let message = lines
                .next()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            let mut failure = Failure::new(Code::CommandLine, message).at(place(error, line));
            for text in lines {
                failure = match text.strip_prefix("tip: ") {
                    Some(tip) => failure.help(tip),
                    None if text.starts_with("For more information") => {
                        failure.help("`azura --help` lists the commands, `azura COMMAND --help` the flags of one")
                    }
                    None => match text.strip_prefix("Usage: ") {
                        Some(usage) => failure.fact("usage", usage),
                        None => failure.fact("", text),
                    },
                };
            }
            if let (ErrorKind::MissingRequiredArgument, Some(token)) =
                (error.kind(), line.overrides.first())
            {
                let text = format!("`{}=…` was taken for a configuration key", token.key);
                failure = failure.help(format!("{text}; if it is a file, write it as ./NAME"));
            }
            if let Some(file) = second_word(error, line) {
                failure = failure.help(format!(
                    "data of your own is named with --data: --data {file}"
                ));
            }
            let stop = Stop::from(failure);
            stop.report(
                "azura.error/1",
                line.rest.iter().any(|word| word == "--json"),
            );
            stop.exit()
        }
    }
}

/// The word after the app in `azura train APP WORD`.
fn second_word(error: &clap::Error, line: &tokens::Line) -> Option<String> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let trains = line
        .rest
        .iter()
        .any(|word| word == "train" || word == "fit");
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(word)
            if trains && error.kind() == ErrorKind::UnknownArgument && !word.starts_with('-') =>
        {
            Some(word.clone())
        }
        _ => None,
    }
}

/// Which word of the line clap complains about.
fn place(error: &clap::Error, line: &tokens::Line) -> Option<Place> {
    use clap::error::{ContextKind, ContextValue};
    let words = [
        ContextKind::InvalidSubcommand,
        ContextKind::InvalidArg,
        ContextKind::InvalidValue,
    ];
    words.into_iter().find_map(|kind| {
        let ContextValue::String(word) = error.get(kind)? else {
            return None;
        };
        let word = word.split([' ', '=']).next()?;
        let at = line.rest.iter().skip(1).position(|other| {
            !word.is_empty() && other.to_string_lossy().split('=').next() == Some(word)
        })?;
        Some(Place::Argument(line.index[at + 1]))
    })
}
