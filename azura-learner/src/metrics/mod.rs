//! Figures that say how good predictions are, in the target's own unit.
//!
//! | file             | figures                                                             |
//! |------------------|---------------------------------------------------------------------|
//! | `regression`     | [`mae`], [`rmse`], [`bias`], [`r2`], [`mape`], [`smape`], [`mase`]  |
//! | `labels`         | [`accuracy`], [`Confusion`] with precision, recall and F1           |
//! | `ranking`        | [`top_k_accuracy`], [`roc_auc`], [`average_precision`] and curves   |
//! | `probability`    | [`log_loss`], [`perplexity`], [`brier`], [`calibration_error`]      |
//! | `interval`       | [`pinball`], [`coverage`], [`interval_width`], [`crps_ensemble`], [`crps_normal`] |
//!
//! Every function takes the truth first and the predictions second, adds up in `f64`, and refuses
//! lengths that differ, empty slices, and values that are not finite: a figure over half of the rows
//! would be a wrong figure. A figure that is not defined for the data is NaN (JSON `null`), never a
//! number that looks like a result.

mod interval;
mod labels;
mod probability;
mod ranking;
mod regression;

pub use interval::{coverage, crps_ensemble, crps_normal, interval_width, pinball};
pub use labels::{Average, Confusion, accuracy};
pub use probability::{brier, calibration_error, log_loss, perplexity};
pub use ranking::{
    Curve, average_precision, precision_recall_curve, roc_auc, roc_auc_classes, roc_curve,
    top_k_accuracy,
};
pub use regression::{Regression, bias, mae, mape, mase, mase_scale, r2, rmse, smape};

use crate::data::{DataError, DataErrorKind, DataResult};

fn same_length(truth: usize, prediction: usize) -> DataResult<()> {
    if truth == prediction && truth > 0 {
        return Ok(());
    }
    let what = match truth {
        0 => "there are no rows to score".to_string(),
        _ => format!("{truth} true values, but {prediction} predictions"),
    };
    Err(DataError::new(DataErrorKind::Size, what))
}

fn mean_of(
    truth: &[f64],
    prediction: &[f64],
    mut term: impl FnMut(f64, f64) -> f64,
) -> DataResult<f64> {
    same_length(truth.len(), prediction.len())?;
    let mut sum = 0.0;
    for (row, (&y, &p)) in truth.iter().zip(prediction).enumerate() {
        if !(y.is_finite() && p.is_finite()) {
            let (which, value) = if y.is_finite() {
                ("prediction", p)
            } else {
                ("true value", y)
            };
            let what = format!("row index {row}: the {which} is {value}");
            return Err(DataError::new(DataErrorKind::OutOfRange, what));
        }
        sum += term(y, p);
    }
    Ok(sum / truth.len() as f64)
}

/// Rows of scores or probabilities of `classes` classes, and a label below that for each.
fn check_rows(truth: &[usize], scores: &[f64], classes: usize) -> DataResult<()> {
    if classes == 0 || !scores.len().is_multiple_of(classes) {
        let what = format!("{} scores are no rows of {classes} classes", scores.len());
        return Err(DataError::new(DataErrorKind::Size, what));
    }
    same_length(truth.len(), scores.len() / classes)?;
    for (row, (&label, scores)) in truth.iter().zip(scores.chunks(classes)).enumerate() {
        if label >= classes {
            let what = format!("row index {row}: label {label} is not below {classes}");
            return Err(DataError::new(DataErrorKind::OutOfRange, what));
        }
        if let Some(score) = scores.iter().find(|score| !score.is_finite()) {
            let what = format!("row index {row}: a score is {score}");
            return Err(DataError::new(DataErrorKind::OutOfRange, what));
        }
    }
    Ok(())
}
