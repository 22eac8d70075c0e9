//! Logistic regression: the linear model of classes.

use azura_core::Tensor;
use serde::{Deserialize, Serialize};

use super::{dot, moments};
use crate::Result;
use crate::data::{DataError, DataErrorKind};
use crate::lbfgs::direction;

/// Rows that are held at a time.
const BLOCK: usize = 1024;
/// Steps of the search at most.
const STEPS: usize = 300;
/// Pairs of differences that the search remembers.
const MEMORY: usize = 10;
/// The search ends when a step gains less than this share of the value.
const GAIN: f64 = 1e-10;

/// Multinomial logistic regression: `p(class | x) = softmax(b + W z)`, where `zⱼ = (xⱼ − meanⱼ)/stdⱼ`.
///
/// Minimises `−Σ ln p(yᵢ | xᵢ) + penalty/2 · Σ w²`, intercepts free of the penalty, in `f64` by L-BFGS (Liu & Nocedal 1989). With a
/// penalty of 1 it is scikit-learn's `LogisticRegression` on standardised columns.
///
/// ```
/// use azura_learner::baselines::Logistic;
/// let x = [0.0, 1.0, 2.0, 7.0, 8.0, 9.0];
/// let line = Logistic::fit(6, 1, |i, row| row[0] = x[i], &[0, 0, 0, 1, 1, 1], 2, 1.0)?;
/// assert!(line.predict(&[1.5])[0] > 0.8 && line.predict(&[8.5])[1] > 0.8);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// `[classes, features]`, for the columns' own units.
    weights: Vec<f64>,
    intercepts: Vec<f64>,
}

/// What is minimised.
struct Problem<'a, F> {
    samples: usize,
    features: usize,
    classes: usize,
    row: F,
    labels: &'a [usize],
    penalty: f64,
    mean: &'a [f64],
    std: &'a [f64],
}

impl<F: Fn(usize, &mut [f64])> Problem<'_, F> {
    /// The value at `w [features + 1, classes]`, whose last row are the intercepts, and the gradient.
    fn value(&self, w: &[f64]) -> Result<(f64, Vec<f64>)> {
        let (wide, classes) = (self.features + 1, self.classes);
        let free = self.features * classes;
        let penalised = w[..free].iter().map(|w| w * w).sum::<f64>();
        let mut value = 0.5 * self.penalty * penalised;
        let mut gradient: Vec<f64> = w[..free].iter().map(|w| self.penalty * w).collect();
        gradient.resize(w.len(), 0.0);
        let weights = Tensor::from_vec(w.to_vec(), [wide, classes])?;
        for first in (0..self.samples).step_by(BLOCK) {
            let block = first..self.samples.min(first + BLOCK);
            let mut z = vec![1.0; block.len() * wide];
            for (z, i) in z.chunks_exact_mut(wide).zip(block.clone()) {
                let z = &mut z[..self.features];
                (self.row)(i, z);
                for ((z, mean), std) in z.iter_mut().zip(self.mean).zip(self.std) {
                    *z = (*z - mean) / std;
                }
            }
            let z = Tensor::from_vec(z, [block.len(), wide])?;
            let mut p: Vec<f64> = z.matmul(&weights)?.to_vec()?;
            for (p, i) in p.chunks_exact_mut(classes).zip(block.clone()) {
                let label = self.labels[i];
                value -= log_softmax(p, label);
                p[label] -= 1.0;
            }
            let p = Tensor::from_vec(p, [block.len(), classes])?;
            let part: Vec<f64> = z.t()?.matmul(&p)?.to_vec()?;
            for (sum, x) in gradient.iter_mut().zip(part) {
                *sum += x;
            }
        }
        Ok((value, gradient))
    }
}

/// The probabilities in place of the scores; the logarithm of that of `label`.
fn log_softmax(scores: &mut [f64], label: usize) -> f64 {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let own = scores[label] - most;
    let mut sum = 0.0;
    for x in scores.iter_mut() {
        *x = (*x - most).exp();
        sum += *x;
    }
    for x in scores.iter_mut() {
        *x /= sum;
    }
    own - sum.ln()
}

impl Logistic {
    /// Fits `samples` rows of `features` values to labels below `classes`; `row(i, out)` writes row `i`, in every step again, so the
    /// whole matrix never needs to be in memory.
    ///
    /// # Errors
    /// [`DataErrorKind::Size`] if there are no samples or features, fewer than two classes, or not one label a sample;
    /// [`DataErrorKind::OutOfRange`] for a label that is no class, values that are not finite, or a penalty not above 0.
    pub fn fit(
        samples: usize,
        features: usize,
        row: impl Fn(usize, &mut [f64]),
        labels: &[usize],
        classes: usize,
        penalty: f64,
    ) -> Result<Self> {
        if samples == 0 || features == 0 || classes < 2 || labels.len() != samples {
            let n = labels.len();
            let what = format!(
                "logistic regression on {samples} rows of {features} features, {n} labels of {classes} classes"
            );
            return Err(DataError::new(DataErrorKind::Size, what).into());
        }
        if !(penalty > 0.0 && penalty.is_finite()) {
            let what = format!("the penalty must be above 0, but is {penalty}");
            return Err(DataError::new(DataErrorKind::OutOfRange, what).into());
        }
        if let Some(label) = labels.iter().find(|&&label| label >= classes) {
            let what = format!("label {label} is none of {classes} classes");
            return Err(DataError::new(DataErrorKind::OutOfRange, what).into());
        }
        let (mean, std) = moments(samples, features, &row)?;
        let problem = Problem {
            samples,
            features,
            classes,
            row,
            labels,
            penalty,
            mean: &mean,
            std: &std,
        };
        let w = minimise(vec![0.0; (features + 1) * classes], |w| problem.value(w))?;
        let at = |feature: usize, class: usize| w[feature * classes + class];
        let mut weights = Vec::with_capacity(features * classes);
        let mut intercepts = Vec::with_capacity(classes);
        for class in 0..classes {
            let own: Vec<f64> = (0..features).map(|j| at(j, class) / std[j]).collect();
            intercepts.push(at(features, class) - dot(&own, &mean));
            weights.extend(own);
        }
        Ok(Logistic {
            weights,
            intercepts,
        })
    }

    /// The probability of each class for one row of features.
    ///
    /// # Panics
    /// If the row has another length than the fitted ones (a mistake of the program).
    pub fn predict(&self, row: &[f64]) -> Vec<f64> {
        let features = self.weights.len() / self.intercepts.len();
        assert_eq!(row.len(), features, "features of a row");
        let classes = self.weights.chunks_exact(features).zip(&self.intercepts);
        let mut scores: Vec<f64> = classes.map(|(w, b)| b + dot(w, row)).collect();
        log_softmax(&mut scores, 0);
        scores
    }
}

/// Limited-memory BFGS from `x`, with steps that are halved until they gain enough (Armijo).
fn minimise(
    mut x: Vec<f64>,
    value: impl Fn(&[f64]) -> Result<(f64, Vec<f64>)>,
) -> Result<Vec<f64>> {
    let (mut now, mut gradient) = value(&x)?;
    let mut pairs: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..STEPS {
        let mut step = direction(&pairs, &gradient);
        let mut slope = dot(&step, &gradient);
        if slope >= 0.0 {
            // Rounding has spoilt what was remembered.
            pairs.clear();
            step = gradient.iter().map(|g| -g).collect();
            slope = -dot(&gradient, &gradient);
        }
        let mut length = if pairs.is_empty() {
            1.0 / dot(&gradient, &gradient).sqrt().max(1.0)
        } else {
            1.0
        };
        let found = loop {
            let to: Vec<f64> = x.iter().zip(&step).map(|(x, s)| x + length * s).collect();
            let (then, gradient) = value(&to)?;
            if then <= now + 1e-4 * length * slope {
                break Some((to, then, gradient));
            }
            length *= 0.5;
            if length < 1e-12 {
                break None;
            }
        };
        let Some((to, then, new)) = found else { break };
        let moved: Vec<f64> = to.iter().zip(&x).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = new.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let gained = now - then;
        if dot(&moved, &turned) > 0.0 {
            if pairs.len() == MEMORY {
                pairs.remove(0);
            }
            pairs.push((moved, turned));
        }
        (x, now, gradient) = (to, then, new);
        if gained <= GAIN * now.abs().max(1.0) {
            break;
        }
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the minimum the gradient is 0: Σ (p − y) for the intercepts, Σ (p − y) z + penalty · w for the weights.
    #[test]
    fn the_fit_is_at_the_minimum() {
        let n = 60;
        let x: Vec<[f64; 2]> = (0..n)
            .map(|i| [f64::from(i % 7) - 3.0, 10.0 + f64::from(i * 5 % 11)])
            .collect();
        let labels: Vec<usize> = (0..n).map(|i| (i * i % 5 % 3) as usize).collect();
        let row = |i: usize, out: &mut [f64]| out.copy_from_slice(&x[i]);
        let fit = Logistic::fit(x.len(), 2, row, &labels, 3, 1.0).unwrap();
        let (mean, std) = moments(x.len(), 2, &row).unwrap();
        for class in 0..3 {
            let mut sums = [0.0; 3];
            for (x, &label) in x.iter().zip(&labels) {
                let error = fit.predict(x)[class] - f64::from(u8::from(label == class));
                for j in 0..2 {
                    sums[j] += error * (x[j] - mean[j]) / std[j];
                }
                sums[2] += error;
            }
            for j in 0..2 {
                sums[j] += fit.weights[class * 2 + j] * std[j];
            }
            assert!(sums.iter().all(|sum| sum.abs() < 1e-3), "{sums:?}");
        }
        let sum: f64 = fit.predict(&[0.0, 15.0]).iter().sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }

    #[test]
    fn classes_that_a_line_parts_stay_finite() {
        let x: Vec<f64> = (0..40).map(f64::from).collect();
        let labels: Vec<usize> = (0..40).map(|i| usize::from(i >= 20)).collect();
        let fit = Logistic::fit(40, 1, |i, row| row[0] = x[i], &labels, 2, 1.0).unwrap();
        assert!(fit.predict(&[0.0])[0] > 0.99 && fit.predict(&[39.0])[1] > 0.99);
        assert!(fit.weights.iter().all(|w| w.is_finite()));
    }

    #[test]
    fn what_cannot_be_fitted_is_an_error() {
        let fit = |labels: &[usize], classes, penalty| {
            Logistic::fit(2, 1, |i, row| row[0] = i as f64, labels, classes, penalty)
        };
        assert!(fit(&[0, 1], 2, 1.0).is_ok());
        assert!(fit(&[0], 2, 1.0).is_err());
        assert!(fit(&[0, 2], 2, 1.0).is_err());
        assert!(fit(&[0, 0], 1, 1.0).is_err());
        assert!(fit(&[0, 1], 2, 0.0).is_err());
    }
}
