//! The apps from outside, as a program uses them: one test program, so that it links once.

mod bundled;
mod config;
mod errors;
mod future;
mod leak;
mod learning;

use std::path::Path;

use azura_learner::app::Predictor;
use azura_learner::data::Table;
use azura_learner::run::{Finish, RunPaths, Trained, train};
use azura_learner::{DynApp, Registry, Source, StopFlag};
use serde_json::{Value, json};

/// A model small enough for a test.
fn small(app: &str) -> Value {
    let window = if app == "weather" { 24 } else { 10 };
    json!({
        "model": { "hidden": 6, "window": window },
        "train": { "epochs": 1, "max_steps": 4, "seed": 7 },
    })
}

fn app(name: &str) -> &'static dyn DynApp {
    azura_apps::builtin().get(name).expect("a built-in app")
}

/// Trains a few steps in `folder`.
fn trained(name: &str, source: &Source, folder: &Path) -> Trained {
    let paths = RunPaths::in_folder(folder);
    match train(
        app(name),
        &small(name),
        source,
        &paths,
        Vec::new(),
        &StopFlag::new(),
    ) {
        Ok(Finish::Trained(trained)) => *trained,
        Ok(Finish::Interrupted(_)) => panic!("nobody stopped it"),
        Err(e) => panic!("{e}"),
    }
}

/// The model of [`trained`] as a program loads it.
fn load<'a>(registry: &'a Registry, trained: &Trained) -> Box<dyn Predictor + 'a> {
    registry
        .open(&trained.model)
        .expect("the model that was just saved")
}

fn text_of(table: &Table) -> String {
    let mut csv = Vec::new();
    table.to_csv(&mut csv).expect("writing to memory");
    String::from_utf8(csv).expect("UTF-8")
}

/// A file with a CSV text in `folder`.
fn file(folder: &Path, name: &str, text: &str) -> Source {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a temporary file");
    Source::File(path)
}
