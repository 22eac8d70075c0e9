//! Quantiles, intervals and whole distributions as predictions.

use super::{mean_of, same_length};
use crate::data::{DataError, DataErrorKind, DataResult};

/// Mean pinball loss of predictions of the `q` quantile (Koenker & Bassett 1978), in the target's unit:
/// `q · (y − ŷ)` where `y ≥ ŷ`, else `(1 − q) · (ŷ − y)`.
///
/// # Errors
/// As [`super::mae`], and [`DataErrorKind::OutOfRange`] if `q` is not in `(0, 1)`.
///
/// ```
/// use azura_learner::metrics::pinball;
/// assert_eq!(pinball(&[10.0], &[8.0], 0.75)?, 1.5);
/// assert_eq!(pinball(&[8.0], &[10.0], 0.75)?, 0.5);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
pub fn pinball(truth: &[f64], prediction: &[f64], q: f64) -> DataResult<f64> {
    if !(q > 0.0 && q < 1.0) {
        let what = format!("a quantile must lie between 0 and 1, but is {q}");
        return Err(DataError::new(DataErrorKind::OutOfRange, what));
    }
    mean_of(truth, prediction, |y, p| {
        let error = y - p;
        (q * error).max((q - 1.0) * error)
    })
}

/// Share of true values that lie in `[low, high]`. An 80 % interval should have 0.8.
///
/// # Errors
/// As [`super::mae`], and [`DataErrorKind::OutOfRange`] with the row where `low` exceeds `high`.
pub fn coverage(truth: &[f64], low: &[f64], high: &[f64]) -> DataResult<f64> {
    check_intervals(low, high)?;
    let below = mean_of(truth, low, |y, low| f64::from(u8::from(y < low)))?;
    let above = mean_of(truth, high, |y, high| f64::from(u8::from(y > high)))?;
    Ok(1.0 - below - above)
}

/// Mean of `high − low`, in the target's unit: of two intervals with the same [`coverage`] the narrower
/// one says more.
///
/// # Errors
/// As [`coverage`].
pub fn interval_width(low: &[f64], high: &[f64]) -> DataResult<f64> {
    check_intervals(low, high)?;
    mean_of(low, high, |low, high| high - low)
}

fn check_intervals(low: &[f64], high: &[f64]) -> DataResult<()> {
    same_length(low.len(), high.len())?;
    match low.iter().zip(high).position(|(low, high)| low > high) {
        None => Ok(()),
        Some(row) => {
            let what = format!(
                "row index {row}: low {} exceeds high {}",
                low[row], high[row]
            );
            Err(DataError::new(DataErrorKind::OutOfRange, what))
        }
    }
}

/// Continuous ranked probability score of samples (Gneiting & Raftery 2007), in the target's unit:
/// the mean over the rows of `E|X − y| − ½ E|X − X′|`, with `X` and `X′` drawn from the row's samples.
///
/// `samples` holds as many numbers for each true value. With one sample it is the absolute error.
///
/// # Errors
/// [`DataErrorKind::Size`] if the lengths do not fit, [`DataErrorKind::OutOfRange`] with the row for values
/// that are not finite.
pub fn crps_ensemble(truth: &[f64], samples: &[f64]) -> DataResult<f64> {
    let members = samples.len() / truth.len().max(1);
    if truth.is_empty() || members == 0 || members * truth.len() != samples.len() {
        let what = format!("{} samples for {} true values", samples.len(), truth.len());
        return Err(DataError::new(DataErrorKind::Size, what));
    }
    let mut sum = 0.0;
    for (row, (y, samples)) in truth.iter().zip(samples.chunks(members)).enumerate() {
        if let Some(x) = samples.iter().chain([y]).find(|x| !x.is_finite()) {
            let what = format!("row index {row}: a value is {x}");
            return Err(DataError::new(DataErrorKind::OutOfRange, what));
        }
        let m = members as f64;
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let error: f64 = sorted.iter().map(|x| (x - y).abs()).sum();
        // Σᵢⱼ |xᵢ − xⱼ| = 2 Σᵢ (2i − m + 1) xᵢ for sorted x.
        let spread: f64 = sorted
            .iter()
            .enumerate()
            .map(|(i, x)| (2.0 * i as f64 - m + 1.0) * x)
            .sum();
        sum += error / m - spread / (m * m);
    }
    Ok(sum / truth.len() as f64)
}

/// Continuous ranked probability score of normal distributions, in the target's unit:
/// `σ · (z (2Φ(z) − 1) + 2φ(z) − 1/√π)` with `z = (y − μ)/σ`; `|y − μ|` where σ is 0.
///
/// # Errors
/// As [`super::mae`], and [`DataErrorKind::OutOfRange`] with the row for a σ that is negative or not finite.
pub fn crps_normal(truth: &[f64], mean: &[f64], std: &[f64]) -> DataResult<f64> {
    same_length(truth.len(), std.len())?;
    if let Some(row) = std.iter().position(|s| !(*s >= 0.0 && s.is_finite())) {
        let what = format!("row index {row}: the standard deviation is {}", std[row]);
        return Err(DataError::new(DataErrorKind::OutOfRange, what));
    }
    let mut row = 0;
    mean_of(truth, mean, |y, mean| {
        let sigma = std[row];
        row += 1;
        if sigma == 0.0 {
            return (y - mean).abs();
        }
        let z = (y - mean) / sigma;
        let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        sigma
            * (z * erf(z / std::f64::consts::SQRT_2) + 2.0 * density
                - std::f64::consts::PI.sqrt().recip())
    })
}

/// The error function: its series up to 3, from there the continued fraction of its complement
/// (Abramowitz & Stegun 7.1.6 and 7.1.14); within 1e-15.
fn erf(x: f64) -> f64 {
    let a = x.abs();
    let scale = (-a * a).exp() / std::f64::consts::PI.sqrt();
    let y = if a < 3.0 {
        let (mut term, mut sum, mut n) = (a, a, 0.0);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= 2.0 * a * a / (2.0 * n + 1.0);
            sum += term;
        }
        2.0 * scale * sum
    } else {
        let fraction = (1..60)
            .rev()
            .fold(a, |tail, k| a + f64::from(k) / 2.0 / tail);
        1.0 - scale / fraction
    };
    y.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_by_hand() {
        let (low, high) = ([0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]);
        // On the border, below, above, inside.
        let truth = [1.0, 0.5, 3.5, 3.2];
        assert_eq!(coverage(&truth, &low, &high).unwrap(), 0.5);
        assert_eq!(interval_width(&low, &high).unwrap(), 1.0);
        assert_eq!(
            coverage(&truth, &high, &low).unwrap_err().what(),
            "row index 0: low 1 exceeds high 0"
        );
        assert!(pinball(&[1.0], &[1.0], 1.0).is_err());
    }

    /// The definition, over all pairs.
    #[test]
    fn crps_of_samples_is_its_definition() {
        let truth: [f64; 2] = [0.3, -1.0];
        let samples: [f64; 6] = [0.1, 0.9, -0.4, 2.0, 2.0, -3.0];
        let mut want = 0.0;
        for (y, x) in truth.iter().zip(samples.chunks(3)) {
            let error: f64 = x.iter().map(|x| (x - y).abs()).sum::<f64>() / 3.0;
            let pairs: f64 = x
                .iter()
                .flat_map(|a| x.iter().map(move |b| (a - b).abs()))
                .sum();
            want += (error - pairs / 18.0) / 2.0;
        }
        assert!((crps_ensemble(&truth, &samples).unwrap() - want).abs() < 1e-15);
        assert_eq!(crps_ensemble(&[1.0], &[3.0]).unwrap(), 2.0);
        assert!(crps_ensemble(&[1.0, 2.0], &[3.0]).is_err());
    }

    /// The integral of `(F(x) − [x ≥ y])²` by small steps.
    #[test]
    fn crps_of_a_normal_is_its_integral() {
        for (y, mean, std) in [(0.4, 0.0, 1.0), (-3.0, 1.0, 0.7), (12.0, 0.0, 2.0)] {
            let step = 1e-3;
            let integral: f64 = (-20_000..20_000)
                .map(|i| {
                    let x = (f64::from(i) + 0.5) * step;
                    let p = 0.5 * (1.0 + erf((x - mean) / (std * std::f64::consts::SQRT_2)));
                    step * (p - f64::from(u8::from(x >= y))).powi(2)
                })
                .sum();
            let got = crps_normal(&[y], &[mean], &[std]).unwrap();
            assert!((got - integral).abs() < 1e-6, "{got} is not {integral}");
        }
        assert_eq!(crps_normal(&[1.0], &[3.0], &[0.0]).unwrap(), 2.0);
        assert!(crps_normal(&[1.0], &[3.0], &[-1.0]).is_err());
    }

    #[test]
    fn the_error_function_is_right_on_both_branches() {
        for (x, want) in [
            (0.5, 0.520_499_877_813_046_5),
            (2.9, 0.999_958_902_121_900_5),
            (3.1, 0.999_988_351_342_632_8),
            (-1.0, -0.842_700_792_949_714_9),
        ] {
            assert!((erf(x) - want).abs() < 1e-15, "erf({x}) = {}", erf(x));
        }
    }
}
