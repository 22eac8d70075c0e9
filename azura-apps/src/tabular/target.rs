//! The target: classes or a number, and why.

use std::collections::HashMap;

use azura_learner::data::{DataResult, Kind, Table, Values};
use serde::{Deserialize, Serialize};

use super::config::TaskKind;

/// Up to so many different whole numbers are classes.
const FEW_NUMBERS: usize = 20;

/// What is predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Target {
    pub name: String,
    /// What its cells hold.
    pub kind: Kind,
    pub task: Task,
}

/// Classes or a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// The names of the classes, in order.
    Classes(Vec<String>),
    /// Mean and deviation in the training rows.
    Number { mean: f64, std: f64 },
}

/// The true values of some rows.
#[derive(Clone, Debug)]
pub(super) enum Truth {
    Classes(Vec<usize>),
    Numbers(Vec<f64>),
}

impl Truth {
    pub fn len(&self) -> usize {
        match self {
            Truth::Classes(v) => v.len(),
            Truth::Numbers(v) => v.len(),
        }
    }

    /// Some of the rows.
    pub fn select(&self, rows: &[usize]) -> Truth {
        match self {
            Truth::Classes(v) => Truth::Classes(rows.iter().map(|&row| v[row]).collect()),
            Truth::Numbers(v) => Truth::Numbers(rows.iter().map(|&row| v[row]).collect()),
        }
    }
}

/// A class as text; empty if the cell is.
fn class(values: &Values, row: usize) -> String {
    match values {
        Values::Number(v) if v[row].is_nan() => String::new(),
        // -0 is 0.
        Values::Number(v) => (v[row] + 0.0).to_string(),
        Values::Text(v) => v[row].trim().to_string(),
        Values::Time(v) => v[row].iso(),
    }
}

/// Rows whose target is there.
pub(super) fn filled(table: &Table, name: &str) -> DataResult<Vec<usize>> {
    let values = table.values(name)?;
    let empty = |row: &usize| match values {
        Values::Number(v) => v[*row].is_nan(),
        Values::Text(v) => v[*row].trim().is_empty(),
        Values::Time(_) => false,
    };
    Ok((0..table.len()).filter(|row| !empty(row)).collect())
}

impl Target {
    /// Finds out what kind of value the target is, with the reason as a sentence. Mean and deviation are filled in later, from the
    /// training rows.
    ///
    /// # Errors
    /// If there is nothing to tell apart, or the values do not fit the task that was asked for.
    pub fn find(table: &Table, name: &str, wanted: TaskKind) -> DataResult<(Self, String)> {
        let values = table.values(name)?;
        let kind = values.kind();
        let error = |what: String, remedy: &str| Err(table.error_at(0, name, what, remedy));
        let number = Task::Number {
            mean: 0.0,
            std: 1.0,
        };
        let target = |task| Target {
            name: name.to_string(),
            kind,
            task,
        };
        if kind == Kind::Time {
            return error(
                "holds times, which this app does not predict".to_string(),
                "choose another column: data.target",
            );
        }
        let mut counts: HashMap<String, usize> = HashMap::new();
        for row in 0..table.len() {
            *counts.entry(class(values, row)).or_default() += 1;
        }
        let different = counts.len();
        if different == 1 {
            return error(
                format!(
                    "holds \"{}\" in every row: there is nothing to predict",
                    class(values, 0)
                ),
                "choose another column: data.target",
            );
        }
        let whole = match values {
            Values::Number(v) => v.iter().all(|x| x.fract() == 0.0),
            _ => true,
        };
        let holds = match (kind, whole) {
            (Kind::Number, true) => format!("`{name}` holds {different} different whole numbers"),
            (Kind::Number, false) => format!("`{name}` holds {different} different numbers"),
            _ => format!("`{name}` holds {different} different texts"),
        };
        let classes = match (wanted, kind) {
            (TaskKind::Regression, Kind::Number) => false,
            (TaskKind::Regression, _) => {
                return error(
                    "holds text, and a regression needs numbers".to_string(),
                    "set data.task=classification, or choose another column: data.target",
                );
            }
            (TaskKind::Classification, _) => true,
            (TaskKind::Auto, Kind::Number) => whole && different <= FEW_NUMBERS,
            (TaskKind::Auto, _) => true,
        };
        let asked = match wanted {
            TaskKind::Auto => "",
            _ => ", as data.task says",
        };
        if !classes {
            return Ok((target(number), format!("regression: {holds}{asked}")));
        }
        if 2 * different > table.len() {
            return error(
                format!(
                    "has {different} different values in {} rows, which are no classes",
                    table.len()
                ),
                "choose another column, data.target, or set data.task=regression if it holds numbers",
            );
        }
        let mut names: Vec<String> = counts.into_keys().collect();
        names.sort();
        if kind == Kind::Number {
            let value = |name: &String| name.parse().unwrap_or(f64::NAN);
            names.sort_by(|a, b| value(a).total_cmp(&value(b)));
        }
        Ok((
            target(Task::Classes(names)),
            format!("classification: {holds}{asked}"),
        ))
    }

    /// The true values of a table.
    ///
    /// # Errors
    /// With the cell, if it holds a class that was not there in training, or nothing.
    pub fn truth(&self, table: &Table) -> DataResult<Truth> {
        let values = table.values(&self.name)?;
        let rows = 0..table.len();
        let missing = |row: usize| {
            table.error_at(
                row,
                &self.name,
                "the value is missing",
                "fill it in or remove the row",
            )
        };
        match &self.task {
            Task::Number { .. } => {
                let numbers = table.numbers(&self.name)?;
                match numbers.iter().position(|x| x.is_nan()) {
                    Some(row) => Err(missing(row)),
                    None => Ok(Truth::Numbers(numbers.to_vec())),
                }
            }
            Task::Classes(classes) => {
                let known: HashMap<&str, usize> =
                    classes.iter().map(String::as_str).zip(0..).collect();
                let class = |row: usize| {
                    let name = class(values, row);
                    known
                        .get(name.as_str())
                        .copied()
                        .ok_or_else(|| match name.as_str() {
                            "" => missing(row),
                            name => table.error_at(
                                row,
                                &self.name,
                                format!("\"{name}\" was no class in training"),
                                format!("the classes are {}", few(classes)),
                            ),
                        })
                };
                Ok(Truth::Classes(rows.map(class).collect::<DataResult<_>>()?))
            }
        }
    }
}

/// Names in a sentence.
pub(super) fn few(names: &[String]) -> String {
    match names {
        [first, second, third, _, _, ..] => {
            format!("{first}, {second}, {third} and {} more", names.len() - 3)
        }
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(values: impl Into<Values>, wanted: TaskKind) -> Result<(Target, String), String> {
        let table = Table::new("t").with("y", values).unwrap();
        Target::find(&table, "y", wanted).map_err(|e| e.to_string())
    }

    fn texts(cells: &[&str]) -> Vec<String> {
        cells.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_task_follows_from_the_values_and_is_explained() {
        let (target, why) = find(texts(&["b", "a", "b", "a"]), TaskKind::Auto).unwrap();
        assert_eq!(target.task, Task::Classes(texts(&["a", "b"])));
        assert_eq!(why, "classification: `y` holds 2 different texts");
        let (target, why) = find(vec![10.0, 2.0, 10.0, 2.0], TaskKind::Auto).unwrap();
        assert_eq!(target.task, Task::Classes(texts(&["2", "10"])));
        assert_eq!(why, "classification: `y` holds 2 different whole numbers");
        let (target, why) = find(vec![0.5, 2.0, 1.0], TaskKind::Auto).unwrap();
        assert!(matches!(target.task, Task::Number { .. }));
        assert_eq!(why, "regression: `y` holds 3 different numbers");
        let (_, why) = find(vec![1.0, 2.0, 1.0], TaskKind::Regression).unwrap();
        assert_eq!(
            why,
            "regression: `y` holds 2 different whole numbers, as data.task says"
        );
    }

    #[test]
    fn what_cannot_be_predicted_is_refused_with_a_remedy() {
        let message = find(texts(&["a", "a"]), TaskKind::Auto).unwrap_err();
        assert!(message.contains("holds \"a\" in every row"), "{message}");
        let message = find(texts(&["a", "b", "c"]), TaskKind::Auto).unwrap_err();
        assert!(
            message.contains("has 3 different values in 3 rows"),
            "{message}"
        );
        let message = find(texts(&["a", "b"]), TaskKind::Regression).unwrap_err();
        assert!(message.contains("a regression needs numbers"), "{message}");
        let (target, _) = find(texts(&["a", "b", "a", "b"]), TaskKind::Auto).unwrap();
        let table = Table::new("t").with("y", texts(&["a", "c"])).unwrap();
        let message = target.truth(&table).unwrap_err().to_string();
        assert!(
            message.contains("\"c\" was no class in training; the classes are a, b"),
            "{message}"
        );
    }
}
