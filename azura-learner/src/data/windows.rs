//! Sliding windows over the rows of a series.

use std::ops::Range;
use std::sync::Arc;

use azura_core::Tensor;

use super::dataset::{Batch, Dataset};
use super::error::{DataError, DataErrorKind, DataResult};
use crate::Result;

/// Which rows make which sample: `window` rows of input, and a target `horizon` rows after the newest.
///
/// Sample `i` reads the rows `start(i) .. start(i) + window` and is to predict row
/// `target_row(i) = start(i) + window − 1 + horizon`. No sample crosses a break, its target included.
///
/// ```
/// use azura_learner::data::WindowPlan;
/// // Ten rows, of which row 6 begins a new stretch (say, another year).
/// let plan = WindowPlan::new(10, 3, 1, &[6])?;
/// let rows: Vec<_> = (0..plan.len()).map(|i| (plan.start(i), plan.target_row(i))).collect();
/// assert_eq!(rows, [(0, 3), (1, 4), (2, 5), (6, 9)]);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowPlan {
    rows: usize,
    window: usize,
    horizon: usize,
    starts: Vec<usize>,
}

impl WindowPlan {
    /// All samples of a series, oldest first. `breaks` are the first rows of new stretches, in any order.
    ///
    /// # Errors
    /// [`DataErrorKind::Size`] if window or horizon is 0, a break lies outside of the series, or no stretch
    /// is long enough for one sample.
    pub fn new(rows: usize, window: usize, horizon: usize, breaks: &[usize]) -> DataResult<Self> {
        let refuse = |what: String| DataError::new(DataErrorKind::Size, what);
        if window == 0 || horizon == 0 {
            return Err(refuse(format!(
                "window and horizon must be at least 1, but are {window} and {horizon}"
            )));
        }
        if let Some(outside) = breaks.iter().find(|&&at| at > rows) {
            return Err(refuse(format!(
                "the break at row {outside} lies outside of {rows} rows"
            )));
        }
        let mut edges = [&[0], breaks, &[rows]].concat();
        edges.sort_unstable();
        let span = window.saturating_add(horizon);
        let starts: Vec<usize> = edges
            .windows(2)
            .flat_map(|edge| edge[0]..(edge[1] + 1).saturating_sub(span).max(edge[0]))
            .collect();
        if starts.is_empty() {
            let longest = edges
                .windows(2)
                .map(|edge| edge[1] - edge[0])
                .max()
                .unwrap_or(0);
            return Err(refuse(format!(
                "a window of {window} rows and a target {horizon} later need {span} rows, \
                 but the longest unbroken stretch has {longest}"
            ))
            .remedy("use more data or a shorter window"));
        }
        Ok(WindowPlan {
            rows,
            window,
            horizon,
            starts,
        })
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Always false: a plan without samples is an error.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Rows of input in a sample.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Rows from the newest input to the target.
    pub fn horizon(&self) -> usize {
        self.horizon
    }

    /// The oldest input row of a sample.
    ///
    /// # Panics
    /// If there is no such sample (a mistake of the program, not of its user); so do the methods below.
    pub fn start(&self, sample: usize) -> usize {
        self.starts[sample]
    }

    /// The newest input row of a sample.
    pub fn last_row(&self, sample: usize) -> usize {
        self.starts[sample] + self.window - 1
    }

    /// The row that a sample is to predict.
    pub fn target_row(&self, sample: usize) -> usize {
        self.last_row(sample) + self.horizon
    }

    /// The target rows of some samples.
    pub fn target_rows(&self, samples: Range<usize>) -> Vec<usize> {
        samples.map(|sample| self.target_row(sample)).collect()
    }

    /// The samples to leave out between two parts of a split, so that no window of the later part holds
    /// a target of the earlier one: `window + horizon − 1`.
    ///
    /// Breaks only move samples further apart, so the number is safe with them too.
    pub fn gap(&self) -> usize {
        self.window + self.horizon - 1
    }

    /// The rows that some samples touch, from the first input to the last target: what a scaler for
    /// training samples may learn from. Empty for no samples.
    pub fn rows_of(&self, samples: Range<usize>) -> Range<usize> {
        match samples.is_empty() {
            true => 0..0,
            false => self.start(samples.start)..self.target_row(samples.end - 1) + 1,
        }
    }
}

/// The samples of a [`WindowPlan`] over a matrix of features, as a [`Dataset`].
///
/// A batch has two tensors of `f32`: the windows `[B, window, columns]` and the targets `[B, 1]`. Rows lie one
/// after the other in memory, so a window is copied in one piece and nothing is kept twice. Clones and
/// parts share the data.
#[derive(Clone, Debug)]
pub struct Windows {
    features: Arc<[f32]>,
    columns: usize,
    targets: Arc<[f32]>,
    plan: Arc<WindowPlan>,
    samples: Range<usize>,
}

impl Windows {
    /// Windows over row-major `features` `[rows, columns]` with a target for each row.
    ///
    /// Targets of rows that are no sample's target (the first of a series of returns) may be NaN.
    ///
    /// # Errors
    /// [`DataErrorKind::Size`] if the lengths do not fit the plan, [`DataErrorKind::OutOfRange`] with row
    /// and column for values that are not finite.
    pub fn new(
        features: Vec<f32>,
        columns: usize,
        targets: Vec<f32>,
        plan: Arc<WindowPlan>,
    ) -> DataResult<Self> {
        let rows = plan.rows;
        if columns == 0
            || rows.checked_mul(columns) != Some(features.len())
            || targets.len() != rows
        {
            let (have, targets) = (features.len(), targets.len());
            let what = format!(
                "windows over {rows} rows of {columns} columns, but got {have} values and {targets} targets"
            );
            return Err(DataError::new(DataErrorKind::Size, what));
        }
        let not_finite = |row: usize, what: String| {
            DataError::new(
                DataErrorKind::OutOfRange,
                format!("row index {row}: {what}"),
            )
            .remedy("fill in missing values or remove the row")
        };
        for (sample, &start) in plan.starts.iter().enumerate() {
            // Windows overlap: only rows that no earlier sample had need a look.
            let seen = sample
                .checked_sub(1)
                .map_or(0, |before| plan.starts[before] + plan.window);
            let from = start.max(seen) * columns;
            let window = &features[from..(start + plan.window) * columns];
            if let Some(at) = window.iter().position(|x| !x.is_finite()) {
                let (row, column) = ((from + at) / columns, (from + at) % columns + 1);
                return Err(not_finite(
                    row,
                    format!("feature {column} is {}", window[at]),
                ));
            }
            let row = plan.target_row(sample);
            if !targets[row].is_finite() {
                return Err(not_finite(row, format!("the target is {}", targets[row])));
            }
        }
        let samples = 0..plan.len();
        Ok(Windows {
            features: features.into(),
            columns,
            targets: targets.into(),
            plan,
            samples,
        })
    }

    /// The samples of a range (of this part's samples), sharing the data.
    ///
    /// # Errors
    /// [`DataErrorKind::Size`] if the range reaches outside.
    pub fn part(&self, samples: Range<usize>) -> DataResult<Windows> {
        let have = self.samples.len();
        if samples.start > samples.end || samples.end > have {
            let (start, end) = (samples.start, samples.end);
            let what = format!("samples {start} to {end} of {have}");
            return Err(DataError::new(DataErrorKind::Size, what));
        }
        let first = self.samples.start;
        Ok(Windows {
            samples: first + samples.start..first + samples.end,
            ..self.clone()
        })
    }

    /// The plan, which counts samples over the whole series.
    pub fn plan(&self) -> &WindowPlan {
        &self.plan
    }

    /// This part's samples in the plan.
    pub fn samples(&self) -> Range<usize> {
        self.samples.clone()
    }

    /// Features in a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Features in a flattened window: `window · columns`.
    pub fn width(&self) -> usize {
        self.plan.window * self.columns
    }

    /// Copies the window of a sample of this part, oldest row first, into `out` of length
    /// [`Windows::width`].
    ///
    /// # Panics
    /// If there is no such sample or `out` has another length (a mistake of the program).
    pub fn flat(&self, sample: usize, out: &mut [f64]) {
        let window = self.window(self.samples.start + sample);
        assert_eq!(out.len(), window.len(), "length of a flattened window");
        for (out, &x) in out.iter_mut().zip(window) {
            *out = f64::from(x);
        }
    }

    /// The target of a sample of this part.
    ///
    /// # Panics
    /// If there is no such sample (a mistake of the program).
    pub fn target(&self, sample: usize) -> f32 {
        self.targets[self.plan.target_row(self.samples.start + sample)]
    }

    fn window(&self, sample: usize) -> &[f32] {
        let start = self.plan.start(sample) * self.columns;
        &self.features[start..start + self.width()]
    }
}

impl Dataset for Windows {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        let have = self.samples.len();
        let mut inputs = Vec::with_capacity(rows.len() * self.width());
        let mut targets = Vec::with_capacity(rows.len());
        for &row in rows {
            if row >= have {
                let what = format!("sample {row} was asked for, but there are {have}");
                return Err(DataError::new(DataErrorKind::Size, what).into());
            }
            inputs.extend_from_slice(self.window(self.samples.start + row));
            targets.push(self.target(row));
        }
        Ok(Batch {
            tensors: vec![
                Tensor::from_vec(inputs, [rows.len(), self.plan.window, self.columns])?,
                Tensor::from_vec(targets, [rows.len(), 1])?,
            ],
            rows: rows.to_vec(),
        })
    }
}
