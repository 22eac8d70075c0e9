//! An app in training: what the trainer sees of it, and the model file that it becomes.

use std::collections::BTreeMap;
use std::sync::Arc;

use azura_core::{Store, Tensor, no_grad};
use serde_json::Value;

use super::erased::{AppTraining, Report, to_value};
use super::loaded::Loaded;
use super::{App, AppConfig, DataSummary, Metrics, Part, Picture, Prepared, ScoredSplit};
use crate::data::{Dataset, Table};
use crate::error::{Error, Result};
use crate::fs::sha256_hex;
use crate::layers::Ctx;
use crate::model::{FORMAT, ModelFile, ModelInfo, Sample, TrainingRecord, instruction_set};
use crate::sealed::canonical;
use crate::train::{Model, Outcome, TrainConfig, Training, evaluate};

/// An app with its data, its model and the store that holds the weights.
pub(super) struct InTraining<'a, A: App> {
    pub app: &'a A,
    pub config: A::Config,
    pub prepared: Prepared<A::Fitted, A::Data>,
    pub store: Store,
    pub model: Box<dyn Model>,
}

impl<A: App> InTraining<'_, A> {
    fn part(&self, part: Part) -> &Arc<A::Data> {
        match part {
            Part::Train => &self.prepared.train,
            Part::Val => &self.prepared.val,
            Part::Test => &self.prepared.test,
        }
    }

    /// The first rows of the validation part, or else of the training part, and the outputs for them. Never test rows: a
    /// search leaves those alone.
    fn sample(&self) -> Result<Option<Sample>> {
        const ROWS: usize = 4;
        let parts = [Part::Val, Part::Train];
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

    /// What the app learns from the trained model and the validation rows.
    fn calibrated(&self) -> Result<Option<A::Fitted>> {
        let val = self.part(Part::Val);
        if val.is_empty() {
            return Ok(None);
        }
        let rows = Arc::clone(val) as Arc<dyn Dataset>;
        let outputs = evaluate(&*self.model, rows, self.config.train().batch)?.outputs;
        let split = ScoredSplit {
            part: Part::Val,
            data: &**val,
            outputs: &outputs,
            full: true,
        };
        self.app
            .calibrate(&self.config, &self.prepared.fitted, &split)
    }

    /// The fitted preprocessing as JSON, after it was read back and written again without a change.
    fn fitted(&self) -> Result<Value> {
        let what = "writing the fitted preprocessing into the model file";
        let calibrated = self.calibrated()?;
        let fitted = calibrated.as_ref().unwrap_or(&self.prepared.fitted);
        let text = serde_json::to_string(fitted).map_err(|e| Error::json(what, e))?;
        let read: A::Fitted = serde_json::from_str(&text).map_err(|e| {
            Error::Usage(format!(
                "the fitted preprocessing of `{}` cannot be saved: {e}; are there numbers that are \
                 not finite?",
                self.app.name()
            ))
        })?;
        let value = to_value(what, fitted)?;
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
            .chain(self.store.buffers().iter().map(|b| (b.name(), b.shape())))
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

    fn report(&self, file: &ModelFile, parts: &[Part]) -> Result<Report> {
        let loaded = Loaded::new(self.app, file.clone())?;
        let mut report = Report::new();
        for &part in parts {
            let data = self.part(part);
            if !data.is_empty() {
                report.insert(part, loaded.score(part, data)?);
            }
        }
        Ok(report)
    }

    fn details(&self, file: &ModelFile) -> Result<Vec<Table>> {
        let test = self.part(Part::Test);
        if test.is_empty() {
            return Ok(Vec::new());
        }
        Loaded::new(self.app, file.clone())?.details(test)
    }

    fn mistakes(&self, rows: &Table, most: usize) -> Result<Vec<Picture>> {
        self.app.mistakes(self.part(Part::Test), rows, most)
    }
}
