//! The configuration of the tabular app: docs, ranges and defaults in one place.

use azura_learner::app::AppConfig;
use azura_learner::train::{ScheduleConfig, ScheduleKind};
use azura_learner::{Problem, TrainConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundled::{check_folds, check_parts};

/// One column of a table from the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TabularConfig {
    /// What is read and predicted.
    pub data: TabularData,
    /// The model.
    pub model: TabularModel,
    /// How to train.
    pub train: TrainConfig,
}

/// What is read and predicted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TabularData {
    /// The set that is read when no file is given.
    pub dataset: Set,
    /// Column to predict; empty takes the last one.
    pub target: String,
    /// Whether the target is one of some classes or a number.
    pub task: TaskKind,
    /// Columns that the model does not see.
    pub exclude: Vec<String>,
    /// How rows are dealt to training, validation and test.
    pub split: SplitKind,
    /// Fraction of the rows for validation; 0 for none.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub val: f64,
    /// Fraction of the rows for the test.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub test: f64,
    /// Parts of equal size that the rows are dealt into, of which one is the test, in place of the fraction; 0 for none. Classes are
    /// dealt as by scikit-learn's StratifiedKFold, numbers at random. The flag --folds trains on each in turn.
    #[schemars(range(max = 1000))]
    pub folds: usize,
    /// The fold that is the test, from 1.
    #[schemars(range(min = 1, max = 1000))]
    pub fold: usize,
}

/// A set that comes with the program; `datasets/README.md` says more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Set {
    /// 178 wines of three cultivars, by 13 analyses.
    #[default]
    Wine,
    /// 150 flowers of three species, by four lengths.
    Iris,
    /// 569 tumours, malignant or benign, by 30 measurements of cells.
    BreastCancer,
    /// 442 patients: the progression of diabetes after a year, a number, by ten measurements.
    Diabetes,
}

/// What kind of value the target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Classes if it is text or has at most 20 different whole numbers, else a number.
    #[default]
    Auto,
    /// One of some classes.
    Classification,
    /// A number.
    Regression,
}

/// How rows are dealt to the three parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitKind {
    /// At random with the seed of training, each class by itself.
    #[default]
    Random,
    /// The last rows are the test, those before them the validation: for rows in the order of time.
    Ordered,
}

/// The model between the columns and the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TabularModel {
    /// What it is made of.
    pub kind: ModelKind,
    /// Units of each hidden layer, or numbers that stand for a column in a Transformer.
    #[schemars(range(min = 1, max = 4096))]
    pub hidden: usize,
    /// Hidden layers, or layers of the Transformer.
    #[schemars(range(min = 1, max = 8))]
    pub layers: usize,
    /// Heads of the Transformer's attention; they divide `hidden`.
    #[schemars(range(min = 1, max = 64))]
    pub heads: usize,
    /// Probability of dropping a unit in training.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
}

/// What the model is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// Fully connected layers with `ReLU` and dropout.
    #[default]
    Mlp,
    /// Each column becomes a token, and attention looks at all of them (Gorishniy et al. 2021, arXiv:2106.11959).
    Transformer,
}

impl Default for TabularData {
    fn default() -> Self {
        TabularData {
            dataset: Set::default(),
            target: String::new(),
            task: TaskKind::default(),
            exclude: Vec::new(),
            split: SplitKind::default(),
            val: 0.15,
            test: 0.2,
            folds: 0,
            fold: 1,
        }
    }
}

impl Default for TabularModel {
    fn default() -> Self {
        TabularModel {
            kind: ModelKind::default(),
            hidden: 64,
            layers: 2,
            heads: 4,
            dropout: 0.1,
        }
    }
}

impl Default for TabularConfig {
    fn default() -> Self {
        TabularConfig {
            data: TabularData::default(),
            model: TabularModel::default(),
            train: TrainConfig {
                epochs: 100,
                batch: 32,
                lr: 3e-3,
                weight_decay: 1e-2,
                schedule: ScheduleConfig {
                    kind: ScheduleKind::Cosine,
                    ..ScheduleConfig::default()
                },
                clip: 1.0,
                patience: 25,
                ..TrainConfig::default()
            },
        }
    }
}

impl AppConfig for TabularConfig {
    fn train(&self) -> &TrainConfig {
        &self.train
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = check_parts(self.data.val, self.data.test);
        let (model, data) = (&self.model, &self.data);
        problems.extend(check_folds(data.folds, data.fold));
        if data.folds > 0 && data.split == SplitKind::Ordered {
            let message = "cuts rows at random, but data.split is ordered";
            problems.push(Problem::new("data.folds", message).help("set data.split=random"));
        }
        if model.kind == ModelKind::Transformer && !model.hidden.is_multiple_of(model.heads) {
            let message = format!(
                "must divide model.hidden, {}, but is {}",
                model.hidden, model.heads
            );
            problems.push(Problem::new("model.heads", message));
        }
        if !data.target.is_empty() && data.exclude.contains(&data.target) {
            let message = format!("names the target, `{}`", data.target);
            problems.push(Problem::new("data.exclude", message));
        }
        problems
    }
}
