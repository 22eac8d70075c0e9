//! A table made ready: the series, its times and its features, row by row.

use azura_learner::data::{Cycle, DataError, DataErrorKind, DataResult, Timestamp};

/// A series with features, row by row, as an app makes it of a table.
///
/// Everything in a row is known at the row's time, so that a window which ends there may use it.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The time of each row.
    pub times: Vec<Timestamp>,
    /// The series itself, in its own unit.
    pub level: Vec<f64>,
    /// Names of the features that are brought to a common size.
    pub value_names: Vec<String>,
    /// These features, row-major `[rows, value_names]`. May be NaN in rows that no window can hold.
    pub values: Vec<f64>,
    /// Cycles of the calendar, encoded as sine and cosine and not scaled: they are of size 1 already, and a
    /// scaler fitted on part of a year would blow up the rest of it.
    pub calendar: Vec<Cycle>,
    /// First row of each new stretch; no window reaches across one. Sorted.
    pub breaks: Vec<usize>,
    /// What was odd, one sentence each, for a person.
    pub notes: Vec<String>,
}

impl Frame {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Names of all features, in the order of the model's input.
    pub fn features(&self) -> Vec<String> {
        let cycles = self.calendar.iter().flat_map(|cycle| cycle.names());
        self.value_names
            .iter()
            .cloned()
            .chain(cycles.map(str::to_string))
            .collect()
    }

    /// The newest rows of windows of `window` rows that lie in one stretch.
    pub fn window_ends(&self, window: usize) -> Vec<usize> {
        let mut ends = Vec::new();
        let mut edges = vec![0];
        edges.extend_from_slice(&self.breaks);
        edges.push(self.len());
        for edge in edges.windows(2) {
            ends.extend((edge[0] + window).saturating_sub(1)..edge[1]);
        }
        ends
    }

    /// The steps of the series, one a row; NaN where a stretch begins.
    pub(super) fn steps(&self, step: super::Step) -> Vec<f64> {
        let mut steps = vec![f64::NAN; self.len().min(1)];
        steps.extend(
            self.level
                .windows(2)
                .map(|pair| step.between(pair[0], pair[1])),
        );
        for &first in &self.breaks {
            if let Some(at) = steps.get_mut(first) {
                *at = f64::NAN;
            }
        }
        steps
    }

    /// Rows in each stretch.
    fn stretches(&self) -> Vec<usize> {
        let mut edges = vec![0];
        edges.extend_from_slice(&self.breaks);
        edges.push(self.len());
        edges.windows(2).map(|edge| edge[1] - edge[0]).collect()
    }

    /// Rows in the last stretch.
    pub(super) fn last_stretch(&self) -> usize {
        self.stretches().last().copied().unwrap_or(0)
    }

    /// Rows in the longest stretch.
    pub(super) fn longest_stretch(&self) -> usize {
        self.stretches().into_iter().max().unwrap_or(0)
    }

    /// Refuses lengths that do not belong together (a mistake of the app).
    pub(super) fn check(&self) -> DataResult<()> {
        let rows = self.len();
        if self.level.len() == rows && self.values.len() == rows * self.value_names.len() {
            return Ok(());
        }
        let (level, values) = (self.level.len(), self.values.len());
        let what =
            format!("{rows} times, but {level} values of the series and {values} of the features");
        Err(DataError::new(DataErrorKind::Size, what))
    }
}
