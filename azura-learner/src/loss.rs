//! Losses: a sum over targets and the weight that divides it.
//!
//! A mean alone cannot be combined: the mean over two batches of unequal size, or over shards, is not
//! the mean of means. So a [`Loss`] keeps sum and weight, and whoever adds them up divides once.

use azura_core::{
    CrossEntropyOptions, DType, GaussianNllOptions, PoissonNllOptions, Reduction, Tensor,
};

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

/// Huber's loss in PyTorch's other scale, one target an element: `½ d² / beta` up to a distance of `beta`,
/// a line of slope 1 beyond (Girshick 2015, arXiv:1504.08083).
///
/// # Errors
/// If the shapes differ or `beta` is negative.
pub fn smooth_l1(output: &Tensor, target: &Tensor, beta: f64) -> Result<Loss> {
    let sum = output.smooth_l1_loss(target, beta, Reduction::Sum)?;
    Ok(each(sum, output))
}

/// The pinball loss of a quantile `q`, one target an element (Koenker & Bassett 1978).
///
/// # Errors
/// If the shapes differ or `q` is not between 0 and 1.
pub fn quantile(output: &Tensor, target: &Tensor, q: f64) -> Result<Loss> {
    let sum = output.quantile_loss(target, q, Reduction::Sum)?;
    Ok(each(sum, output))
}

/// Cross entropy of scores for yes and no, one target an element.
///
/// # Errors
/// If the shapes differ.
pub fn binary_cross_entropy_with_logits(output: &Tensor, target: &Tensor) -> Result<Loss> {
    let sum = output.binary_cross_entropy_with_logits(target, Reduction::Sum)?;
    Ok(each(sum, output))
}

/// The negative log-likelihood of normal distributions with means `output` and variances `var`, one
/// target an element.
///
/// # Errors
/// If the shapes do not fit or a variance is negative.
pub fn gaussian_nll(output: &Tensor, var: &Tensor, target: &Tensor) -> Result<Loss> {
    let options = GaussianNllOptions {
        reduction: Reduction::Sum,
        ..GaussianNllOptions::default()
    };
    let sum = output.gaussian_nll_loss(target, var, options)?;
    Ok(each(sum, output))
}

/// The negative log-likelihood of counts under logarithms of rates, one target an element.
///
/// # Errors
/// If the shapes differ.
pub fn poisson_nll(output: &Tensor, target: &Tensor) -> Result<Loss> {
    let options = PoissonNllOptions {
        reduction: Reduction::Sum,
        ..PoissonNllOptions::default()
    };
    let sum = output.poisson_nll_loss(target, options)?;
    Ok(each(sum, output))
}

/// The Kullback–Leibler divergence of target distributions from logarithms of probabilities, one target a
/// row.
///
/// # Errors
/// If the shapes differ or there is no axis.
pub fn kl_div(output: &Tensor, target: &Tensor) -> Result<Loss> {
    let sum = output.kl_div(target, false, Reduction::Sum)?;
    let weight = output.dim(0)? as f64;
    Ok(Loss { sum, weight })
}

/// Cross entropy from logits `[B, C, d…]` and class numbers `[B, d…]` (u32 or i64), one target each.
///
/// # Errors
/// If shapes or dtypes do not fit or a class number is not below `C`.
pub fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Loss> {
    cross_entropy_with(logits, classes, CrossEntropyOptions::default())
}

/// [`cross_entropy`] with weights of classes, smoothing, a label that is ignored, or probabilities as
/// targets. Its weight is what PyTorch's mean divides by: the weights of the labels that count.
///
/// # Errors
/// Those of [`Tensor::cross_entropy`].
///
/// ```
/// use azura_core::{CrossEntropyOptions, Tensor};
/// let logits = Tensor::from_slice(&[2.0f32, 0.0, 5.0, 0.0], [2, 2])?;
/// let padded = Tensor::from_slice(&[0i64, -100], [2])?;
/// let loss = azura_learner::loss::cross_entropy_with(&logits, &padded, CrossEntropyOptions::default())?;
/// assert_eq!(loss.weight, 1.0);
/// # Ok::<(), azura_learner::Error>(())
/// ```
pub fn cross_entropy_with(
    logits: &Tensor,
    target: &Tensor,
    options: CrossEntropyOptions<'_>,
) -> Result<Loss> {
    let weight = options.total_weight(logits, target)?;
    let options = CrossEntropyOptions {
        reduction: Reduction::Sum,
        ..options
    };
    let sum = logits.cross_entropy(target, options)?;
    Ok(Loss { sum, weight })
}

fn each(sum: Tensor, output: &Tensor) -> Loss {
    Loss {
        sum,
        weight: output.numel() as f64,
    }
}
