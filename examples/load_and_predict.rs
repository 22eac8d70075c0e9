//! Loads a saved model in another program and predicts: five lines.
//!
//! `load_and_predict MODEL CSV` with any model file that `azura train weather` wrote.

use azura_learner::Result;
use azura_learner::data::{Table, read_csv};
use std::path::Path;

// The five lines.
fn predict(model: &Path, csv: &Path) -> Result<Table> {
    let model = azura_apps::builtin().open(model)?;
    let rows = read_csv(csv, &model.signature().columns())?;
    model.predict(&rows)
}

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1);
    let (Some(model), Some(csv)) = (args.next(), args.next()) else {
        eprintln!("usage: load_and_predict MODEL CSV");
        std::process::exit(2);
    };
    Ok(predict(model.as_ref(), csv.as_ref())?.to_csv(std::io::stdout())?)
}

#[test]
fn predicts_with_a_model_that_was_trained_and_saved() {
    use azura_learner::run::{RunPaths, train};
    let folder = tempfile::tempdir().unwrap();
    let paths = RunPaths::in_folder(folder.path());
    let config = serde_json::json!({ "model": { "hidden": 4 }, "train": { "max_steps": 3 } });
    let registry = azura_apps::builtin();
    let app = registry.get("weather").unwrap();
    let stop = azura_learner::StopFlag::new();
    train(
        app,
        &config,
        &azura_learner::Source::Bundled,
        &paths,
        Vec::new(),
        &stop,
    )
    .unwrap();
    let csv = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/weather/greensboro.csv"
    );
    let predictions = predict(&paths.model, csv.as_ref()).unwrap();
    assert!(predictions.len() > 8000, "{} rows", predictions.len());
}
