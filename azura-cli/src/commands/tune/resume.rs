//! `azura tune resume`: goes on with a study, or helps another process with it.

use super::super::{Context, Ended};
use super::{begin, budget, name_of, open, setup, table, worker};
use crate::args::TuneBudget;
use crate::output::say;
use crate::study::{Entry, StudyDir, now};
use crate::style::Paint;

/// Runs the command.
pub fn run(context: &Context, study: &StudyDir, changes: &TuneBudget, refit: bool) -> Ended {
    let tokens = context.overrides(&budget(changes));
    let tokens: Vec<_> = tokens
        .into_iter()
        .filter(|t| t.key.starts_with("tune."))
        .collect();
    let (before, mut journal) = open(context, study)?;
    let setup = setup(context, study, &tokens)?;
    context.device()?;
    let state = journal.state();
    let counts = state.counts();
    if context.talks() {
        say!(
            "study  {}   app {}   {}",
            Paint::Bold.err(study.path().display()),
            setup.app.name(),
            table::manner(&setup)
        );
        say!("       {}", table::standing(&counts, setup.tune.trials));
    }
    if context.globals.dry_run {
        return Ok(0);
    }
    let stopped = state.stopped;
    journal.locked(|writer| match writer.state().stopped && stopped {
        true => writer.append(Entry::Go { time: now() }),
        false => Ok(()),
    })?;
    if before.tune.trials != setup.tune.trials {
        begin::save(study, &setup)?;
        if context.talks() {
            let name = name_of(context, study);
            say!(
                "       other processes that work on {name} keep the number of trials that they began with"
            );
        }
    }
    worker::run(context, study, &setup, journal, refit)
}
