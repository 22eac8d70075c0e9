//! Apps without their types, so that a registry, a command line and a server can hold any of them.
//!
//! [`DynApp`] is implemented for every [`App`]; configurations are JSON values here. Everything that a
//! saved model does goes through `Loaded`, whether it was read from disk or scored after training.

use std::collections::BTreeMap;
use std::sync::Arc;

use azura_core::{DType, Rng, Store, Tensor, no_grad};
use serde_json::Value;

use super::schema;
use super::{
    App, AppConfig, DataSummary, Metrics, Part, Prepared, ScoredSplit, Scores, Signature, Source,
};
use crate::data::{DataError, DataErrorKind, Dataset, Table};
use crate::error::{Error, Problem, Result};
use crate::fs::sha256_hex;
use crate::layers::Ctx;
use crate::model::{FORMAT, ModelFile, ModelInfo, Sample, TrainingRecord, instruction_set};
use crate::sealed::canonical;
use crate::train::{Evaluation, Model, Outcome, TrainConfig, Training, evaluate};

/// An [`App`] without its types.
pub trait DynApp: Send + Sync {
    /// The name on the command line and in model files.
    fn name(&self) -> &'static str;

    /// One sentence for a person.
    fn about(&self) -> &'static str;

    /// The version of the app's meaning of its model files.
    fn version(&self) -> u32;

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

    fn schema(&self) -> Value {
        schema::schema_of::<A::Config>()
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
fn typed<C: AppConfig>(value: &Value) -> Result<C, Vec<Problem>> {
    let schema = schema::schema_of::<C>();
    let mut problems = schema::check(&schema, value);
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
    let merged = schema::merge(&schema, &defaults, value);
    let config: C = serde_json::from_value(merged).map_err(unreadable)?;
    problems.extend(config.train().check());
    problems.extend(config.check());
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

fn to_value(what: &str, value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| Error::json(what, e))
}

struct InTraining<'a, A: App> {
    app: &'a A,
    config: A::Config,
    prepared: Prepared<A::Fitted, A::Data>,
    store: Store,
    model: Box<dyn Model>,
}

impl<A: App> InTraining<'_, A> {
    fn part(&self, part: Part) -> &Arc<A::Data> {
        match part {
            Part::Train => &self.prepared.train,
            Part::Val => &self.prepared.val,
            Part::Test => &self.prepared.test,
        }
    }

    /// The first rows of the first part that training did not fit to, and the outputs for them.
    fn sample(&self) -> Result<Option<Sample>> {
        const ROWS: usize = 4;
        let parts = [Part::Val, Part::Test, Part::Train];
        let Some(data) = parts
            .map(|part| self.part(part))
            .into_iter()
            .find(|d| !d.is_empty())
        else {
            return Ok(None);
        };
        let rows: Vec<usize> = (0..data.len().min(ROWS)).collect();
        let batch = data.batch(&rows)?;
        let output = no_grad(|| self.model.forward(&batch, &mut Ctx::eval()))?;
        Ok(Some(Sample {
            inputs: batch.tensors,
            output,
        }))
    }

    /// The fitted preprocessing as JSON, after it was read back and written again without a change.
    fn fitted(&self) -> Result<Value> {
        let what = "writing the fitted preprocessing into the model file";
        let text =
            serde_json::to_string(&self.prepared.fitted).map_err(|e| Error::json(what, e))?;
        let read: A::Fitted = serde_json::from_str(&text).map_err(|e| {
            Error::Usage(format!(
                "the fitted preprocessing of `{}` cannot be saved: {e}; are there numbers that are \
                 not finite?",
                self.app.name()
            ))
        })?;
        let value = to_value(what, &self.prepared.fitted)?;
        if to_value(what, &read)? != value {
            return Err(Error::Usage(format!(
                "the fitted preprocessing of `{}` changes when it is saved and read back",
                self.app.name()
            )));
        }
        Ok(value)
    }
}

impl<A: App> Training for InTraining<'_, A> {
    fn config(&self) -> &TrainConfig {
        self.config.train()
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn model(&self) -> &dyn Model {
        &*self.model
    }

    fn data(&self, part: Part) -> Option<Arc<dyn Dataset>> {
        let data = self.part(part);
        (!data.is_empty()).then(|| Arc::clone(data) as Arc<dyn Dataset>)
    }

    fn score(&self, outputs: &Tensor) -> Result<Metrics> {
        let split = ScoredSplit {
            part: Part::Val,
            data: &*self.prepared.val,
            outputs,
            full: false,
        };
        let scores = self
            .app
            .score(&self.config, &self.prepared.fitted, &split)?;
        Ok(scores.metrics)
    }

    fn fingerprint(&self) -> String {
        let mut config = serde_json::to_value(&self.config).unwrap_or_default();
        if let Some(train) = config.get_mut("train") {
            *train = serde_json::to_value(self.config.train().without_budget()).unwrap_or_default();
        }
        let shapes: Vec<(String, Vec<usize>)> = self
            .store
            .params()
            .iter()
            .map(|p| (p.name(), p.shape()))
            .collect();
        let identity = serde_json::json!({
            "app": self.app.name(),
            "version": self.app.version(),
            "config": config,
            "data": self.prepared.summary.sha256,
            "rows": [self.prepared.train.len(), self.prepared.val.len()],
            "parameters": shapes,
        });
        sha256_hex(canonical(&identity).as_bytes())
    }
}

impl<A: App> AppTraining for InTraining<'_, A> {
    fn training(&mut self) -> &mut dyn Training {
        self
    }

    fn summary(&self) -> &DataSummary {
        &self.prepared.summary
    }

    fn snapshot(&self, outcome: &Outcome) -> Result<ModelFile> {
        let info = ModelInfo {
            format: FORMAT,
            app: self.app.name().to_string(),
            app_version: self.app.version(),
            engine: concat!("azura ", env!("CARGO_PKG_VERSION")).to_string(),
            instruction_set: instruction_set(),
            seed: self.config.train().seed,
            parameters: self.store.numel(),
            config: to_value("writing the configuration", &self.config)?,
            fitted: self.fitted()?,
            signature: self.app.signature(&self.config, &self.prepared.fitted),
            data: self.prepared.summary.clone(),
            training: TrainingRecord {
                stop: outcome.stop,
                epochs: outcome.epochs,
                steps: outcome.steps,
                best: outcome.best.clone(),
            },
            scores: BTreeMap::new(),
        };
        ModelFile::new(info, self.store.state()?, self.sample()?)
    }

    fn report(&self, file: &ModelFile) -> Result<Report> {
        let loaded = Loaded::new(self.app, file.clone())?;
        let mut report = Report::new();
        for part in Part::ALL {
            let data = self.part(part);
            if !data.is_empty() {
                report.insert(part, loaded.score(part, data)?);
            }
        }
        Ok(report)
    }
}

/// A saved model in use.
struct Loaded<'a, A: App> {
    app: &'a A,
    config: A::Config,
    fitted: A::Fitted,
    model: Box<dyn Model>,
    file: ModelFile,
}

impl<'a, A: App> Loaded<'a, A> {
    fn new(app: &'a A, file: ModelFile) -> Result<Self> {
        let refuse = |reason: String| Error::Model {
            path: file.path().to_path_buf(),
            reason,
        };
        let info = file.info();
        if info.app != app.name() {
            return Err(refuse(format!(
                "it belongs to the app `{}`, not to `{}`",
                info.app,
                app.name()
            )));
        }
        if info.app_version > app.version() {
            return Err(refuse(format!(
                "it was made by version {} of the app `{}`, and this program has version {}; use a \
                 newer azura",
                info.app_version,
                info.app,
                app.version()
            )));
        }
        let config: A::Config = typed(&info.config).map_err(|problems| {
            refuse(format!(
                "its configuration does not fit: {}",
                Error::Config(problems)
            ))
        })?;
        let fitted: A::Fitted = serde_json::from_value(info.fitted.clone())
            .map_err(|e| refuse(format!("its fitted preprocessing cannot be read: {e}")))?;
        let store = Store::new(DType::F32);
        // The initial values are overwritten; the seed is the recorded one all the same.
        let model = app
            .build(
                &config,
                &fitted,
                &store.root(Rng::new(info.seed).fork("init")),
            )
            .map_err(|e| refuse(format!("the model cannot be built: {e}")))?;
        store
            .load(file.weights())
            .map_err(|e| refuse(format!("its weights do not fit the app's model: {e}")))?;
        Ok(Loaded {
            app,
            config,
            fitted,
            model,
            file,
        })
    }

    fn score(&self, part: Part, data: &Arc<A::Data>) -> Result<Scores> {
        let rows = Arc::clone(data) as Arc<dyn Dataset>;
        let Evaluation { outputs, .. } = evaluate(&*self.model, rows, self.config.train().batch)?;
        let split = ScoredSplit {
            part,
            data: &**data,
            outputs: &outputs,
            full: true,
        };
        self.app.score(&self.config, &self.fitted, &split)
    }
}

impl<A: App> Predictor for Loaded<'_, A> {
    fn info(&self) -> &ModelInfo {
        self.file.info()
    }

    fn signature(&self) -> &Signature {
        &self.file.info().signature
    }

    fn table(&self, source: &Source) -> Result<Table> {
        self.app.table(&self.config, source)
    }

    fn predict(&self, input: &Table) -> Result<Table> {
        no_grad(|| {
            self.app
                .predict(&self.config, &self.fitted, &*self.model, input)
        })
    }

    fn forecast(&self, history: &Table, steps: usize) -> Result<Table> {
        no_grad(|| {
            let model = &*self.model;
            self.app
                .forecast(&self.config, &self.fitted, model, history, steps)
        })
    }

    fn evaluate(&self, source: &Source) -> Result<Scores> {
        let trained_on = &self.file.info().data.sha256;
        let same = match source {
            Source::Bundled => true,
            Source::File(path) => {
                let bytes = std::fs::read(path).map_err(|e| {
                    DataError::new(DataErrorKind::Io, e.to_string())
                        .in_file(path.display().to_string())
                })?;
                sha256_hex(&bytes) == *trained_on
            }
        };
        if same {
            let prepared = self.app.prepare(&self.config, source)?;
            if prepared.summary.sha256 == *trained_on && !prepared.test.is_empty() {
                return self.score(Part::Test, &prepared.test);
            }
        }
        let data = Arc::new(self.app.open(&self.config, &self.fitted, source)?);
        if data.is_empty() {
            let what = "there is no row that can be scored";
            return Err(DataError::new(DataErrorKind::Size, what)
                .in_file(source.to_string())
                .into());
        }
        self.score(Part::Test, &data)
    }

    fn verify(&self) -> Result<f64> {
        let refuse = |reason: String| Error::Model {
            path: self.file.path().to_path_buf(),
            reason,
        };
        let Some(sample) = self.file.sample() else {
            return Err(refuse("it holds no sample to replay".to_string()));
        };
        let batch = crate::data::Batch {
            tensors: sample.inputs.clone(),
            rows: (0..sample.output.shape().first().copied().unwrap_or(0)).collect(),
        };
        let output = no_grad(|| self.model.forward(&batch, &mut Ctx::eval()))
            .map_err(|e| refuse(format!("its sample cannot be run: {e}")))?;
        if output.shape() != sample.output.shape() || output.dtype() != sample.output.dtype() {
            return Err(refuse(
                "its sample gives outputs of another shape".to_string(),
            ));
        }
        let now = output.cast(DType::F64)?.to_vec::<f64>()?;
        let then = sample.output.cast(DType::F64)?.to_vec::<f64>()?;
        let scale = then.iter().fold(1.0f64, |largest, x| largest.max(x.abs()));
        let worst = now.iter().zip(&then).fold(0.0f64, |worst, (a, b)| {
            if a.to_bits() == b.to_bits() {
                worst
            } else {
                worst.max((a - b).abs())
            }
        });
        let allowed = if self.info().instruction_set == instruction_set() {
            0.0
        } else {
            1e-4 * scale
        };
        if worst.is_nan() || worst > allowed {
            return Err(refuse(format!(
                "its sample gives other outputs than when it was saved (difference {worst:e}, allowed \
                 {allowed:e})"
            )));
        }
        Ok(worst)
    }
}
