//! Cutting samples into training, validation and test parts.

use std::ops::Range;

use azura_core::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{DataError, DataErrorKind, DataResult};

/// How much goes into a part: a fraction of all samples, or a number of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PartSize {
    /// So many samples.
    Count(usize),
    /// A fraction of all samples, at least 0 and below 1; rounded to the nearest count.
    Fraction(f64),
}

impl From<usize> for PartSize {
    fn from(count: usize) -> Self {
        PartSize::Count(count)
    }
}

impl From<f64> for PartSize {
    fn from(fraction: f64) -> Self {
        PartSize::Fraction(fraction)
    }
}

impl PartSize {
    fn of(self, samples: usize, name: &str) -> DataResult<usize> {
        match self {
            PartSize::Count(count) => Ok(count),
            PartSize::Fraction(f) if (0.0..1.0).contains(&f) => {
                let count = (f * samples as f64).round() as usize;
                if count == 0 && f > 0.0 {
                    let what = format!("{f} of {samples} samples leaves none for {name}");
                    return Err(DataError::new(DataErrorKind::Split, what)
                        .remedy("use more data or a larger fraction"));
                }
                Ok(count)
            }
            PartSize::Fraction(f) => {
                let what =
                    format!("the {name} fraction must be at least 0 and below 1, but is {f}");
                Err(DataError::new(DataErrorKind::Split, what).remedy("write 0.15 for 15 %"))
            }
        }
    }
}

/// Three ranges of samples in the order of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The oldest samples, to learn from.
    pub train: Range<usize>,
    /// The samples that decide when to stop and which model is kept.
    pub val: Range<usize>,
    /// The newest samples, for the final figures only.
    pub test: Range<usize>,
}

/// Cuts `samples` that are in the order of time: oldest to training, newest to test, and `gap` samples
/// dropped between neighbouring parts.
///
/// With `gap = window + horizon − 1` ([`WindowPlan::gap`](super::WindowPlan::gap)) no window of a later
/// part reaches back to a target of an earlier part. A part of `Count(0)` is left out together with its
/// gap.
///
/// # Errors
/// [`DataErrorKind::Split`] if nothing is left for training, a fraction is out of range or so small that
/// its part would be empty.
///
/// ```
/// use azura_learner::data::{PartSize, split_by_time};
/// let split = split_by_time(100, PartSize::Fraction(0.2), PartSize::Count(10), 5)?;
/// assert_eq!((split.train, split.val, split.test), (0..60, 65..85, 90..100));
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
pub fn split_by_time(
    samples: usize,
    val: impl Into<PartSize>,
    test: impl Into<PartSize>,
    gap: usize,
) -> DataResult<Split> {
    let (val, test) = (
        val.into().of(samples, "validation")?,
        test.into().of(samples, "test")?,
    );
    let gaps = [val, test].iter().filter(|&&part| part > 0).count();
    let held = gap
        .checked_mul(gaps)
        .and_then(|gaps| gaps.checked_add(val)?.checked_add(test))
        .filter(|&held| held < samples);
    let Some(held) = held else {
        let what = format!(
            "{samples} samples are too few for {val} of validation, {test} of test and {gaps} gaps of {gap}"
        );
        return Err(DataError::new(DataErrorKind::Split, what)
            .remedy("use more data, smaller parts or a shorter window"));
    };
    let test_start = samples - test;
    let val_end = if test > 0 { test_start - gap } else { samples };
    Ok(Split {
        train: 0..samples - held,
        val: val_end - val..val_end,
        test: test_start..samples,
    })
}

/// Three lists of samples, each ascending, together every sample once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Samples to learn from.
    pub train: Vec<usize>,
    /// Samples that decide when to stop and which model is kept.
    pub val: Vec<usize>,
    /// Samples for the final figures only.
    pub test: Vec<usize>,
}

/// Deals samples without an order at random; the same seed deals the same way.
///
/// # Errors
/// As [`split_by_time`].
pub fn split_random(
    samples: usize,
    val: impl Into<PartSize>,
    test: impl Into<PartSize>,
    seed: u64,
) -> DataResult<Parts> {
    let split = split_by_time(samples, val, test, 0)?;
    let mut order: Vec<usize> = (0..samples).collect();
    Rng::new(seed).fork("split").shuffle(&mut order);
    let part = |range: Range<usize>| {
        let mut part = order[range].to_vec();
        part.sort_unstable();
        part
    };
    Ok(Parts {
        train: part(split.train),
        val: part(split.val),
        test: part(split.test),
    })
}

/// As [`split_random`], but each label is dealt by itself, so that all parts have the labels in nearly
/// the same proportions.
///
/// `val` and `test` are fractions of each label, rounded so that a label with few samples keeps at least
/// one for training.
///
/// # Errors
/// [`DataErrorKind::Split`] if a fraction is out of range, the two leave nothing, or a part that should
/// have samples gets none.
pub fn split_stratified(labels: &[usize], val: f64, test: f64, seed: u64) -> DataResult<Parts> {
    let samples = labels.len();
    split_by_time(samples, val, test, 0)?;
    let mut order: Vec<usize> = (0..samples).collect();
    Rng::new(seed).fork("split").shuffle(&mut order);
    // Stable: within a label the shuffled order stays.
    order.sort_by_key(|&sample| labels[sample]);
    let mut parts = Parts {
        train: Vec::new(),
        val: Vec::new(),
        test: Vec::new(),
    };
    for group in order.chunk_by(|&a, &b| labels[a] == labels[b]) {
        let spare = group.len() - 1;
        let n_test = ((test * group.len() as f64).round() as usize).min(spare);
        let n_val = ((val * group.len() as f64).round() as usize).min(spare - n_test);
        parts.test.extend(&group[..n_test]);
        parts.val.extend(&group[n_test..n_test + n_val]);
        parts.train.extend(&group[n_test + n_val..]);
    }
    for (part, fraction, name) in [(&parts.val, val, "validation"), (&parts.test, test, "test")] {
        if part.is_empty() && fraction > 0.0 {
            let what =
                format!("every label has too few samples to give {fraction} of them to {name}");
            return Err(DataError::new(DataErrorKind::Split, what)
                .remedy("use more data or a larger fraction"));
        }
    }
    for part in [&mut parts.train, &mut parts.val, &mut parts.test] {
        part.sort_unstable();
    }
    Ok(parts)
}

/// The fold of each sample, from 0: each label's samples are dealt to `folds` parts of neighbours, so that all folds have the labels in nearly
/// the same proportions. This is scikit-learn's `StratifiedKFold` without shuffling, which its `cross_val_score` uses.
///
/// # Errors
/// [`DataErrorKind::Split`] for fewer than two folds, or more than the most frequent label has samples.
pub fn stratified_folds(labels: &[usize], folds: usize) -> DataResult<Vec<usize>> {
    // Labels are numbered by their first sample.
    let mut order: Vec<usize> = Vec::new();
    for &label in labels {
        if !order.contains(&label) {
            order.push(label);
        }
    }
    let of_label = |label: usize| -> Vec<usize> {
        (0..labels.len()).filter(|&i| labels[i] == label).collect()
    };
    let groups: Vec<Vec<usize>> = order.iter().map(|&label| of_label(label)).collect();
    let most = groups.iter().map(Vec::len).max().unwrap_or(0);
    if folds < 2 || folds > most {
        let what = format!("{folds} folds of samples whose most frequent label has {most}");
        return Err(DataError::new(DataErrorKind::Split, what)
            .remedy("use at least 2 folds, and not more than a label has samples"));
    }
    // In the list of all labels in order, fold f gets every folds-th, from the f-th on.
    let sorted: Vec<usize> = groups
        .iter()
        .enumerate()
        .flat_map(|(label, group)| vec![label; group.len()])
        .collect();
    let mut fold_of = vec![0; labels.len()];
    for (label, group) in groups.iter().enumerate() {
        let share = |fold: usize| {
            let own = sorted.iter().skip(fold).step_by(folds);
            own.filter(|&&l| l == label).count()
        };
        let dealt = (0..folds).flat_map(|fold| vec![fold; share(fold)]);
        for (&sample, fold) in group.iter().zip(dealt) {
            fold_of[sample] = fold;
        }
    }
    Ok(fold_of)
}

/// The fold of each sample, from 0: dealt at random, so that folds are equally large but for one sample. The same seed deals the
/// same way.
///
/// # Errors
/// [`DataErrorKind::Split`] for fewer than two folds, or more than samples.
pub fn random_folds(samples: usize, folds: usize, seed: u64) -> DataResult<Vec<usize>> {
    if folds < 2 || folds > samples {
        let what = format!("{folds} folds of {samples} samples");
        return Err(DataError::new(DataErrorKind::Split, what)
            .remedy("use at least 2 folds, and not more than there are samples"));
    }
    let mut fold_of: Vec<usize> = (0..samples).map(|i| i % folds).collect();
    Rng::new(seed).fork("folds").shuffle(&mut fold_of);
    Ok(fold_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_folds_are_seeded_and_equally_large() {
        let folds = random_folds(53, 5, 3).unwrap();
        let sizes = [0, 1, 2, 3, 4].map(|f| folds.iter().filter(|&&x| x == f).count());
        assert_eq!(sizes, [11, 11, 11, 10, 10]);
        assert_eq!(folds, random_folds(53, 5, 3).unwrap());
        assert_ne!(folds, random_folds(53, 5, 4).unwrap());
        assert!(random_folds(53, 1, 3).is_err() && random_folds(3, 4, 3).is_err());
    }

    #[test]
    fn by_time_with_gap() {
        let split = split_by_time(20, 4usize, 5usize, 2).unwrap();
        assert_eq!(
            split,
            Split {
                train: 0..7,
                val: 9..13,
                test: 15..20
            }
        );
        let split = split_by_time(20, 0usize, 5usize, 2).unwrap();
        assert_eq!(
            split,
            Split {
                train: 0..13,
                val: 13..13,
                test: 15..20
            }
        );
        let split = split_by_time(20, 5usize, 0usize, 2).unwrap();
        assert_eq!(
            split,
            Split {
                train: 0..13,
                val: 15..20,
                test: 20..20
            }
        );
        let split = split_by_time(20, 0usize, 0usize, 2).unwrap();
        assert_eq!(split.train, 0..20);
    }

    #[test]
    fn empty_parts_are_errors() {
        let text = |n, val: PartSize, test: PartSize, gap| {
            split_by_time(n, val, test, gap).unwrap_err().to_string()
        };
        assert!(text(9, 4.into(), 5.into(), 0).contains("9 samples are too few"));
        assert!(text(0, 0.into(), 0.into(), 0).contains("0 samples are too few"));
        assert!(text(10, 1.into(), 1.into(), usize::MAX).contains("too few"));
        assert!(
            text(10, PartSize::Fraction(0.01), 1.into(), 0).contains("leaves none for validation")
        );
        assert!(text(10, 1.into(), PartSize::Fraction(1.5), 0).contains("but is 1.5"));
        assert!(text(10, PartSize::Fraction(f64::NAN), 1.into(), 0).contains("NaN"));
        assert!(text(10, PartSize::Fraction(-0.1), 1.into(), 0).contains("-0.1"));
    }

    #[test]
    fn random_is_seeded_and_whole() {
        let parts = split_random(50, 0.2, 0.3, 7).unwrap();
        assert_eq!(
            (parts.train.len(), parts.val.len(), parts.test.len()),
            (25, 10, 15)
        );
        assert_eq!(parts, split_random(50, 0.2, 0.3, 7).unwrap());
        assert_ne!(parts, split_random(50, 0.2, 0.3, 8).unwrap());
        let mut all = [parts.train, parts.val, parts.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn stratified_keeps_proportions() {
        // 30 of label 0, 10 of label 1, 1 of label 2.
        let labels: Vec<usize> = (0..41)
            .map(|i| if i < 30 { 0 } else { usize::from(i == 40) + 1 })
            .collect();
        let parts = split_stratified(&labels, 0.2, 0.1, 3).unwrap();
        let count =
            |part: &[usize]| [0, 1, 2].map(|l| part.iter().filter(|&&i| labels[i] == l).count());
        assert_eq!(count(&parts.train), [21, 7, 1]);
        assert_eq!(count(&parts.val), [6, 2, 0]);
        assert_eq!(count(&parts.test), [3, 1, 0]);
        assert!(split_stratified(&[0, 1, 2], 0.3, 0.3, 1).is_err());
    }

    /// Against scikit-learn 1.9, `StratifiedKFold(3).split`.
    #[test]
    fn folds_are_scikit_learns() {
        let labels = [2, 0, 0, 1, 1, 1, 0, 2, 2, 2, 1, 0, 0];
        assert_eq!(
            stratified_folds(&labels, 3).unwrap(),
            [0, 0, 1, 0, 0, 1, 1, 0, 1, 2, 2, 2, 2]
        );
        assert!(stratified_folds(&labels, 1).is_err());
        assert!(stratified_folds(&labels, 6).is_err());
    }

    #[test]
    fn part_is_written_as_a_plain_number() {
        assert_eq!(
            serde_json::to_string(&PartSize::Fraction(0.15)).unwrap(),
            "0.15"
        );
        assert_eq!(
            serde_json::from_str::<PartSize>("0.15").unwrap(),
            PartSize::Fraction(0.15)
        );
        assert_eq!(
            serde_json::from_str::<PartSize>("24").unwrap(),
            PartSize::Count(24)
        );
    }
}
