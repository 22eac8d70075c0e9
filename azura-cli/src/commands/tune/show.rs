//! `azura tune show`: the trials of a study.

use azura_learner::tune;
use serde_json::{Map, Value, json};

use super::super::{Context, Ended};
use super::{look, table};
use crate::output::{self, say};
use crate::study::{StudyDir, objective_text};

/// Runs the command.
pub fn run(context: &Context, study: &StudyDir, limit: usize) -> Ended {
    let (setup, journal) = look(context, study)?;
    let state = journal.state();
    let history = &state.history;
    if context.globals.json {
        let space: Map<String, Value> = setup
            .space
            .parameters()
            .iter()
            .map(|parameter| (parameter.key.clone(), json!(parameter.text())))
            .collect();
        let trials: Vec<Value> = history
            .trials
            .iter()
            .map(|trial| table::document(study, state, trial))
            .collect();
        output::json(&json!({
            "schema": "azura.tune/1",
            "ok": true,
            "study": study.path(),
            "app": setup.app.name(),
            "objectives": setup.objectives.iter().map(objective_text).collect::<Vec<_>>(),
            "space": space,
            "best": table::bests(history),
            "waiting": state.queue,
            "stopped": state.stopped,
            "trials": trials,
        }))?;
        return Ok(0);
    }
    let best = table::bests(history);
    let mut rows = table::Rows::new(&setup);
    let shown = table::interesting(history, limit);
    for number in &shown {
        rows.add(
            &setup,
            state,
            &history.trials[*number],
            best.contains(number),
        );
    }
    output::checked(|out| {
        writeln!(out, "{}   {}", study.name(), table::manner(&setup))?;
        writeln!(
            out,
            "{}",
            table::standing(&state.counts(), setup.tune.trials)
        )?;
        for line in rows.lines(output::width()) {
            writeln!(out, "{line}")?;
        }
        for number in &shown {
            match &history.trials[*number].state {
                tune::State::Pruned(reason) => writeln!(out, "{number} pruned: {reason}")?,
                tune::State::Failed(reason) => writeln!(out, "{number} failed: {reason}")?,
                _ => {}
            }
        }
        for values in &state.queue {
            let words: Vec<String> = values.iter().map(|(k, v)| format!("{k}={v}")).collect();
            writeln!(out, "waiting: {}", words.join(" "))?;
        }
        Ok(())
    })?;
    if shown.len() < history.trials.len() {
        say!(
            "{} more; --limit {} shows all",
            history.trials.len() - shown.len(),
            history.trials.len()
        );
    }
    Ok(0)
}
