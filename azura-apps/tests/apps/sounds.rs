//! What the tests of voice and sound share: WAV files, runs, and runs that are interrupted.

use std::path::Path;

use azura_learner::app::Predictor;
use azura_learner::data::audio::WavWriter;
use azura_learner::run::{Finish, RunPaths, Trained, resume, train};
use azura_learner::{Event, ModelFile, Observer, Source, StopFlag};
use serde_json::Value;

use crate::app;

/// A tone in a WAV file.
pub fn tone(path: &Path, rate: u32, frequency: f32, seconds: f32) {
    let count = (rate as f32 * seconds) as usize;
    let at = |i: usize| 0.5 * (i as f32 * frequency * std::f32::consts::TAU / rate as f32).sin();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = WavWriter::create(path, rate).unwrap();
    writer
        .push(&(0..count).map(at).collect::<Vec<_>>())
        .unwrap();
    writer.finish().unwrap();
}

/// A finished run, and its model as another program would load it.
pub fn trained(name: &str, config: &Value, source: &Source) -> (Trained, Box<dyn Predictor>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = RunPaths::in_folder(folder.path());
    match train(
        app(name),
        config,
        source,
        &paths,
        Vec::new(),
        &StopFlag::new(),
    )
    .unwrap()
    {
        Finish::Trained(trained) => {
            let file = ModelFile::open(&trained.model).unwrap();
            (*trained, app(name).load(file).unwrap())
        }
        Finish::Interrupted(_) => panic!("nobody stopped it"),
    }
}

/// Raises a flag after a step.
struct Stopper(u64, StopFlag);

impl Observer for Stopper {
    fn on(&mut self, event: &Event<'_>) {
        if matches!(event, Event::Step { step, .. } if *step == self.0) {
            self.1.raise();
        }
    }
}

/// The hash of the model of a run that was interrupted after each of some steps, and resumed.
pub fn interrupted(name: &str, config: &Value, source: &Source, steps: &[u64]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let paths = RunPaths::in_folder(folder.path());
    for (i, step) in steps.iter().chain([&u64::MAX]).enumerate() {
        let stop = StopFlag::new();
        let observers: Vec<Box<dyn Observer>> = vec![Box::new(Stopper(*step, stop.clone()))];
        let start = if i == 0 { train } else { resume };
        match start(app(name), config, source, &paths, observers, &stop).unwrap() {
            Finish::Trained(trained) => return trained.sha256,
            Finish::Interrupted(outcome) => assert_eq!(outcome.steps, *step),
        }
    }
    panic!("the last run was not to be stopped");
}

/// The message of training on a source, less the folder.
pub fn refused(name: &str, config: &Value, source: &Source, folder: &Path) -> String {
    let Err(error) = app(name).start(config, source) else {
        panic!("the data was taken");
    };
    let folder = format!("{}/", folder.display());
    error.to_string().replace(&folder, "")
}
