//! Apps without their types, so that a registry, a command line and a server can hold any of them.
//!
//! [`DynApp`] is implemented for every [`App`]; configurations are JSON values here. Everything that a
//! saved model does goes through `Loaded`, whether it was read from disk or is scored after training.

use std::collections::BTreeMap;
use std::path::PathBuf;

use azura_core::{DType, Rng, Store};
use serde_json::Value;

use super::check::check;
use super::in_training::InTraining;
use super::loaded::Loaded;
use super::schema::{merge, schema_of};
use super::{
    App, AppConfig, Claim, DataSummary, FilePredictions, Part, Picture, Scores, Signature, Source,
};
use crate::data::{DataError, DataErrorKind, Dataset, Table};
use crate::error::{Error, Problem, Result};
use crate::generate::{GenerateOptions, Generated, OnPiece};
use crate::model::{ModelFile, ModelInfo};
use crate::train::{Outcome, Training};

/// An [`App`] without its types.
pub trait DynApp: Send + Sync {
    /// The name on the command line and in model files.
    fn name(&self) -> &'static str;

    /// One sentence for a person.
    fn about(&self) -> &'static str;

    /// The version of the app's meaning of its model files.
    fn version(&self) -> u32;

    /// Other names that the app is found by.
    fn aliases(&self) -> &'static [&'static str];

    /// Why the app is the right one for a table that comes without an app's name.
    fn reads(&self, head: &Table, target: Option<&str>) -> Option<Claim>;

    /// Endings of the files that its models predict from ([`App::files`]).
    fn files(&self) -> &'static [&'static str];

    /// The JSON Schema of the configuration, with docs, ranges and defaults.
    fn schema(&self) -> Value;

    /// The default configuration.
    fn defaults(&self) -> Value;

    /// Everything that is wrong with a configuration; keys may be left out.
    fn check(&self, config: &Value) -> Vec<Problem>;

    /// The configuration with every key that was left out, from the app's defaults.
    ///
    /// # Errors
    /// [`Error::Config`] with what [`check`](DynApp::check) found.
    fn resolve(&self, config: &Value) -> Result<Value>;

    /// What is searched around this configuration if nobody names a space: [`App::search_space`].
    ///
    /// # Errors
    /// [`Error::Config`] with what [`check`](DynApp::check) found.
    fn search_space(&self, config: &Value) -> Result<Vec<(&'static str, &'static str)>>;

    /// The configuration that trains on training and validation rows together: [`App::refit`].
    ///
    /// # Errors
    /// [`Error::Config`] with what [`check`](DynApp::check) found.
    fn refit(&self, config: &Value, epochs: u64) -> Result<Option<Value>>;

    /// Reads the data, builds the model with its initial weights, and is ready to train.
    ///
    /// # Errors
    /// [`Error::Config`], and what the app says about its data.
    fn start(&self, config: &Value, source: &Source) -> Result<Box<dyn AppTraining + '_>>;

    /// A saved model, ready to predict.
    ///
    /// # Errors
    /// [`Error::Model`] if the file does not fit the app.
    fn load(&self, file: ModelFile) -> Result<Box<dyn Predictor + '_>>;
}

/// What an app trains: a [`Training`] that can become a model file.
pub trait AppTraining: Training {
    /// The training itself, for [`Trainer::run`](crate::Trainer::run).
    fn training(&mut self) -> &mut dyn Training;

    /// What a person should know about the data.
    fn summary(&self) -> &DataSummary;

    /// A model file with the weights that the store holds now, without scores.
    ///
    /// # Errors
    /// [`Error::Json`] or [`Error::Usage`] if the fitted preprocessing does not survive JSON.
    fn snapshot(&self, outcome: &Outcome) -> Result<ModelFile>;

    /// Scores of these parts of the data by the model in `file`, with its weights, its preprocessing and
    /// nothing else. No row of another part is read.
    ///
    /// # Errors
    /// [`Error::Model`] if the file does not fit.
    fn report(&self, file: &ModelFile, parts: &[Part]) -> Result<Report>;

    /// The scores of the test rows in detail, as [`report`](AppTraining::report) gives them in short.
    ///
    /// # Errors
    /// As [`report`](AppTraining::report).
    fn details(&self, file: &ModelFile) -> Result<Vec<Table>>;

    /// Pictures of what the model got wrong among the test samples ([`App::mistakes`]); `rows` are those of the test part's scores.
    ///
    /// # Errors
    /// What the app meets on the way.
    fn mistakes(&self, rows: &Table, most: usize) -> Result<Vec<Picture>>;
}

/// Scores of every part that has rows.
pub type Report = BTreeMap<Part, Scores>;

/// A saved model that can be used, from several threads at once.
pub trait Predictor: Send + Sync {
    /// Everything in the model file but its tensors.
    fn info(&self) -> &ModelInfo;

    /// What the model takes and gives.
    fn signature(&self) -> &Signature;

    /// The rows of `source` as a table that [`predict`](Predictor::predict) and
    /// [`forecast`](Predictor::forecast) take.
    ///
    /// # Errors
    /// [`Error::Data`] if it cannot be read, [`Error::Usage`] if the app's data is no table.
    fn table(&self, source: &Source) -> Result<Table>;

    /// Predictions for a table with the columns of the signature.
    ///
    /// # Errors
    /// [`Error::Data`] if the table does not fit.
    fn predict(&self, input: &Table) -> Result<Table>;

    /// Endings of the files that [`predict_files`](Predictor::predict_files) takes; none if the app takes tables only.
    fn files(&self) -> &'static [&'static str];

    /// Predictions for such files; `top` is how many classes a row names at most.
    ///
    /// # Errors
    /// [`Error::Usage`] if the app takes tables only. A file that cannot be read is no error: it is listed.
    fn predict_files(&self, files: &[PathBuf], top: usize) -> Result<FilePredictions>;

    /// The next `steps` rows after `history`.
    ///
    /// # Errors
    /// [`Error::Data`] if the table does not fit, [`Error::Usage`] if the app does not forecast.
    fn forecast(&self, history: &Table, steps: usize) -> Result<Table>;

    /// The text or sound that follows `prompt`; `on_piece` gets each new piece and can stop.
    ///
    /// # Errors
    /// [`Error::Usage`] if the app does not generate or an option is out of range.
    fn generate(
        &self,
        prompt: &str,
        options: &GenerateOptions,
        on_piece: &mut OnPiece<'_>,
    ) -> Result<Generated>;

    /// Scores on rows that training never saw: the test part if `source` is what the model was trained
    /// on (by its hash), every row otherwise.
    ///
    /// # Errors
    /// [`Error::Data`] if the data does not fit.
    fn evaluate(&self, source: &Source) -> Result<Scores>;

    /// Runs the sample in the model file again. The largest difference to the stored output: 0 on the
    /// instruction set that the model was trained on.
    ///
    /// # Errors
    /// [`Error::Model`] if the outputs differ by more than rounding explains (exactly on the same
    /// instruction set, 1e-4 of the largest output elsewhere).
    fn verify(&self) -> Result<f64>;
}

impl<A: App> DynApp for A {
    fn name(&self) -> &'static str {
        App::name(self)
    }

    fn about(&self) -> &'static str {
        App::about(self)
    }

    fn version(&self) -> u32 {
        App::version(self)
    }

    fn aliases(&self) -> &'static [&'static str] {
        App::aliases(self)
    }

    fn reads(&self, head: &Table, target: Option<&str>) -> Option<Claim> {
        App::reads(self, head, target)
    }

    fn files(&self) -> &'static [&'static str] {
        App::files(self)
    }

    fn schema(&self) -> Value {
        schema_of::<A::Config>()
    }

    fn defaults(&self) -> Value {
        // A configuration without values is what a type that cannot be written as JSON has.
        serde_json::to_value(A::Config::default()).unwrap_or_default()
    }

    fn check(&self, config: &Value) -> Vec<Problem> {
        typed::<A::Config>(config).err().unwrap_or_default()
    }

    fn resolve(&self, config: &Value) -> Result<Value> {
        let config = typed::<A::Config>(config).map_err(Error::Config)?;
        to_value("writing the configuration", &config)
    }

    fn search_space(&self, config: &Value) -> Result<Vec<(&'static str, &'static str)>> {
        let config = typed::<A::Config>(config).map_err(Error::Config)?;
        Ok(App::search_space(self, &config))
    }

    fn refit(&self, config: &Value, epochs: u64) -> Result<Option<Value>> {
        let config = typed::<A::Config>(config).map_err(Error::Config)?;
        let refit = App::refit(self, &config, epochs);
        refit
            .map(|config| to_value("writing the configuration", &config))
            .transpose()
    }

    fn start(&self, config: &Value, source: &Source) -> Result<Box<dyn AppTraining + '_>> {
        let config = typed::<A::Config>(config).map_err(Error::Config)?;
        let prepared = self.prepare(&config, source)?;
        if prepared.train.is_empty() {
            let what = "there are no training rows";
            return Err(DataError::new(DataErrorKind::Size, what)
                .in_file(&prepared.summary.source)
                .into());
        }
        let store = Store::new(DType::F32);
        let p = store.root(Rng::new(config.train().seed).fork("init"));
        let model = self.build(&config, &prepared.fitted, &p)?;
        Ok(Box::new(InTraining {
            app: self,
            config,
            prepared,
            store,
            model,
        }))
    }

    fn load(&self, file: ModelFile) -> Result<Box<dyn Predictor + '_>> {
        Ok(Box::new(Loaded::new(self, file)?))
    }
}

/// A checked configuration over the defaults, or everything that is wrong with it.
pub(super) fn typed<C: AppConfig>(value: &Value) -> Result<C, Vec<Problem>> {
    let schema = schema_of::<C>();
    let mut problems = check(&schema, value);
    if !problems.is_empty() {
        return Err(problems);
    }
    let unreadable = |e| {
        vec![Problem::new(
            "",
            format!("the configuration cannot be read: {e}"),
        )]
    };
    // Over the app's defaults: those of a section's type alone would be other ones.
    let defaults = serde_json::to_value(C::default()).map_err(unreadable)?;
    let merged = merge(&schema, &defaults, value);
    let config: C = serde_json::from_value(merged).map_err(unreadable)?;
    problems.extend(config.train().check());
    problems.extend(config.check());
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

pub(super) fn to_value(what: &str, value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| Error::json(what, e))
}
