//! The scaler to mean 0 and standard deviation 1.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::error::{DataError, DataResult};
use super::scale::{Scale, checked_rows, not_fitted, too_wide};

/// Brings every column to mean 0 and standard deviation 1: `z = (x − mean) / std`.
///
/// `mean = Σx/n` and `std = sqrt(Σ(x − mean)²/n)` over the rows that [`StandardScaler::fit`] saw. A column
/// that is constant there gets `std = 1`, so it becomes 0 and comes back whole.
///
/// ```
/// use azura_learner::data::{Scale, StandardScaler};
/// let mut matrix = vec![1.0, 10.0, 3.0, 30.0, 100.0, 20.0];
/// // The last row does not belong to training: it is scaled, but nothing is learned from it.
/// let scaler = StandardScaler::fit(&matrix, &["a", "b"], 0..2)?;
/// scaler.apply(&mut matrix)?;
/// assert_eq!(matrix, [-1.0, -1.0, 1.0, 1.0, 98.0, 0.0]);
/// assert_eq!(scaler.invert_value(0, 98.0), 100.0);
/// # Ok::<(), azura_learner::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StandardFields")]
pub struct StandardScaler {
    columns: Vec<String>,
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl StandardScaler {
    /// Learns mean and deviation of every column of a row-major matrix from the given rows.
    ///
    /// # Errors
    /// [`Size`](super::DataErrorKind::Size) if there are no columns or rows, or rows outside of the
    /// matrix; [`OutOfRange`](super::DataErrorKind::OutOfRange) with row and column for NaN, infinity, or a
    /// column so wide that its deviation overflows.
    pub fn fit(
        matrix: &[f64],
        columns: &[impl AsRef<str>],
        rows: Range<usize>,
    ) -> DataResult<Self> {
        let columns: Vec<String> = columns.iter().map(|c| c.as_ref().to_string()).collect();
        let matrix = checked_rows(matrix, &columns, rows)?;
        let width = columns.len();
        let n = (matrix.len() / width) as f64;
        let mut scaler = StandardScaler {
            columns,
            mean: Vec::new(),
            std: Vec::new(),
        };
        for column in 0..width {
            let values = || matrix[column..].iter().step_by(width);
            // A constant column has no deviation, whatever rounding makes of its mean.
            let first = matrix[column];
            let constant = values().all(|&x| x == first);
            let mean = if constant {
                first
            } else {
                values().map(|x| x / n).sum::<f64>()
            };
            let variance = values().map(|x| (x - mean) * (x - mean) / n).sum::<f64>();
            let std = variance.sqrt();
            if !std.is_finite() {
                return Err(too_wide(&scaler.columns, column));
            }
            scaler.mean.push(mean);
            scaler
                .std
                .push(if constant || std == 0.0 { 1.0 } else { std });
        }
        Ok(scaler)
    }

    /// The mean of each column.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The standard deviation of each column; 1 for constant ones.
    pub fn std(&self) -> &[f64] {
        &self.std
    }
}

impl Scale for StandardScaler {
    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn value(&self, column: usize, x: f64) -> f64 {
        (x - self.mean[column]) / self.std[column]
    }

    fn invert_value(&self, column: usize, z: f64) -> f64 {
        z * self.std[column] + self.mean[column]
    }
}

// What a file says about a scaler; believed only if a fit could have given it.
#[derive(Deserialize)]
struct StandardFields {
    columns: Vec<String>,
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl TryFrom<StandardFields> for StandardScaler {
    type Error = DataError;

    fn try_from(fields: StandardFields) -> DataResult<Self> {
        let StandardFields { columns, mean, std } = fields;
        let sizes = [mean.len(), std.len()] == [columns.len(); 2];
        let sane =
            mean.iter().all(|x| x.is_finite()) && std.iter().all(|&x| x > 0.0 && x.is_finite());
        if columns.is_empty() || !sizes || !sane {
            return Err(not_fitted("standard"));
        }
        Ok(StandardScaler { columns, mean, std })
    }
}
