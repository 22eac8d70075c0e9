//! From the cells of a row to what the model sees: numbers, and one id for each column of categories.

use std::collections::HashMap;

use azura_learner::data::{Cycle, DataError, DataResult, Kind, Table, Values};
use serde::{Deserialize, Serialize};

use super::target::few;

/// Values of a category at most; the rarer ones are all alike.
const MOST_VALUES: usize = 1000;
/// A text with more different values than this, and than half of the rows, names rows instead of telling them apart.
const FEW_VALUES: usize = 20;
/// Features of the linear baselines for one category at most.
const MOST_ONE_HOT: usize = 100;
/// Parts of a time that the model sees besides the time itself.
const CYCLES: [Cycle; 3] = [Cycle::Hour, Cycle::Weekday, Cycle::DayOfYear];

/// A column that the model sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Input {
    pub name: String,
    pub encoding: Encoding,
}

/// How a cell becomes numbers, as learned from the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Encoding {
    /// Mean 0 and deviation 1; a missing cell is 0, and 1 in an input of its own if the training rows had one.
    Number { mean: f64, std: f64, missing: bool },
    /// The number of the value, from 1; 0 for all others.
    Category { values: Vec<String> },
    /// Seconds since 1970 as a number, and sine and cosine of the cycles.
    Time { mean: f64, std: f64 },
}

impl Encoding {
    /// How many numbers it makes of a cell.
    pub fn width(&self) -> usize {
        match self {
            Encoding::Number { missing, .. } => 1 + usize::from(*missing),
            Encoding::Category { .. } => 0,
            Encoding::Time { .. } => 1 + 2 * CYCLES.len(),
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Encoding::Number { .. } => Kind::Number,
            Encoding::Category { .. } => Kind::Text,
            Encoding::Time { .. } => Kind::Time,
        }
    }
}

/// The columns that the model sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Inputs(pub Vec<Input>);

/// Rows as the model sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct Encoded {
    /// `[rows, width]`
    pub numbers: Vec<f32>,
    pub width: usize,
    /// `[rows, categories]`
    pub ids: Vec<i64>,
    pub categories: usize,
}

impl Encoded {
    pub fn numbers(&self, row: usize) -> &[f32] {
        &self.numbers[row * self.width..][..self.width]
    }

    pub fn ids(&self, row: usize) -> &[i64] {
        &self.ids[row * self.categories..][..self.categories]
    }

    /// Some of the rows.
    pub fn select(&self, rows: &[usize]) -> Encoded {
        Encoded {
            numbers: rows
                .iter()
                .flat_map(|&row| self.numbers(row))
                .copied()
                .collect(),
            ids: rows
                .iter()
                .flat_map(|&row| self.ids(row))
                .copied()
                .collect(),
            ..*self
        }
    }
}

impl Inputs {
    /// Learns from some rows how to read the columns `names`; what is left out, and why, is told in `notes`.
    pub fn fit(
        table: &Table,
        names: &[String],
        rows: &[usize],
        notes: &mut Vec<String>,
    ) -> DataResult<Self> {
        let mut inputs = Vec::new();
        for name in names {
            match encoding(table.values(name)?, rows) {
                Ok(encoding) => inputs.push(Input {
                    name: name.clone(),
                    encoding,
                }),
                Err(why) => notes.push(format!("left out: `{name}` {why}")),
            }
        }
        Ok(Inputs(inputs))
    }

    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.0.iter().map(|input| input.encoding.width()).sum()
    }

    /// How many ids each column of categories has.
    pub fn categories(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter_map(|input| match &input.encoding {
            Encoding::Category { values } => Some(values.len() + 1),
            _ => None,
        })
    }

    /// As what the columns were read, if they are not all numbers.
    pub fn kinds(&self) -> Option<String> {
        let (mut numbers, mut categories, mut times) = (0, Vec::new(), Vec::new());
        for Input { name, encoding } in &self.0 {
            match encoding {
                Encoding::Number { .. } => numbers += 1,
                Encoding::Category { values } => {
                    categories.push(format!("{name} ({} values)", values.len()));
                }
                Encoding::Time { .. } => times.push(name.clone()),
            }
        }
        let parts = [("categories", &categories), ("times", &times)];
        let others = parts.iter().filter(|(_, names)| !names.is_empty());
        let told: Vec<String> = others
            .map(|(kind, names)| format!("{} as {kind}", few(names)))
            .collect();
        (!told.is_empty()).then(|| format!("read {}, {numbers} as numbers", told.join(", ")))
    }

    /// The rows of a table.
    ///
    /// # Errors
    /// With the cell, if a number is too large for the model.
    pub fn encode(&self, table: &Table) -> DataResult<Encoded> {
        let rows = table.len();
        let mut numbers: Vec<Vec<f32>> = Vec::new();
        let mut ids: Vec<Vec<i64>> = Vec::new();
        for Input { name, encoding } in &self.0 {
            match encoding {
                Encoding::Number { mean, std, missing } => {
                    let cells = table.numbers(name)?;
                    let scaled = |&x: &f64| if x.is_nan() { 0.0 } else { (x - mean) / std };
                    numbers.push(cells.iter().map(|x| scaled(x) as f32).collect());
                    if let Some(row) = numbers
                        .last()
                        .and_then(|v| v.iter().position(|x| !x.is_finite()))
                    {
                        return Err(too_large(table, row, name, cells[row]));
                    }
                    if *missing {
                        numbers.push(
                            cells
                                .iter()
                                .map(|x| f32::from(u8::from(x.is_nan())))
                                .collect(),
                        );
                    }
                }
                Encoding::Category { values } => {
                    let known: HashMap<&str, i64> =
                        values.iter().map(String::as_str).zip(1..).collect();
                    let cells = table.texts(name)?;
                    let id = |cell: &String| known.get(cell.trim()).copied().unwrap_or(0);
                    ids.push(cells.iter().map(id).collect());
                }
                Encoding::Time { mean, std } => {
                    let cells = table.times(name)?;
                    let at = |&t| ((seconds(t) - mean) / std) as f32;
                    numbers.push(cells.iter().map(at).collect());
                    for cycle in CYCLES {
                        for part in 0..2 {
                            numbers.push(
                                cells
                                    .iter()
                                    .map(|&t| cycle.encode(t)[part] as f32)
                                    .collect(),
                            );
                        }
                    }
                }
            }
        }
        let by_rows = |row: usize, columns: &[Vec<f32>]| -> Vec<f32> {
            columns.iter().map(|column| column[row]).collect()
        };
        Ok(Encoded {
            width: numbers.len(),
            categories: ids.len(),
            ids: (0..rows)
                .flat_map(|row| ids.iter().map(move |column| column[row]))
                .collect(),
            numbers: (0..rows).flat_map(|row| by_rows(row, &numbers)).collect(),
        })
    }

    /// Features of a row for the linear baselines: the numbers, and a 1 for the value of each category.
    pub fn one_hot(&self, encoded: &Encoded, row: usize, out: &mut [f64]) {
        let (numbers, mut rest) = out.split_at_mut(encoded.width);
        for (to, x) in numbers.iter_mut().zip(encoded.numbers(row)) {
            *to = f64::from(*x);
        }
        for (count, &id) in self.one_hot_sizes().zip(encoded.ids(row)) {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(count);
            own.fill(0.0);
            if let Some(to) = own.get_mut(id as usize) {
                *to = 1.0;
            }
            rest = others;
        }
    }

    fn one_hot_sizes(&self) -> impl Iterator<Item = usize> {
        self.categories().map(|count| count.min(MOST_ONE_HOT))
    }

    /// How many features [`one_hot`](Inputs::one_hot) writes.
    pub fn one_hot_width(&self) -> usize {
        self.width() + self.one_hot_sizes().sum::<usize>()
    }
}

fn seconds(t: azura_learner::data::Timestamp) -> f64 {
    t.unix() as f64
}

fn too_large(table: &Table, row: usize, column: &str, value: f64) -> DataError {
    let what = format!("{value:e} is too large for the model");
    table.error_at(row, column, what, "correct or remove the row")
}

/// How to read a column, or why not to.
fn encoding(values: &Values, rows: &[usize]) -> Result<Encoding, String> {
    match values {
        Values::Number(cells) => {
            let filled: Vec<f64> = rows
                .iter()
                .map(|&row| cells[row])
                .filter(|x| !x.is_nan())
                .collect();
            let (mean, std) = spread(&filled)?;
            Ok(Encoding::Number {
                mean,
                std,
                missing: filled.len() < rows.len(),
            })
        }
        Values::Time(cells) => {
            let filled: Vec<f64> = rows.iter().map(|&row| seconds(cells[row])).collect();
            let (mean, std) = spread(&filled)?;
            Ok(Encoding::Time { mean, std })
        }
        Values::Text(cells) => categories(rows.iter().map(|&row| cells[row].trim())),
    }
}

/// Mean and standard deviation.
pub(super) fn spread(values: &[f64]) -> Result<(f64, f64), String> {
    let n = values.len() as f64;
    if values.is_empty() {
        return Err("is empty in all training rows".to_string());
    }
    // Scaled first, so that squares of large numbers stay finite.
    let most = values
        .iter()
        .fold(0.0, |most: f64, x| most.max(x.abs()))
        .max(f64::MIN_POSITIVE);
    let mean = values.iter().map(|x| x / most).sum::<f64>() / n;
    let var = values
        .iter()
        .map(|x| (x / most - mean).powi(2))
        .sum::<f64>()
        / n;
    let (mean, std) = (mean * most, var.sqrt() * most);
    match std > 1e-12 * most {
        true => Ok((mean, std)),
        false => Err(format!("is {} in all training rows", values[0])),
    }
}

fn categories<'a>(cells: impl ExactSizeIterator<Item = &'a str>) -> Result<Encoding, String> {
    let rows = cells.len();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for cell in cells {
        *counts.entry(cell).or_default() += 1;
    }
    if counts.len() == 1 {
        let value = counts.keys().next().copied().unwrap_or_default();
        return Err(format!("is \"{value}\" in all training rows"));
    }
    if counts.len() > FEW_VALUES && 2 * counts.len() > rows {
        return Err(format!(
            "has {} different texts in {rows} training rows",
            counts.len()
        ));
    }
    // Those that occur once teach nothing: they stand for all that are unknown.
    let mut values: Vec<(&str, usize)> =
        counts.into_iter().filter(|&(_, count)| count > 1).collect();
    values.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    values.truncate(MOST_VALUES);
    Ok(Encoding::Category {
        values: values
            .into_iter()
            .map(|(value, _)| value.to_string())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let texts = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        Table::new("t")
            .with("x", vec![1.0, f64::NAN, 3.0, 5.0])
            .and_then(|t| t.with("color", texts(&["red", "blue", "red", "green"])))
            .and_then(|t| t.with("same", vec![7.0; 4]))
            .and_then(|t| t.with("one", texts(&["a", "a", "a", "a"])))
            .unwrap()
    }

    #[test]
    fn cells_become_numbers_and_ids() {
        let mut notes = Vec::new();
        let names = ["x", "color", "same", "one"].map(str::to_string);
        let inputs = Inputs::fit(&table(), &names, &[0, 1, 2], &mut notes).unwrap();
        assert_eq!(
            notes,
            [
                "left out: `same` is 7 in all training rows",
                "left out: `one` is \"a\" in all training rows"
            ]
        );
        assert_eq!(
            inputs.kinds().as_deref(),
            Some("read color (1 values) as categories, 1 as numbers")
        );
        let encoded = inputs.encode(&table()).unwrap();
        // Mean 2, deviation 1, over the two filled training rows.
        assert_eq!(encoded.numbers, [-1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 3.0, 0.0]);
        // Blue occurs once and green never in the training rows.
        assert_eq!(encoded.ids, [1, 0, 1, 0]);
        let mut row = [9.0; 4];
        assert_eq!(inputs.one_hot_width(), 4);
        inputs.one_hot(&encoded, 3, &mut row);
        assert_eq!(row, [3.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn names_of_rows_are_left_out() {
        let cells: Vec<String> = (0..50).map(|i| format!("id{i}")).collect();
        let table = Table::new("t").with("id", cells).unwrap();
        let mut notes = Vec::new();
        let rows: Vec<usize> = (0..50).collect();
        let inputs = Inputs::fit(&table, &["id".to_string()], &rows, &mut notes).unwrap();
        assert!(inputs.0.is_empty());
        assert_eq!(
            notes,
            ["left out: `id` has 50 different texts in 50 training rows"]
        );
    }

    #[test]
    fn a_number_that_is_too_large_is_refused_with_its_cell() {
        let table = Table::new("mine.csv")
            .with("x", vec![1.0, 2.0, 1e300])
            .unwrap();
        let inputs = Inputs::fit(&table, &["x".to_string()], &[0, 1], &mut Vec::new()).unwrap();
        assert_eq!(
            inputs.encode(&table).unwrap_err().to_string(),
            "mine.csv: column `x` (1): row index 2: 1e300 is too large for the model; correct or remove the row"
        );
    }
}
