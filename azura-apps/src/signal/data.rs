//! Series with their classes: the three parts, scaling, changed copies, and batches.

use std::sync::Arc;

use azura_core::{Rng, Tensor};
use azura_learner::app::{DataSummary, Prepared};
use azura_learner::data::audio::sample_rng;
use azura_learner::data::{
    Batch, DataError, DataErrorKind, DataResult, Dataset, Table, sha256_file, split_stratified,
};
use azura_learner::fs::sha256_hex;
use azura_learner::{Result, Source};
use serde::{Deserialize, Serialize};

use super::config::{SignalAugment, SignalConfig, SignalScale};
use super::read::{self, Labelled, Series};
use crate::classes::{self, Classes};
use crate::forecast::Dataset::Greensboro;

/// Points of each channel that the logistic regression sees at most.
const POINTS: usize = 64;

/// What preprocessing learned from the training series; part of the model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalFitted {
    pub(super) classes: Classes,
    /// Mean and deviation of each channel over the training series.
    pub(super) channels: Vec<(f64, f64)>,
    /// The columns of an input table, for each channel.
    pub(super) columns: Vec<Vec<String>>,
}

/// Reads a source.
pub(super) fn read(config: &SignalConfig, source: &Source) -> DataResult<Labelled> {
    match source {
        Source::Bundled => read::days(),
        Source::File(path) if read::is_ts(path) => read::ts(path),
        Source::File(path) => read::csv(path, &config.data.target),
    }
}

/// Scales a series.
pub(super) fn scale(series: &mut Series, how: SignalScale, channels: &[(f64, f64)]) {
    for (values, training) in series.iter_mut().zip(channels) {
        let (mean, deviation) = match how {
            SignalScale::Training => *training,
            SignalScale::Series => spread(values.iter().copied()),
        };
        for x in values {
            *x = ((f64::from(*x) - mean) / deviation) as f32;
        }
    }
}

/// Mean and deviation; deviation 1 where it is next to nothing.
fn spread(values: impl Iterator<Item = f32> + Clone) -> (f64, f64) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().map(f64::from).sum::<f64>() / count;
    let squares = values.map(|x| (f64::from(x) - mean).powi(2)).sum::<f64>();
    let deviation = (squares / count).sqrt();
    (
        mean,
        if deviation > 1e-9 * mean.abs().max(1e-30) {
            deviation
        } else {
            1.0
        },
    )
}

/// A channel at other points, between its values in a straight line; `points` places from 0 to its last value.
fn at_points(values: &[f32], points: impl Iterator<Item = f64>) -> Vec<f32> {
    let last = values.len() - 1;
    points
        .map(|place| {
            let place = place.clamp(0.0, last as f64);
            let before = place as usize;
            let after = (before + 1).min(last);
            let share = place - before as f64;
            (f64::from(values[before]) * (1.0 - share) + f64::from(values[after]) * share) as f32
        })
        .collect()
}

/// A changed copy of a scaled series, of the same length.
fn changed(series: &Series, augment: &SignalAugment, rng: &mut Rng) -> Series {
    let length = series[0].len();
    let mut copy = series.clone();
    if augment.warp > 0.0 && length >= 4 {
        let window = ((augment.warp * length as f64).round() as usize).clamp(1, length - 1);
        let start = rng.below((length - window + 1) as u64) as f64;
        let factor = if rng.below(2) == 0 { 0.5 } else { 2.0 };
        // The warped series is longer or shorter; it is read at as many points as before.
        let (window, warped) = (window as f64, window as f64 * factor);
        let total = (length - 1) as f64 - window + warped;
        let place = |i: usize| {
            let at = i as f64 * total / (length - 1) as f64;
            match at {
                at if at < start => at,
                at if at < start + warped => start + (at - start) / factor,
                at => at - warped + window,
            }
        };
        for channel in &mut copy {
            *channel = at_points(channel, (0..length).map(place));
        }
    }
    for channel in &mut copy {
        let factor = 1.0
            + augment.size
                * if augment.size > 0.0 {
                    rng.normal()
                } else {
                    0.0
                };
        for x in channel {
            let noise = if augment.jitter > 0.0 {
                augment.jitter * rng.normal()
            } else {
                0.0
            };
            *x = (f64::from(*x) * factor + noise) as f32;
        }
    }
    copy
}

/// Series of one part, followed by zeros up to the longest.
///
/// | batch tensor | shape                                                        |
/// |--------------|--------------------------------------------------------------|
/// | 0            | series, `[B, C, T]`                                           |
/// | 1            | 1 where a series has values and 0 behind its end, `[B, 1, T]` |
/// | 2            | classes, `[B]`, u32                                           |
pub struct SignalData {
    series: Vec<Series>,
    pub(super) truth: Vec<usize>,
    /// Where each came from: its line, or its number.
    lines: Vec<f64>,
    longest: usize,
    /// For training: how copies are changed, and the seed of that.
    changed: Option<(SignalAugment, u64)>,
}

impl SignalData {
    fn new(series: Vec<Series>, truth: Vec<usize>, lines: Vec<f64>) -> Self {
        let longest = series.iter().map(|s| s[0].len()).max().unwrap_or(0);
        SignalData {
            series,
            truth,
            lines,
            longest,
            changed: None,
        }
    }

    /// What the rows are called, for people.
    pub(super) fn named(&self) -> DataResult<Table> {
        Table::new("predictions").with("line", self.lines.clone())
    }

    /// What the logistic regression sees.
    pub(super) fn points(&self, count: usize) -> Vec<f64> {
        points(&self.series, count)
    }
}

/// How many points of each channel the logistic regression sees.
fn point_count(longest: usize) -> usize {
    longest.min(POINTS)
}

impl SignalFitted {
    /// How many points of each channel the logistic regression sees.
    pub(super) fn points(&self) -> usize {
        point_count(self.columns[0].len())
    }
}

/// The columns of a table of such series, for each channel: those of the CSV file, or the numbers of channel and value.
pub(super) fn columns_of(read: &Labelled, longest: usize) -> Vec<Vec<String>> {
    if let Some(columns) = &read.columns {
        return vec![columns.clone()];
    }
    let channels = read.series[0].len();
    let name = |c: usize, t: usize| match channels {
        1 => format!("t{t}"),
        _ => format!("c{c}_t{t}"),
    };
    let of = |c: usize| (0..longest).map(|t| name(c, t)).collect();
    (0..channels).map(of).collect()
}

fn points(series: &[Series], count: usize) -> Vec<f64> {
    let of = |channel: &Vec<f32>| {
        let step = (channel.len() - 1) as f64 / (count.max(2) - 1) as f64;
        at_points(channel, (0..count).map(|i| i as f64 * step))
    };
    let channels = series.iter().flatten();
    channels.flat_map(of).map(f64::from).collect()
}

/// Tensors 0 and 1 of a batch.
pub(super) fn tensors<'a>(
    series: impl ExactSizeIterator<Item = &'a Series>,
    longest: usize,
) -> Result<Vec<Tensor>> {
    let rows = series.len();
    let (mut x, mut mask, mut channels) = (Vec::new(), Vec::new(), 0);
    for series in series {
        channels = series.len();
        for channel in series {
            x.extend_from_slice(channel);
            x.resize(x.len() + longest - channel.len(), 0.0);
        }
        let length = series[0].len();
        mask.resize(mask.len() + length, 1.0f32);
        mask.resize(mask.len() + longest - length, 0.0);
    }
    Ok(vec![
        Tensor::from_vec(x, [rows, channels, longest])?,
        Tensor::from_vec(mask, [rows, 1, longest])?,
    ])
}

impl SignalData {
    fn of(&self, rows: &[usize], epoch: Option<u64>) -> Result<Batch> {
        if let Some(row) = rows.iter().find(|&&row| row >= self.len()) {
            let what = format!("there is no series {row} of {}", self.len());
            return Err(DataError::new(DataErrorKind::Size, what).into());
        }
        let mut batch = match (&self.changed, epoch) {
            (Some((augment, seed)), Some(epoch)) => {
                let copy = |&row: &usize| {
                    changed(
                        &self.series[row],
                        augment,
                        &mut sample_rng(*seed, epoch, row),
                    )
                };
                let copies: Vec<Series> = rows.iter().map(copy).collect();
                tensors(copies.iter(), self.longest)?
            }
            _ => tensors(rows.iter().map(|&row| &self.series[row]), self.longest)?,
        };
        let y: Vec<u32> = rows.iter().map(|&row| self.truth[row] as u32).collect();
        batch.push(Tensor::from_vec(y, [rows.len()])?);
        Ok(Batch {
            tensors: batch,
            rows: rows.to_vec(),
        })
    }
}

impl Dataset for SignalData {
    fn len(&self) -> usize {
        self.truth.len()
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        self.of(rows, None)
    }

    fn training_batch(&self, rows: &[usize], epoch: u64) -> Result<Batch> {
        self.of(rows, Some(epoch))
    }
}

/// Reads, splits and fits.
pub(super) fn prepare(
    config: &SignalConfig,
    source: &Source,
) -> Result<Prepared<SignalFitted, SignalData>> {
    let (name, mut sha256) = match source {
        Source::Bundled => (
            Greensboro.bundled().name.to_string(),
            sha256_hex(Greensboro.bundled().text.as_bytes()),
        ),
        Source::File(path) => (path.display().to_string(), sha256_file(path)?),
    };
    let mut all = read(config, source)?;
    let in_train = all.series.len();
    let mut notes = Vec::new();
    let test_file = match source {
        Source::File(path) if read::is_ts(path) => read::test_file(path),
        _ => None,
    };
    if let Some(file) = &test_file {
        let test = read::ts(file)?;
        if test.series[0].len() != all.series[0].len() {
            let what = format!(
                "{} channels, but {name} has {}",
                test.series[0].len(),
                all.series[0].len()
            );
            return Err(DataError::new(DataErrorKind::Size, what)
                .in_file(file.display().to_string())
                .into());
        }
        notes.push(format!(
            "test: the {} series of {}",
            test.series.len(),
            file.display()
        ));
        sha256 = sha256_hex(format!("{sha256} {}", sha256_file(file)?).as_bytes());
        all.series.extend(test.series);
        all.labels.extend(test.labels);
        all.lines.extend(test.lines);
    }
    let (names, truth) = classes::number(&all.labels, &name)?;
    let channels = all.series[0].len();
    let lengths = all.series.iter().map(|s| s[0].len());
    let (shortest, longest) = (
        lengths.clone().min().unwrap_or(0),
        lengths.max().unwrap_or(0),
    );
    let size = match shortest == longest {
        true => format!("{longest} values"),
        false => format!("{shortest} to {longest} values"),
    };
    let many = if channels == 1 { "channel" } else { "channels" };
    notes.insert(
        0,
        format!(
            "rows are series of {size} in {channels} {many}, of {} classes: {}",
            names.len(),
            names.join(", ")
        ),
    );
    let test_share = if test_file.is_some() {
        0.0
    } else {
        config.data.test
    };
    let parts = split_stratified(
        &truth[..in_train],
        config.data.val,
        test_share,
        config.train.seed,
    );
    let mut parts = parts.map_err(|e| e.in_file(&name))?;
    if test_file.is_some() {
        parts.test = (in_train..truth.len()).collect();
    }
    let scales: Vec<(f64, f64)> = (0..channels)
        .map(|c| {
            spread(
                parts
                    .train
                    .iter()
                    .flat_map(|&row| all.series[row][c].iter().copied()),
            )
        })
        .collect();
    all.series
        .iter_mut()
        .for_each(|s| scale(s, config.data.scale, &scales));
    let count = point_count(longest);
    let columns = columns_of(&all, longest);
    let mut part = |rows: &[usize]| {
        let series = rows.iter().map(|&row| std::mem::take(&mut all.series[row]));
        let line = |&row: &usize| all.lines.get(row).copied().unwrap_or(row as f64 + 1.0);
        SignalData::new(
            series.collect(),
            rows.iter().map(|&row| truth[row]).collect(),
            rows.iter().map(line).collect(),
        )
    };
    let (mut train, val, test) = (part(&parts.train), part(&parts.val), part(&parts.test));
    if config.augment != SignalAugment::default() {
        train.changed = Some((config.augment.clone(), config.train.seed));
    }
    let fitted = SignalFitted {
        classes: Classes::fit(names, &train.truth, &train.points(count), &name)?,
        channels: scales,
        columns,
    };
    let summary = DataSummary {
        rows: truth.len(),
        columns: vec!["series".to_string(), "class".to_string()],
        sha256,
        train: train.len(),
        val: val.len(),
        test: test.len(),
        notes,
        source: name,
        ..DataSummary::default()
    };
    Ok(Prepared {
        fitted,
        train: Arc::new(train),
        val: Arc::new(val),
        test: Arc::new(test),
        summary,
    })
}

/// Series to be scored.
pub(super) fn open(
    config: &SignalConfig,
    fitted: &SignalFitted,
    source: &Source,
) -> Result<SignalData> {
    let mut all = read(config, source)?;
    let name = source.to_string();
    fits(&all.series, fitted).map_err(|e| e.in_file(&name))?;
    let truth = fitted.classes.of(&all.labels, &name)?;
    all.series
        .iter_mut()
        .for_each(|s| scale(s, config.data.scale, &fitted.channels));
    let numbers = (1..=truth.len()).map(|n| n as f64).collect();
    let lines = if all.lines.is_empty() {
        numbers
    } else {
        all.lines
    };
    Ok(SignalData::new(all.series, truth, lines))
}

/// Whether series have the channels that the model knows.
fn fits(series: &[Series], fitted: &SignalFitted) -> DataResult<()> {
    let (have, want) = (series[0].len(), fitted.channels.len());
    if have == want {
        return Ok(());
    }
    let what = format!("series of {have} channels, but the model was trained on {want}");
    Err(DataError::new(DataErrorKind::Size, what).remedy("give series of the same channels"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_as_long_and_warping_keeps_the_ends() {
        let series = vec![(0..40).map(|i| i as f32).collect::<Vec<_>>()];
        let warp = SignalAugment {
            warp: 0.25,
            ..SignalAugment::default()
        };
        let mut different = 0;
        for seed in 0..20 {
            let copy = changed(&series, &warp, &mut Rng::new(seed));
            assert_eq!(copy[0].len(), 40);
            assert!(
                copy[0][0].abs() < 1e-6 && (copy[0][39] - 39.0).abs() < 1e-4,
                "{copy:?}"
            );
            assert!(copy[0].windows(2).all(|w| w[1] > w[0]));
            different += usize::from(copy != series);
        }
        assert_eq!(different, 20);
        assert_eq!(
            changed(&series, &SignalAugment::default(), &mut Rng::new(0)),
            series
        );
        let sized = SignalAugment {
            size: 0.1,
            ..SignalAugment::default()
        };
        let copy = changed(&series, &sized, &mut Rng::new(0));
        let factor = copy[0][10] / 10.0;
        assert!(factor != 1.0 && (copy[0][30] - 30.0 * factor).abs() < 1e-4);
    }

    #[test]
    fn points_lie_between_values() {
        assert_eq!(
            at_points(&[0.0, 2.0, 4.0], [0.0, 0.5, 1.75, 9.0].into_iter()),
            [0.0, 1.0, 3.5, 4.0]
        );
        assert_eq!(points(&[vec![vec![1.0]]], 3), [1.0; 3]);
        assert_eq!(points(&[vec![vec![0.0, 4.0]]], 3), [0.0, 2.0, 4.0]);
    }

    #[test]
    fn short_series_are_followed_by_zeros() {
        let data = SignalData::new(
            vec![vec![vec![1.0, 2.0, 3.0]], vec![vec![4.0]]],
            vec![0, 1],
            vec![1.0, 2.0],
        );
        let batch = data.batch(&[1, 0]).unwrap();
        assert_eq!(
            batch.tensors[0].to_vec::<f32>().unwrap(),
            [4.0, 0.0, 0.0, 1.0, 2.0, 3.0]
        );
        assert_eq!(
            batch.tensors[1].to_vec::<f32>().unwrap(),
            [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]
        );
        assert_eq!(batch.tensors[2].to_vec::<u32>().unwrap(), [1, 0]);
    }
}
