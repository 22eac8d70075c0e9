//! What a forward pass is for.

use std::sync::Mutex;

use azura_core::{Rng, Tensor};

use super::running::Update;
use crate::error::{Error, Result};

/// What a forward pass is for, its random numbers, and the statistics that it saw.
///
/// The trainer makes one for each step, from the seed and the step's number, so that a resumed run
/// drops the same units. Layers with running statistics queue what they saw here; the trainer applies
/// it after the step. A loop of one's own does the same:
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
/// A clone is for computing the same again: it has the same mode and random numbers, and an empty queue.
#[derive(Debug)]
pub struct Ctx {
    /// True in training: dropout drops.
    pub train: bool,
    /// Random numbers of this pass.
    pub rng: Rng,
    updates: Vec<Update>,
}

impl Clone for Ctx {
    fn clone(&self) -> Self {
        Ctx {
            train: self.train,
            rng: self.rng.clone(),
            updates: Vec::new(),
        }
    }
}

impl Ctx {
    /// A training pass with these random numbers.
    pub fn train(rng: Rng) -> Self {
        Ctx {
            train: true,
            rng,
            updates: Vec::new(),
        }
    }

    /// A pass that predicts: nothing is random.
    pub fn eval() -> Self {
        Ctx {
            train: false,
            ..Ctx::train(Rng::new(0))
        }
    }

    /// Takes what this pass saw into the running statistics of its layers, in the order of the pass, and
    /// empties the queue. To be called after the optimiser's step; not at all if the step is given up.
    ///
    /// # Errors
    /// If a layer's statistics cannot be replaced.
    pub fn update_statistics(&mut self) -> Result<()> {
        self.updates.drain(..).try_for_each(Update::apply)
    }

    pub(super) fn queue(&mut self, update: Update) {
        self.updates.push(update);
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
        let first: std::sync::Arc<Mutex<Option<Result<Ctx>>>> = std::sync::Arc::default();
        let (left, start) = (std::sync::Arc::clone(&first), self.clone());
        let outputs = azura_core::checkpoint(move || {
            let mut ctx = start.clone();
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
            (Ok(outputs), Some(Ok(ctx))) => {
                self.rng = ctx.rng.clone();
                self.updates.extend(ctx.updates);
                Ok(outputs)
            }
            (_, Some(Err(error))) => Err(error),
            (Ok(outputs), None) => Ok(outputs),
            (Err(error), _) => Err(error.into()),
        }
    }
}
