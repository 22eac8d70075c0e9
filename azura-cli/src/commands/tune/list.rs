//! `azura tune list`: the studies.

use std::path::Path;

use serde_json::{Value, json};

use super::super::{Context, Ended};
use super::{look, table};
use crate::output::{self, say};
use crate::progress::text;
use crate::study::StudyDir;
use crate::style::Paint;

/// Runs the command.
pub fn run(context: &Context, studies: &Path) -> Ended {
    let all = StudyDir::list(studies);
    let mut documents: Vec<Value> = Vec::new();
    let mut lines: Vec<[String; 4]> = Vec::new();
    for study in &all {
        match look(context, study) {
            Ok((setup, journal)) => {
                let state = journal.state();
                let counts = state.counts();
                let best = state.history.best();
                let value = best.map(|trial| trial.objectives[0]);
                documents.push(json!({
                    "study": study.path(), "name": study.name(), "app": setup.app.name(),
                    "trials": counts.all, "ended": counts.ended(), "best": best.map(|t| t.number), "value": value,
                }));
                lines.push([
                    study.name(),
                    setup.app.name().to_string(),
                    table::standing(&counts, setup.tune.trials),
                    value.map_or(String::new(), |value| {
                        format!("{} {}", setup.objectives[0].name, text::number(value))
                    }),
                ]);
            }
            Err(stop) => {
                // One that cannot be read is listed with the reason; the others are of use all the same.
                let why = stop
                    .failures()
                    .first()
                    .map_or("", |failure| failure.message());
                say!("{} {}: {why}", Paint::Yellow.err("warning:"), study.name());
                documents.push(json!({"study": study.path(), "name": study.name(), "error": why}));
            }
        }
    }
    if context.globals.json {
        output::json(&json!({"schema": "azura.tune/1", "ok": true, "studies": documents}))?;
        return Ok(0);
    }
    if all.is_empty() {
        say!(
            "no studies in {}; begin one with `azura tune APP`",
            studies.display()
        );
    }
    let wide = |c: usize| {
        lines
            .iter()
            .map(|line| line[c].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..4).map(wide).collect();
    output::checked(|out| {
        for line in &lines {
            let cells: Vec<String> = line
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(out, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    })?;
    Ok(0)
}
