//! From a configuration to a model file: train or resume an app in a folder.
//!
//! The order of writing decides what a crash leaves: checkpoints, then the predictions, then the model
//! file. A model file that is there is complete, and its run is finished.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::app::{AppTraining, DynApp, Part, Picture, Source};
use crate::data::Table;
use crate::error::{Error, Result};
use crate::fs::{sweep, write_atomic};
use crate::model::{ModelFile, ModelInfo};
use crate::train::{Event, Observer, Outcome, StopFlag, Trainer, recorded_outcome};

/// Pictures of mistakes that a run keeps.
const MISTAKES: usize = 48;

/// Where a run writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPaths {
    /// Folder of `last.safetensors` and `best.safetensors`.
    pub checkpoints: PathBuf,
    /// The model file.
    pub model: PathBuf,
    /// Truth, prediction and baselines of the test rows, as CSV.
    pub predictions: PathBuf,
}

impl RunPaths {
    /// The usual places in a run's folder: `checkpoints/`, `model.safetensors`, `eval/predictions.csv`.
    pub fn in_folder(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref();
        RunPaths {
            checkpoints: folder.join("checkpoints"),
            model: folder.join("model.safetensors"),
            predictions: folder.join("eval").join("predictions.csv"),
        }
    }
}

/// How [`train`] and [`resume`] end.
#[derive(Clone, Debug)]
pub enum Finish {
    /// There is a model.
    Trained(Box<Trained>),
    /// The stop flag was raised; a checkpoint is written and [`resume`] goes on from it.
    Interrupted(Outcome),
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct Trained {
    /// How training ended.
    pub outcome: Outcome,
    /// The model file.
    pub model: PathBuf,
    /// The model's hash over its document and tensors.
    pub sha256: String,
    /// Everything in the model file but its tensors: scores, baselines, data, signature, ….
    pub info: ModelInfo,
    /// The file with the predictions for the test rows, if the app gives rows.
    pub predictions: Option<PathBuf>,
    /// The same rows in memory; `None` for a recorded run.
    pub rows: Option<Table>,
    /// Pictures of mistakes among the test samples, worst first; none for a recorded run.
    pub mistakes: Vec<Picture>,
    /// True if the run had been finished before and nothing was trained now.
    pub recorded: bool,
}

/// Trains an app from its initial weights.
///
/// The scores in the model file and in the result are computed from the weights in the file's bytes.
///
/// # Errors
/// [`Error::Conflict`] if the folder has a checkpoint or a model already, and everything that
/// [`DynApp::start`] and [`Trainer::run`] return.
pub fn train(
    app: &dyn DynApp,
    config: &Value,
    source: &Source,
    paths: &RunPaths,
    observers: Vec<Box<dyn Observer + '_>>,
    stop: &StopFlag,
) -> Result<Finish> {
    let config = app.resolve(config)?;
    let last = paths.checkpoints.join(crate::train::LAST);
    for path in [&last, &paths.model] {
        if path.exists() {
            return Err(Error::Conflict(format!(
                "{} exists already; resume that run or train in another folder",
                path.display()
            )));
        }
    }
    let training = app.start(&config, source)?;
    fit_and_save(training, paths, observers, stop, false, &Part::ALL)
}

/// Trains, or goes on from the checkpoint if there is one, for a search that compares configurations: as [`train`] and
/// [`resume`], but the test rows are left alone. They are neither scored nor predicted, so that what a search finds can still
/// be held against rows that nothing was chosen on.
///
/// # Errors
/// As [`train`] and [`resume`].
pub fn trial(
    app: &dyn DynApp,
    config: &Value,
    source: &Source,
    paths: &RunPaths,
    observers: Vec<Box<dyn Observer + '_>>,
    stop: &StopFlag,
) -> Result<Finish> {
    let config = app.resolve(config)?;
    let resume = paths.checkpoints.join(crate::train::LAST).exists();
    let training = app.start(&config, source)?;
    let parts = [Part::Train, Part::Val];
    fit_and_save(training, paths, observers, stop, resume, &parts)
}

/// Goes on with a run from its last checkpoint, to the same result as if it had never stopped.
///
/// A finished run whose budget (`epochs`, `max_steps`, `time_limit`) has not been raised returns its
/// recorded result; its data is not read.
///
/// # Errors
/// [`Error::NotFound`] if there is no checkpoint, [`Error::Checkpoint`] if it is damaged or belongs to
/// another configuration or other data, and everything that [`train`] returns.
pub fn resume(
    app: &dyn DynApp,
    config: &Value,
    source: &Source,
    paths: &RunPaths,
    observers: Vec<Box<dyn Observer + '_>>,
    stop: &StopFlag,
) -> Result<Finish> {
    let config = app.resolve(config)?;
    if paths.model.exists() {
        let file = ModelFile::open(&paths.model).map_err(|error| match error {
            Error::Model { path, reason } => Error::Model {
                path,
                reason: format!(
                    "{reason}; delete it and resume again to write it anew from the checkpoint"
                ),
            },
            other => other,
        })?;
        if file.info().config == config
            && let Some(outcome) = recorded_outcome(&paths.checkpoints)?
        {
            return Ok(Finish::Trained(Box::new(Trained {
                outcome,
                model: paths.model.clone(),
                sha256: file.sha256()?,
                info: file.info().clone(),
                predictions: paths
                    .predictions
                    .exists()
                    .then(|| paths.predictions.clone()),
                rows: None,
                mistakes: Vec::new(),
                recorded: true,
            })));
        }
    }
    let training = app.start(&config, source)?;
    fit_and_save(training, paths, observers, stop, true, &Part::ALL)
}

fn fit_and_save(
    mut training: Box<dyn AppTraining + '_>,
    paths: &RunPaths,
    observers: Vec<Box<dyn Observer + '_>>,
    stop: &StopFlag,
    resume: bool,
    parts: &[Part],
) -> Result<Finish> {
    // What a process that was killed here left half-written, before its first checkpoint too.
    sweep(&paths.checkpoints)?;
    if resume {
        for path in [&paths.model, &paths.predictions] {
            sweep(path.parent().unwrap_or(Path::new(".")))?;
        }
    }
    let mut trainer = Trainer::new()
        .checkpoints(&paths.checkpoints)
        .stop(stop.clone());
    for mut observer in observers {
        observer.on(&Event::Data(training.summary()));
        trainer = trainer.observer(observer);
    }
    let outcome = if resume {
        trainer.resume(training.training())?
    } else {
        trainer.run(training.training())?
    };
    if !outcome.finished() {
        return Ok(Finish::Interrupted(outcome));
    }
    save(&*training, outcome, paths, parts).map(|trained| Finish::Trained(Box::new(trained)))
}

/// Writes the model that `training` holds and scores it on `parts` as it will be read.
fn save(
    training: &dyn AppTraining,
    outcome: Outcome,
    paths: &RunPaths,
    parts: &[Part],
) -> Result<Trained> {
    // Through bytes: what is scored is what a reader of the file gets, not what training holds.
    let bytes = training.snapshot(&outcome)?.to_bytes()?;
    let file = ModelFile::from_bytes(&bytes, &paths.model)?;
    let mut report = training.report(&file, parts)?;
    let rows = report
        .get_mut(&Part::Test)
        .and_then(|scores| scores.rows.take());
    for scores in report.values_mut() {
        scores.rows = None;
    }
    let file = file.with_scores(report);
    if let Some(rows) = &rows {
        let mut csv = Vec::new();
        rows.to_csv(&mut csv)?;
        write_atomic(&paths.predictions, &csv)?;
    }
    let details = match parts.contains(&Part::Test) {
        true => training.details(&file)?,
        false => Vec::new(),
    };
    for table in details {
        let mut csv = Vec::new();
        table.to_csv(&mut csv)?;
        let name = format!("{}.csv", table.source());
        write_atomic(paths.predictions.with_file_name(name), &csv)?;
    }
    let mistakes = match &rows {
        Some(rows) => training.mistakes(rows, MISTAKES)?,
        None => Vec::new(),
    };
    file.save(&paths.model)?;
    Ok(Trained {
        outcome,
        model: paths.model.clone(),
        sha256: file.sha256()?,
        info: file.info().clone(),
        predictions: rows.is_some().then(|| paths.predictions.clone()),
        rows,
        mistakes,
        recorded: false,
    })
}
