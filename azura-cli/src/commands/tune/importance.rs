//! `azura tune importance`: which parameters matter.

use azura_learner::tune::{History, importance};
use serde_json::{Map, Value, json};

use super::super::{Context, Ended};
use super::look;
use crate::output;
use crate::study::StudyDir;

/// Fewer trials say nothing about a space.
const FEWEST: usize = 10;

/// Runs the command.
pub fn run(context: &Context, study: &StudyDir) -> Ended {
    let (_, journal) = look(context, study)?;
    let history = &journal.state().history;
    let shares = of(history);
    if context.globals.json {
        let map: Map<String, Value> = shares
            .iter()
            .map(|(key, share)| (key.clone(), json!(share)))
            .collect();
        output::json(&json!({
            "schema": "azura.tune/1", "ok": true, "study": study.path(), "importance": map,
            "trials": history.done().count(),
        }))?;
        return Ok(0);
    }
    let wide = shares
        .iter()
        .map(|(key, _)| key.chars().count())
        .max()
        .unwrap_or(0);
    output::checked(|out| {
        for (key, share) in &shares {
            let bar = "█".repeat((share * 40.0).round() as usize);
            writeln!(out, "{key:wide$}  {share:>5.2}  {bar}")?;
        }
        Ok(())
    })?;
    if shares.is_empty() {
        crate::output::say!(
            "too little is known: importance needs {FEWEST} trials with values, and {} has {}",
            study.name(),
            history.done().count()
        );
    }
    Ok(0)
}

/// The share of each parameter in the differences between trials, the largest first; empty if too little is known.
pub fn of(history: &History) -> Vec<(String, f64)> {
    if history.done().count() < FEWEST {
        return Vec::new();
    }
    // What else can be wrong (equal values everywhere) also means that nothing is known.
    importance::fanova(history, 0, 0).unwrap_or_default()
}

/// `importance  train.lr 0.63  model.hidden 0.29`
pub fn line(history: &History) -> Option<String> {
    let shares = of(history);
    let parts: Vec<String> = shares
        .iter()
        .take(4)
        .map(|(key, share)| format!("{key} {share:.2}"))
        .collect();
    (!parts.is_empty()).then(|| format!("importance  {}", parts.join("  ")))
}
