//! Columns that know the answer.

use std::collections::HashMap;

use azura_learner::data::Dataset;

use super::columns::{Encoding, Inputs};
use super::data::TabularData;
use super::target::Truth;

/// A correlation above this is a copy of the target.
const COPY: f64 = 0.9999;

/// One sentence for each column from which the target follows, in the training rows.
pub(super) fn find(inputs: &Inputs, train: &TabularData) -> Vec<String> {
    let mut notes = Vec::new();
    let (mut number, mut category) = (0, 0);
    for input in &inputs.0 {
        let at = number;
        number += input.encoding.width();
        let knows = match &input.encoding {
            Encoding::Number { .. } => {
                let column: Vec<f32> = (0..train.len())
                    .map(|row| train.encoded.numbers(row)[at])
                    .collect();
                match &train.truth {
                    Truth::Numbers(y) => correlation(&column, y).abs() > COPY,
                    Truth::Classes(y) => decides(column.iter().map(|x| i64::from(x.to_bits())), y),
                }
            }
            Encoding::Category { .. } => {
                let at = category;
                category += 1;
                let column = (0..train.len()).map(|row| train.encoded.ids(row)[at]);
                match &train.truth {
                    Truth::Classes(y) => decides(column, y),
                    Truth::Numbers(_) => false,
                }
            }
            Encoding::Time { .. } => false,
        };
        if knows {
            notes.push(format!(
                "`{}` alone decides the target in all training rows; if it is not known before the target is, leave it out: data.exclude",
                input.name
            ));
        }
    }
    notes
}

/// Whether each value stands beside one class only, although there are few values for many rows.
fn decides(values: impl Iterator<Item = i64>, classes: &[usize]) -> bool {
    let mut seen: HashMap<i64, usize> = HashMap::new();
    for (value, &class) in values.zip(classes) {
        if *seen.entry(value).or_insert(class) != class {
            return false;
        }
    }
    10 * seen.len() <= classes.len()
}

fn correlation(x: &[f32], y: &[f64]) -> f64 {
    let n = x.len() as f64;
    let mean = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v / n).sum::<f64>();
    let x = || x.iter().map(|&x| f64::from(x));
    let (mx, my) = (mean(&mut x()), mean(&mut y.iter().copied()));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x().zip(y) {
        xx += (x - mx).powi(2);
        yy += (y - my).powi(2);
        xy += (x - mx) * (y - my);
    }
    xy / (xx * yy).sqrt()
}
