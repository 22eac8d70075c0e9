//! A pass over a dataset without gradients.

use std::sync::Arc;

use azura_core::{Tensor, no_grad};

use super::Model;
use crate::data::{Dataset, Loader, LoaderConfig};
use crate::error::Result;
use crate::layers::Ctx;

/// What [`evaluate`] gives.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// What the model keeps of its outputs, one row a sample, in the order of the dataset.
    pub outputs: Tensor,
    /// Mean loss over all targets; NaN if none of them counts.
    pub loss: f64,
    /// The number of targets, or the sum of their weights.
    pub weight: f64,
}

/// Outputs and mean loss of `model` over all rows of `data`, in order, in batches of `batch`.
///
/// The batch size can decide which kernel runs and with it the last bit of an output; use the same one
/// where results are compared.
///
/// # Errors
/// What the dataset and the model return.
pub fn evaluate(model: &dyn Model, data: Arc<dyn Dataset>, batch: usize) -> Result<Evaluation> {
    let config = LoaderConfig {
        batch,
        shuffle: false,
        ..LoaderConfig::default()
    };
    let loader = Loader::new(data, config)?;
    no_grad(|| {
        let mut outputs = Vec::with_capacity(loader.batches());
        let (mut sum, mut weight) = (0.0, 0.0);
        for batch in loader.epoch(0, 0) {
            let batch = batch?;
            let output = model.forward(&batch, &mut Ctx::eval())?;
            let loss = model.loss(&output, &batch)?;
            sum += loss.value()?;
            weight += loss.weight;
            outputs.push(model.keep(&output, &batch)?);
        }
        let parts: Vec<&Tensor> = outputs.iter().collect();
        Ok(Evaluation {
            outputs: Tensor::cat(&parts, 0)?,
            loss: sum / weight,
            weight,
        })
    })
}
