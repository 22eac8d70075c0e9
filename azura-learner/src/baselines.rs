//! What a model must beat before it is worth anything: naive forecasts, the most frequent label, and
//! linear models on the same inputs.

mod logistic;

pub use logistic::Logistic;

use azura_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::data::{DataError, DataErrorKind, DataResult, Dataset, Windows};

/// "It stays as it is": the prediction for row `t` is `series[t − horizon]`, the newest value known.
///
/// # Errors
/// [`DataErrorKind::Size`] for a row outside of the series, or with nothing `horizon` rows before it;
/// `horizon` 0.
///
/// ```
/// use azura_learner::baselines::persistence;
/// assert_eq!(persistence(&[1.0, 2.0, 4.0], &[1, 2], 1)?, [1.0, 2.0]);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
pub fn persistence(series: &[f64], rows: &[usize], horizon: usize) -> DataResult<Vec<f64>> {
    seasonal_naive(series, rows, 1, horizon)
}

/// "As one season ago": the prediction for row `t` is `series[t − k·season]`, with the smallest `k` that
/// reaches back to a value known `horizon` rows before.
///
/// With hourly rows and a season of 24: the same hour of yesterday.
///
/// # Errors
/// As [`persistence`].
pub fn seasonal_naive(
    series: &[f64],
    rows: &[usize],
    season: usize,
    horizon: usize,
) -> DataResult<Vec<f64>> {
    if season == 0 || horizon == 0 {
        let what = format!("season and horizon must be at least 1, but are {season} and {horizon}");
        return Err(DataError::new(DataErrorKind::Size, what));
    }
    let back = horizon.div_ceil(season).saturating_mul(season);
    rows.iter()
        .map(|&row| match row.checked_sub(back) {
            Some(before) if row < series.len() => Ok(series[before]),
            _ => {
                let n = series.len();
                let what = format!("row {row} of {n} has no value {back} rows before it");
                Err(DataError::new(DataErrorKind::Size, what)
                    .remedy("use more history or a shorter season"))
            }
        })
        .collect()
}

/// The label that is most frequent, the smallest of them if there are several.
///
/// # Errors
/// [`DataErrorKind::Size`] if there are no labels.
pub fn majority_class(labels: &[usize]) -> DataResult<usize> {
    let mut sorted = labels.to_vec();
    sorted.sort_unstable();
    sorted
        .chunk_by(|a, b| a == b)
        // `max_by_key` keeps the last of equals, so the smallest label must come last.
        .rev()
        .max_by_key(|group| group.len())
        .map(|group| group[0])
        .ok_or_else(|| DataError::new(DataErrorKind::Size, "there are no labels"))
}

/// Linear regression with a penalty on large weights (Hoerl & Kennard 1970), solved exactly.
///
/// Minimises `Σ(y − b − Σⱼ wⱼ zⱼ)² + alpha · Σⱼ wⱼ²`, where `zⱼ = (xⱼ − meanⱼ)/stdⱼ` are the columns
/// brought to a common size and the intercept `b` is free. The normal equations
/// `(ZᵀZ + alpha·I) w = Zᵀ(y − ȳ)` are solved in `f64` by Cholesky decomposition; the weights kept are
/// those for the columns' own units, `wⱼ/stdⱼ`. A constant column gets weight 0.
///
/// ```
/// use azura_learner::baselines::Ridge;
/// let (x, y) = ([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]);
/// let line = Ridge::fit(3, 1, |i, row| row[0] = x[i], &y, 0.0)?;
/// assert!((line.predict(&[10.0]) - 21.0).abs() < 1e-12);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ridge {
    weights: Vec<f64>,
    intercept: f64,
}

impl Ridge {
    /// Fits `samples` rows of `features` values; `row(i, out)` writes row `i`, and is called twice for
    /// each, so the whole matrix never needs to be in memory.
    ///
    /// # Errors
    /// [`DataErrorKind::Size`] if there are no samples or features, or not one `y` a sample;
    /// [`DataErrorKind::OutOfRange`] for values that are not finite, an `alpha` below 0, or columns that
    /// depend on each other with an `alpha` too small to choose between them.
    pub fn fit(
        samples: usize,
        features: usize,
        row: impl Fn(usize, &mut [f64]),
        y: &[f64],
        alpha: f64,
    ) -> Result<Self> {
        let ridges = Ridges::fit(samples, features, 1, row, y, &[alpha])?;
        let only = ridges.into_iter().next();
        only.map(|ridge| Ridge {
            weights: ridge.weights,
            intercept: ridge.intercepts[0],
        })
        .ok_or_else(|| DataError::new(DataErrorKind::Other, "no regression").into())
    }

    /// Fits flattened windows to their targets.
    ///
    /// # Errors
    /// As [`Ridge::fit`].
    pub fn fit_windows(windows: &Windows, alpha: f64) -> Result<Self> {
        let y: Vec<f64> = (0..windows.len())
            .map(|i| f64::from(windows.target(i)))
            .collect();
        Ridge::fit(
            windows.len(),
            windows.width(),
            |i, out| windows.flat(i, out),
            &y,
            alpha,
        )
    }

    /// The prediction for one row of features: `b + Σ wⱼ xⱼ`.
    ///
    /// # Panics
    /// If the row has another length than the fitted ones (a mistake of the program).
    pub fn predict(&self, row: &[f64]) -> f64 {
        assert_eq!(row.len(), self.weights.len(), "features of a row");
        self.intercept + dot(&self.weights, row)
    }

    /// The prediction for every window.
    ///
    /// # Errors
    /// [`DataErrorKind::Size`] if the windows have another width than the fitted ones.
    pub fn predict_windows(&self, windows: &Windows) -> DataResult<Vec<f64>> {
        let (have, want) = (windows.width(), self.weights.len());
        if have != want {
            let what = format!(
                "the regression was fitted on {want} features, but the windows have {have}"
            );
            return Err(DataError::new(DataErrorKind::Size, what));
        }
        let mut row = vec![0.0; want];
        Ok((0..windows.len())
            .map(|i| {
                windows.flat(i, &mut row);
                self.predict(&row)
            })
            .collect())
    }

    /// The weight of each feature, in units of the target for one unit of the feature.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The prediction where every feature is 0.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }
}

/// Ridge regressions of several targets on the same features, as [`Ridge`] for each of them.
///
/// The matrix of the normal equations is made once for all targets and penalties, which is nearly all of the work.
///
/// ```
/// use azura_learner::baselines::Ridges;
/// // y₁ = 2x + 1 and y₂ = −x.
/// let row = |i: usize, out: &mut [f64]| out[0] = i as f64;
/// let y = [1.0, 0.0, 3.0, -1.0, 5.0, -2.0];
/// let lines = &Ridges::fit(3, 1, 2, row, &y, &[0.0])?[0];
/// let mut at_10 = [0.0; 2];
/// lines.predict(&[10.0], &mut at_10);
/// assert!((at_10[0] - 21.0).abs() < 1e-12 && (at_10[1] + 10.0).abs() < 1e-12);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ridges {
    /// `[targets, features]`
    weights: Vec<f64>,
    intercepts: Vec<f64>,
}

impl Ridges {
    /// Rows of the matrix that are held at a time: enough for the product to run at full speed, 12 MB at
    /// 1,500 features.
    const BLOCK: usize = 1024;
    /// Columns of the Gram matrix made at a time: nearly half of the work is saved from 1,000 features
    /// on, and the products stay large enough for full speed.
    const PANEL: usize = 128;

    /// Fits `samples` rows of `features` values to `targets` numbers each (`y`, row-major), once for each penalty;
    /// `row(i, out)` writes row `i`, and is called twice for each, so the whole matrix never needs to be in memory.
    ///
    /// # Errors
    /// As [`Ridge::fit`].
    pub fn fit(
        samples: usize,
        features: usize,
        targets: usize,
        row: impl Fn(usize, &mut [f64]),
        y: &[f64],
        alphas: &[f64],
    ) -> Result<Vec<Self>> {
        if samples == 0
            || features == 0
            || targets == 0
            || samples.checked_mul(targets) != Some(y.len())
        {
            let n = y.len();
            let what =
                format!("ridge regression on {samples} rows of {features} features, {n} targets");
            return Err(DataError::new(DataErrorKind::Size, what).into());
        }
        if let Some(alpha) = alphas.iter().find(|a| !(**a >= 0.0 && a.is_finite())) {
            let what = format!("alpha must be at least 0, but is {alpha}");
            return Err(DataError::new(DataErrorKind::OutOfRange, what).into());
        }
        let (mean, std) = moments(samples, features, &row)?;
        let mut y_mean = vec![0.0; targets];
        for y in y.chunks_exact(targets) {
            for (mean, y) in y_mean.iter_mut().zip(y) {
                *mean += y / samples as f64;
            }
        }
        if let Some(mean) = y_mean.iter().find(|mean| !mean.is_finite()) {
            let what = format!("the mean of the targets is {mean}");
            return Err(DataError::new(DataErrorKind::OutOfRange, what).into());
        }

        let mut gram = vec![0.0; features * features];
        // `[features, targets]`
        let mut right = vec![0.0; features * targets];
        for first in (0..samples).step_by(Ridges::BLOCK) {
            let block = first..samples.min(first + Ridges::BLOCK);
            let rows = block.len();
            let mut z = vec![0.0; rows * features];
            let mut residuals = Vec::with_capacity(rows * targets);
            for (out, i) in z.chunks_exact_mut(features).zip(block) {
                row(i, out);
                for ((z, mean), std) in out.iter_mut().zip(&mean).zip(&std) {
                    *z = (*z - mean) / std;
                }
                let y = &y[i * targets..(i + 1) * targets];
                residuals.extend(y.iter().zip(&y_mean).map(|(y, mean)| y - mean));
            }
            let z = Tensor::from_vec(z, [rows, features])?;
            let residuals = Tensor::from_vec(residuals, [rows, targets])?;
            add(&mut right, &z.t()?.matmul(&residuals)?)?;
            // ZᵀZ is symmetric: panel by panel, only the columns up to the panel's own are computed.
            for start in (0..features).step_by(Ridges::PANEL) {
                let width = Ridges::PANEL.min(features - start);
                let (panel, upto) = (z.narrow(1, start, width)?, start + width);
                let product = panel.t()?.matmul(&z.narrow(1, 0, upto)?)?;
                let product: Vec<f64> = product.to_vec()?;
                let sums = gram[start * features..].chunks_mut(features);
                for (sums, product) in sums.zip(product.chunks_exact(upto)) {
                    for (sum, product) in sums.iter_mut().zip(product) {
                        *sum += product;
                    }
                }
            }
        }
        let solved = |alpha: f64| -> Result<Ridges> {
            let mut gram = gram.clone();
            for j in 0..features {
                gram[j * features + j] += alpha;
                // A constant column is all zeros; any pivot leaves its weight 0.
                if gram[j * features + j] == 0.0 {
                    gram[j * features + j] = 1.0;
                }
            }
            cholesky(&mut gram, features)?;
            let mut ridges = Ridges {
                weights: Vec::with_capacity(features * targets),
                intercepts: Vec::with_capacity(targets),
            };
            for (target, y_mean) in y_mean.iter().enumerate() {
                let mut w: Vec<f64> = right[target..].iter().step_by(targets).copied().collect();
                solve(&gram, &mut w);
                w.iter_mut().zip(&std).for_each(|(w, std)| *w /= std);
                ridges.intercepts.push(y_mean - dot(&w, &mean));
                ridges.weights.extend(w);
            }
            Ok(ridges)
        };
        alphas.iter().map(|&alpha| solved(alpha)).collect()
    }

    /// The predictions for one row of features: `bₜ + Σ wₜⱼ xⱼ` for each target.
    ///
    /// # Panics
    /// If the row has another length than the fitted ones, or `out` not one place a target (a mistake of the program).
    pub fn predict(&self, row: &[f64], out: &mut [f64]) {
        assert_eq!(out.len(), self.targets(), "targets of a row");
        assert_eq!(row.len(), self.features(), "features of a row");
        for ((out, w), b) in out
            .iter_mut()
            .zip(self.weights.chunks_exact(row.len()))
            .zip(&self.intercepts)
        {
            *out = b + dot(w, row);
        }
    }

    /// How many targets there are.
    pub fn targets(&self) -> usize {
        self.intercepts.len()
    }

    /// How many features a row has.
    pub fn features(&self) -> usize {
        self.weights.len() / self.intercepts.len().max(1)
    }
}

/// Adds the elements of a tensor.
fn add(sums: &mut [f64], tensor: &Tensor) -> Result<()> {
    let terms: Vec<f64> = tensor.to_vec()?;
    sums.iter_mut().zip(terms).for_each(|(sum, x)| *sum += x);
    Ok(())
}

/// Mean and standard deviation of every column; deviation 1 where it is 0.
///
/// Welford's update: one pass, and no cancellation where the mean is far from 0.
fn moments(
    samples: usize,
    features: usize,
    row: &impl Fn(usize, &mut [f64]),
) -> DataResult<(Vec<f64>, Vec<f64>)> {
    let (mut mean, mut spread, mut out) = (
        vec![0.0; features],
        vec![0.0; features],
        vec![0.0; features],
    );
    for i in 0..samples {
        row(i, &mut out);
        let share = 1.0 / (i + 1) as f64;
        for ((mean, spread), x) in mean.iter_mut().zip(&mut spread).zip(&out) {
            let before = x - *mean;
            *mean += before * share;
            *spread += before * (x - *mean);
        }
    }
    if let Some(feature) = spread.iter().position(|s| !s.is_finite()) {
        let what = format!(
            "feature {} has values that are not finite or too far apart",
            feature + 1
        );
        return Err(DataError::new(DataErrorKind::OutOfRange, what));
    }
    let std = spread.iter().map(|s| (s / samples as f64).sqrt());
    Ok((mean, std.map(|s| if s == 0.0 { 1.0 } else { s }).collect()))
}

/// `Σ a·b`. Four sums, so that one addition need not wait for the one before.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = a4
        .remainder()
        .iter()
        .zip(b4.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in a4.zip(b4) {
        for i in 0..4 {
            sums[i] += x[i] * y[i];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// Puts `L` of `A = L·Lᵀ` into the lower triangle of `a` `[n, n]`, row by row. Only the lower triangle of
/// the symmetric `A` is read.
fn cholesky(a: &mut [f64], n: usize) -> DataResult<()> {
    let largest = (0..n).map(|j| a[j * n + j]).fold(0.0, f64::max);
    // Below this a pivot is rounding error: the sum of n products of that size.
    let smallest = largest * f64::EPSILON * n as f64;
    for i in 0..n {
        let (above, row) = a.split_at_mut(i * n);
        for j in 0..i {
            let upper = &above[j * n..j * n + j + 1];
            row[j] = (row[j] - dot(&row[..j], &upper[..j])) / upper[j];
        }
        let pivot = row[i] - dot(&row[..i], &row[..i]);
        if pivot.is_nan() || pivot <= smallest {
            let what = format!(
                "feature {} depends on those before it, alpha is too small",
                i + 1
            );
            return Err(
                DataError::new(DataErrorKind::OutOfRange, what).remedy("use a larger alpha")
            );
        }
        row[i] = pivot.sqrt();
    }
    Ok(())
}

/// Solves `L·Lᵀ x = b` in place.
fn solve(l: &[f64], b: &mut [f64]) {
    let n = b.len();
    for i in 0..n {
        b[i] = (b[i] - dot(&l[i * n..i * n + i], &b[..i])) / l[i * n + i];
    }
    for i in (0..n).rev() {
        b[i] /= l[i * n + i];
        let (done, x) = (b[i], &mut b[..i]);
        for (x, l) in x.iter_mut().zip(&l[i * n..i * n + i]) {
            *x -= done * l;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naive_forecasts() {
        let series = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(persistence(&series, &[2, 5], 1).unwrap(), [2.0, 5.0]);
        assert_eq!(persistence(&series, &[2, 5], 2).unwrap(), [1.0, 4.0]);
        assert_eq!(seasonal_naive(&series, &[3, 5], 3, 1).unwrap(), [1.0, 3.0]);
        // Three ahead with season 2: two seasons back is the newest that is known.
        assert_eq!(seasonal_naive(&series, &[4, 5], 2, 3).unwrap(), [1.0, 2.0]);
        for (rows, season, horizon) in [
            ([0], 1, 1),
            ([2], 3, 1),
            ([6], 1, 1),
            ([5], 0, 1),
            ([5], 1, 0),
        ] {
            assert!(seasonal_naive(&series, &rows, season, horizon).is_err());
        }
    }

    #[test]
    fn majority() {
        assert_eq!(majority_class(&[2, 1, 2, 0]).unwrap(), 2);
        assert_eq!(majority_class(&[2, 1, 1, 2, 0]).unwrap(), 1);
        assert!(majority_class(&[]).is_err());
    }

    #[test]
    fn ridge_by_hand() {
        // x = 0, 2: mean 1, std 1, z = −1, 1; y = 1, 5: mean 3, residuals −2, 2.
        // (ZᵀZ + alpha) w = Zᵀr: (2 + 2) w = 4, w = 1; prediction at x: 3 + (x − 1).
        let ridge = Ridge::fit(2, 1, |i, out| out[0] = 2.0 * i as f64, &[1.0, 5.0], 2.0).unwrap();
        assert!((ridge.weights()[0] - 1.0).abs() < 1e-15);
        assert!((ridge.intercept() - 2.0).abs() < 1e-15);
    }

    #[test]
    fn many_targets_and_penalties_are_the_single_ones() {
        let row = |i: usize, out: &mut [f64]| {
            let x = i as f64;
            out.copy_from_slice(&[x, (x * 0.7).sin(), (x * 1.3).cos()]);
        };
        let y: Vec<f64> = (0..40)
            .flat_map(|i| [f64::from(i).sqrt(), f64::from(i % 7)])
            .collect();
        let both = Ridges::fit(40, 3, 2, row, &y, &[0.1, 10.0]).unwrap();
        for (ridges, alpha) in both.iter().zip([0.1, 10.0]) {
            assert_eq!((ridges.targets(), ridges.features()), (2, 3));
            for target in 0..2 {
                let one: Vec<f64> = y[target..].iter().step_by(2).copied().collect();
                let single = Ridge::fit(40, 3, row, &one, alpha).unwrap();
                let (mut x, mut got) = ([0.0; 3], [0.0; 2]);
                row(17, &mut x);
                ridges.predict(&x, &mut got);
                assert!((got[target] - single.predict(&x)).abs() < 1e-12);
            }
        }
        assert!(Ridges::fit(40, 3, 3, row, &y, &[1.0]).is_err());
    }

    #[test]
    fn constant_columns_get_no_weight() {
        let row = |i: usize, out: &mut [f64]| out.copy_from_slice(&[0.1, i as f64]);
        for alpha in [0.0, 1.0] {
            let ridge = Ridge::fit(5, 2, row, &[1.0, 2.0, 3.0, 4.0, 5.0], alpha).unwrap();
            assert_eq!(ridge.weights()[0], 0.0);
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_refused() {
        let twice = |i: usize, out: &mut [f64]| out.fill(i as f64);
        let y = [1.0, 2.0, 4.0];
        assert!(
            Ridge::fit(3, 2, twice, &y, 0.0)
                .unwrap_err()
                .to_string()
                .contains("use a larger alpha")
        );
        assert!(Ridge::fit(3, 2, twice, &y, 1e-6).is_ok());
        assert!(Ridge::fit(3, 2, twice, &y, -1.0).is_err());
        assert!(Ridge::fit(3, 2, twice, &y, f64::NAN).is_err());
        assert!(Ridge::fit(2, 2, twice, &y, 1.0).is_err());
        assert!(Ridge::fit(3, 0, twice, &y, 1.0).is_err());
        assert!(Ridge::fit(3, 1, twice, &[1.0, f64::NAN, 2.0], 1.0).is_err());
        let nan = |i: usize, out: &mut [f64]| {
            out.copy_from_slice(&[0.0, if i == 1 { f64::NAN } else { 1.0 }]);
        };
        assert!(
            Ridge::fit(3, 2, nan, &y, 1.0)
                .unwrap_err()
                .to_string()
                .contains("feature 2")
        );
    }
}
