//! From the scores of a classifier to probabilities and classes: what every app that tells classes apart shares.

use azura_core::{DType, Tensor};
use azura_learner::Result;

/// The probability of each class, `[rows, K]`.
pub(crate) fn probabilities(outputs: &Tensor) -> Result<Vec<f64>> {
    Ok(outputs.cast(DType::F64)?.softmax(1)?.to_vec::<f64>()?)
}

/// The most probable class of each row, the first of equals.
pub(crate) fn most_probable(p: &[f64], classes: usize) -> Vec<usize> {
    let best = |row: &[f64]| {
        let later = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
        (0..classes).fold(0, later)
    };
    p.chunks_exact(classes).map(best).collect()
}

/// The probability of one class of each row.
pub(crate) fn of_class(p: &[f64], class: &[usize], classes: usize) -> Vec<f64> {
    let rows = p.chunks_exact(classes).zip(class);
    rows.map(|(p, &class)| p[class]).collect()
}
