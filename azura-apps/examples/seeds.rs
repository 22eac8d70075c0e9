//! Trains an app with five seeds, or as many as the last argument says, and prints mean and spread of its test scores beside the baselines.
//!
//! `cargo run --release -p azura-apps --example seeds -- weather`, or another app, with a configuration in JSON
//! behind the name to change something, `'{"data":{"dataset":"sp500"}}'`, behind that a path of other data, and how many seeds. Where a split is dealt at random, each seed deals anew.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use azura_learner::app::{Metrics, Part};
use azura_learner::run::{Finish, RunPaths, train};
use azura_learner::train::On;
use azura_learner::{Event, Observer, Source, StopFlag};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let registry = azura_apps::builtin();
    let names = registry.names().join(", ");
    let name = args.next().ok_or(format!("which app: {names}?"))?;
    let mut config: Value = args
        .next()
        .map_or(Ok(json!({})), |text| serde_json::from_str(&text))?;
    let source = match args.next().as_deref() {
        None | Some("") => Source::Bundled,
        Some(path) => Source::File(path.into()),
    };
    let seeds = args.next().map_or(Ok(5), |text| text.parse::<usize>())?;
    let app = registry.get(&name)?;
    let folder = tempfile::tempdir()?;

    let mut scores: BTreeMap<String, Vec<Metrics>> = BTreeMap::new();
    for seed in 0..seeds {
        config["train"]["seed"] = json!(seed);
        let paths = RunPaths::in_folder(folder.path().join(seed.to_string()));
        let stop = StopFlag::new();
        let waited = Arc::new(Mutex::new(0.0));
        let sum = Arc::clone(&waited);
        let observer = On(move |event: &Event<'_>| {
            if let (Event::Step { waited, .. }, Ok(mut sum)) = (event, sum.lock()) {
                *sum += waited;
            }
        });
        let observers: Vec<Box<dyn Observer>> = vec![Box::new(observer)];
        let Finish::Trained(run) = train(app, &config, &source, &paths, observers, &stop)? else {
            return Err("interrupted".into());
        };
        let test = run.info.scores.get(&Part::Test).ok_or("no test rows")?;
        println!(
            "seed {seed}: best epoch {} of {}, {:.1} s, of which {:.2} s waiting for batches",
            run.outcome.best.as_ref().map_or(0, |best| best.epoch),
            run.outcome.epochs,
            run.outcome.seconds,
            waited.lock().map_or(f64::NAN, |sum| *sum),
        );
        let model = ("model".to_string(), test.metrics.clone());
        for (name, metrics) in test.baselines.clone().into_iter().chain([model]) {
            scores.entry(name).or_default().push(metrics);
        }
    }
    let model = scores.remove("model").ok_or("no seed")?;
    println!("\n| test | model | {} |", join(scores.keys().cloned()));
    println!("|---|---|{}", "---|".repeat(scores.len()));
    for metric in model[0].keys() {
        let baselines = scores.values().map(|runs| spread(runs, metric));
        println!(
            "| {metric} | {} | {} |",
            spread(&model, metric),
            join(baselines)
        );
    }
    Ok(())
}

fn join(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(" | ")
}

/// Mean and standard deviation over the seeds.
fn spread(runs: &[Metrics], metric: &str) -> String {
    let values: Vec<f64> = runs
        .iter()
        .filter_map(|run| run.get(metric))
        .copied()
        .collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    if values.is_empty() {
        return "–".to_string();
    }
    format!("{mean:.4} ± {:.4}", var.sqrt())
}
