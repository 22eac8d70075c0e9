//! How much probabilities can be trusted.

use super::check_rows;
use crate::data::{DataError, DataErrorKind, DataResult};

/// Mean negative logarithm of the probability that was given to the right label, in nats:
/// `Σ −ln p(yᵢ) / n`. A probability of 0 counts as the smallest step of an f64, 2⁻⁵².
///
/// `probabilities` holds one row of `classes` numbers for each label; a row need not sum to one.
///
/// # Errors
/// [`DataErrorKind::Size`] if the lengths do not fit, [`DataErrorKind::OutOfRange`] with the row for a label
/// that is not below `classes` or a probability that is not in `[0, 1]`. So do all functions of this file.
///
/// ```
/// use azura_learner::metrics::log_loss;
/// let loss = log_loss(&[0, 1], &[0.5, 0.5, 0.25, 0.75], 2)?;
/// assert!((loss - (2f64.ln() - 0.75f64.ln()) / 2.0).abs() < 1e-15);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
pub fn log_loss(truth: &[usize], probabilities: &[f64], classes: usize) -> DataResult<f64> {
    check(truth, probabilities, classes)?;
    let sum: f64 = truth
        .iter()
        .zip(probabilities.chunks(classes))
        .map(|(&label, row)| -row[label].max(f64::EPSILON).ln())
        .sum();
    Ok(sum / truth.len() as f64)
}

/// `exp` of a mean negative log-likelihood in nats, such as [`log_loss`] or a cross-entropy: the number of
/// equally likely choices that would be as surprising.
pub fn perplexity(mean_nll: f64) -> f64 {
    mean_nll.exp()
}

/// Brier's score (1950): `Σᵢ Σ_c (p_c − [c = yᵢ])² / n`, from 0 to 2.
///
/// For two classes it is twice the mean of `(p − y)²`, which is often called by the same name.
///
/// # Errors
/// As [`log_loss`].
pub fn brier(truth: &[usize], probabilities: &[f64], classes: usize) -> DataResult<f64> {
    check(truth, probabilities, classes)?;
    let mut sum = 0.0;
    for (&label, row) in truth.iter().zip(probabilities.chunks(classes)) {
        for (class, p) in row.iter().enumerate() {
            sum += (p - f64::from(u8::from(class == label))).powi(2);
        }
    }
    Ok(sum / truth.len() as f64)
}

/// Expected calibration error (Guo et al. 2017, arXiv:1706.04599): rows fall into `bins` equal parts of
/// `(0, 1]` by their highest probability; `Σ_b n_b/n · |accuracy_b − mean confidence_b|`.
///
/// # Errors
/// As [`log_loss`], and [`DataErrorKind::Size`] if `bins` is 0.
pub fn calibration_error(
    truth: &[usize],
    probabilities: &[f64],
    classes: usize,
    bins: usize,
) -> DataResult<f64> {
    check(truth, probabilities, classes)?;
    if bins == 0 {
        return Err(DataError::new(
            DataErrorKind::Size,
            "there must be at least one bin",
        ));
    }
    let mut right = vec![0.0; bins];
    let mut confidence = vec![0.0; bins];
    for (&label, row) in truth.iter().zip(probabilities.chunks(classes)) {
        let mut best = 0;
        for class in 1..classes {
            if row[class] > row[best] {
                best = class;
            }
        }
        let bin = ((row[best] * bins as f64).ceil() as usize).clamp(1, bins) - 1;
        right[bin] += f64::from(u8::from(best == label));
        confidence[bin] += row[best];
    }
    let gaps = right.iter().zip(&confidence).map(|(r, c)| (r - c).abs());
    Ok(gaps.sum::<f64>() / truth.len() as f64)
}

fn check(truth: &[usize], probabilities: &[f64], classes: usize) -> DataResult<()> {
    check_rows(truth, probabilities, classes)?;
    match probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
        None => Ok(()),
        Some(at) => {
            let (row, p) = (at / classes, probabilities[at]);
            let what = format!("row index {row}: {p} is no probability");
            Err(DataError::new(DataErrorKind::OutOfRange, what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [usize; 10] = [1, 2, 1, 1, 2, 1, 1, 0, 0, 2];
    const SCORES: [f64; 30] = [
        0.057, 0.665, 0.278, 0.317, 0.146, 0.537, 0.094, 0.085, 0.821, 0.102, 0.639, 0.259, 0.137,
        0.843, 0.02, 0.554, 0.406, 0.04, 0.252, 0.211, 0.537, 0.254, 0.282, 0.464, 0.054, 0.664,
        0.282, 0.445, 0.533, 0.022,
    ];
    const LOG_LOSS: f64 = 1.8417907610215885;
    const BRIER: f64 = 0.9287674000000001;
    const ECE: f64 = 0.33209999999999995;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-14, "{got} is not {want}");
    }

    /// Against scikit-learn 1.9 (`log_loss`, `brier_score_loss` unscaled), and by hand for the calibration.
    #[test]
    fn figures_are_scikit_learns() {
        close(log_loss(&LABELS, &SCORES, 3).unwrap(), LOG_LOSS);
        close(brier(&LABELS, &SCORES, 3).unwrap(), BRIER);
        close(calibration_error(&LABELS, &SCORES, 3, 10).unwrap(), ECE);
        close(perplexity(10f64.ln()), 10.0);
    }

    #[test]
    fn edges_are_as_documented() {
        close(log_loss(&[0], &[0.0, 1.0], 2).unwrap(), 52.0 * 2f64.ln());
        assert_eq!(brier(&[0], &[0.0, 1.0], 2).unwrap(), 2.0);
        // On a border between bins, a row belongs to the lower one; certain rows to the last.
        assert_eq!(
            calibration_error(&[0, 0], &[0.5, 0.5, 1.0, 0.0], 2, 2).unwrap(),
            0.25
        );
        assert_eq!(
            log_loss(&[0], &[1.5, 0.0], 2).unwrap_err().what(),
            "row index 0: 1.5 is no probability"
        );
        assert!(calibration_error(&[0], &[1.0], 1, 0).is_err());
    }
}
