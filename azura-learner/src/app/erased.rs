//! Apps without their types, so that a registry, a command line and a server can hold any of them.
//!
//! [`DynApp`] is implemented for every [`App`]; configurations are JSON values here. Everything that a
//! saved model does goes through `Loaded`, whether it was read from disk or is scored after training.

use std::collections::BTreeMap;

use azura_core::{DType, Rng, Store};
use serde_json::Value;

use super::check::check;
use super::in_training::InTraining;
use super::loaded::Loaded;
use super::schema::{merge, schema_of};
use super::{App, AppConfig, DataSummary, Part, Scores, Signature, Source};
use crate::data::{DataError, DataErrorKind, Dataset, Table};
use crate::error::{Error, Problem, Result};
use crate::generate::{GenerateOptions, Generated, OnText};
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

    /// Whether the app makes sense of any table.
    fn reads_any_table(&self) -> bool;

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

    /// Scores of every part of the data by the model in `file`, with its weights, its preprocessing and
    /// nothing else.
    ///
    /// # Errors
    /// [`Error::Model`] if the file does not fit.
    fn report(&self, file: &ModelFile) -> Result<Report>;
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

    /// The next `steps` rows after `history`.
    ///
    /// # Errors
    /// [`Error::Data`] if the table does not fit, [`Error::Usage`] if the app does not forecast.
    fn forecast(&self, history: &Table, steps: usize) -> Result<Table>;

    /// The text that follows `prompt`; `on_text` gets each new piece and can stop.
    ///
    /// # Errors
    /// [`Error::Usage`] if the app does not generate or an option is out of range.
    fn generate(
        &self,
        prompt: &str,
        options: &GenerateOptions,
        on_text: &mut OnText<'_>,
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

    fn reads_any_table(&self) -> bool {
        App::reads_any_table(self)
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
