//! Losses.

use crate::call::{Call, one};
use crate::file::{Why, lacks};
use azura_core::{DType, Reduction, Tensor};

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let x = || call.tensor(0, "input");
    Ok(Some(match name {
        "nn.functional.mse_loss" | "nn.functional.l1_loss" | "nn.functional.huber_loss" => {
            call.only(&["reduction", "delta"])?;
            let (target, reduction) = (call.tensor(1, "target")?, call.reduction()?);
            if x()?.shape() != target.shape() {
                return lacks("a target that is broadcast");
            }
            let delta = call.float(usize::MAX, "delta")?.unwrap_or(1.0);
            one(match name {
                "nn.functional.mse_loss" => x()?.mse_loss(target, reduction),
                "nn.functional.l1_loss" => x()?.l1_loss(target, reduction),
                _ => x()?.huber_loss(target, delta, reduction),
            })?
        }
        "nn.functional.cross_entropy" => {
            call.only(&["reduction"])?;
            one(scores(x()?, call.tensor(1, "target")?, call.reduction()?)?)?
        }
        _ => return Ok(None),
    }))
}

pub fn scores(
    x: &Tensor,
    labels: &Tensor,
    r: Reduction,
) -> Result<azura_core::Result<Tensor>, Why> {
    if labels.dtype() != DType::I64 {
        return lacks("probabilities as targets");
    }
    if x.rank() != 2 {
        return lacks("scores that are not [N, C]");
    }
    if labels.to_vec::<i64>()?.iter().any(|&label| label < 0) {
        return lacks("labels to be ignored");
    }
    Ok(x.cross_entropy(labels, r))
}
