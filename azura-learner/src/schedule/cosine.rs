//! Rates along a cosine.

use std::f64::consts::PI;

/// Half a cosine from `base` to `min` (Loshchilov & Hutter 2017, without restarts):
/// `min + (base - min) · (1 + cos(π·t/T)) / 2`, as the closed form of PyTorch's `CosineAnnealingLR`.
///
/// It rises again after `T`, as PyTorch's does; [`Schedule`](super::Schedule) stays at `min`.
///
/// ```
/// use azura_learner::schedule::cosine;
/// assert_eq!(cosine(1.0, 0.0, 0.0, 10.0), 1.0);
/// assert!((cosine(1.0, 0.0, 5.0, 10.0) - 0.5).abs() < 1e-15);
/// ```
pub fn cosine(base: f64, min: f64, t: f64, total: f64) -> f64 {
    if total <= 0.0 || t.is_infinite() {
        return min;
    }
    min + (base - min) * (1.0 + (PI * t / total).cos()) / 2.0
}

/// Cosines that begin again (Loshchilov & Hutter 2017, arXiv:1608.03983): the first lasts `first` steps, each further
/// one `factor` times as long as that before. PyTorch: `CosineAnnealingWarmRestarts`.
///
/// ```
/// use azura_learner::schedule::cosine_restarts;
/// let rates: Vec<f64> = (0..7).map(|t| cosine_restarts(1.0, 0.0, f64::from(t), 2.0, 2.0)).collect();
/// assert_eq!((rates[0], rates[2], rates[6]), (1.0, 1.0, 1.0));
/// assert!((rates[1] - 0.5).abs() < 1e-15 && (rates[4] - 0.5).abs() < 1e-15);
/// ```
pub fn cosine_restarts(base: f64, min: f64, t: f64, first: f64, factor: f64) -> f64 {
    if first <= 0.0 || (t / first).is_infinite() {
        return min;
    }
    if factor <= 1.0 {
        return cosine(base, min, t % first, first);
    }
    // n cosines are a geometric series; rounding may leave the logarithm on the wrong side of a restart.
    let begun = |n: f64| first * (factor.powf(n) - 1.0) / (factor - 1.0);
    let n = (t / first).mul_add(factor - 1.0, 1.0).ln() / factor.ln();
    let mut n = n.floor().max(0.0);
    if t >= begun(n + 1.0) {
        n += 1.0;
    } else if t < begun(n) {
        n -= 1.0;
    }
    cosine(base, min, t - begun(n), first * factor.powf(n))
}
