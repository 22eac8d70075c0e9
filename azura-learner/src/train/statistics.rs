//! Running statistics taken anew.

use std::collections::HashMap;
use std::sync::Arc;

use azura_core::{Rng, no_grad};

use super::Model;
use crate::data::{Dataset, Loader, LoaderConfig};
use crate::error::Result;
use crate::layers::Ctx;

/// Replaces the running statistics of all layers of `model` by those of one pass over `data`, in which all batches count
/// alike, for weights that no pass has seen, such as an average. PyTorch: `torch.optim.swa_utils.update_bn`, but that
/// instance norms with running statistics are not left out.
///
/// The pass is one of training: dropout drops, by `rng`.
///
/// # Errors
/// What the dataset and the model return.
pub fn recompute_statistics(
    model: &dyn Model,
    data: Arc<dyn Dataset>,
    batch: usize,
    rng: &Rng,
) -> Result<()> {
    let config = LoaderConfig {
        batch,
        shuffle: false,
        ..LoaderConfig::default()
    };
    let loader = Loader::new(data, config)?;
    let mut batches = HashMap::new();
    no_grad(|| {
        for (number, batch) in loader.epoch(0, 0).enumerate() {
            let mut ctx = Ctx::train(rng.fork(&number.to_string()));
            model.forward(&batch?, &mut ctx)?;
            ctx.average_statistics(&mut batches)?;
        }
        Ok(())
    })
}
