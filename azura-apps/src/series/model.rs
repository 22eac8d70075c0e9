//! The model: an LSTM over a window, and a linear layer on its last state.

use azura_core::{Scope, Tensor};
use azura_learner::data::Batch;
use azura_learner::layers::{Ctx, Dropout, Linear, Lstm, Module};
use azura_learner::loss::{Loss, huber, mae, mse};
use azura_learner::{Model, Result};

use super::config::{LossKind, ModelConfig};

/// An LSTM over a window, dropout, and a linear layer on the last state of the top layer.
///
/// | value            | shape              |
/// |------------------|--------------------|
/// | batch tensor 0   | `[B, window, F]`   |
/// | batch tensor 1   | `[B, 1]`, the scaled change that followed the window |
/// | output           | `[B, 1]`           |
pub struct WindowLstm {
    lstm: Lstm,
    layers: usize,
    dropout: Dropout,
    head: Linear,
    loss: LossKind,
}

impl WindowLstm {
    /// Registers the parameters: `lstm.*` and `head.*`.
    ///
    /// # Errors
    /// If a size is 0 or the dropout is out of range.
    pub fn new(features: usize, config: &ModelConfig, p: &Scope) -> Result<Self> {
        let lstm = Lstm::new(features, config.hidden, &p.at("lstm"))
            .layers(config.layers)
            .dropout(config.dropout)
            .build()?;
        let head = Linear::new(lstm.output_size(), 1, &p.at("head"))?;
        Ok(WindowLstm {
            lstm,
            layers: config.layers,
            dropout: Dropout::new(config.dropout)?,
            head,
            loss: config.loss,
        })
    }
}

impl Model for WindowLstm {
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor> {
        let (_, (h, _)) = self.lstm.forward(&batch.tensors[0], None, ctx)?;
        let last = h.select(0, self.layers - 1)?;
        let last = self.dropout.forward(&last, ctx)?;
        self.head.forward(&last, ctx)
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        let target = &batch.tensors[1];
        match self.loss {
            // One standard deviation of the training changes, since targets are scaled by it.
            LossKind::Huber => huber(output, target, 1.0),
            LossKind::Mse => mse(output, target),
            LossKind::Mae => mae(output, target),
        }
    }
}
