//! Running statistics: averages over training batches that predictions are normalised by.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use azura_core::{DType, NamedBuffer, Scope, Tensor, no_grad};

use super::Ctx;
use crate::error::{Error, Result};

/// Mean and variance of each channel, averaged over training batches: `running_mean`, `running_var` and
/// `num_batches_tracked` of the store, saved and loaded with the weights.
#[derive(Clone, Debug)]
pub struct RunningStats {
    mean: NamedBuffer,
    var: NamedBuffer,
    batches: NamedBuffer,
    /// The share of the newest batch; `None` averages over all batches evenly.
    momentum: Option<f64>,
    /// Whether a training pass of this process has queued statistics.
    queued: Arc<AtomicBool>,
}

/// What a training pass saw, to be taken into running statistics after the step.
#[derive(Debug)]
pub(super) struct Update {
    running: RunningStats,
    mean: Tensor,
    var: Tensor,
}

impl RunningStats {
    pub(super) fn new(channels: usize, momentum: Option<f64>, p: &Scope) -> Result<Self> {
        let shape = [channels];
        Ok(RunningStats {
            mean: p.buffer("running_mean", &Tensor::zeros(shape, p.dtype())?)?,
            var: p.buffer("running_var", &Tensor::ones(shape, p.dtype())?)?,
            batches: p.buffer("num_batches_tracked", &Tensor::scalar(0.0, DType::I64)?)?,
            momentum,
            queued: Arc::default(),
        })
    }

    /// The mean of each channel.
    pub fn mean(&self) -> Tensor {
        self.mean.value()
    }

    /// The unbiased variance of each channel.
    pub fn var(&self) -> Tensor {
        self.var.value()
    }

    /// How many batches went into them.
    ///
    /// # Errors
    /// None today.
    pub fn batches(&self) -> Result<i64> {
        Ok(self.batches.value().item::<i64>()?)
    }

    /// Queues what a training pass saw.
    pub(super) fn queue(&self, mean: Tensor, var: Tensor, ctx: &mut Ctx) {
        self.queued.store(true, Ordering::Relaxed);
        ctx.queue(Update {
            running: self.clone(),
            mean,
            var,
        });
    }

    /// Mean and variance to predict with. Statistics that training passes saw and nobody took in are an
    /// error: predictions would be normalised by the numbers that the layer began with.
    pub(super) fn current(&self) -> Result<(Tensor, Tensor)> {
        if self.queued.load(Ordering::Relaxed) && self.batches()? == 0 {
            return Err(Error::Usage(format!(
                "`{}` was never updated although training passes ran; call `ctx.update_statistics()` after each step",
                self.mean.name()
            )));
        }
        Ok((self.mean(), self.var()))
    }
}

impl Update {
    pub(super) fn apply(self) -> Result<()> {
        let Update { running, mean, var } = self;
        let batches = running.batches()? + 1;
        let share = running.momentum.unwrap_or(1.0 / batches as f64);
        let blend = |old: &NamedBuffer, new: Tensor| -> Result<()> {
            let blended = no_grad(|| old.value().mul(1.0 - share)?.add(new.mul(share)?))?;
            Ok(old.set(&blended)?)
        };
        blend(&running.mean, mean)?;
        blend(&running.var, var)?;
        Ok(running.batches.set(&Tensor::from_slice(&[batches], [])?)?)
    }
}
