//! Training: one loop for every model.
//!
//! [`Trainer`] runs anything that is a [`Training`] (an app's, or a [`Fit`] made by hand) with the
//! [`TrainConfig`] it carries, tells [`Observer`]s what happens and prints nothing. `checkpoint.rs`
//! holds the whole state between two steps; nothing that decides a later number may live elsewhere.

mod averaged;
mod checkpoint;
mod config;
mod early_stop;
mod evaluate;
mod finite;
mod fit;
mod group;
mod monitor;
pub mod numbers;
mod observer;
mod reach;
mod running;
mod shards;
mod span;
mod statistics;
mod trainer;

pub(crate) use checkpoint::LAST;
pub use checkpoint::recorded_outcome;
pub use config::{
    AverageKind, LrFactor, Monitor, OptimizerKind, OptimizerOptions, ScheduleConfig, ScheduleKind,
    TrainConfig,
};
pub use early_stop::EarlyStop;
pub use evaluate::{Evaluation, evaluate};
pub use fit::{Fit, Supervised, TensorDataset};
pub use monitor::{Rehearsal, rehearse};
pub use observer::{Best, CheckpointKind, EpochRow, Event, Observer, On, Outcome, Position, Stop};
pub use span::{Every, Span};
pub use statistics::recompute_statistics;
pub use trainer::{StopFlag, Trainer};

use std::sync::Arc;

use azura_core::{Store, Tensor};

use crate::app::{Metrics, Part};
use crate::data::{Batch, Dataset};
use crate::error::{Error, Result};
use crate::generate::Decoder;
use crate::layers::Ctx;
use crate::loss::Loss;

/// Something with outputs and a loss for a batch.
pub trait Model: Send + Sync {
    /// The outputs for a batch: one row a sample.
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor>;

    /// The loss of these outputs, as a sum and its weight.
    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss>;

    /// What an evaluation keeps of the outputs of a batch. Override it where outputs are large and
    /// the scores need less, such as logits over a vocabulary.
    fn keep(&self, output: &Tensor, batch: &Batch) -> Result<Tensor> {
        let _ = batch;
        Ok(output.clone())
    }

    /// The model as it reads a text from the beginning on, token by token. Models of other things leave this as it is.
    fn decoder(&self) -> Result<Box<dyn Decoder + '_>> {
        Err(Error::Usage(
            "this model reads no text token by token".to_string(),
        ))
    }
}

/// What the trainer runs: parameters, a model, data and a configuration.
pub trait Training: Send {
    /// How to train.
    fn config(&self) -> &TrainConfig;

    /// Where the model's parameters are.
    fn store(&self) -> &Store;

    /// The model.
    fn model(&self) -> &dyn Model;

    /// The rows of one part; an absent part is `None`.
    fn data(&self, part: Part) -> Option<Arc<dyn Dataset>>;

    /// Scores of the validation rows while training, besides the loss.
    fn score(&self, outputs: &Tensor) -> Result<Metrics>;

    /// What a checkpoint must agree on to be continued: a text that differs whenever model, data or
    /// training would, but not when only the budget does.
    fn fingerprint(&self) -> String;
}
