//! Optimisers by configuration. The update rules are in `azura_core::optim`.

use azura_core::Store;
use azura_core::optim::{Adam, Optimizer, Sgd};

use crate::error::Result;
use crate::train::{OptimizerKind, TrainConfig};

/// The optimiser that a configuration asks for, over all parameters of `store`.
///
/// Betas and epsilon are PyTorch's defaults (0.9, 0.999, 1e-8).
///
/// # Errors
/// What the engine says about the store.
pub fn optimizer(config: &TrainConfig, store: &Store) -> Result<Box<dyn Optimizer>> {
    Ok(match config.optimizer {
        OptimizerKind::Adamw => {
            let mut adam = Adam::adamw(store)?;
            adam.weight_decay = config.weight_decay;
            Box::new(adam)
        }
        OptimizerKind::Adam => {
            let mut adam = Adam::new(store)?;
            adam.weight_decay = config.weight_decay;
            Box::new(adam)
        }
        OptimizerKind::Sgd => {
            let mut sgd = Sgd::new(store)?;
            sgd.momentum = config.momentum;
            sgd.nesterov = config.nesterov;
            sgd.weight_decay = config.weight_decay;
            Box::new(sgd)
        }
    })
}
