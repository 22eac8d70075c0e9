//! From a frame to samples: windows, the split, scalers and the linear baseline, fitted on training rows only.

use std::ops::Range;
use std::sync::Arc;

use azura_learner::app::{DataSummary, Prepared};
use azura_learner::baselines::Ridge;
use azura_learner::data::{
    Batch, DataError, DataErrorKind, DataResult, Dataset, PartSize, Scale, StandardScaler, Table,
    Timestamp, WindowPlan, Windows, split_by_time,
};
use azura_learner::{Result, metrics};
use serde::{Deserialize, Serialize};

use super::frame::Frame;
use super::step::Step;

/// Penalties that the ridge regression may have; the validation rows choose.
const ALPHAS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];

/// What preprocessing learned from the training rows; part of the model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// Brings the features (not the calendar) to mean 0 and standard deviation 1.
    pub features: StandardScaler,
    /// The same for the step that the model predicts.
    pub step: StandardScaler,
    /// Mean absolute change of the series from row to row: the scale of MASE.
    pub mase_scale: f64,
    /// Linear regression from the same windows to the same scaled step.
    pub ridge: Ridge,
    /// The penalty of `ridge` that was best on the validation rows.
    pub ridge_alpha: f64,
}

impl Fitted {
    /// Features of the model's input, with so many cycles of the calendar.
    pub(crate) fn width(&self, cycles: usize) -> usize {
        self.features.columns().len() + 2 * cycles
    }

    /// The model's input for every row, row-major `[rows, F]`.
    ///
    /// # Errors
    /// [`DataErrorKind::Other`] with the cell, if a value is too large for it.
    pub(super) fn inputs(&self, frame: &Frame, table: &Table) -> DataResult<Vec<f32>> {
        let width = frame.value_names.len();
        let mut inputs = Vec::with_capacity(frame.len() * (width + 2 * frame.calendar.len()));
        for (row, &time) in frame.times.iter().enumerate() {
            let values = &frame.values[row * width..(row + 1) * width];
            for (column, &x) in values.iter().enumerate() {
                let input = self.features.value(column, x) as f32;
                // Rows that no window can hold are NaN.
                if input.is_infinite() {
                    return Err(too_large(table, row, &frame.value_names[column], x));
                }
                inputs.push(input);
            }
            inputs.extend(
                frame
                    .calendar
                    .iter()
                    .flat_map(|cycle| cycle.encode(time))
                    .map(|x| x as f32),
            );
        }
        Ok(inputs)
    }

    /// The value that a model's output means, given the value before.
    pub(super) fn value(&self, step: Step, before: f64, output: f64) -> f64 {
        step.after(before, self.step.invert_value(0, output))
    }
}

/// The samples of one part of the data, with what scoring them needs.
#[derive(Clone, Debug)]
pub struct SeriesData {
    windows: Windows,
    times: Arc<[Timestamp]>,
    level: Arc<[f64]>,
}

impl SeriesData {
    fn part(&self, samples: Range<usize>) -> DataResult<SeriesData> {
        Ok(SeriesData {
            windows: self.windows.part(samples)?,
            ..self.clone()
        })
    }

    /// The windows and their scaled steps.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// The rows to be predicted, one a sample.
    pub fn target_rows(&self) -> Vec<usize> {
        self.windows.plan().target_rows(self.windows.samples())
    }

    /// The whole series, in its own unit; [`target_rows`](Self::target_rows) index it.
    pub fn level(&self) -> &[f64] {
        &self.level
    }

    /// The time of each row of the series.
    pub fn times(&self) -> &[Timestamp] {
        &self.times
    }
}

impl Dataset for SeriesData {
    fn len(&self) -> usize {
        self.windows.len()
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        self.windows.batch(rows)
    }
}

/// Refuses a number that an f32 cannot hold: the model computes with those.
pub(crate) fn check_size(table: &Table, column: &str) -> DataResult<()> {
    let values = table.numbers(column)?;
    let large = |x: &f64| x.abs() > f64::from(f32::MAX);
    match values.iter().position(large) {
        Some(row) => Err(too_large(table, row, column, values[row])),
        None => Ok(()),
    }
}

fn too_large(table: &Table, row: usize, column: &str, value: f64) -> DataError {
    let what = format!("{value:e} is too large for the model");
    table.error_at(row, column, what, "correct or remove the row")
}

/// How much of the data goes where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) window: usize,
    pub(crate) val: f64,
    pub(crate) test: f64,
}

/// Cuts a frame into training, validation and test samples and fits everything on the training rows.
///
/// Samples are in the order of the rows; between two parts as many are left out as it takes for no window to
/// hold a target of an earlier part.
///
/// # Errors
/// [`DataErrorKind::Size`] and [`DataErrorKind::Split`] if there are too few rows.
pub(crate) fn prepare(
    frame: &Frame,
    table: &Table,
    step: Step,
    sizes: Sizes,
    sha256: String,
) -> Result<Prepared<Fitted, SeriesData>> {
    frame.check()?;
    let source = table.source();
    let in_file = |e: DataError| e.in_file(source);
    let plan =
        Arc::new(WindowPlan::new(frame.len(), sizes.window, 1, &frame.breaks).map_err(in_file)?);
    let part = |size: f64| {
        if size == 0.0 {
            PartSize::Count(0)
        } else {
            PartSize::Fraction(size)
        }
    };
    let split = split_by_time(plan.len(), part(sizes.val), part(sizes.test), plan.gap())
        .map_err(in_file)?;

    let steps = frame.steps(step);
    let targets = plan.target_rows(split.train.clone());
    let train_steps: Vec<f64> = targets.iter().map(|&row| steps[row]).collect();
    let (before, after): (Vec<f64>, Vec<f64>) = targets
        .iter()
        .map(|&row| (frame.level[row - 1], frame.level[row]))
        .unzip();
    let features = StandardScaler::fit(
        &frame.values,
        &frame.value_names,
        plan.rows_of(split.train.clone()),
    )
    .map_err(in_file)?;
    let step_scaler =
        StandardScaler::fit(&train_steps, &["step"], 0..train_steps.len()).map_err(in_file)?;
    let mase_scale = metrics::mae(&after, &before)?;

    // The ridge needs windows, which need the scalers: it is filled in below.
    let mut fitted = Fitted {
        features,
        step: step_scaler,
        mase_scale,
        ridge: Ridge::fit(1, 1, |_, row| row[0] = 0.0, &[0.0], 1.0)?,
        ridge_alpha: ALPHAS[0],
    };
    let data = samples(frame, table, &fitted, &steps, plan)?;
    let (train, val, test) = (
        data.part(split.train)?,
        data.part(split.val)?,
        data.part(split.test)?,
    );
    (fitted.ridge, fitted.ridge_alpha) = ridge(&train.windows, &val.windows)?;

    let summary = DataSummary {
        source: source.to_string(),
        rows: frame.len(),
        columns: frame.features(),
        sha256,
        span: frame
            .times
            .first()
            .zip(frame.times.last())
            .map(|(a, b)| (a.iso(), b.iso())),
        train: train.len(),
        val: val.len(),
        test: test.len(),
        gap: data.windows.plan().gap(),
        notes: frame.notes.clone(),
    };
    Ok(Prepared {
        fitted,
        train: Arc::new(train),
        val: Arc::new(val),
        test: Arc::new(test),
        summary,
    })
}

/// Every sample of a frame, with the preprocessing that was fitted in training.
///
/// # Errors
/// [`DataErrorKind::Size`] if there are too few rows.
pub(crate) fn open(
    frame: &Frame,
    table: &Table,
    step: Step,
    window: usize,
    fitted: &Fitted,
) -> Result<SeriesData> {
    frame.check()?;
    let plan = WindowPlan::new(frame.len(), window, 1, &frame.breaks)
        .map_err(|e| e.in_file(table.source()))?;
    samples(frame, table, fitted, &frame.steps(step), Arc::new(plan))
}

fn samples(
    frame: &Frame,
    table: &Table,
    fitted: &Fitted,
    steps: &[f64],
    plan: Arc<WindowPlan>,
) -> Result<SeriesData> {
    if fitted.features.columns() != frame.value_names {
        let what = format!(
            "the model was fitted on the features {}, but these are {}",
            fitted.features.columns().join(", "),
            frame.value_names.join(", ")
        );
        return Err(DataError::new(DataErrorKind::UnknownColumn, what).into());
    }
    let targets = steps
        .iter()
        .map(|&x| fitted.step.value(0, x) as f32)
        .collect();
    let windows = Windows::new(
        fitted.inputs(frame, table)?,
        frame.features().len(),
        targets,
        plan,
    )?;
    Ok(SeriesData {
        windows,
        times: frame.times.as_slice().into(),
        level: frame.level.as_slice().into(),
    })
}

/// The ridge regression whose penalty is best on the validation rows, with that penalty.
fn ridge(train: &Windows, val: &Windows) -> Result<(Ridge, f64)> {
    let truth: Vec<f64> = (0..val.len()).map(|i| f64::from(val.target(i))).collect();
    let mut best: Option<(f64, Ridge, f64)> = None;
    for alpha in ALPHAS {
        let ridge = Ridge::fit_windows(train, alpha)?;
        if truth.is_empty() {
            // Nothing to choose by: the smallest penalty, which is next to ordinary least squares.
            return Ok((ridge, alpha));
        }
        let error = metrics::mae(&truth, &ridge.predict_windows(val)?)?;
        if best.as_ref().is_none_or(|(least, ..)| error < *least) {
            best = Some((error, ridge, alpha));
        }
    }
    best.map(|(_, ridge, alpha)| (ridge, alpha)).ok_or_else(|| {
        DataError::new(DataErrorKind::Other, "no penalty for the ridge regression").into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_model_predicts_is_undone_exactly() {
        let level: Vec<f64> = (0..40)
            .map(|i| 30.0 + 5.0 * f64::from(i).sin() + 0.3 * f64::from(i))
            .collect();
        for step in [Step::Difference, Step::LogReturn] {
            let steps: Vec<f64> = level
                .windows(2)
                .map(|pair| step.between(pair[0], pair[1]))
                .collect();
            let fitted = Fitted {
                features: StandardScaler::fit(&level, &["level"], 0..40).unwrap(),
                step: StandardScaler::fit(&steps, &["step"], 0..20).unwrap(),
                mase_scale: 1.0,
                ridge: Ridge::fit(1, 1, |_, row| row[0] = 0.0, &[0.0], 1.0).unwrap(),
                ridge_alpha: 1.0,
            };
            for (pair, &moved) in level.windows(2).zip(&steps) {
                let back = fitted.value(step, pair[0], fitted.step.value(0, moved));
                assert!(
                    (back - pair[1]).abs() <= 1e-12 * pair[1].abs(),
                    "{step:?} {back} {}",
                    pair[1]
                );
            }
        }
    }

    /// It fits an f32, and becomes too large when it is divided by what the series usually does.
    #[test]
    fn a_value_that_the_scaler_makes_too_large_is_refused_with_its_cell() {
        let level = vec![0.0, 0.1, 0.2, 3e38];
        let fitted = Fitted {
            features: StandardScaler::fit(&level, &["level"], 0..3).unwrap(),
            step: StandardScaler::fit(&level, &["step"], 0..3).unwrap(),
            mase_scale: 1.0,
            ridge: Ridge::fit(1, 1, |_, row| row[0] = 0.0, &[0.0], 1.0).unwrap(),
            ridge_alpha: 1.0,
        };
        let table = Table::new("mine.csv").with("level", level.clone()).unwrap();
        let frame = Frame {
            times: vec!["2020-01-01".parse().unwrap(); 4],
            level: level.clone(),
            value_names: vec!["level".to_string()],
            values: level,
            calendar: Vec::new(),
            breaks: Vec::new(),
            notes: Vec::new(),
        };
        assert_eq!(
            fitted.inputs(&frame, &table).unwrap_err().to_string(),
            "mine.csv: column `level` (1): row index 3: 3e38 is too large for the model; correct or remove the row"
        );
    }
}
