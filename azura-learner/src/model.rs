//! The model file: one `model.safetensors` that holds everything a prediction needs.
//!
//! Any safetensors reader opens it: the tensors are the parameters under their names, PyTorch's where
//! PyTorch has the layer. The metadata key `azura` holds one canonical JSON document: [`ModelInfo`] and
//! a sha256 over it and every tensor. Tensors that begin with `azura.` are
//! not parameters: they hold a sample input and its output. Nothing in the file is a path.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use azura_core::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::{DataSummary, Part, Scores, Signature};
use crate::error::{Error, Result};
use crate::sealed::{self, Broken};
use crate::train::{Best, Stop};

/// The version of the format that this crate writes; it reads this one and all before it.
pub const FORMAT: u32 = 1;

const SAMPLE_INPUT: &str = "azura.sample.input.";
const SAMPLE_OUTPUT: &str = "azura.sample.output";

/// Everything in a model file but its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Version of the format: [`FORMAT`].
    pub format: u32,
    /// Name of the app that made the model.
    pub app: String,
    /// [`App::version`](crate::App::version) at that time.
    pub app_version: u32,
    /// Program and version that wrote the file.
    pub engine: String,
    /// Instruction set of the machine that trained; the bits of predictions hold for it.
    pub instruction_set: String,
    /// The seed.
    pub seed: u64,
    /// Numbers in all parameters.
    pub parameters: usize,
    /// The resolved configuration.
    pub config: Value,
    /// What preprocessing learned from the training rows.
    pub fitted: Value,
    /// What the model takes and gives.
    pub signature: Signature,
    /// The data that it was trained on.
    pub data: DataSummary,
    /// How training ended.
    pub training: TrainingRecord,
    /// Scores of each part, computed with the weights of this file.
    pub scores: BTreeMap<Part, Scores>,
}

/// How training ended, without what differs from run to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Why training ended.
    pub stop: Stop,
    /// Complete epochs.
    pub epochs: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// The epoch whose weights these are; `None` if none was completed.
    pub best: Option<Best>,
}

/// A batch that was run before saving, and what came out.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The tensors of the batch.
    pub inputs: Vec<Tensor>,
    /// The outputs of the model for it.
    pub output: Tensor,
}

/// A model in memory: what [`ModelFile::save`] writes and [`ModelFile::open`] reads.
#[derive(Clone, Debug)]
pub struct ModelFile {
    path: PathBuf,
    info: ModelInfo,
    weights: Vec<(String, Tensor)>,
    sample: Option<Sample>,
}

impl ModelFile {
    /// A model from its parts.
    ///
    /// # Errors
    /// [`Error::Usage`] if a parameter's name begins with `azura.`, which is kept for the format.
    pub fn new(
        info: ModelInfo,
        weights: Vec<(String, Tensor)>,
        sample: Option<Sample>,
    ) -> Result<Self> {
        if let Some((name, _)) = weights.iter().find(|(name, _)| name.starts_with("azura.")) {
            return Err(Error::Usage(format!(
                "a parameter cannot be called `{name}`: names that begin with `azura.` belong to \
                 the model file"
            )));
        }
        Ok(ModelFile {
            path: PathBuf::from("(not saved)"),
            info,
            weights,
            sample,
        })
    }

    /// Everything but the tensors.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The same model with these scores.
    #[must_use]
    pub fn with_scores(mut self, scores: BTreeMap<Part, Scores>) -> Self {
        self.info.scores = scores;
        self
    }

    /// The parameters under their names.
    pub fn weights(&self) -> &[(String, Tensor)] {
        &self.weights
    }

    /// The batch that was run before saving.
    pub fn sample(&self) -> Option<&Sample> {
        self.sample.as_ref()
    }

    /// Where the file was read from, or a text that says that it was not.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// [`Error::Json`] if the information cannot be written as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        sealed::seal(&self.document()?, &self.tensors())
    }

    /// The hash over the document and the tensors, as in the file's metadata.
    ///
    /// # Errors
    /// As [`to_bytes`](ModelFile::to_bytes).
    pub fn sha256(&self) -> Result<String> {
        Ok(sealed::digest(
            &sealed::canonical(&self.document()?),
            &self.tensors(),
        ))
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        crate::fs::write_atomic(path, &self.to_bytes()?)
    }

    /// Reads a file and checks it: format, hash, every tensor.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such file, [`Error::Io`] if it cannot be read,
    /// [`Error::Model`] if it is damaged, foreign or too new.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match std::fs::read(path) {
            Ok(bytes) => ModelFile::from_bytes(&bytes, path),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(Error::NotFound {
                kind: "model file",
                name: path.display().to_string(),
                help: Some("train one, or check the path".to_string()),
            }),
            Err(e) => Err(Error::io("read", path, e)),
        }
    }

    /// Reads a model from bytes; `path` is used in messages only.
    ///
    /// # Errors
    /// [`Error::Model`] if they are damaged, foreign or too new.
    pub fn from_bytes(bytes: &[u8], path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let refuse = |reason: String| Error::Model {
            path: path.to_path_buf(),
            reason,
        };
        let (document, tensors) = sealed::unseal(bytes, "model", FORMAT).map_err(|b| match b {
            Broken::Foreign => refuse(
                "it is a safetensors file without azura's metadata, not one that azura wrote"
                    .to_string(),
            ),
            Broken::Other(reason) => refuse(reason),
        })?;
        let document = document.get("model").cloned().unwrap_or_default();
        let info: ModelInfo = serde_json::from_value(document)
            .map_err(|e| refuse(format!("its description cannot be read: {e}")))?;
        let mut weights = Vec::new();
        let mut inputs = BTreeMap::new();
        let mut output = None;
        for (name, tensor) in tensors {
            if let Some(number) = name.strip_prefix(SAMPLE_INPUT) {
                let number: usize = number
                    .parse()
                    .map_err(|_| refuse(format!("unknown tensor `{name}`")))?;
                inputs.insert(number, tensor);
            } else if name == SAMPLE_OUTPUT {
                output = Some(tensor);
            } else if name.starts_with("azura.") {
                return Err(refuse(format!("unknown tensor `{name}`")));
            } else {
                weights.push((name, tensor));
            }
        }
        let sample = output.map(|output| Sample {
            inputs: inputs.into_values().collect(),
            output,
        });
        Ok(ModelFile {
            path: path.to_path_buf(),
            info,
            weights,
            sample,
        })
    }

    fn document(&self) -> Result<Value> {
        let info = serde_json::to_value(&self.info)
            .map_err(|e| Error::json("writing the model's description", e))?;
        Ok(serde_json::json!({ "kind": "model", "format": FORMAT, "model": info }))
    }

    fn tensors(&self) -> Vec<(String, Tensor)> {
        let mut tensors = self.weights.clone();
        if let Some(sample) = &self.sample {
            for (i, input) in sample.inputs.iter().enumerate() {
                tensors.push((format!("{SAMPLE_INPUT}{i}"), input.clone()));
            }
            tensors.push((SAMPLE_OUTPUT.to_string(), sample.output.clone()));
        }
        tensors
    }
}

/// The instruction set that decides the bits of results on this machine.
pub fn instruction_set() -> String {
    azura_core::InstructionSet::current().name().to_string()
}
