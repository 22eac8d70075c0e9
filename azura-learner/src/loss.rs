//! Losses: a sum over targets and the weight that divides it.
//!
//! A mean alone cannot be combined: the mean over two batches of unequal size, or over shards, is not
//! the mean of means. So a [`Loss`] keeps sum and weight, and whoever adds them up divides once.

use azura_core::{DType, Reduction, Tensor};

use crate::error::Result;

/// The loss of a batch: a scalar sum over its targets, and how many targets that is.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Sum over all targets; a scalar that gradients flow from.
    pub sum: Tensor,
    /// The number of targets, or the sum of their weights.
    pub weight: f64,
}

impl Loss {
    /// `sum / weight`, as a scalar that gradients flow from.
    ///
    /// # Errors
    /// If the sum is not a tensor that can be divided.
    pub fn mean(&self) -> Result<Tensor> {
        Ok(self.sum.clone().mul(1.0 / self.weight)?)
    }

    /// The sum as a number.
    pub(crate) fn value(&self) -> Result<f64> {
        Ok(self.sum.detach().cast(DType::F64)?.item::<f64>()?)
    }
}

/// Squared error, one target an element: `Σ (x - y)²`.
///
/// # Errors
/// If the shapes differ.
///
/// ```
/// use azura_core::Tensor;
/// let x = Tensor::from_slice(&[1.0f32, 2.0], [2])?;
/// let y = Tensor::from_slice(&[1.0f32, 5.0], [2])?;
/// let loss = azura_learner::loss::mse(&x, &y)?;
/// assert_eq!(loss.mean()?.item::<f32>()?, 4.5);
/// # Ok::<(), azura_learner::Error>(())
/// ```
pub fn mse(output: &Tensor, target: &Tensor) -> Result<Loss> {
    let sum = output.mse_loss(target, Reduction::Sum)?;
    Ok(each(sum, output))
}

/// Absolute error, one target an element: `Σ |x - y|`.
///
/// # Errors
/// If the shapes differ.
pub fn mae(output: &Tensor, target: &Tensor) -> Result<Loss> {
    let sum = output.l1_loss(target, Reduction::Sum)?;
    Ok(each(sum, output))
}

/// Huber's loss, one target an element: half the square up to `delta`, linear beyond (Huber 1964).
///
/// # Errors
/// If the shapes differ or `delta` is not above 0.
pub fn huber(output: &Tensor, target: &Tensor, delta: f64) -> Result<Loss> {
    let sum = output.huber_loss(target, delta, Reduction::Sum)?;
    Ok(each(sum, output))
}

/// Cross entropy from logits `[B, C]` and class numbers `[B]` (u32 or i64), one target a row.
///
/// # Errors
/// If shapes or dtypes do not fit or a class number is not below `C`.
pub fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Loss> {
    let sum = logits.cross_entropy(classes, Reduction::Sum)?;
    let weight = classes.numel() as f64;
    Ok(Loss { sum, weight })
}

fn each(sum: Tensor, output: &Tensor) -> Loss {
    Loss {
        sum,
        weight: output.numel() as f64,
    }
}
