//! Labels that are right or wrong.

use super::same_length;
use crate::data::{DataError, DataErrorKind, DataResult};
use serde::{Deserialize, Serialize};

/// Share of labels that were predicted right, from 0 to 1.
///
/// # Errors
/// [`DataErrorKind::Size`] for lengths that differ or are 0.
pub fn accuracy(truth: &[usize], prediction: &[usize]) -> DataResult<f64> {
    same_length(truth.len(), prediction.len())?;
    let right = truth.iter().zip(prediction).filter(|(y, p)| y == p).count();
    Ok(right as f64 / truth.len() as f64)
}

/// How often each label was predicted as each label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// `counts[truth][prediction]`, square.
    pub counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// Counts over labels from 0 to `classes − 1`.
    ///
    /// # Errors
    /// [`DataErrorKind::Size`] for lengths that differ or are 0, [`DataErrorKind::OutOfRange`] with the
    /// row for a label that is not below `classes`.
    pub fn of(truth: &[usize], prediction: &[usize], classes: usize) -> DataResult<Self> {
        same_length(truth.len(), prediction.len())?;
        let mut counts = vec![vec![0; classes]; classes];
        for (row, (&y, &p)) in truth.iter().zip(prediction).enumerate() {
            if y >= classes || p >= classes {
                let label = y.max(p);
                let what = format!("row index {row}: label {label} is not below {classes}");
                return Err(DataError::new(DataErrorKind::OutOfRange, what));
            }
            counts[y][p] += 1;
        }
        Ok(Confusion { counts })
    }

    /// Share of the label's own rows that were found; NaN if it has none.
    ///
    /// # Panics
    /// If there is no such label (a mistake of the program); so does [`Confusion::precision`].
    pub fn recall(&self, label: usize) -> f64 {
        self.counts[label][label] as f64 / self.counts[label].iter().sum::<u64>() as f64
    }

    /// Share of the rows given this label that have it; NaN if none was given it.
    pub fn precision(&self, label: usize) -> f64 {
        let given: u64 = self.counts.iter().map(|row| row[label]).sum();
        self.counts[label][label] as f64 / given as f64
    }

    /// The harmonic mean of precision and recall of a label, `2·TP / (2·TP + FP + FN)`; NaN if the label
    /// occurs nowhere.
    ///
    /// # Panics
    /// As [`Confusion::recall`].
    pub fn f1(&self, label: usize) -> f64 {
        let own: u64 = self.counts[label].iter().sum();
        let given: u64 = self.counts.iter().map(|row| row[label]).sum();
        2.0 * self.counts[label][label] as f64 / (own + given) as f64
    }

    /// Precision, recall and F1 over all labels.
    ///
    /// Over labels that occur, in the truth or among the predictions; a label that was never predicted has
    /// precision 0 there, and one that was never true has recall 0, as in scikit-learn.
    pub fn average(&self, way: Average) -> [f64; 3] {
        let own: Vec<u64> = self.counts.iter().map(|row| row.iter().sum()).collect();
        let given = |label: usize| self.counts.iter().map(|row| row[label]).sum::<u64>();
        let occurs: Vec<usize> = (0..own.len()).filter(|&l| own[l] + given(l) > 0).collect();
        let rows: u64 = own.iter().sum();
        if way == Average::Micro {
            // Every row has one label and was given one: the three are the accuracy.
            let right: u64 = (0..own.len()).map(|label| self.counts[label][label]).sum();
            return [right as f64 / rows as f64; 3];
        }
        let weight = |label: usize| match way {
            Average::Weighted => own[label] as f64 / rows as f64,
            _ => 1.0 / occurs.len() as f64,
        };
        let or_zero = |x: f64| if x.is_nan() { 0.0 } else { x };
        let sum =
            |f: &dyn Fn(usize) -> f64| occurs.iter().map(|&l| weight(l) * or_zero(f(l))).sum();
        [
            sum(&|label| self.precision(label)),
            sum(&|label| self.recall(label)),
            sum(&|label| self.f1(label)),
        ]
    }
}

/// How figures of labels become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// Every row counts the same.
    Micro,
    /// Every label that occurs counts the same.
    Macro,
    /// Every label counts by its share of the true rows.
    Weighted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        let (y, p) = ([0, 0, 1, 2], [0, 1, 1, 0]);
        assert_eq!(accuracy(&y, &p).unwrap(), 0.5);
        let confusion = Confusion::of(&y, &p, 4).unwrap();
        assert_eq!(confusion.counts[0], [1, 1, 0, 0]);
        assert_eq!(confusion.counts[2], [1, 0, 0, 0]);
        assert_eq!((confusion.recall(0), confusion.precision(1)), (0.5, 0.5));
        assert_eq!(confusion.recall(2), 0.0);
        assert!(confusion.recall(3).is_nan() && confusion.precision(3).is_nan());
        let error = Confusion::of(&[0], &[4], 4).unwrap_err();
        assert_eq!(error.what(), "row index 0: label 4 is not below 4");
    }

    /// Against scikit-learn 1.9, `precision_recall_fscore_support`.
    #[test]
    fn averages_are_scikit_learns() {
        let (y, p) = ([0, 0, 1, 2, 2, 2, 4], [0, 1, 1, 0, 2, 2, 1]);
        let confusion = Confusion::of(&y, &p, 5).unwrap();
        for (way, want) in [
            (Average::Micro, MICRO),
            (Average::Macro, MACRO),
            (Average::Weighted, WEIGHTED),
        ] {
            for (got, want) in confusion.average(way).iter().zip(want) {
                assert!((got - want).abs() < 1e-15, "{way:?}: {got} is not {want}");
            }
        }
        assert!(confusion.f1(3).is_nan());
    }

    const MICRO: [f64; 3] = [0.5714285714285714, 0.5714285714285714, 0.5714285714285714];
    const MACRO: [f64; 3] = [0.4583333333333333, 0.5416666666666666, 0.45];
    const WEIGHTED: [f64; 3] = [0.619047619047619, 0.5714285714285714, 0.5571428571428572];
}
