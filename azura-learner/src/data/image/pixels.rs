//! Images as rows of a table: a column for each pixel, and one for the class.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::images::ImageShape;
use crate::data::{DataError, DataErrorKind, DataResult, Table, Values};

/// Which columns of a table are pixels, and what a value of them means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelTable {
    /// The columns, plane by plane, row by row from the top left.
    pub columns: Vec<String>,
    /// The value of the brightest pixel: 1, 16 or 255.
    pub white: f64,
    /// The shape of an image.
    pub shape: ImageShape,
}

/// Values that white may have: shares, the counts of the digits of scikit-learn, bytes.
const WHITES: [f64; 3] = [1.0, 16.0, 255.0];

impl PixelTable {
    /// All columns but `label`, which must be n² or 3 n² numbers; white is the least of 1, 16 and 255 that is no smaller than any value.
    ///
    /// # Errors
    /// [`DataErrorKind::Size`] for another number of columns, [`DataErrorKind::NotANumber`] for a column of texts,
    /// [`DataErrorKind::OutOfRange`] for values below 0 or above 255, with line and column.
    pub fn find(table: &Table, label: &str) -> DataResult<Self> {
        let columns: Vec<String> = table
            .names()
            .into_iter()
            .filter(|name| *name != label)
            .map(str::to_string)
            .collect();
        let side = |count: usize| {
            let side = (count as f64).sqrt().round() as usize;
            (side > 0 && side * side == count).then_some(side)
        };
        let count = columns.len();
        let (channels, side) = match (side(count), side(count / 3)) {
            (Some(side), _) => (1, side),
            (None, Some(side)) if count.is_multiple_of(3) => (3, side),
            _ => {
                let what = format!(
                    "{count} columns beside `{label}` are the pixels of no square image (n² grey, 3 n² in colour)"
                );
                return Err(DataError::new(DataErrorKind::Size, what)
                    .in_file(table.source())
                    .remedy("leave out other columns, or name the class's column: data.label"));
            }
        };
        let mut most = 0.0f64;
        for column in &columns {
            most = table.numbers(column)?.iter().copied().fold(most, f64::max);
        }
        let white = WHITES.into_iter().find(|&white| most <= white);
        let pixels = PixelTable {
            columns,
            white: white.unwrap_or(255.0),
            shape: ImageShape {
                channels,
                height: side,
                width: side,
            },
        };
        pixels.check(table)?;
        Ok(pixels)
    }

    fn check(&self, table: &Table) -> DataResult<()> {
        for column in &self.columns {
            let values = table.numbers(column)?;
            if let Some(row) = values
                .iter()
                .position(|value| !(0.0..=self.white).contains(value))
            {
                let what = format!("{} is no brightness from 0 to {}", values[row], self.white);
                let remedy = "write whole numbers from 0 to 255, or shares from 0 to 1";
                return Err(table.error_at(row, column, what, remedy));
            }
        }
        Ok(())
    }

    /// The pixels of all rows as bytes: 0 stays 0 and white becomes 255.
    ///
    /// # Errors
    /// A column that is not there or no number; a value below 0 or above white.
    pub fn bytes(&self, table: &Table) -> DataResult<Vec<u8>> {
        self.check(table)?;
        let values = table.matrix(&self.columns)?;
        let scale = 255.0 / self.white;
        Ok(values.iter().map(|v| (v * scale).round() as u8).collect())
    }
}

/// The cells of a column as texts: whole numbers without a point.
///
/// # Errors
/// An unknown column, or one of times; a missing number or one that is not whole.
pub fn as_numbers_or_texts(table: &Table, column: &str) -> DataResult<Vec<String>> {
    match table.values(column)? {
        Values::Text(texts) => Ok(texts.clone()),
        Values::Number(numbers) => {
            let whole = |number: f64| number.fract() == 0.0 && number.abs() < 1e9;
            if let Some(row) = numbers.iter().position(|&number| !whole(number)) {
                let what = format!("{} is no label", numbers[row]);
                return Err(table.error_at(row, column, what, "labels are whole numbers or texts"));
            }
            Ok(numbers
                .iter()
                .map(|number| format!("{number:.0}"))
                .collect())
        }
        Values::Time(_) => Err(DataError::new(
            DataErrorKind::WrongKind,
            format!("`{column}` holds times, not classes"),
        )
        .in_file(table.source())
        .remedy("name the class's column: data.label")),
    }
}

/// Class names in order, numbers as numbers, and the class of each label.
pub(super) fn classes_of(labels: &[String]) -> (Vec<String>, Vec<usize>) {
    let mut classes: Vec<String> = labels
        .iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .cloned()
        .collect();
    let number = |text: &String| text.parse::<i64>();
    if classes.iter().all(|class| number(class).is_ok()) {
        classes.sort_by_key(|class| number(class).unwrap_or_default());
    }
    let place: std::collections::HashMap<&str, usize> = classes
        .iter()
        .enumerate()
        .map(|(i, class)| (class.as_str(), i))
        .collect();
    let of = labels.iter().map(|label| place[label.as_str()]).collect();
    (classes, of)
}
