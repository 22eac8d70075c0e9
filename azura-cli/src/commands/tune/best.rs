//! `azura tune best`: the best trial, or the front of several objectives, and how to train with it.

use serde_json::{Value, json};

use super::super::{Context, Ended};
use super::{look, name_of, table};
use crate::failure::{Code, Failure};
use crate::output::{self, say};
use crate::study::{Setup, State, StudyDir};

/// Runs the command.
pub fn run(context: &Context, study: &StudyDir) -> Ended {
    let (setup, journal) = look(context, study)?;
    let state = journal.state();
    let history = &state.history;
    let best = table::bests(history);
    if best.is_empty() {
        let infeasible = history.done().count();
        let message = format!("no trial of {} is the best: none is done", study.name());
        let failure = Failure::new(Code::NotFound, message);
        return Err(match infeasible {
            0 => failure.help(format!(
                "`azura tune show {}` shows how its trials stand",
                study.name()
            )),
            n => failure.help(format!(
                "{n} trials are done, but none keeps the constraints"
            )),
        }
        .into());
    }
    if context.globals.json {
        let trials: Vec<Value> = best
            .iter()
            .map(|number| table::document(study, state, &history.trials[*number]))
            .collect();
        output::json(&json!({
            "schema": "azura.tune/1", "ok": true, "study": study.path(), "best": trials,
        }))?;
        return Ok(0);
    }
    output::checked(|out| {
        if let [one] = best.as_slice() {
            let trial = &history.trials[*one];
            writeln!(out, "trial {} of {}", trial.number, study.name())?;
            for (objective, value) in history.objectives.iter().zip(&trial.objectives) {
                writeln!(out, "  {} = {value}", objective.name)?;
            }
            for (key, value) in &trial.values {
                writeln!(out, "  {key}={value}")?;
            }
            return Ok(());
        }
        let mut rows = table::Rows::new(&setup);
        for number in &best {
            rows.add(&setup, state, &history.trials[*number], false);
        }
        for line in rows.lines(output::width()) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    })?;
    if let (true, Some(text)) = (
        context.talks(),
        next(study, &setup, state, &name_of(context, study)),
    ) {
        say!("{text}");
    }
    Ok(0)
}

/// What to do with the best trial.
pub fn next(study: &StudyDir, setup: &Setup, state: &State, name: &str) -> Option<String> {
    let best = *table::bests(&state.history).first()?;
    let run = study.trial(best);
    let model = run.model();
    let _ = setup;
    Some(format!(
        "next   azura train --from-trial {name}/{best} │ azura evaluate {} │ azura tune report {name}",
        model.display()
    ))
}
