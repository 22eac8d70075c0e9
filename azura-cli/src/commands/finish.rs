//! What comes after training: scores, plots, `run.json`, and the result on the screen.

use std::path::Path;

use azura_learner::app::{DataSummary, Metrics, Part, Scores};
use azura_learner::data::read_csv_all;
use azura_learner::run::Trained;
use azura_learner::{DynApp, ModelInfo, Outcome};
use serde_json::{Value, json};

use super::train::{Session, save, save_json};
use super::{Context, Ended, input, scoreboard};
use crate::failure::{Code, Failure, Stop};
use crate::output::{self, say};
use crate::plot;
use crate::progress::text;
use crate::require;
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
    let result = document(run, &trained, plan.app);
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
    let failures = require::failures(&plan.require, |part| {
        trained.info.scores.get(&part).map(|scores| &scores.metrics)
    });
    show(context, run, &require::marked(result, &failures))?;
    require::ended(failures, context.globals.json)
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
        context.name_of(run)
    );
    Err(Stop::quietly(exit))
}

/// The document of `train --json`.
fn document(run: &RunDir, trained: &Trained, app: &dyn DynApp) -> Value {
    let info = &trained.info;
    let metrics: serde_json::Map<String, Value> = info
        .scores
        .iter()
        .map(|(part, scores)| (part.name().to_string(), metrics(&scores.metrics)))
        .collect();
    json!({
        "schema": "azura.train/1",
        "ok": true,
        "app": app.name(),
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
        "forecasts": info.signature.forecast,
        "generates": info.signature.generate,
        "files": app.files(),
        "verdict": info.scores.get(&Part::Test).and_then(scoreboard::verdict),
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
    draw(
        "plots/mistakes.svg",
        Ok(plot::mistakes(&title, &trained.mistakes)),
    );
    if let Some(path) = &trained.predictions {
        let rows = read_csv_all(path).map_err(|error| error.to_string());
        if let Ok(rows) = &rows {
            draw("plots/confusion.svg", Ok(plot::confusion(&title, rows)));
            draw("plots/calibration.svg", Ok(plot::calibration(&title, rows)));
        }
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
            rows.map(|rows| {
                // Rows of a classifier have no course.
                let draw = || plot::forecast(&title, &rows, name.as_deref(), unit.as_deref());
                (!rows.has("probability")).then(draw).flatten()
            }),
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
    let epochs = number("epochs") as usize;
    let steps = text::counted(number("steps") as usize, "step");
    let stop = match result.get("stop").and_then(Value::as_str) {
        Some("early_stop") => format!("stopped early after {}", text::counted(epochs, "epoch")),
        Some("time_limit") => format!("time limit reached after {steps}, in epoch {epochs}"),
        Some("max_steps") => format!("step limit reached after {steps}, in epoch {epochs}"),
        _ => format!("trained after {}", text::counted(epochs, "epoch")),
    };
    let best = result
        .pointer("/best/epoch")
        .map_or(String::new(), |epoch| format!(", best at {epoch}"));
    let head = format!("{stop}{best}   {}", text::duration(number("seconds")));
    let table = scoreboard::table(
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
        let name = context.name_of(run);
        // The group means its newest run with a model; a run that was resumed may be older.
        let newest = |group: &&str| {
            name == run.full_id()
                && input::model_path(context, group).is_ok_and(|path| path == run.model())
        };
        let group = name.split('/').next().filter(newest);
        let name = group.unwrap_or(&name);
        let forecasts = result.get("forecasts").is_some_and(|yes| yes == true);
        let forecast = match forecasts {
            true => format!("│ azura forecast {name} --steps 24 "),
            false => String::new(),
        };
        let generates = result.get("generates").is_some_and(|yes| yes == true);
        let generate = match generates {
            true => format!("│ azura generate {name} "),
            false => String::new(),
        };
        let first_ending = result.pointer("/files/0").and_then(Value::as_str);
        let input = format!("IN.{}", first_ending.unwrap_or("csv"));
        say!("next   azura predict {name} {input} {forecast}{generate}│ azura serve {name}");
    }
    Ok(())
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
pub fn no_model(context: &Context, run: &RunDir, status: Status) -> Failure {
    let failure = Failure::new(
        Code::NotFound,
        format!("{} has no model: it is {status}", run.full_id()),
    );
    match status {
        Status::Running => failure.help("wait until it is finished"),
        _ => failure.help(format!(
            "finish it with `azura resume {}`",
            context.name_of(run)
        )),
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
