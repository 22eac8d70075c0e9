//! The batches of one optimiser step.

use azura_core::Rng;

use crate::layers::Ctx;

/// Batches whose gradients are in the store: at any time those of the mean over all their targets.
pub(super) struct Group {
    /// Random numbers of the next batch.
    pub rng: Rng,
    /// The passes so far, whose statistics wait for the step.
    pub passes: Vec<Ctx>,
    /// How many batches there were.
    pub batches: u64,
    /// Their rows.
    pub rows: usize,
    /// Seconds that training waited for them.
    pub waited: f64,
    /// Sum of their losses.
    pub sum: f64,
    /// Weight of those.
    pub weight: f64,
}

impl Group {
    pub fn new(rng: Rng) -> Self {
        Group {
            rng,
            passes: Vec::new(),
            batches: 0,
            rows: 0,
            waited: 0.0,
            sum: 0.0,
            weight: 0.0,
        }
    }

    /// Takes what the passes saw into running statistics.
    pub fn update_statistics(&mut self) -> crate::Result<()> {
        self.passes.iter_mut().try_for_each(Ctx::update_statistics)
    }

    /// Gives up what the passes saw.
    pub fn discard_statistics(&mut self) {
        self.passes.iter_mut().for_each(Ctx::discard_statistics);
    }
}
