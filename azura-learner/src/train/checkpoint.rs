//! The whole state of a training between two steps, and the file it is kept in.
//!
//! [`TrainState`] is taken apart field by field when it is saved and put together field by field when it
//! is loaded: a field that is added and forgotten in one of the two does not compile.

use std::path::{Path, PathBuf};

use azura_core::Tensor;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::early_stop::EarlyStop;
use super::observer::{Best, EpochRow, Outcome, Position, Stop};
use crate::error::{Error, Result};
use crate::fs::write_atomic;
use crate::schedule::Plateau;
use crate::sealed::{self, Broken};

/// The checkpoint that a resumed run goes on from.
pub(crate) const LAST: &str = "last.safetensors";
/// The checkpoint at the end of the best epoch.
pub(crate) const BEST: &str = "best.safetensors";

/// The version of the format that this crate writes.
const FORMAT: u32 = 1;
const VALUE: &str = "value/";
const BEST_VALUE: &str = "best/";
const EARLIER_VALUE: &str = "earlier/";
const AVERAGE: &str = "averaged/";

/// Named tensors.
pub(crate) type Named = Vec<(String, Tensor)>;

/// Everything that decides how training goes on.
#[derive(Clone, Debug)]
pub(crate) struct TrainState {
    /// Everything but tensors.
    pub scalars: Scalars,
    /// The parameters.
    pub values: Named,
    /// Moments and step counts of the optimiser, under its own names.
    pub optimizer: Named,
    /// The average of the parameters and how many went into it, under its own names.
    pub average: Option<Named>,
    /// The parameters that were scored at the end of the best epoch: their average, if there is one.
    pub best_values: Option<Named>,
    /// The best parameters before the score that [`BeforeEnd`] takes back.
    pub earlier_values: Option<Named>,
}

/// What a training that goes on with a larger budget goes back to, if the old one ended inside an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BeforeEnd {
    /// What early stopping had counted.
    pub early_stop: EarlyStop,
    /// The best epoch.
    pub best: Option<Best>,
}

/// The part of [`TrainState`] that is written as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scalars {
    /// What the checkpoint belongs to.
    pub fingerprint: String,
    /// The instruction set that the bits so far hold for.
    pub instruction_set: String,
    /// Epoch, batch and step.
    pub position: Position,
    /// Sum of the losses of the epoch's batches so far.
    pub loss_sum: f64,
    /// Weight of those losses.
    pub loss_weight: f64,
    /// The steps that the budget allows, which the schedule may follow.
    pub total_steps: u64,
    /// The generator that every step's random numbers are forked from.
    pub rng: [u64; 3],
    /// What the schedule has learned.
    pub plateau: Plateau,
    /// What early stopping has counted.
    pub early_stop: EarlyStop,
    /// The best epoch.
    pub best: Option<Best>,
    /// Set if the last row of the history is of an end inside an epoch.
    pub before_end: Option<BeforeEnd>,
    /// Every epoch so far.
    pub history: Vec<EpochRow>,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Why training ended, if it did.
    pub finished: Option<Stop>,
}

impl Scalars {
    /// How training ended or stands, after so many seconds.
    pub fn outcome(&self, stop: Stop, seconds: f64) -> Outcome {
        Outcome {
            stop,
            epochs: match self.history.last() {
                Some(row) => row.epoch,
                None => self.position.epoch,
            },
            steps: self.position.step,
            seconds,
            best: self.best.clone(),
            history: self.history.clone(),
        }
    }
}

impl TrainState {
    /// Writes the checkpoint, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<()> {
        let TrainState {
            scalars,
            values,
            optimizer,
            average,
            best_values,
            earlier_values,
        } = self;
        let scalars = serde_json::to_value(scalars)
            .map_err(|e| Error::json("writing the checkpoint's state", e))?;
        // Where the best epoch has just ended its values are the values: they are written once.
        let (best, stored) = match best_values {
            None => ("none", None),
            Some(best) if same(best, values)? => ("value", None),
            Some(best) => ("stored", Some(best)),
        };
        let document = json!({
            "kind": "checkpoint", "format": FORMAT, "best_values": best, "state": scalars,
        });
        let mut tensors = Named::new();
        let mut add = |prefix: &str, named: &Named| {
            for (name, tensor) in named {
                tensors.push((format!("{prefix}{name}"), tensor.clone()));
            }
        };
        add(VALUE, values);
        add("", optimizer);
        if let Some(average) = average {
            add(AVERAGE, average);
        }
        if let Some(stored) = stored {
            add(BEST_VALUE, stored);
        }
        if let Some(earlier) = earlier_values {
            add(EARLIER_VALUE, earlier);
        }
        write_atomic(path, &sealed::seal(&document, &tensors)?)
    }

    /// Reads and checks a checkpoint.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NotFound {
                    kind: "checkpoint",
                    name: path.display().to_string(),
                    help: Some("there is nothing to resume; train the run anew".to_string()),
                });
            }
            Err(e) => return Err(Error::io("read", path, e)),
        };
        let refuse = |reason: String| Error::Checkpoint {
            path: path.to_path_buf(),
            reason: format!("{reason}{}", remedy(path)),
        };
        let (mut document, tensors) =
            sealed::unseal(&bytes, "checkpoint", FORMAT).map_err(|broken| match broken {
                Broken::Foreign => refuse("it was not written by azura".to_string()),
                Broken::Other(reason) => refuse(reason),
            })?;
        let best = document["best_values"]
            .as_str()
            .unwrap_or_default()
            .to_string();
        let scalars: Scalars = serde_json::from_value(document["state"].take())
            .map_err(|e| refuse(format!("its state cannot be read: {e}")))?;
        let (mut values, mut optimizer) = (Named::new(), Named::new());
        let (mut stored, mut earlier, mut average) = (Named::new(), Named::new(), Named::new());
        for (name, tensor) in tensors {
            if let Some(name) = name.strip_prefix(VALUE) {
                values.push((name.to_string(), tensor));
            } else if let Some(name) = name.strip_prefix(BEST_VALUE) {
                stored.push((name.to_string(), tensor));
            } else if let Some(name) = name.strip_prefix(EARLIER_VALUE) {
                earlier.push((name.to_string(), tensor));
            } else if let Some(name) = name.strip_prefix(AVERAGE) {
                average.push((name.to_string(), tensor));
            } else {
                optimizer.push((name, tensor));
            }
        }
        let best_values = match best.as_str() {
            "none" => None,
            "value" => Some(values.clone()),
            "stored" => Some(stored),
            other => return Err(refuse(format!("unknown kind of best values `{other}`"))),
        };
        Ok(TrainState {
            scalars,
            values,
            optimizer,
            average: (!average.is_empty()).then_some(average),
            best_values,
            earlier_values: (!earlier.is_empty()).then_some(earlier),
        })
    }
}

/// What a person can do about a checkpoint that cannot be used.
fn remedy(path: &Path) -> String {
    let best = path.with_file_name(BEST);
    if path.file_name() == Some(BEST.as_ref()) || !best.exists() {
        return "; train the run anew".to_string();
    }
    format!(
        "; {} is the state after the best epoch: copy it over {} to go on from there",
        best.display(),
        path.display()
    )
}

/// True if two sets of parameters have the same bits.
fn same(a: &Named, b: &Named) -> Result<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for ((name_a, a), (name_b, b)) in a.iter().zip(b) {
        if name_a != name_b || a.shape() != b.shape() {
            return Ok(false);
        }
        let bits = |t: &Tensor| -> Result<Vec<u64>> {
            let values = t.cast(azura_core::DType::F64)?.to_vec::<f64>()?;
            Ok(values.into_iter().map(f64::to_bits).collect())
        };
        if bits(a)? != bits(b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The outcome that a finished run's checkpoint records; `None` if the run is not finished.
///
/// # Errors
/// [`Error::NotFound`] or [`Error::Checkpoint`] if there is no whole checkpoint in `folder`.
pub fn recorded_outcome(folder: impl AsRef<Path>) -> Result<Option<Outcome>> {
    let path: PathBuf = folder.as_ref().join(LAST);
    let state = TrainState::load(&path)?;
    Ok(state
        .scalars
        .finished
        .map(|stop| state.scalars.outcome(stop, state.scalars.seconds)))
}
