//! `azura backtest`: trains again and again on a growing past, each time tested on the rows that follow.
//!
//! Walk-forward: the last model is the one of `azura train` with fewer test rows, each earlier one knows as many rows less
//! (`data.leave_out`). Nothing is saved; `azura train` makes the model to keep.

use azura_learner::app::{Part, Scores};
use azura_learner::{ModelFile, StopFlag, Trainer};
use serde_json::{Value, json};

use super::train::{Plan, flags, listen, placed, plan};
use super::{Context, Ended, scoreboard};
use crate::args::Backtest;
use crate::failure::{Code, Failure, Stop};
use crate::output::{self, say};
use crate::progress::text;

/// One model and the rows it was tested on.
struct Fold {
    first: String,
    last: String,
    train: usize,
    scores: Scores,
}

/// Runs the command.
pub fn run(context: &Context, args: Backtest) -> Ended {
    let layers = context.layers(&flags(&args.subject))?;
    let plan = plan(context, &args.subject, None, &layers)?;
    context.device()?;
    if plan.config.get("data.leave_out").is_none() {
        return Err(Failure::new(
            Code::CommandLine,
            format!(
                "the app `{}` has no backtest: its rows are in no order of time",
                plan.app.name()
            ),
        )
        .help("azura train scores it on rows that training never saw")
        .into());
    }
    if let (Some(why), true) = (&plan.why, context.talks()) {
        say!("note   {why}");
    }
    let folds = args.folds as usize;
    let rows = match args.rows {
        Some(rows) => rows as usize,
        None => {
            let start = || plan.app.start(&plan.config.value, &plan.source);
            let training = context
                .with_threads(start)?
                .map_err(|e| placed(e, &plan, false))?;
            (training.summary().test / folds).max(1)
        }
    };
    if context.globals.dry_run {
        say!("{folds} models would be trained, each tested on {rows} rows (--dry-run)");
        return Ok(0);
    }
    let stop = StopFlag::new();
    let signals = listen(&stop)?;
    let mut done = Vec::with_capacity(folds);
    for fold in 0..folds {
        let left_out = (folds - 1 - fold) * rows;
        let Some(fold) = context.with_threads(|| one(&plan, rows, left_out, &stop))?? else {
            return Err(Stop::quietly(signals.exit().unwrap_or(130)));
        };
        if context.talks() {
            let mae = fold.scores.metrics.get("mae").copied().unwrap_or(f64::NAN);
            say!(
                "fold   {} of {folds}   trained on {}, tested {} … {}   mae {}",
                done.len() + 1,
                text::counted(fold.train, "sample"),
                fold.first,
                fold.last,
                text::number(mae)
            );
        }
        done.push(fold);
    }
    show(context, &plan, rows, &done)
}

/// Trains on what is there without the last rows; `None` if it was interrupted.
fn one(plan: &Plan, rows: usize, left_out: usize, stop: &StopFlag) -> Result<Option<Fold>, Stop> {
    let mut config = plan.config.value.clone();
    let before = plan
        .config
        .get("data.leave_out")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    config["data"]["leave_out"] = json!(before + left_out as u64);
    config["data"]["test"] = json!(rows as f64);
    let work = || -> azura_learner::Result<Option<Fold>> {
        let mut training = plan.app.start(&config, &plan.source)?;
        let outcome = Trainer::new().stop(stop.clone()).run(training.training())?;
        if !outcome.finished() {
            return Ok(None);
        }
        // Through bytes, as a model that is saved.
        let bytes = training.snapshot(&outcome)?.to_bytes()?;
        let file = ModelFile::from_bytes(&bytes, "fold")?;
        let train = training.summary().train;
        let scores = training
            .report(&file, &[Part::Test])?
            .remove(&Part::Test)
            .unwrap_or_default();
        let times = scores
            .rows
            .as_ref()
            .and_then(|rows| rows.times("time").ok());
        let time = |at: Option<&azura_learner::data::Timestamp>| {
            at.map_or(String::new(), |t| match t.is_midnight() {
                true => t.iso_date(),
                false => t.iso(),
            })
        };
        Ok(Some(Fold {
            first: time(times.and_then(<[_]>::first)),
            last: time(times.and_then(<[_]>::last)),
            train,
            scores,
        }))
    };
    work().map_err(|error| placed(error, plan, true))
}

/// The mean over the folds of each number that all of them have.
fn mean(
    folds: &[Fold],
    of: impl Fn(&Scores) -> Option<&azura_learner::app::Metrics>,
) -> azura_learner::app::Metrics {
    let Some(first) = folds.first().and_then(|fold| of(&fold.scores)) else {
        return azura_learner::app::Metrics::new();
    };
    let names = first.keys().cloned();
    names
        .filter_map(|name| {
            let values: Option<Vec<f64>> = folds
                .iter()
                .map(|fold| of(&fold.scores)?.get(&name).copied())
                .collect();
            let values = values?;
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            Some((name, mean))
        })
        .collect()
}

fn show(context: &Context, plan: &Plan, rows: usize, folds: &[Fold]) -> Ended {
    let mut whole = Scores {
        metrics: mean(folds, |scores| Some(&scores.metrics)),
        ..Scores::default()
    };
    let names: Vec<String> = folds[0].scores.baselines.keys().cloned().collect();
    for name in &names {
        let metrics = mean(folds, |scores| scores.baselines.get(name));
        whole.baselines.insert(name.clone(), metrics);
    }
    let mae = |metrics: Option<&azura_learner::app::Metrics>| {
        metrics
            .and_then(|m| m.get("mae").copied())
            .unwrap_or(f64::NAN)
    };
    let won = |name: &str| {
        let won =
            |fold: &&Fold| mae(Some(&fold.scores.metrics)) < mae(fold.scores.baselines.get(name));
        folds.iter().filter(won).count()
    };
    let wins: serde_json::Map<String, Value> = names
        .iter()
        .map(|name| (name.clone(), won(name).into()))
        .collect();
    let verdict = scoreboard::verdict(&whole);
    let (metrics, baselines) = super::finish::scores(&whole);
    if context.globals.json {
        let each: Vec<Value> = folds
            .iter()
            .map(|fold| {
                let (metrics, baselines) = super::finish::scores(&fold.scores);
                json!({
                    "first": fold.first,
                    "last": fold.last,
                    "train": fold.train,
                    "metrics": metrics,
                    "baselines": baselines,
                })
            })
            .collect();
        output::json(&json!({
            "schema": "azura.backtest/1",
            "ok": true,
            "app": plan.app.name(),
            "rows": rows,
            "folds": each,
            "metrics": metrics,
            "baselines": baselines,
            "better": wins,
            "verdict": verdict,
        }))?;
        return Ok(0);
    }
    let wins: Vec<String> = names
        .iter()
        .map(|name| format!("{} in {}", name.replace('_', " "), won(name)))
        .collect();
    output::result(format_args!(
        "means of {} folds of {}\n{}\n{}  lower mae than {} of {} folds\n",
        folds.len(),
        text::counted(rows, "row"),
        scoreboard::table(&metrics, &baselines),
        verdict.map_or(String::new(), |verdict| format!("  {verdict}\n")),
        wins.join(", "),
        folds.len()
    ))?;
    Ok(0)
}
