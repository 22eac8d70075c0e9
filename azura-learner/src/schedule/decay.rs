//! Rates that fall or rise once. Each takes the rate `base` and the step `t`, counted from 0.

use super::part;

/// Times `gamma` every `size` steps. PyTorch: `StepLR`.
///
/// ```
/// use azura_learner::schedule::step;
/// assert_eq!([0, 2, 3, 6].map(|t| step(1.0, t, 3, 0.5)), [1.0, 1.0, 0.5, 0.25]);
/// ```
pub fn step(base: f64, t: u64, size: u64, gamma: f64) -> f64 {
    base * gamma.powf((t / size.max(1)) as f64)
}

/// Times `gamma` at each of `milestones`, in any order. PyTorch: `MultiStepLR`.
pub fn multistep(base: f64, t: u64, milestones: &[u64], gamma: f64) -> f64 {
    let passed = milestones.iter().filter(|&&at| at <= t).count();
    base * gamma.powf(passed as f64)
}

/// Times `gamma` every step. PyTorch: `ExponentialLR`.
pub fn exponential(base: f64, t: f64, gamma: f64) -> f64 {
    base * gamma.powf(t)
}

/// `base · (1 - t/total)^power`, and 0 from there on. PyTorch: `PolynomialLR`.
pub fn polynomial(base: f64, t: f64, total: f64, power: f64) -> f64 {
    base * (1.0 - part(t, total)).powf(power)
}

/// From `base · start` to `base · end` in `total` steps, along a line. PyTorch: `LinearLR`.
pub fn linear(base: f64, t: f64, total: f64, start: f64, end: f64) -> f64 {
    base * (start + (end - start) * part(t, total))
}

/// `base · factor` for `total` steps, then `base`. PyTorch: `ConstantLR`.
pub fn constant(base: f64, t: u64, total: u64, factor: f64) -> f64 {
    if t < total { base * factor } else { base }
}
