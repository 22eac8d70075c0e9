//! What a forward pass is for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use azura_core::{Rng, Tensor};

use super::running::Update;
use crate::error::{Error, Problem, Result};

/// What a forward pass is for, its random numbers, and the statistics that it saw.
///
/// The trainer makes one for each batch, from the seed and the step's number, so that a resumed run
/// drops the same units. Layers with running statistics queue what they saw here.
/// [`update_statistics`](Ctx::update_statistics) takes it in, and so does dropping the context, so that a loop of one's
/// own cannot forget it; [`discard_statistics`](Ctx::discard_statistics) is for a step that is given up. As long as
/// statistics wait, their layers refuse to predict.
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{BatchNorm1d, Ctx, Module};
/// let store = Store::new(DType::F32);
/// let norm = BatchNorm1d::new(2, &store.root(Rng::new(0)))?;
/// let x = Tensor::from_slice(&[1.0f32, 10.0, 3.0, 30.0], [2, 2])?;
/// let mut ctx = Ctx::train(Rng::new(1));
/// norm.forward(&x, &mut ctx)?;
/// // … loss, backward, step, and then:
/// ctx.update_statistics()?;
/// assert_eq!(norm.running().unwrap().mean().to_vec::<f32>()?, [0.2, 2.0]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
///
/// A clone has the same mode and random numbers, and an empty queue.
#[derive(Debug)]
pub struct Ctx {
    /// True in training: dropout drops.
    pub train: bool,
    /// Random numbers of this pass.
    pub rng: Rng,
    updates: Vec<Update>,
    /// A part of a pass is computed again for its gradients: its statistics were queued the first time.
    again: bool,
    /// This pass sees a part of the batch only.
    part: bool,
}

impl Clone for Ctx {
    fn clone(&self) -> Self {
        let mut ctx = Ctx::new(self.train, self.rng.clone());
        ctx.part = self.part;
        ctx
    }
}

impl Drop for Ctx {
    fn drop(&mut self) {
        // An error leaves statistics waiting, and the next prediction says so. Nothing is added to a panic.
        if !std::thread::panicking() {
            let _ = self.update_statistics();
        }
    }
}

impl Ctx {
    fn new(train: bool, rng: Rng) -> Self {
        Ctx {
            train,
            rng,
            updates: Vec::new(),
            again: false,
            part: false,
        }
    }

    /// A training pass with these random numbers.
    pub fn train(rng: Rng) -> Self {
        Ctx::new(true, rng)
    }

    /// A training pass over a part of a batch.
    pub(crate) fn part(rng: Rng) -> Self {
        let mut ctx = Ctx::train(rng);
        ctx.part = true;
        ctx
    }

    /// Refuses a pass over a part of a batch (`train.shards`), for a layer whose results depend on the whole of it.
    ///
    /// # Errors
    /// [`Error::Config`], which names `train.shards` and the layer.
    pub fn needs_whole_batch(&self, layer: &str) -> Result<()> {
        if !self.part {
            return Ok(());
        }
        let rule = format!(
            "must be 1 for a model with `{layer}`, whose statistics are those of the whole batch"
        );
        let problem = Problem::new("train.shards", rule);
        let help =
            "leave it at 1, or normalise each sample by itself (group, layer or instance norm)";
        Err(Error::Config(vec![problem.help(help)]))
    }

    /// A pass that predicts: nothing is random.
    pub fn eval() -> Self {
        Ctx::new(false, Rng::new(0))
    }

    /// Takes what this pass saw into the running statistics of its layers, in the order of the pass, and
    /// empties the queue.
    ///
    /// # Errors
    /// If a layer's statistics cannot be replaced.
    pub fn update_statistics(&mut self) -> Result<()> {
        self.updates.drain(..).try_for_each(Update::apply)
    }

    /// Empties the queue and leaves the running statistics as they are, for a step that is given up.
    pub fn discard_statistics(&mut self) {
        self.updates.drain(..).for_each(Update::discard);
    }

    /// Takes what this pass saw into averages that count all batches alike and nothing before them; `batches` says how
    /// many each layer has seen, and is counted on.
    pub(crate) fn average_statistics(&mut self, batches: &mut HashMap<String, i64>) -> Result<()> {
        for update in self.updates.drain(..) {
            let count = batches.entry(update.layer()).or_default();
            update.apply_evenly(*count)?;
            *count += 1;
        }
        Ok(())
    }

    pub(super) fn queue(&mut self, update: Update) {
        if self.again {
            update.discard();
        } else {
            self.updates.push(update);
        }
    }

    /// Runs a part of the pass and keeps none of what its operations save: the backward pass runs it
    /// again (see [`azura_core::checkpoint`]). Statistics are queued once, and both runs draw the same
    /// random numbers.
    ///
    /// # Errors
    /// What `f` returns.
    pub fn checkpoint<const N: usize>(
        &mut self,
        f: impl Fn(&mut Ctx) -> Result<[Tensor; N]> + Send + Sync + 'static,
    ) -> Result<[Tensor; N]> {
        // What the first run leaves behind: its context, or its error, which the engine cannot carry.
        let first: Arc<Mutex<Option<Result<Ctx>>>> = Arc::default();
        let (left, start) = (Arc::clone(&first), self.clone());
        let (again, ran) = (self.again, AtomicBool::new(false));
        let outputs = azura_core::checkpoint(move || {
            let mut ctx = start.clone();
            ctx.again = ran.swap(true, Ordering::Relaxed) || again;
            let result = f(&mut ctx);
            let mut left = left.lock().unwrap_or_else(|e| e.into_inner());
            match result {
                Ok(outputs) => {
                    left.get_or_insert(Ok(ctx));
                    Ok(outputs)
                }
                Err(Error::Core(error)) => Err(error),
                Err(other) => {
                    let error = azura_core::Error::Argument {
                        op: "checkpoint",
                        rule: "the segment must run".to_string(),
                        fact: other.to_string(),
                    };
                    *left = Some(Err(other));
                    Err(error)
                }
            }
        });
        let left = first.lock().unwrap_or_else(|e| e.into_inner()).take();
        match (outputs, left) {
            (Ok(outputs), Some(Ok(mut ctx))) => {
                self.rng = ctx.rng.clone();
                self.updates.append(&mut ctx.updates);
                Ok(outputs)
            }
            (_, Some(Err(error))) => Err(error),
            (Ok(outputs), None) => Ok(outputs),
            (Err(error), _) => Err(error.into()),
        }
    }
}
