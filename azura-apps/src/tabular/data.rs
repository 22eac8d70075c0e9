//! From a file to the three parts of its rows, with what preprocessing learned from the training rows.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use azura_core::Tensor;
use azura_learner::app::{DataSummary, Prepared};
use azura_learner::baselines::{Logistic, Ridge, majority_class};
use azura_learner::data::{
    Batch, DataError, DataErrorKind, DataResult, Dataset, Kind, PartSize, Parts, Table,
    check_memory, random_folds, read_csv_all, read_csv_all_from, sha256_file, split_by_time,
    split_random, split_stratified, stratified_folds,
};
use azura_learner::fs::sha256_hex;
use azura_learner::{Result, Source, metrics};
use serde::{Deserialize, Serialize};

use super::columns::{Encoded, Inputs, spread};
use super::config::{Set, SplitKind, TabularConfig};
use super::target::{Target, Task, Truth, filled};
use crate::Bundled;

macro_rules! bundled {
    ($name:literal) => {
        Bundled {
            name: concat!("datasets/tabular/", $name),
            text: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../datasets/tabular/",
                $name
            )),
        }
    };
}

/// Wines of three cultivars.
pub const WINE: Bundled = bundled!("wine.csv");
/// Flowers of three species.
pub const IRIS: Bundled = bundled!("iris.csv");
/// Tumours, malignant or benign.
pub const BREAST_CANCER: Bundled = bundled!("breast_cancer.csv");
/// The progression of diabetes.
pub const DIABETES: Bundled = bundled!("diabetes.csv");

/// Penalties that the ridge regression may have; the validation rows choose.
const ALPHAS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];
/// The penalty of the logistic regression: scikit-learn's default.
const PENALTY: f64 = 1.0;

/// What preprocessing learned from the training rows; part of the model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    pub(super) inputs: Inputs,
    pub(super) target: Target,
    pub(super) linear: Linear,
    pub(super) naive: Naive,
}

/// The linear model of the same inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Linear {
    Logistic(Logistic),
    Ridge {
        model: Ridge,
        alpha: f64,
    },
    /// There is no input.
    None,
}

/// The answer without looking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Naive {
    /// The most frequent class, and how frequent each is, with one row more of each.
    Majority {
        class: usize,
        shares: Vec<f64>,
    },
    Mean(f64),
}

/// The rows of one part.
#[derive(Clone, Debug)]
pub struct TabularData {
    pub(super) encoded: Encoded,
    pub(super) truth: Truth,
    /// For the loss: numbers are scaled.
    targets: Vec<f32>,
    /// The line of each row in the file, if it came from one.
    pub(super) lines: Vec<f64>,
}

impl Dataset for TabularData {
    fn len(&self) -> usize {
        self.truth.len()
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        let mut tensors = input_tensors(&self.encoded.select(rows), rows.len())?;
        tensors.push(match &self.truth {
            Truth::Classes(classes) => {
                let classes: Vec<u32> = rows.iter().map(|&row| classes[row] as u32).collect();
                Tensor::from_vec(classes, [rows.len()])?
            }
            Truth::Numbers(_) => {
                let targets: Vec<f32> = rows.iter().map(|&row| self.targets[row]).collect();
                Tensor::from_vec(targets, [rows.len(), 1])?
            }
        });
        Ok(Batch {
            tensors,
            rows: rows.to_vec(),
        })
    }
}

/// Numbers and ids, where there are any.
pub(super) fn input_tensors(encoded: &Encoded, rows: usize) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    if encoded.width > 0 {
        tensors.push(Tensor::from_vec(
            encoded.numbers.clone(),
            [rows, encoded.width],
        )?);
    }
    if encoded.categories > 0 {
        tensors.push(Tensor::from_vec(
            encoded.ids.clone(),
            [rows, encoded.categories],
        )?);
    }
    Ok(tensors)
}

impl TabularData {
    fn new(table: &Table, encoded: Encoded, target: &Target) -> DataResult<Self> {
        let truth = target.truth(table)?;
        let targets = match (&truth, &target.task) {
            (Truth::Numbers(values), Task::Number { mean, std }) => {
                values.iter().map(|y| ((y - mean) / std) as f32).collect()
            }
            _ => Vec::new(),
        };
        if let Some(row) = targets.iter().position(|y: &f32| !y.is_finite()) {
            let what = "is too large for the model";
            return Err(table.error_at(row, &target.name, what, "correct or remove the row"));
        }
        Ok(TabularData {
            encoded,
            truth,
            targets,
            lines: (0..table.len())
                .filter_map(|row| table.line(row))
                .map(|line| line as f64)
                .collect(),
        })
    }

    fn select(&self, rows: &[usize]) -> Self {
        let some = |values: &[f32]| {
            rows.iter()
                .filter_map(|&row| values.get(row))
                .copied()
                .collect()
        };
        TabularData {
            encoded: self.encoded.select(rows),
            truth: self.truth.select(rows),
            targets: some(&self.targets),
            lines: rows
                .iter()
                .filter_map(|&row| self.lines.get(row))
                .copied()
                .collect(),
        }
    }
}

/// The table of a source with the kind of each column found out, and the sha256 of its bytes.
pub(super) fn read(config: &TabularConfig, source: &Source) -> DataResult<(Table, String)> {
    match source {
        Source::Bundled => {
            let set = match config.data.dataset {
                Set::Wine => WINE,
                Set::Iris => IRIS,
                Set::BreastCancer => BREAST_CANCER,
                Set::Diabetes => DIABETES,
            };
            let bytes = set.text.as_bytes();
            Ok((read_csv_all_from(bytes, set.name)?, sha256_hex(bytes)))
        }
        Source::File(path) => Ok((read_csv_all(path)?, sha256_file(path)?)),
    }
}

/// About what a cell takes while rows are prepared.
const BYTES_OF_A_CELL: usize = 48;

/// Reads, splits and fits.
pub(super) fn prepare(
    config: &TabularConfig,
    source: &Source,
) -> Result<Prepared<Fitted, TabularData>> {
    let (table, sha256) = read(config, source)?;
    let name = table.source().to_string();
    let in_file = |e: DataError| e.in_file(&name);
    let cells = table.len().saturating_mul(table.names().len());
    check_memory(cells.saturating_mul(BYTES_OF_A_CELL)).map_err(in_file)?;

    for column in &config.data.exclude {
        // An unknown name is a mistake that would not show.
        table.values(column)?;
    }

    let mut notes = table.notes().to_vec();
    let column = target_column(config, &table, &mut notes);
    let table = with_target(table, &column, &mut notes)?;
    let (mut target, why) = Target::find(&table, &column, config.data.task)?;
    notes.insert(0, why);
    let truth = target.truth(&table)?;
    let parts = deal(&truth, config).map_err(in_file)?;
    scale(&mut target, &truth, &parts.train, &table)?;

    let inputs = inputs(config, &table, &column, &parts.train, &mut notes)?;
    notes.extend(inputs.kinds());
    let all = TabularData::new(&table, inputs.encode(&table)?, &target)?;
    let [train, val, test] = [&parts.train, &parts.val, &parts.test].map(|rows| all.select(rows));
    notes.extend(super::leaks::find(&inputs, &train));
    notes.extend(copies(&train, &[("validation", &val), ("test", &test)]));
    if is_too_much(&inputs, &target.task, train.len()) {
        let why = "it would take too long with so many rows, columns or classes";
        notes.push(format!("no linear model beside it: {why}"));
    }
    notes.extend(absent(&target.task, &truth, &parts));
    let fitted = Fitted {
        linear: linear(&inputs, &target.task, &train, &val)?,
        naive: naive(&target.task, &train)?,
        inputs,
        target,
    };
    let columns = fitted.inputs.0.iter().map(|input| input.name.clone());
    let summary = DataSummary {
        rows: table.len(),
        columns: columns.collect(),
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

/// The target's name: the one that was given, or that of the last column.
fn target_column(config: &TabularConfig, table: &Table, notes: &mut Vec<String>) -> String {
    if !config.data.target.is_empty() {
        return config.data.target.clone();
    }
    let last = table
        .names()
        .last()
        .map_or(String::new(), ToString::to_string);
    notes.push(format!(
        "target: `{last}`, the last column, since data.target is empty"
    ));
    last
}

/// The rows whose target is there.
fn with_target(table: Table, target: &str, notes: &mut Vec<String>) -> DataResult<Table> {
    let rows = filled(&table, target)?;
    let Some(first) = (0..table.len()).find(|row| rows.binary_search(row).is_err()) else {
        return Ok(table);
    };
    if rows.is_empty() {
        let what = format!("no row has a `{target}`");
        return Err(DataError::new(DataErrorKind::Empty, what).in_file(table.source()));
    }
    let line = table
        .line(first)
        .map_or(String::new(), |line| format!(" (the first: line {line})"));
    let count = match table.len() - rows.len() {
        1 => "1 row".to_string(),
        n => format!("{n} rows"),
    };
    notes.push(format!("left out: {count} without a `{target}`{line}"));
    Ok(table.select(&rows))
}

/// Fills in mean and deviation of a number.
fn scale(target: &mut Target, truth: &Truth, train: &[usize], table: &Table) -> DataResult<()> {
    let (Task::Number { mean, std }, Truth::Numbers(values)) = (&mut target.task, truth) else {
        return Ok(());
    };
    if let Some(row) = values.iter().position(|y| y.abs() > f64::from(f32::MAX)) {
        let what = format!("{:e} is too large for the model", values[row]);
        return Err(table.error_at(row, &target.name, what, "correct or remove the row"));
    }
    let values: Vec<f64> = train.iter().map(|&row| values[row]).collect();
    (*mean, *std) = spread(&values).map_err(|why| {
        let what = format!("{why}: there is nothing to learn");
        let remedy = "choose another column: data.target";
        table.error_at(train[0], &target.name, what, remedy)
    })?;
    Ok(())
}

/// The columns that the model sees.
fn inputs(
    config: &TabularConfig,
    table: &Table,
    target: &str,
    train: &[usize],
    notes: &mut Vec<String>,
) -> DataResult<Inputs> {
    let data = &config.data;
    let seen = |column: &&str| *column != target && !data.exclude.iter().any(|name| name == column);
    let names: Vec<String> = table
        .names()
        .into_iter()
        .filter(seen)
        .map(str::to_string)
        .collect();
    let inputs = Inputs::fit(table, &names, train, notes)?;
    if inputs.0.is_empty() {
        let what = format!("no column is left to predict `{target}` from");
        return Err(DataError::new(DataErrorKind::Other, what)
            .in_file(table.source())
            .remedy("give columns that differ from row to row, or fewer in data.exclude"));
    }
    let timed = inputs
        .0
        .iter()
        .find(|input| input.encoding.kind() == Kind::Time);
    if let (Some(input), SplitKind::Random) = (timed, data.split) {
        notes.push(format!(
            "`{}` holds times, but rows are dealt at random, so the model is tested on rows between those it learned from; \
             data.split=ordered tests on the last ones",
            input.name
        ));
    }
    Ok(inputs)
}

fn deal(truth: &Truth, config: &TabularConfig) -> DataResult<Parts> {
    let (val, test, seed) = (config.data.val, config.data.test, config.train.seed);
    if config.data.folds > 0 {
        let fold_of = match truth {
            Truth::Classes(classes) => stratified_folds(classes, config.data.folds)?,
            Truth::Numbers(values) => random_folds(values.len(), config.data.folds, seed)?,
        };
        let (test, rest): (Vec<usize>, Vec<usize>) =
            (0..truth.len()).partition(|&row| fold_of[row] + 1 == config.data.fold);
        let parts = match truth.select(&rest) {
            Truth::Classes(classes) => split_stratified(&classes, val, 0.0, seed)?,
            Truth::Numbers(values) => split_random(values.len(), size(val), size(0.0), seed)?,
        };
        let named = |part: Vec<usize>| part.into_iter().map(|at| rest[at]).collect();
        return Ok(Parts {
            train: named(parts.train),
            val: named(parts.val),
            test,
        });
    }
    match (truth, config.data.split) {
        (Truth::Classes(classes), SplitKind::Random) => split_stratified(classes, val, test, seed),
        (Truth::Numbers(values), SplitKind::Random) => {
            split_random(values.len(), size(val), size(test), seed)
        }
        (truth, SplitKind::Ordered) => {
            let split = split_by_time(truth.len(), size(val), size(test), 0)?;
            Ok(Parts {
                train: split.train.collect(),
                val: split.val.collect(),
                test: split.test.collect(),
            })
        }
    }
}

fn size(part: f64) -> PartSize {
    if part == 0.0 {
        PartSize::Count(0)
    } else {
        PartSize::Fraction(part)
    }
}

/// Every row of a table, with the preprocessing that was fitted in training.
pub(super) fn open(fitted: &Fitted, table: &Table) -> Result<TabularData> {
    Ok(TabularData::new(
        table,
        fitted.inputs.encode(table)?,
        &fitted.target,
    )?)
}

/// Classes that the model cannot learn, since no training row has them.
fn absent(task: &Task, truth: &Truth, parts: &Parts) -> Option<String> {
    let (Task::Classes(names), Truth::Classes(classes)) = (task, truth) else {
        return None;
    };
    let known: HashSet<usize> = parts.train.iter().map(|&row| classes[row]).collect();
    let first = (0..names.len()).find(|class| !known.contains(class))?;
    Some(format!(
        "{} of {} classes, such as `{}`, are in no training row and cannot be learned; if the rows are sorted, deal them at random: \
         data.split=random",
        names.len() - known.len(),
        names.len(),
        names[first]
    ))
}

/// How many rows of other parts are also among the training rows.
fn copies(train: &TabularData, others: &[(&str, &TabularData)]) -> Vec<String> {
    let hash = |data: &TabularData, row: usize| {
        let mut hasher = DefaultHasher::new();
        for x in data.encoded.numbers(row) {
            x.to_bits().hash(&mut hasher);
        }
        data.encoded.ids(row).hash(&mut hasher);
        hasher.finish()
    };
    let known: HashSet<u64> = (0..train.len()).map(|row| hash(train, row)).collect();
    let mut notes = Vec::new();
    for (part, data) in others {
        let count = (0..data.len())
            .filter(|&row| known.contains(&hash(data, row)))
            .count();
        if count > 0 {
            notes.push(format!(
                "{count} of {} {part} rows have the same inputs as a training row: their scores may be too good",
                data.len()
            ));
        }
    }
    notes
}

fn naive(task: &Task, train: &TabularData) -> Result<Naive> {
    Ok(match (task, &train.truth) {
        (Task::Classes(names), Truth::Classes(classes)) => {
            let mut shares = vec![1.0; names.len()];
            for &class in classes {
                shares[class] += 1.0;
            }
            let sum: f64 = shares.iter().sum();
            Naive::Majority {
                class: majority_class(classes)?,
                shares: shares.into_iter().map(|share| share / sum).collect(),
            }
        }
        (Task::Number { mean, .. }, _) => Naive::Mean(*mean),
        (Task::Classes(_), Truth::Numbers(_)) => Naive::Mean(0.0),
    })
}

/// A linear model that would take longer than this is left out: it is there to be compared with, not to be waited for.
const MOST_WORK: usize = 200_000_000;

/// Whether a step of the logistic regression, or the whole ridge regression, takes too many multiply-adds.
fn is_too_much(inputs: &Inputs, task: &Task, rows: usize) -> bool {
    let width = inputs.one_hot_width();
    let work = match task {
        Task::Classes(names) => rows.saturating_mul(names.len()).saturating_mul(width + 5),
        Task::Number { .. } => (rows + width).saturating_mul(width * width) / 64,
    };
    work > MOST_WORK
}

/// The linear model of the training rows.
fn linear(inputs: &Inputs, task: &Task, train: &TabularData, val: &TabularData) -> Result<Linear> {
    let width = inputs.one_hot_width();
    let row = |i: usize, out: &mut [f64]| inputs.one_hot(&train.encoded, i, out);
    match (task, &train.truth) {
        (_, _) if width == 0 || is_too_much(inputs, task, train.len()) => Ok(Linear::None),
        (Task::Classes(names), Truth::Classes(classes)) => {
            let model = Logistic::fit(train.len(), width, row, classes, names.len(), PENALTY)?;
            Ok(Linear::Logistic(model))
        }
        (_, truth) => {
            let values = |truth: &Truth| match truth {
                Truth::Numbers(values) => values.clone(),
                Truth::Classes(_) => Vec::new(),
            };
            let (y, y_val) = (values(truth), values(&val.truth));
            let mut best: Option<(f64, Ridge, f64)> = None;
            for alpha in ALPHAS {
                let ridge = Ridge::fit(train.len(), width, row, &y, alpha)?;
                let error = match y_val.is_empty() {
                    true => 0.0,
                    false => metrics::rmse(
                        &y_val,
                        &predictions(&ridge, inputs, &val.encoded, val.len()),
                    )?,
                };
                if best.as_ref().is_none_or(|(least, ..)| error < *least) {
                    best = Some((error, ridge, alpha));
                }
            }
            Ok(
                best.map_or(Linear::None, |(_, model, alpha)| Linear::Ridge {
                    model,
                    alpha,
                }),
            )
        }
    }
}

/// What the regression says for each row.
pub(super) fn predictions(
    ridge: &Ridge,
    inputs: &Inputs,
    encoded: &Encoded,
    rows: usize,
) -> Vec<f64> {
    let mut features = vec![0.0; inputs.one_hot_width()];
    (0..rows)
        .map(|row| {
            inputs.one_hot(encoded, row, &mut features);
            ridge.predict(&features)
        })
        .collect()
}
