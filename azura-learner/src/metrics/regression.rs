//! How far numbers are from the truth.

use super::mean_of;
use crate::data::{DataError, DataErrorKind, DataResult};
use serde::{Deserialize, Deserializer, Serialize};

/// Mean absolute error, in the target's unit: `MAE = Σ|y − ŷ| / n`.
///
/// # Errors
/// [`DataErrorKind::Size`] for lengths that differ or are 0, [`DataErrorKind::OutOfRange`] with the row
/// for values that are not finite. So do all functions of two slices here.
///
/// ```
/// assert_eq!(azura_learner::metrics::mae(&[1.0, 2.0], &[2.0, 5.0])?, 2.0);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
pub fn mae(truth: &[f64], prediction: &[f64]) -> DataResult<f64> {
    mean_of(truth, prediction, |y, p| (y - p).abs())
}

/// Root of the mean squared error, in the target's unit: `RMSE = sqrt(Σ(y − ŷ)² / n)`.
///
/// # Errors
/// As [`mae`].
pub fn rmse(truth: &[f64], prediction: &[f64]) -> DataResult<f64> {
    Ok(mean_of(truth, prediction, |y, p| (y - p) * (y - p))?.sqrt())
}

/// Mean error, in the target's unit: `bias = Σ(ŷ − y) / n`; above 0 means predicted too high.
///
/// # Errors
/// As [`mae`].
pub fn bias(truth: &[f64], prediction: &[f64]) -> DataResult<f64> {
    mean_of(truth, prediction, |y, p| p - y)
}

/// Share of the variance that is explained, without unit: `R² = 1 − Σ(y − ŷ)² / Σ(y − ȳ)²`.
///
/// 1 is perfect, 0 as good as always saying the mean of the truth, below 0 worse than that. NaN if the
/// truth is constant: there is no variance to explain.
///
/// # Errors
/// As [`mae`].
pub fn r2(truth: &[f64], prediction: &[f64]) -> DataResult<f64> {
    let residual = mean_of(truth, prediction, |y, p| (y - p) * (y - p))?;
    // Compared, not computed: the mean of a constant may be off by rounding.
    if truth.iter().all(|&y| y == truth[0]) {
        return Ok(f64::NAN);
    }
    let mean = mean_of(truth, truth, |y, _| y)?;
    let variance = mean_of(truth, truth, |y, _| (y - mean) * (y - mean))?;
    Ok(1.0 - residual / variance)
}

/// Mean absolute percentage error, in percent: `MAPE = 100/n · Σ |y − ŷ| / |y|`.
///
/// NaN if a true value is 0, where it is not defined.
///
/// # Errors
/// As [`mae`].
pub fn mape(truth: &[f64], prediction: &[f64]) -> DataResult<f64> {
    let error = mean_of(truth, prediction, |y, p| 100.0 * ((y - p) / y).abs())?;
    Ok(if truth.contains(&0.0) {
        f64::NAN
    } else {
        error
    })
}

/// Symmetric mean absolute percentage error, in percent from 0 to 200:
/// `sMAPE = 100/n · Σ 2|y − ŷ| / (|y| + |ŷ|)` (Makridakis 1993).
///
/// A row where both are 0 is predicted exactly and counts 0. The figure says little for targets that pass
/// through 0, such as returns or temperatures in °C.
///
/// # Errors
/// As [`mae`].
pub fn smape(truth: &[f64], prediction: &[f64]) -> DataResult<f64> {
    mean_of(truth, prediction, |y, p| {
        if y == p {
            0.0
        } else {
            200.0 * (y - p).abs() / (y.abs() + p.abs())
        }
    })
}

/// Mean absolute scaled error (Hyndman & Koehler 2006), without unit: `MASE = MAE / scale`, with the
/// scale of [`mase_scale`].
///
/// Below 1 means better than the naive forecast was, one season ahead, on the training rows. NaN if the
/// scale is 0, that is if the training series repeats itself exactly.
///
/// # Errors
/// As [`mae`].
pub fn mase(truth: &[f64], prediction: &[f64], scale: f64) -> DataResult<f64> {
    let error = mae(truth, prediction)?;
    Ok(if scale > 0.0 { error / scale } else { f64::NAN })
}

/// The scale of [`mase`]: the mean absolute error of the naive forecast of season `m` over the training
/// series, `Σ_{t=m+1..n} |y_t − y_{t−m}| / (n − m)`. Season 1 is persistence.
///
/// # Errors
/// [`DataErrorKind::Size`] if the season is 0 or not shorter than the series,
/// [`DataErrorKind::OutOfRange`] for values that are not finite.
pub fn mase_scale(training: &[f64], season: usize) -> DataResult<f64> {
    if season == 0 || season >= training.len() {
        let n = training.len();
        let what =
            format!("a season of {season} rows needs a longer training series than {n} rows");
        return Err(DataError::new(DataErrorKind::Size, what));
    }
    mae(&training[season..], &training[..training.len() - season])
}

/// The figures of a regression together. Those that are not defined are NaN, and `null` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// [`mae`].
    #[serde(deserialize_with = "null_is_nan")]
    pub mae: f64,
    /// [`rmse`].
    #[serde(deserialize_with = "null_is_nan")]
    pub rmse: f64,
    /// [`r2`].
    #[serde(deserialize_with = "null_is_nan")]
    pub r2: f64,
    /// [`smape`].
    #[serde(deserialize_with = "null_is_nan")]
    pub smape: f64,
    /// [`mase`].
    #[serde(deserialize_with = "null_is_nan")]
    pub mase: f64,
    /// [`bias`].
    #[serde(deserialize_with = "null_is_nan")]
    pub bias: f64,
}

// JSON has no NaN: serde_json writes null, which must come back as what it was.
fn null_is_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl Regression {
    /// Computes all of them; `mase_scale` as for [`mase`].
    ///
    /// # Errors
    /// As [`mae`].
    pub fn of(truth: &[f64], prediction: &[f64], mase_scale: f64) -> DataResult<Self> {
        Ok(Regression {
            mae: mae(truth, prediction)?,
            rmse: rmse(truth, prediction)?,
            r2: r2(truth, prediction)?,
            smape: smape(truth, prediction)?,
            mase: mase(truth, prediction, mase_scale)?,
            bias: bias(truth, prediction)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const Y: [f64; 4] = [1.0, 2.0, 3.0, 6.0];
    const P: [f64; 4] = [2.0, 2.0, 1.0, 7.0];

    #[test]
    fn by_hand() {
        // Errors ŷ − y: 1, 0, −2, 1.
        assert_eq!(mae(&Y, &P).unwrap(), 1.0);
        assert_eq!(rmse(&Y, &P).unwrap(), 1.5f64.sqrt());
        assert_eq!(bias(&Y, &P).unwrap(), 0.0);
        assert_eq!(bias(&[1.0], &[3.0]).unwrap(), 2.0);
        // Mean 3, squares 4 + 1 + 0 + 9 = 14, residual 6.
        assert!((r2(&Y, &P).unwrap() - (1.0 - 6.0 / 14.0)).abs() < 1e-15);
        assert_eq!(r2(&Y, &Y).unwrap(), 1.0);
        assert_eq!(r2(&Y, &[3.0; 4]).unwrap(), 0.0);
        // 200·(1/3 + 0 + 2/4 + 1/13)/4.
        let by_hand = 50.0 * (1.0 / 3.0 + 0.5 + 1.0 / 13.0);
        assert!((smape(&Y, &P).unwrap() - by_hand).abs() < 1e-12);
        // Season 2 over Y: |3−1|, |6−2| -> 3.
        assert_eq!(mase_scale(&Y, 2).unwrap(), 3.0);
        assert_eq!(mase_scale(&Y, 1).unwrap(), 5.0 / 3.0);
        assert_eq!(mase(&Y, &P, 3.0).unwrap(), 1.0 / 3.0);
    }

    #[test]
    fn percentages_need_values_that_are_not_zero() {
        assert_eq!(mape(&[2.0, -4.0], &[1.0, -5.0]).unwrap(), 37.5);
        assert!(mape(&[0.0, 1.0], &[0.0, 1.0]).unwrap().is_nan());
    }

    #[test]
    fn edges_are_as_documented() {
        assert!(r2(&[0.1; 7], &[0.1; 7]).unwrap().is_nan());
        assert!(r2(&[5.0], &[4.0]).unwrap().is_nan());
        assert_eq!(smape(&[0.0, 0.0], &[0.0, 1.0]).unwrap(), 100.0);
        assert_eq!(smape(&[1.0], &[-1.0]).unwrap(), 200.0);
        assert!(
            mase(&Y, &P, mase_scale(&[4.0; 5], 1).unwrap())
                .unwrap()
                .is_nan()
        );
        assert!(mase_scale(&Y, 4).is_err() && mase_scale(&Y, 0).is_err());
    }

    #[test]
    fn wrong_input_is_refused() {
        assert_eq!(
            mae(&[1.0], &[1.0, 2.0]).unwrap_err().what(),
            "1 true values, but 2 predictions"
        );
        assert_eq!(
            mae(&[], &[]).unwrap_err().what(),
            "there are no rows to score"
        );
        let error = rmse(&[1.0, 2.0], &[1.0, f64::NAN]).unwrap_err();
        assert_eq!(error.what(), "row index 1: the prediction is NaN");
        assert!(smape(&[f64::INFINITY], &[0.0]).is_err());
    }

    #[test]
    fn together_and_through_json() {
        let all = Regression::of(&Y, &P, 2.0).unwrap();
        assert_eq!((all.mae, all.mase, all.bias), (1.0, 0.5, 0.0));
        let constant = Regression::of(&[1.0, 1.0], &[1.0, 2.0], 0.0).unwrap();
        let text = serde_json::to_string(&constant).unwrap();
        assert!(text.contains("\"r2\":null"), "{text}");
        let back: Regression = serde_json::from_str(&text).unwrap();
        assert!(back.r2.is_nan() && back.mase.is_nan() && back.mae == 0.5);
    }
}
