//! What comes after training: scores, plots, `run.json`, and the result on the screen.

use std::path::Path;

use azura_learner::app::{DataSummary, Metrics, Part, Scores};
use azura_learner::data::read_csv_all;
use azura_learner::run::Trained;
use azura_learner::{ModelInfo, Outcome};
use serde_json::{Value, json};

use super::train::{Session, save, save_json};
use super::{Context, Ended};
use crate::failure::{Code, Failure, Stop};
use crate::output::{self, say};
use crate::plot;
use crate::progress::text;
use crate::run_dir::{self, Journal, RunDir, Status};
use crate::style::Paint;

/// A run with a model: writes what belongs to it and prints the result.
pub fn finished(session: Session<'_>, trained: Trained) -> Ended {
    let Session {
        context,
        run,
        mut record,
        plan,
        ..
    } = session;
    let result = document(run, &trained, plan.app.name());
    save_json(run, "eval/summary.json", &summary(&trained.info))?;
    save_json(run, "data.lock", &data_lock(&trained.info.data))?;
    let plots = plots(run, &trained);
    record.status = Status::Finished;
    record.ended = Some(run_dir::now());
    record.result = Some(result.clone());
    record.write(run)?;
    if let Ok(mut journal) = Journal::open(run) {
        journal.event(&run_dir::life(
            "finished",
            json!({"model": "model.safetensors", "sha256": trained.sha256}),
        ));
        for why in &plots {
            journal.log(&format!("warning: {why}"));
        }
    }
    for why in plots {
        say!("{} {why}", Paint::Yellow.err("warning:"));
    }
    show(context, run, &result)?;
    Ok(0)
}

/// A run that a signal stopped: says how to go on.
pub fn interrupted(session: Session<'_>, outcome: &Outcome) -> Ended {
    let Session {
        context,
        run,
        mut record,
        plan,
        signals,
        ..
    } = session;
    let exit = signals.exit().unwrap_or(130);
    record.status = Status::Interrupted;
    record.ended = Some(run_dir::now());
    record.write(run)?;
    if context.globals.json {
        output::json(&json!({
            "schema": "azura.train/1",
            "ok": false,
            "app": plan.app.name(),
            "run": run.path(),
            "epochs": outcome.epochs,
            "steps": outcome.steps,
            "seconds": outcome.seconds,
            "stop": outcome.stop.name(),
            "exit": exit,
            "errors": [],
        }))?;
    }
    say!(
        "interrupted after step {}, saved. Continue with:  azura resume {}",
        text::thousands(outcome.steps as usize),
        run.full_id()
    );
    Err(Stop::quietly(exit))
}

/// The document of `train --json`.
fn document(run: &RunDir, trained: &Trained, app: &str) -> Value {
    let info = &trained.info;
    let metrics: serde_json::Map<String, Value> = info
        .scores
        .iter()
        .map(|(part, scores)| (part.name().to_string(), metrics(&scores.metrics)))
        .collect();
    json!({
        "schema": "azura.train/1",
        "ok": true,
        "app": app,
        "run": run.path(),
        "model": trained.model,
        "device": "cpu",
        "parameters": info.parameters,
        "epochs": trained.outcome.epochs,
        "steps": trained.outcome.steps,
        "seconds": trained.outcome.seconds,
        "stop": trained.outcome.stop.name(),
        "seed": info.seed,
        "best": trained.outcome.best,
        "sha256": trained.sha256,
        "metrics": metrics,
        "baselines": baselines(info.scores.get(&Part::Test)),
        "verdict": info.scores.get(&Part::Test).and_then(verdict),
    })
}

/// How much better than a baseline the model must be for the difference to count.
const MARGIN: f64 = 0.01;

/// Whether the model is better than its baselines, by the metric that a person looks at first: a
/// sentence that names those it does not beat by more than 1 %, or the nearest one.
fn verdict(scores: &Scores) -> Option<String> {
    let (metric, lower) = [("mae", true), ("accuracy", false)]
        .into_iter()
        .find(|(metric, _)| scores.metrics.contains_key(*metric))?;
    let model = *scores.metrics.get(metric)?;
    // The share of the baseline's error (or of its accuracy) that the model gains.
    let gain = |baseline: f64| {
        if lower {
            1.0 - model / baseline
        } else {
            model / baseline - 1.0
        }
    };
    let mut gains: Vec<(String, f64, f64)> = scores
        .baselines
        .iter()
        .filter_map(|(name, m)| {
            Some((
                name.replace('_', " "),
                *m.get(metric)?,
                gain(*m.get(metric)?),
            ))
        })
        .collect();
    gains.sort_by(|a, b| a.2.total_cmp(&b.2));
    let (nearest, value, share) = gains.first()?;
    let unbeaten: Vec<&str> = gains
        .iter()
        .filter(|g| g.2 <= MARGIN)
        .map(|g| g.0.as_str())
        .collect();
    Some(if unbeaten.is_empty() {
        let side = if lower { "below" } else { "above" };
        format!(
            "better than every baseline: {metric} {}, {:.1} % {side} the nearest ({nearest}, {})",
            text::number(model),
            share.abs() * 100.0,
            text::number(*value)
        )
    } else {
        format!(
            "no better than {}: {metric} {} against {}",
            unbeaten.join(", "),
            text::number(model),
            text::number(*value)
        )
    })
}

fn metrics(metrics: &Metrics) -> Value {
    // JSON has no NaN: a metric that does not exist (R² of a constant) is null.
    let entries = metrics
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)));
    Value::Object(entries.collect())
}

fn baselines(scores: Option<&Scores>) -> Value {
    let entries = scores.into_iter().flat_map(|scores| &scores.baselines);
    Value::Object(
        entries
            .map(|(name, m)| (name.clone(), metrics(m)))
            .collect(),
    )
}

/// `eval/summary.json`: every part's scores and baselines.
fn summary(info: &ModelInfo) -> Value {
    let parts: serde_json::Map<String, Value> = info
        .scores
        .iter()
        .map(|(part, scores)| {
            let value =
                json!({"metrics": metrics(&scores.metrics), "baselines": baselines(Some(scores))});
            (part.name().to_string(), value)
        })
        .collect();
    json!({"schema": "azura.eval/1", "app": info.app, "parts": parts})
}

fn data_lock(data: &DataSummary) -> Value {
    let mut value = serde_json::to_value(data).unwrap_or_default();
    value["schema"] = "azura.data/1".into();
    value
}

/// Draws what the run can show. A plot that cannot be drawn is a sentence, not a failure.
fn plots(run: &RunDir, trained: &Trained) -> Vec<String> {
    let mut why = Vec::new();
    let mut draw = |name: &str, svg: Result<Option<String>, String>| {
        let written = match svg {
            Ok(Some(svg)) => save(run, name, svg.as_bytes()).map_err(|f| f.message().to_string()),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        why.extend(
            written
                .err()
                .map(|error| format!("{name} was not drawn: {error}")),
        );
    };
    let title = format!("{} · {}", trained.info.app, run.id());
    draw(
        "plots/curves.svg",
        Ok(plot::curves(&title, &trained.outcome)),
    );
    if let Some(path) = &trained.predictions {
        let rows = read_csv_all(path).map_err(|error| error.to_string());
        let unit = trained
            .info
            .signature
            .outputs
            .iter()
            .find_map(|field| field.unit.clone());
        let name = trained
            .info
            .signature
            .outputs
            .iter()
            .find(|f| f.kind == azura_learner::data::Kind::Number)
            .map(|f| f.name.clone());
        draw(
            "plots/forecast.svg",
            rows.map(|rows| plot::forecast(&title, &rows, name.as_deref(), unit.as_deref())),
        );
    }
    why
}

/// Prints the result: the document with `--json`, else a table on stdout.
///
/// # Errors
/// As [`output::result`].
pub fn show(context: &Context, run: &RunDir, result: &Value) -> Result<(), Stop> {
    if context.globals.json {
        return output::json(result);
    }
    let number = |key: &str| result.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let stop = match result.get("stop").and_then(Value::as_str) {
        Some("early_stop") => "stopped early",
        Some("time_limit") => "time limit reached",
        Some("max_steps") => "step limit reached",
        _ => "trained",
    };
    let best = result
        .pointer("/best/epoch")
        .map_or(String::new(), |epoch| format!(", best at {epoch}"));
    let head = format!(
        "{stop} after {}{best}   {}",
        text::counted(number("epochs") as usize, "epoch"),
        text::duration(number("seconds"))
    );
    let table = table(
        result.pointer("/metrics/test").unwrap_or(&Value::Null),
        result.get("baselines").unwrap_or(&Value::Null),
    );
    let verdict = match result.get("verdict").and_then(Value::as_str) {
        Some(verdict) => format!("  {verdict}\n"),
        None => String::new(),
    };
    output::result(format_args!(
        "{} {head}\n{table}\n{verdict}  {}\n",
        Paint::Green.out("✔"),
        run.path().display()
    ))?;
    if context.talks() {
        say!("  model.safetensors · eval/predictions.csv · plots/");
        let group = run.full_id();
        let group = group.split('/').next().unwrap_or_default();
        say!(
            "next   azura predict {group} IN.csv │ azura forecast {group} --steps 24 │ azura serve {group}"
        );
    }
    Ok(())
}

/// Metrics in rows; the model and each baseline in columns. What is wider than the terminal goes on in a second block.
pub fn table(model: &Value, baselines: &Value) -> String {
    table_within(output::width(), model, baselines)
}

fn table_within(width: usize, model: &Value, baselines: &Value) -> String {
    let mut columns: Vec<(&str, &Value)> = vec![("model", model)];
    let others = baselines.as_object().into_iter().flatten();
    columns.extend(others.map(|(name, value)| (name.as_str(), value)));
    let names: Vec<&str> = model
        .as_object()
        .into_iter()
        .flat_map(|m| m.keys().map(String::as_str))
        .collect();
    let longest = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let first = longest.max("test".len());
    let wide = |name: &str| name.len().max(9);
    let mut text = String::new();
    let mut rest = columns.as_slice();
    while !rest.is_empty() {
        let mut used = 2 + first;
        let fits = rest.iter().take_while(|(name, _)| {
            used += 2 + wide(name);
            used <= width
        });
        // A terminal that holds no column at all gets one all the same.
        let (block, after) = rest.split_at(fits.count().max(1));
        rest = after;
        text += &format!("  {:<first$}", "test");
        for (name, _) in block {
            text += &format!("  {:>width$}", name.replace('_', " "), width = wide(name));
        }
        text.push('\n');
        for metric in &names {
            text += &format!("  {metric:<first$}");
            for (name, values) in block {
                let value = values.get(metric).and_then(Value::as_f64);
                let value = text::number(value.unwrap_or(f64::NAN));
                text += &format!("  {value:>width$}", width = wide(name));
            }
            text.push('\n');
        }
    }
    text.trim_end().to_string()
}

/// The data as a person sees it before training.
pub fn say_data(data: &DataSummary) {
    let span = match &data.span {
        Some((first, last)) => format!("   {first} … {last}"),
        None => String::new(),
    };
    say!(
        "data   {}   {} rows{span}",
        Paint::Bold.err(&data.source),
        text::thousands(data.rows)
    );
    say!("       {}", data.columns.join(", "));
    say!(
        "split  train {} │ val {} │ test {}   gap {}   fitted on train only",
        text::thousands(data.train),
        text::thousands(data.val),
        text::thousands(data.test),
        data.gap
    );
    for note in &data.notes {
        say!("note   {note}");
    }
}

/// Scores as `evaluate` prints them.
pub fn scores(scores: &Scores) -> (Value, Value) {
    (metrics(&scores.metrics), baselines(Some(scores)))
}

/// Writes a table as CSV to a file (whole or not at all) or to stdout.
///
/// # Errors
/// [`Code::Unexpected`] with the path and the reason.
pub fn write_table(table: &azura_learner::data::Table, path: Option<&Path>) -> Result<(), Stop> {
    let mut csv = Vec::new();
    table.to_csv(&mut csv)?;
    match path {
        Some(path) if path != Path::new("-") => Ok(azura_learner::fs::write_atomic(path, &csv)?),
        _ => output::checked(|out| out.write_all(&csv)),
    }
}

/// What to do when a model file is asked for and the run has none.
pub fn no_model(run: &RunDir, status: Status) -> Failure {
    let failure = Failure::new(
        Code::NotFound,
        format!("{} has no model: it is {status}", run.full_id()),
    );
    match status {
        Status::Running => failure.help("wait until it is finished"),
        _ => failure.help(format!("finish it with `azura resume {}`", run.full_id())),
    }
}

/// Says what was written, and with `--json` prints it.
///
/// # Errors
/// As [`output::result`].
pub fn written(
    context: &Context,
    schema: &str,
    path: Option<&Path>,
    rows: usize,
) -> Result<(), Stop> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else {
        return Ok(());
    };
    if context.globals.json {
        output::json(&json!({"schema": schema, "ok": true, "rows": rows, "output": path}))?;
    } else if !context.globals.quiet {
        say!("wrote {}   {} rows", path.display(), text::thousands(rows));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(metric: &str, model: f64, baselines: &[(&str, f64)]) -> Scores {
        let metrics = |value: f64| Metrics::from([(metric.to_string(), value)]);
        let baselines = baselines
            .iter()
            .map(|(name, value)| ((*name).to_string(), metrics(*value)));
        Scores {
            metrics: metrics(model),
            baselines: baselines.collect(),
            rows: None,
        }
    }

    #[test]
    fn a_table_that_is_too_wide_goes_on_below() {
        let metrics = json!({"mae": 1.0, "r2": 0.5});
        let baselines =
            json!({"persistence": {"mae": 2.0, "r2": 0.0}, "seasonal_naive": {"mae": 3.0}});
        let wide = table_within(80, &metrics, &baselines);
        assert_eq!(wide.lines().count(), 3, "{wide}");
        let narrow = table_within(34, &metrics, &baselines);
        assert_eq!(
            narrow,
            "  test      model  persistence\n  mae       1.000        2.000\n  r2       0.5000            0\n  \
             test  seasonal naive\n  mae            3.000\n  r2                 –"
        );
        assert!(table_within(1, &metrics, &baselines).contains("seasonal naive"));
    }

    #[test]
    fn the_verdict_names_what_is_not_beaten() {
        let of = |metric, model, baselines: &[_]| verdict(&scores(metric, model, baselines));
        assert_eq!(
            of("mae", 0.8, &[("persistence", 1.0), ("seasonal_naive", 4.0)]).as_deref(),
            Some(
                "better than every baseline: mae 0.8000, 20.0 % below the nearest (persistence, 1.000)"
            )
        );
        // Half a per cent is no difference.
        assert_eq!(
            of(
                "mae",
                0.995,
                &[("drift", 0.99), ("persistence", 1.0), ("ridge", 2.0)]
            )
            .as_deref(),
            Some("no better than drift, persistence: mae 0.9950 against 0.9900")
        );
        assert_eq!(
            of("accuracy", 0.9, &[("majority_class", 0.1)]).as_deref(),
            Some(
                "better than every baseline: accuracy 0.9000, 800.0 % above the nearest (majority class, 0.1000)"
            )
        );
        assert_eq!(of("loss", 1.0, &[]), None);
        assert_eq!(of("mae", 1.0, &[]), None);
    }
}
