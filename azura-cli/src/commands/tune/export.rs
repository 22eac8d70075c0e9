//! `azura tune export csv`: all trials as a table.

use std::path::Path;

use azura_learner::tune::{State as Trialed, Value as Tried};

use super::super::{Context, Ended, input};
use super::{look, table};
use crate::args::ExportFormat;
use crate::output::{self, say};
use crate::progress::text;
use crate::study::{Setup, State, StudyDir};

/// Runs the command.
pub fn run(context: &Context, study: &StudyDir, format: ExportFormat, to: Option<&Path>) -> Ended {
    let ExportFormat::Csv = format;
    let journal_path = study.journal();
    input::check_output(to, &[&journal_path])?;
    let (setup, journal) = look(context, study)?;
    let state = journal.state();
    let csv = csv(&setup, state);
    match to {
        Some(path) if path != Path::new("-") => {
            azura_learner::fs::write_atomic(path, csv.as_bytes())?;
            if context.talks() {
                let trials = text::counted(state.history.trials.len(), "trial");
                say!("wrote {}   {trials}", path.display());
            }
        }
        _ => output::checked(|out| out.write_all(csv.as_bytes()))?,
    }
    Ok(0)
}

/// One line for each trial, with full digits.
fn csv(setup: &Setup, state: &State) -> String {
    let keys = table::keys(setup);
    let measured = ["epochs", "parameters", "bytes"];
    let mut heads: Vec<String> = ["trial", "state", "reason"].map(str::to_string).to_vec();
    heads.extend(setup.objectives.iter().map(|o| o.name.clone()));
    heads.extend(keys.iter().cloned());
    heads.extend(measured.map(str::to_string));
    heads.extend(["violation", "seconds", "started", "worker"].map(str::to_string));
    let mut text = line(&heads);
    for (trial, note) in state.history.trials.iter().zip(&state.notes) {
        let (name, reason) = match &trial.state {
            Trialed::Running => ("running", ""),
            Trialed::Done => ("done", ""),
            Trialed::Pruned(reason) => ("pruned", reason.as_str()),
            Trialed::Failed(reason) => ("failed", reason.as_str()),
        };
        let mut cells = vec![
            trial.number.to_string(),
            name.to_string(),
            reason.to_string(),
        ];
        for i in 0..setup.objectives.len() {
            cells.push(
                trial
                    .objectives
                    .get(i)
                    .map_or(String::new(), |v| format!("{v:?}")),
            );
        }
        for key in &keys {
            cells.push(
                trial
                    .values
                    .get(key)
                    .map_or(String::new(), Tried::to_string),
            );
        }
        for name in measured {
            cells.push(note.number(name).map_or(String::new(), |v| format!("{v}")));
        }
        cells.push(format!("{}", trial.violation()));
        cells.push(note.seconds().map_or(String::new(), |v| format!("{v:.3}")));
        cells.push(format!("{:.3}", note.started));
        cells.push(note.worker.clone().unwrap_or_default());
        text += &line(&cells);
    }
    text
}

fn line(cells: &[String]) -> String {
    let quoted: Vec<String> = cells
        .iter()
        .map(|cell| match cell.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.clone(),
        })
        .collect();
    quoted.join(",") + "\n"
}
