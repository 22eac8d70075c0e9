//! A study in lines of text and as a document: how it stands, its trials, its result.

use std::collections::BTreeMap;
use std::time::Duration;

use azura_learner::tune::{History, State as Trialed, Trial, Value as Tried};
use serde_json::{Map, Value, json};

use super::super::{Context, Ended};
use super::importance;
use crate::output;
use crate::progress::text;
use crate::study::{Counts, Setup, State, StudyDir, objective_text};
use crate::style::Paint;

/// How it searches, in one line.
pub fn manner(setup: &Setup) -> String {
    let objectives: Vec<String> = setup.objectives.iter().map(objective_text).collect();
    let mut line = format!(
        "{}   sampler {}   pruner {}   {} at once",
        objectives.join(", "),
        setup.tune.sampler,
        setup.tune.pruner,
        text::counted(setup.tune.parallel, "trial")
    );
    if !setup.constraints.is_empty() {
        let bounds: Vec<String> = setup.constraints.iter().map(ToString::to_string).collect();
        line += &format!("   with {}", bounds.join(", "));
    }
    line
}

/// `12/60   done 4 · pruned 7 · failed 1`
pub fn standing(counts: &Counts, trials: usize) -> String {
    let mut parts = vec![format!("done {}", counts.done)];
    for (name, number) in [
        ("pruned", counts.pruned),
        ("failed", counts.failed),
        ("running", counts.running),
    ] {
        if number > 0 {
            parts.push(format!("{name} {number}"));
        }
    }
    format!(
        "{}/{}   {}",
        counts.ended(),
        trials.max(counts.all),
        parts.join(" · ")
    )
}

/// The searched keys.
pub fn keys(setup: &Setup) -> Vec<String> {
    setup
        .space
        .parameters()
        .iter()
        .map(|p| p.key.clone())
        .collect()
}

/// `lr` for `train.lr`, unless two keys end alike.
fn short(keys: &[String]) -> Vec<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_string();
    let alike = |key: &str| keys.iter().filter(|other| last(other) == last(key)).count() > 1;
    keys.iter()
        .map(|key| if alike(key) { key.clone() } else { last(key) })
        .collect()
}

/// A tried value as a person reads it.
pub fn tried(value: &Tried) -> String {
    match value {
        Tried::Float(x) => text::number(*x),
        other => other.to_string(),
    }
}

/// The reasons of failed trials, the most frequent first.
pub fn reasons(history: &History) -> Vec<(String, usize)> {
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for trial in &history.trials {
        if let Trialed::Failed(reason) = &trial.state {
            *counted.entry(reason).or_default() += 1;
        }
    }
    let mut reasons: Vec<_> = counted
        .into_iter()
        .map(|(r, n)| (r.to_string(), n))
        .collect();
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    reasons
}

/// The trials that are best: the front of several objectives, or the one best of one.
pub fn bests(history: &History) -> Vec<usize> {
    match history.objectives.len() {
        1 => history
            .best()
            .map(|trial| trial.number)
            .into_iter()
            .collect(),
        _ => history
            .pareto_front()
            .iter()
            .map(|trial| trial.number)
            .collect(),
    }
}

/// Rows of a table of trials with heads.
pub struct Rows {
    rows: Vec<Vec<String>>,
}

impl Rows {
    /// The heads for a study.
    pub fn new(setup: &Setup) -> Rows {
        let mut heads = vec!["trial".to_string(), "state".to_string()];
        heads.extend(setup.objectives.iter().map(|o| o.name.clone()));
        heads.extend(short(&keys(setup)));
        heads.extend(["epochs", "time"].map(str::to_string));
        Rows { rows: vec![heads] }
    }

    /// Adds a trial.
    pub fn add(&mut self, setup: &Setup, state: &State, trial: &Trial, best: bool) {
        let note = &state.notes[trial.number];
        let last = trial.intermediate.last();
        let how = match &trial.state {
            Trialed::Running => match last {
                Some((step, _)) => format!("running @{step}"),
                None => "running".to_string(),
            },
            Trialed::Done if best => "best ★".to_string(),
            Trialed::Done if trial.violation() > 0.0 => "done, too much".to_string(),
            Trialed::Done => "done".to_string(),
            Trialed::Pruned(_) => match last {
                Some((step, _)) => format!("pruned @{step}"),
                None => "pruned".to_string(),
            },
            Trialed::Failed(_) => "failed".to_string(),
        };
        let mut cells = vec![trial.number.to_string(), how];
        for i in 0..setup.objectives.len() {
            let reported = || last.filter(|_| i == 0).map(|(_, value)| *value);
            let value = trial.objectives.get(i).copied().or_else(reported);
            cells.push(value.map_or_else(|| "–".to_string(), text::number));
        }
        for parameter in setup.space.parameters() {
            let value = trial.values.get(&parameter.key);
            cells.push(value.map_or_else(|| "–".to_string(), tried));
        }
        cells.push(
            match note.number("epochs").or(last.map(|(step, _)| *step as f64)) {
                Some(epochs) => format!("{epochs}"),
                None => String::new(),
            },
        );
        let seconds = note
            .seconds()
            .map(|seconds| text::clock(Duration::from_secs_f64(seconds.clamp(0.0, 1e9))));
        cells.push(seconds.unwrap_or_default());
        self.rows.push(cells);
    }

    /// The lines, numbers to the right; what is wider than `width` loses its last columns but the first ones.
    pub fn lines(&self, width: usize) -> Vec<String> {
        let columns = self.rows[0].len();
        let wide: Vec<usize> = (0..columns)
            .map(|c| {
                self.rows
                    .iter()
                    .map(|row| row[c].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut shown = columns;
        while shown > 3 && wide[..shown].iter().map(|w| w + 2).sum::<usize>() > width {
            shown -= 1;
        }
        let line = |row: &Vec<String>| {
            let cells: Vec<String> = (0..shown)
                .map(|c| match c {
                    1 => format!("{:<w$}", row[c], w = wide[c]),
                    _ => format!("{:>w$}", row[c], w = wide[c]),
                })
                .collect();
            cells.join("  ").trim_end().to_string()
        };
        self.rows.iter().map(line).collect()
    }
}

/// The best trials first, then the newest.
pub fn interesting(history: &History, most: usize) -> Vec<usize> {
    let mut shown = bests(history);
    shown.truncate(most);
    let mut others: Vec<&Trial> = history
        .trials
        .iter()
        .filter(|trial| !shown.contains(&trial.number))
        .collect();
    let cost = |trial: &Trial| match &trial.state {
        Trialed::Done => history.cost(trial).unwrap_or(f64::INFINITY),
        _ => f64::INFINITY,
    };
    let rank = |trial: &Trial| match &trial.state {
        Trialed::Done => 0,
        Trialed::Running => 1,
        Trialed::Pruned(_) => 2,
        Trialed::Failed(_) => 3,
    };
    others.sort_by(|a, b| {
        (rank(a), cost(a))
            .partial_cmp(&(rank(b), cost(b)))
            .unwrap_or(std::cmp::Ordering::Equal)
            .then(b.number.cmp(&a.number))
    });
    shown.extend(others.iter().map(|trial| trial.number));
    shown.truncate(most);
    shown
}

/// A trial as a document.
pub fn document(study: &StudyDir, state: &State, trial: &Trial) -> Value {
    let note = &state.notes[trial.number];
    let (name, reason) = match &trial.state {
        Trialed::Running => ("running", None),
        Trialed::Done => ("done", None),
        Trialed::Pruned(reason) => ("pruned", Some(reason)),
        Trialed::Failed(reason) => ("failed", Some(reason)),
    };
    let objectives: Map<String, Value> = state
        .history
        .objectives
        .iter()
        .zip(&trial.objectives)
        .map(|(objective, value)| (objective.name.clone(), json!(value)))
        .collect();
    let steps: Vec<Value> = trial
        .intermediate
        .iter()
        .map(|(s, v)| json!([s, v]))
        .collect();
    json!({
        "trial": trial.number,
        "state": name,
        "reason": reason,
        "values": trial.values,
        "from": note.from,
        "objectives": objectives,
        "constraints": trial.constraints,
        "violation": trial.violation(),
        "intermediate": steps,
        "measured": note.measured,
        "seconds": note.seconds(),
        "run": study.trial(trial.number).path(),
    })
}

/// The document of a study.
pub fn result(study: &StudyDir, setup: &Setup, state: &State, over: &str, took: Duration) -> Value {
    let counts = state.counts();
    let history = &state.history;
    let best: Vec<Value> = bests(history)
        .into_iter()
        .map(|number| document(study, state, &history.trials[number]))
        .collect();
    let failed: Map<String, Value> = reasons(history)
        .into_iter()
        .map(|(reason, number)| (reason, json!(number)))
        .collect();
    let importance: Map<String, Value> = importance::of(history)
        .into_iter()
        .map(|(key, share)| (key, json!(share)))
        .collect();
    json!({
        "schema": "azura.tune/1",
        "ok": counts.done > 0 || counts.ended() == 0,
        "study": study.path(),
        "app": setup.app.name(),
        "over": over,
        "objectives": setup.objectives.iter().map(objective_text).collect::<Vec<_>>(),
        "trials": {
            "all": counts.all, "done": counts.done, "pruned": counts.pruned,
            "failed": counts.failed, "running": counts.running,
        },
        "seconds": took.as_secs_f64(),
        "best": best,
        "failures": failed,
        "importance": importance,
    })
}

/// Prints the result: the document with `--json`, else a table.
///
/// # Errors
/// As [`output::result`].
pub fn print(
    context: &Context,
    study: &StudyDir,
    setup: &Setup,
    state: &State,
    result: &Value,
) -> Ended {
    if context.globals.json {
        output::json(result)?;
        return Ok(0);
    }
    const MOST: usize = 6;
    let history = &state.history;
    let best = bests(history);
    let mut rows = Rows::new(setup);
    for number in interesting(history, MOST.max(best.len())) {
        rows.add(
            setup,
            state,
            &history.trials[number],
            best.contains(&number),
        );
    }
    let seconds = result.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
    output::checked(|out| {
        writeln!(
            out,
            "{} {}   {}   {}",
            Paint::Green.out("✔"),
            study.name(),
            standing(&state.counts(), setup.tune.trials),
            text::duration(seconds)
        )?;
        for (n, line) in rows.lines(output::width()).iter().enumerate() {
            match n {
                0 => writeln!(out, "{}", Paint::Dim.out(line))?,
                _ => writeln!(out, "{line}")?,
            }
        }
        for (reason, number) in reasons(history).iter().take(3) {
            writeln!(out, "failed {number} ×  {reason}")?;
        }
        if let Some(line) = importance::line(history) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    })?;
    Ok(0)
}
