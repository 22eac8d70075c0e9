//! Running statistics: averages over training batches that predictions are normalised by.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// Of how many passes the statistics wait in a context.
    waiting: Arc<AtomicUsize>,
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
            waiting: Arc::default(),
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

    /// Queues what a training pass saw, which must be the whole batch.
    pub(super) fn queue(&self, mean: Tensor, var: Tensor, ctx: &mut Ctx) -> Result<()> {
        ctx.needs_whole_batch(&self.mean.name())?;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        ctx.queue(Update {
            running: self.clone(),
            mean,
            var,
        });
        Ok(())
    }

    /// Mean and variance to predict with. Statistics that wait in a context are an error: predictions would be normalised
    /// by numbers that a training pass has left behind.
    pub(super) fn current(&self) -> Result<(Tensor, Tensor)> {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return Ok((self.mean(), self.var()));
        }
        Err(Error::Usage(format!(
            "`{}` lacks what a training pass saw, which waits in its context; call `ctx.update_statistics()` after each \
             step, or drop the context, before you predict",
            self.mean.name()
        )))
    }
}

impl Update {
    /// Takes what was seen into the averages.
    pub(super) fn apply(self) -> Result<()> {
        let batches = self.running.batches()? + 1;
        let share = self.running.momentum.unwrap_or(1.0 / batches as f64);
        self.blend(share, batches)
    }

    /// As if nothing had been seen before `batches` batches, all of which count alike.
    pub(super) fn apply_evenly(self, batches: i64) -> Result<()> {
        self.blend(1.0 / (batches + 1) as f64, batches + 1)
    }

    /// Gives up what was seen.
    pub(super) fn discard(self) {
        self.running.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// The layer that it belongs to, by the name of its mean.
    pub(super) fn layer(&self) -> String {
        self.running.mean.name()
    }

    fn blend(self, share: f64, batches: i64) -> Result<()> {
        let Update { running, mean, var } = &self;
        let blend = |old: &NamedBuffer, new: &Tensor| -> Result<()> {
            let new = new.clone();
            let blended = no_grad(|| old.value().mul(1.0 - share)?.add(new.mul(share)?))?;
            Ok(old.set(&blended)?)
        };
        blend(&running.mean, mean)?;
        blend(&running.var, var)?;
        let batches = Tensor::from_slice(&[batches], [])?;
        running.batches.set(&batches)?;
        // What could not be taken in waits for ever: predictions are then refused.
        self.discard();
        Ok(())
    }
}
