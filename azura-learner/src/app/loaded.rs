//! A saved model in use: what predicts, and what scores the model file after training.

use std::path::PathBuf;
use std::sync::Arc;

use azura_core::{DType, Rng, Store, no_grad};

use super::erased::{Predictor, typed};
use super::{App, AppConfig, FilePredictions, Part, ScoredSplit, Scores, Signature, Source};
use crate::data::{DataError, DataErrorKind, Dataset, Table, sha256_path};
use crate::error::{Error, Result};
use crate::generate::{GenerateOptions, Generated, OnPiece};
use crate::layers::Ctx;
use crate::model::{ModelFile, ModelInfo, instruction_set};
use crate::train::{Evaluation, Model, evaluate};

/// A model that was read from a model file, with the app that made it.
pub(super) struct Loaded<'a, A: App> {
    app: &'a A,
    config: A::Config,
    fitted: A::Fitted,
    model: Box<dyn Model>,
    file: ModelFile,
}

impl<'a, A: App> Loaded<'a, A> {
    pub fn new(app: &'a A, file: ModelFile) -> Result<Self> {
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

    pub fn score(&self, part: Part, data: &Arc<A::Data>) -> Result<Scores> {
        self.scored(part, data, |split| {
            self.app.score(&self.config, &self.fitted, split)
        })
    }

    pub fn details(&self, test: &Arc<A::Data>) -> Result<Vec<Table>> {
        self.scored(Part::Test, test, |split| {
            self.app.details(&self.config, &self.fitted, split)
        })
    }

    fn scored<T>(
        &self,
        part: Part,
        data: &Arc<A::Data>,
        score: impl FnOnce(&ScoredSplit<'_, A::Data>) -> Result<T>,
    ) -> Result<T> {
        let rows = Arc::clone(data) as Arc<dyn Dataset>;
        let Evaluation { outputs, .. } = evaluate(&*self.model, rows, self.config.train().batch)?;
        score(&ScoredSplit {
            part,
            data: &**data,
            outputs: &outputs,
            full: true,
        })
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

    fn files(&self) -> &'static [&'static str] {
        self.app.files()
    }

    fn predict_files(&self, files: &[PathBuf], top: usize) -> Result<FilePredictions> {
        no_grad(|| {
            let (config, fitted, model) = (&self.config, &self.fitted, &*self.model);
            self.app.predict_files(config, fitted, model, files, top)
        })
    }

    fn forecast(&self, history: &Table, steps: usize) -> Result<Table> {
        no_grad(|| {
            let model = &*self.model;
            self.app
                .forecast(&self.config, &self.fitted, model, history, steps)
        })
    }

    fn generate(
        &self,
        prompt: &str,
        options: &GenerateOptions,
        on_piece: &mut OnPiece<'_>,
    ) -> Result<Generated> {
        options.check()?;
        no_grad(|| {
            let (config, fitted, model) = (&self.config, &self.fitted, &*self.model);
            self.app
                .generate(config, fitted, model, prompt, options, on_piece)
        })
    }

    fn evaluate(&self, source: &Source) -> Result<Scores> {
        let trained_on = &self.file.info().data.sha256;
        let same = match source {
            Source::Bundled => true,
            Source::File(path) => sha256_path(path)? == *trained_on,
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
