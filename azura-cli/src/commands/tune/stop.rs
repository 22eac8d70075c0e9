//! `azura tune stop`: no worker of a study begins another trial.

use serde_json::json;

use super::super::{Context, Ended};
use super::{name_of, open};
use crate::output::{self, say};
use crate::study::{Entry, StudyDir, now};

/// Runs the command.
pub fn run(context: &Context, study: &StudyDir) -> Ended {
    let (_, mut journal) = open(context, study)?;
    journal.locked(|writer| match writer.state().stopped {
        true => Ok(()),
        false => writer.append(Entry::Stop { time: now() }),
    })?;
    let running = journal.state().counts().running;
    if context.globals.json {
        output::json(&json!({
            "schema": "azura.tune/1", "ok": true, "study": study.path(), "stopped": true, "running": running,
        }))?;
    } else if context.talks() {
        say!(
            "{} stops{}; go on with:  azura tune resume {}",
            study.name(),
            match running {
                0 => String::new(),
                1 => " after the trial under way".to_string(),
                n => format!(" after the {n} trials under way"),
            },
            name_of(context, study)
        );
    }
    Ok(0)
}
