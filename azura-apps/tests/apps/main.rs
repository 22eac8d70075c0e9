//! The apps from outside, as a program uses them: one test program, so that it links once.

mod bundled;
mod config;
mod errors;
mod forecast;
mod future;
mod image;
mod leak;
mod learning;
mod signal;
mod sound;
mod sounds;
mod tabular;
mod text;
mod voice;

use std::path::Path;
use std::sync::OnceLock;

use azura_learner::app::Predictor;
use azura_learner::data::Table;
use azura_learner::run::{Finish, RunPaths, train};
use azura_learner::{DynApp, ModelFile, Source, StopFlag};
use serde_json::{Value, json};

/// A model small enough for a test, of the next row.
fn small(app: &str) -> Value {
    let window = if app == "weather" { 24 } else { 10 };
    json!({
        "model": { "hidden": 6, "window": window, "horizon": 1 },
        "train": { "epochs": 1, "max_steps": 4, "seed": 7 },
    })
}

fn app(name: &str) -> &'static dyn DynApp {
    azura_apps::builtin().get(name).expect("a built-in app")
}

/// A model file after a few steps on the bundled data, and its scored test rows; trained once for all tests.
struct Example {
    file: ModelFile,
    rows: Table,
}

fn example(name: &str) -> &'static Example {
    static WEATHER: OnceLock<Example> = OnceLock::new();
    static STOCK: OnceLock<Example> = OnceLock::new();
    let place = if name == "weather" { &WEATHER } else { &STOCK };
    place.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let paths = RunPaths::in_folder(folder.path());
        let stop = StopFlag::new();
        match train(
            app(name),
            &small(name),
            &Source::Bundled,
            &paths,
            Vec::new(),
            &stop,
        ) {
            Ok(Finish::Trained(trained)) => Example {
                file: ModelFile::open(&trained.model).expect("the model that was just saved"),
                rows: trained.rows.expect("test rows"),
            },
            Ok(Finish::Interrupted(_)) => panic!("nobody stopped it"),
            Err(e) => panic!("{e}"),
        }
    })
}

/// The model of [`example`] as a program loads it.
fn load(name: &str) -> Box<dyn Predictor> {
    app(name)
        .load(example(name).file.clone())
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
