//! How well scores order the classes.

use super::{check_rows, same_length};
use crate::data::{DataError, DataErrorKind, DataResult};

/// Share of rows whose label is among the `k` highest scores; of equal scores the lower class number comes
/// first.
///
/// `scores` holds one row of `classes` numbers for each label.
///
/// # Errors
/// [`DataErrorKind::Size`] if the lengths do not fit or `k` is not in `1..=classes`,
/// [`DataErrorKind::OutOfRange`] with the row for a label that is not below `classes` or a score that is not
/// finite.
pub fn top_k_accuracy(
    truth: &[usize],
    scores: &[f64],
    classes: usize,
    k: usize,
) -> DataResult<f64> {
    check_rows(truth, scores, classes)?;
    if k == 0 || k > classes {
        let what = format!("k must lie in 1..={classes}, but is {k}");
        return Err(DataError::new(DataErrorKind::Size, what));
    }
    let right = truth
        .iter()
        .zip(scores.chunks(classes))
        .filter(|(label, scores)| {
            let own = scores[**label];
            let above = scores
                .iter()
                .enumerate()
                .filter(|&(class, &score)| score > own || (score == own && class < **label))
                .count();
            above < k
        });
    Ok(right.count() as f64 / truth.len() as f64)
}

/// A curve over thresholds, from the highest to the lowest.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// False positive rate (ROC) or recall (precision and recall).
    pub x: Vec<f64>,
    /// True positive rate (ROC) or precision (precision and recall).
    pub y: Vec<f64>,
    /// The score from which on a row counts as positive.
    pub threshold: Vec<f64>,
}

/// The receiver operating characteristic of a binary score: the rates of true and of false positives at
/// every threshold, beginning with (0, 0) at infinity. NaN where a rate has no rows.
///
/// # Errors
/// [`DataErrorKind::Size`] for lengths that differ or are 0, [`DataErrorKind::OutOfRange`] with the row for a
/// score that is not finite.
pub fn roc_curve(truth: &[bool], score: &[f64]) -> DataResult<Curve> {
    let steps = steps(truth, score)?;
    let [positives, negatives] = totals(truth);
    let mut curve = Curve {
        x: vec![0.0],
        y: vec![0.0],
        threshold: vec![f64::INFINITY],
    };
    for step in steps {
        curve.x.push(step.wrong as f64 / negatives);
        curve.y.push(step.right as f64 / positives);
        curve.threshold.push(step.threshold);
    }
    Ok(curve)
}

/// Precision over recall of a binary score at every threshold, the highest first.
///
/// # Errors
/// As [`roc_curve`].
pub fn precision_recall_curve(truth: &[bool], score: &[f64]) -> DataResult<Curve> {
    let steps = steps(truth, score)?;
    let [positives, _] = totals(truth);
    Ok(Curve {
        x: steps.iter().map(|s| s.right as f64 / positives).collect(),
        y: steps
            .iter()
            .map(|s| s.right as f64 / (s.right + s.wrong) as f64)
            .collect(),
        threshold: steps.iter().map(|s| s.threshold).collect(),
    })
}

/// The area under the ROC curve: the probability that a positive row has a higher score than a negative
/// one, ties counting half (Hanley & McNeil 1982). NaN if a class has no rows.
///
/// # Errors
/// As [`roc_curve`].
///
/// ```
/// use azura_learner::metrics::roc_auc;
/// assert_eq!(roc_auc(&[false, false, true, true], &[0.1, 0.4, 0.35, 0.8])?, 0.75);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
pub fn roc_auc(truth: &[bool], score: &[f64]) -> DataResult<f64> {
    let [positives, negatives] = totals(truth);
    let (mut pairs, mut before) = (0.0, Step::default());
    for step in steps(truth, score)? {
        let (right, wrong) = (step.right - before.right, step.wrong - before.wrong);
        // Positives above each of these negatives, and half of those beside.
        pairs += wrong as f64 * (before.right as f64 + right as f64 / 2.0);
        before = step;
    }
    Ok(pairs / (positives * negatives))
}

/// The mean of [`roc_auc`] of each class against the rest, over the classes that occur (macro, one against
/// the rest). NaN if fewer than two occur.
///
/// # Errors
/// As [`top_k_accuracy`].
pub fn roc_auc_classes(truth: &[usize], scores: &[f64], classes: usize) -> DataResult<f64> {
    check_rows(truth, scores, classes)?;
    let mut areas = Vec::new();
    for class in (0..classes).filter(|class| truth.contains(class)) {
        let own: Vec<bool> = truth.iter().map(|&label| label == class).collect();
        let score: Vec<f64> = scores
            .iter()
            .skip(class)
            .step_by(classes)
            .copied()
            .collect();
        areas.push(roc_auc(&own, &score)?);
    }
    Ok(areas.iter().sum::<f64>() / areas.len() as f64)
}

/// The area under the precision–recall curve as average precision, `Σ (Rₙ − Rₙ₋₁) · Pₙ`, without
/// interpolation. NaN if no row is positive.
///
/// # Errors
/// As [`roc_curve`].
pub fn average_precision(truth: &[bool], score: &[f64]) -> DataResult<f64> {
    let curve = precision_recall_curve(truth, score)?;
    let mut before = 0.0;
    let mut area = 0.0;
    for (recall, precision) in curve.x.iter().zip(&curve.y) {
        area += (recall - before) * precision;
        before = *recall;
    }
    Ok(area)
}

/// Rows with a score of at least `threshold`: truly positive ones, and the others.
#[derive(Clone, Copy, Default)]
struct Step {
    threshold: f64,
    right: usize,
    wrong: usize,
}

/// One step for each different score, the highest first.
fn steps(truth: &[bool], score: &[f64]) -> DataResult<Vec<Step>> {
    same_length(truth.len(), score.len())?;
    if let Some(row) = score.iter().position(|score| !score.is_finite()) {
        let what = format!("row index {row}: the score is {}", score[row]);
        return Err(DataError::new(DataErrorKind::OutOfRange, what));
    }
    let mut rows: Vec<(f64, bool)> = score.iter().copied().zip(truth.iter().copied()).collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut steps: Vec<Step> = Vec::new();
    let mut now = Step::default();
    for (score, positive) in rows {
        // 0 and -0 are one score.
        if steps.last().is_some_and(|step| step.threshold == score) {
            steps.pop();
        }
        now.threshold = score;
        if positive {
            now.right += 1;
        } else {
            now.wrong += 1;
        }
        steps.push(now);
    }
    Ok(steps)
}

/// How many rows are positive and negative.
fn totals(truth: &[bool]) -> [f64; 2] {
    let positives = truth.iter().filter(|&&positive| positive).count();
    [positives as f64, (truth.len() - positives) as f64]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: [bool; 24] = [
        true, true, false, false, true, false, false, true, false, true, true, false, false, false,
        false, false, true, false, false, true, true, false, true, true,
    ];
    const SCORE: [f64; 24] = [
        0.9, 0.7, 0.3, 0.5, 0.3, 0.5, 0.3, 0.3, 0.5, 0.9, 0.4, 0.4, 0.2, 0.5, 0.5, 0.2, 0.8, 0.5,
        0.5, 0.8, 0.6, 0.5, 0.9, 0.3,
    ];
    const ROC_AUC: f64 = 0.7307692307692307;
    const AVERAGE_PRECISION: f64 = 0.8155080213903743;
    const FPR: [f64; 9] = [
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.6153846153846154,
        0.6923076923076923,
        0.8461538461538461,
        1.0,
    ];
    const TPR: [f64; 9] = [
        0.0,
        0.2727272727272727,
        0.45454545454545453,
        0.5454545454545454,
        0.6363636363636364,
        0.6363636363636364,
        0.7272727272727273,
        1.0,
        1.0,
    ];
    const PRECISION: [f64; 8] = [
        1.0,
        1.0,
        1.0,
        1.0,
        0.4666666666666667,
        0.47058823529411764,
        0.5,
        0.4583333333333333,
    ];
    const LABELS: [usize; 10] = [1, 2, 1, 1, 2, 1, 1, 0, 0, 2];
    const SCORES: [f64; 30] = [
        0.057, 0.665, 0.278, 0.317, 0.146, 0.537, 0.094, 0.085, 0.821, 0.102, 0.639, 0.259, 0.137,
        0.843, 0.02, 0.554, 0.406, 0.04, 0.252, 0.211, 0.537, 0.254, 0.282, 0.464, 0.054, 0.664,
        0.282, 0.445, 0.533, 0.022,
    ];
    const ROC_AUC_CLASSES: f64 = 0.3248015873015873;
    const TOP: [f64; 2] = [0.3, 0.4];

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-14, "{got} is not {want}");
    }

    /// Against scikit-learn 1.9.
    #[test]
    fn areas_and_curves_are_scikit_learns() {
        close(roc_auc(&TRUTH, &SCORE).unwrap(), ROC_AUC);
        close(
            average_precision(&TRUTH, &SCORE).unwrap(),
            AVERAGE_PRECISION,
        );
        let curve = roc_curve(&TRUTH, &SCORE).unwrap();
        for (got, want) in [(&curve.x, FPR.to_vec()), (&curve.y, TPR.to_vec())] {
            assert_eq!(got.len(), want.len());
            for (got, want) in got.iter().zip(want) {
                close(*got, want);
            }
        }
        let curve = precision_recall_curve(&TRUTH, &SCORE).unwrap();
        for (got, want) in curve.y.iter().zip(PRECISION) {
            close(*got, want);
        }
        close(
            roc_auc_classes(&LABELS, &SCORES, 3).unwrap(),
            ROC_AUC_CLASSES,
        );
        for (k, want) in [(1, TOP[0]), (2, TOP[1]), (3, 1.0)] {
            close(top_k_accuracy(&LABELS, &SCORES, 3, k).unwrap(), want);
        }
    }

    #[test]
    fn edges_are_as_documented() {
        assert!(roc_auc(&[true, true], &[0.1, 0.2]).unwrap().is_nan());
        assert!(average_precision(&[false], &[0.1]).unwrap().is_nan());
        assert_eq!(roc_auc(&[true, false], &[0.0, -0.0]).unwrap(), 0.5);
        assert!(roc_auc_classes(&[1, 1], &[0.0; 4], 2).unwrap().is_nan());
        let text = |e: DataError| e.what().to_string();
        assert_eq!(
            text(roc_auc(&[true], &[f64::NAN]).unwrap_err()),
            "row index 0: the score is NaN"
        );
        assert_eq!(
            text(top_k_accuracy(&[0], &[0.1, 0.2], 2, 3).unwrap_err()),
            "k must lie in 1..=2, but is 3"
        );
        assert_eq!(
            text(top_k_accuracy(&[2], &[0.1, 0.2], 2, 1).unwrap_err()),
            "row index 0: label 2 is not below 2"
        );
        assert_eq!(
            text(top_k_accuracy(&[0], &[0.1, 0.2, 0.3], 2, 1).unwrap_err()),
            "3 scores are no rows of 2 classes"
        );
    }
}
