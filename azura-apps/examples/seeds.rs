//! Trains an app with five seeds and prints its test scores beside the baselines.
//!
//! `cargo run --release -p azura-apps --example seeds -- weather`, or `stock`, with a configuration in JSON
//! behind the name to change something: `'{"data":{"ticker":"sp500"}}'`.

use std::error::Error;

use azura_learner::app::Part;
use azura_learner::run::{Finish, RunPaths, train};
use azura_learner::{Source, StopFlag};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().ok_or("which app: weather or stock?")?;
    let mut config: Value = args
        .next()
        .map_or(Ok(json!({})), |text| serde_json::from_str(&text))?;
    let registry = azura_apps::builtin();
    let app = registry.get(&name)?;
    let folder = tempfile::tempdir()?;

    println!(
        "| seed | best epoch | seconds | val MAE | test MAE | RMSE | R² | R² of the change | MASE |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut maes = Vec::new();
    let mut baselines = Default::default();
    for seed in 0..5 {
        config["train"]["seed"] = json!(seed);
        let paths = RunPaths::in_folder(folder.path().join(seed.to_string()));
        let Finish::Trained(run) = train(
            app,
            &config,
            &Source::Bundled,
            &paths,
            Vec::new(),
            &StopFlag::new(),
        )?
        else {
            return Err("interrupted".into());
        };
        let [val, test] = [Part::Val, Part::Test].map(|part| run.info.scores.get(&part).cloned());
        let (val, test) = (
            val.ok_or("no validation rows")?,
            test.ok_or("no test rows")?,
        );
        println!(
            "| {seed} | {} of {} | {:.1} | {:.4} | {:.4} | {:.4} | {:.4} | {:.4} | {:.4} |",
            run.outcome.best.as_ref().map_or(0, |best| best.epoch),
            run.outcome.epochs,
            run.outcome.seconds,
            val.metrics["mae"],
            test.metrics["mae"],
            test.metrics["rmse"],
            test.metrics["r2"],
            test.metrics["change_r2"],
            test.metrics["mase"],
        );
        maes.push(test.metrics["mae"]);
        baselines = test.baselines;
    }
    let mean = maes.iter().sum::<f64>() / maes.len() as f64;
    let spread =
        (maes.iter().map(|mae| (mae - mean).powi(2)).sum::<f64>() / (maes.len() - 1) as f64).sqrt();
    println!(
        "\ntest MAE over {} seeds: {mean:.4} ± {spread:.4} (standard deviation)\n",
        maes.len()
    );
    println!("| baseline | test MAE | RMSE | best seed | worst seed |");
    println!("|---|---|---|---|---|");
    let least = maes.iter().copied().fold(f64::INFINITY, f64::min);
    let most = maes.iter().copied().fold(0.0, f64::max);
    for (name, metrics) in &baselines {
        let mae = metrics["mae"];
        let against = |model: f64| format!("{:+.2} %", 100.0 * (model / mae - 1.0));
        println!(
            "| {name} | {mae:.4} | {:.4} | {} | {} |",
            metrics["rmse"],
            against(least),
            against(most)
        );
    }
    Ok(())
}
