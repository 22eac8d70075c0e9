//! A batch in parts that are computed at the same time (`train.shards`).
//!
//! Each part has its own tape and its own gradients, which are added in the order of the parts, so the bits depend on how the
//! batch was cut and not on how many threads did it. Losses are sums with weights: parts of uneven weight give the mean of the
//! whole batch.

use std::sync::{Mutex, PoisonError};

use azura_core::{Gradients, Rng, Store, in_parallel};

use super::Model;
use crate::data::Batch;
use crate::error::{Error, Problem, Result};
use crate::layers::Ctx;

/// The gradients of the parts of a batch.
pub(super) struct Shards {
    parts: Vec<Gradients>,
}

impl Shards {
    pub fn new(count: usize, store: &Store) -> Self {
        Shards {
            parts: (0..count).map(|_| store.gradients()).collect(),
        }
    }

    /// Whether batches are cut at all.
    pub fn cut(&self) -> bool {
        self.parts.len() > 1
    }

    /// The gradients of the sum of losses that [`Shards::pass`] computed, part by part.
    pub fn gradients(&self) -> &[Gradients] {
        &self.parts
    }

    /// Forward and backward for each part of `batch`, in the order of its rows; the sum of their losses and of the weights.
    /// Each part draws random numbers of its own from `rng`.
    pub fn pass(&mut self, model: &dyn Model, batch: &Batch, rng: &Rng) -> Result<(f64, f64)> {
        self.parts.iter_mut().for_each(Gradients::clear);
        let batches = cut(batch, self.parts.len())?;
        let rooms: Vec<Mutex<&mut Gradients>> = self.parts.iter_mut().map(Mutex::new).collect();
        let passed = in_parallel(batches.len(), |i| -> Result<(f64, f64)> {
            let mut ctx = Ctx::part(rng.fork(&format!("shard {i}")));
            let output = model.forward(&batches[i], &mut ctx)?;
            let loss = model.loss(&output, &batches[i])?;
            let mut room = rooms[i].lock().unwrap_or_else(PoisonError::into_inner);
            loss.sum.backward_into(&mut room)?;
            Ok((loss.value()?, loss.weight))
        });
        let (mut sum, mut weight) = (0.0, 0.0);
        for part in passed {
            let part = part?;
            (sum, weight) = (sum + part.0, weight + part.1);
        }
        Ok((sum, weight))
    }
}

/// The rows of `batch` in so many parts, whose sizes differ by one at most; fewer where there are fewer rows.
fn cut(batch: &Batch, parts: usize) -> Result<Vec<Batch>> {
    let rows = batch.rows.len();
    if let Some(odd) = (batch.tensors.iter()).find(|x| x.shape().first() != Some(&rows)) {
        let rule = format!(
            "must be 1 for data whose tensors do not all begin with the axis of samples: a batch of {rows} rows has one of \
             shape {:?}",
            odd.shape()
        );
        return Err(Error::Config(vec![Problem::new("train.shards", rule)]));
    }
    let parts = parts.min(rows).max(1);
    let (size, longer) = (rows / parts, rows % parts);
    (0..parts)
        .map(|i| {
            let (start, len) = (i * size + i.min(longer), size + usize::from(i < longer));
            let part = batch.tensors.iter().map(|x| x.narrow(0, start, len));
            Ok(Batch {
                tensors: part.collect::<azura_core::Result<_>>()?,
                rows: batch.rows[start..start + len].to_vec(),
            })
        })
        .collect()
}
