//! The average of the weights that goes along with a training.

use azura_core::Store;
use azura_core::optim::Average;

use super::checkpoint::Named;
use super::{AverageKind, TrainConfig};
use crate::error::Result;

/// An average that knows when it is due.
pub(super) struct Averaged {
    average: Average,
    pub kind: AverageKind,
    /// Epochs before it begins.
    start: u64,
}

impl Averaged {
    /// The average that a configuration asks for.
    pub fn new(config: &TrainConfig, store: &Store) -> Result<Option<Self>> {
        let average = match config.average {
            AverageKind::None => return Ok(None),
            AverageKind::Ema => Average::ema(store, config.average_decay)?,
            AverageKind::Swa => Average::swa(store)?,
        };
        Ok(Some(Averaged {
            average,
            kind: config.average,
            start: config.average_start,
        }))
    }

    /// Takes the weights in if that is due at this end, of a step (ema) or of an epoch (swa), in the epoch after
    /// `epochs` complete ones.
    pub fn update(&mut self, end: AverageKind, epochs: u64) -> Result<()> {
        if end == self.kind && epochs >= self.start {
            self.average.update()?;
        }
        Ok(())
    }

    /// The average; `None` before the first update.
    pub fn values(&self) -> Result<Option<Named>> {
        if self.average.updates() == 0 {
            return Ok(None);
        }
        Ok(Some(self.average.values()?))
    }

    /// What a checkpoint keeps.
    pub fn state(&self) -> Result<Named> {
        Ok(self.average.state()?)
    }

    /// Takes what [`Averaged::state`] gave.
    pub fn load(&mut self, state: &Named) -> Result<()> {
        Ok(self.average.load(state)?)
    }
}
