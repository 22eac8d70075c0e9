//! An app is one kind of problem: its data, its model and its honest scores. Never a training loop.
//!
//! This file holds the trait [`App`] and the plain values it exchanges. `erased.rs` makes every `App`
//! usable without its types ([`DynApp`]) with `in_training.rs` and `loaded.rs` behind it, `registry.rs`
//! finds apps by name, `schema.rs` and `check.rs` know configurations. Nothing here assumes series,
//! tables or any other kind of data: a batch is tensors by the app's own convention.

mod check;
mod erased;
mod in_training;
mod loaded;
mod registry;
mod schema;

pub use check::check;
pub use erased::{AppTraining, DynApp, Predictor, Report};
pub use registry::Registry;
pub use schema::{merge, schema_of};

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use azura_core::{Scope, Tensor};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::data::{Column, Dataset, Kind, Table};
use crate::error::{Error, Problem, Result};
use crate::generate::{GenerateOptions, Generated, OnPiece};
use crate::train::{Model, TrainConfig};

/// Names and numbers: `mae`, `rmse`, `accuracy`, …
pub type Metrics = BTreeMap<String, f64>;

/// One kind of problem that can be trained, saved, loaded and used.
///
/// An implementation says what its data, model and scores are; the trainer, checkpoints, model
/// file, command line and server follow from that. The types are erased by [`DynApp`], which every
/// `App` implements by itself.
///
/// The order of calls in training is [`prepare`](App::prepare), [`build`](App::build), then
/// [`score`](App::score) after every epoch on the validation rows, and in the end, with the weights
/// read back from the model file, on the training, validation and test rows.
pub trait App: Send + Sync + 'static {
    /// The typed configuration: the one source of defaults, checks, help and JSON Schema.
    type Config: AppConfig;
    /// Everything that preprocessing learned from the training rows (scalers, vocabularies, class
    /// names, fitted baselines). It goes into the model file as JSON, bit for bit.
    ///
    /// Floats must be finite: JSON has no NaN and no infinity.
    type Fitted: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// The rows of one part of the data, in the form the app likes.
    type Data: Dataset + 'static;

    /// The name on the command line and in model files: lower case, without spaces.
    fn name(&self) -> &'static str;

    /// One sentence for a person.
    fn about(&self) -> &'static str;

    /// The version of the app's meaning of its model files; raise it when old files would be misread.
    fn version(&self) -> u32;

    /// Other names that the app is found by, such as one that it had before.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// Why the app is the right one for a table that comes without an app's name; `None` if it is not.
    ///
    /// `head` is the first rows of the table with the kinds that its cells have, `target` the column that is to be
    /// predicted, if somebody said so.
    fn reads(&self, head: &Table, target: Option<&str>) -> Option<Claim> {
        let _ = (head, target);
        None
    }

    /// Reads the data, splits it and fits the preprocessing on the training rows only.
    fn prepare(
        &self,
        config: &Self::Config,
        source: &Source,
    ) -> Result<Prepared<Self::Fitted, Self::Data>>;

    /// Every row of `source` that can be scored, with the preprocessing that was fitted in training.
    ///
    /// For data other than what the model was trained on; for that, the test part of
    /// [`prepare`](App::prepare) is used.
    fn open(
        &self,
        config: &Self::Config,
        fitted: &Self::Fitted,
        source: &Source,
    ) -> Result<Self::Data>;

    /// Makes the model; its parameters are registered under `p`.
    fn build(
        &self,
        config: &Self::Config,
        fitted: &Self::Fitted,
        p: &Scope,
    ) -> Result<Box<dyn Model>>;

    /// Scores of the outputs in the target's own units, baselines beside them, and rows for people.
    fn score(
        &self,
        config: &Self::Config,
        fitted: &Self::Fitted,
        split: &ScoredSplit<'_, Self::Data>,
    ) -> Result<Scores>;

    /// The preprocessing with what can be learned only once the model is trained, such as the size of its errors on
    /// the validation rows; `None` if there is no such thing.
    ///
    /// `val` has the outputs of the weights that are saved. It is not called if there are no validation rows.
    fn calibrate(
        &self,
        config: &Self::Config,
        fitted: &Self::Fitted,
        val: &ScoredSplit<'_, Self::Data>,
    ) -> Result<Option<Self::Fitted>> {
        let _ = (config, fitted, val);
        Ok(None)
    }

    /// Scores in detail, such as for each step of a forecast: tables for people, each called what its
    /// [`source`](Table::source) is. They are written beside the predictions of the test rows.
    fn details(
        &self,
        config: &Self::Config,
        fitted: &Self::Fitted,
        split: &ScoredSplit<'_, Self::Data>,
    ) -> Result<Vec<Table>> {
        let _ = (config, fitted, split);
        Ok(Vec::new())
    }

    /// Pictures of what the model got wrong among the test samples, worst first, at most `most`; `rows` are those that
    /// [`score`](App::score) gave. Apps of other things leave this as it is.
    fn mistakes(&self, data: &Self::Data, rows: &Table, most: usize) -> Result<Vec<Picture>> {
        let _ = (data, rows, most);
        Ok(Vec::new())
    }

    /// What a saved model takes and gives.
    fn signature(&self, config: &Self::Config, fitted: &Self::Fitted) -> Signature;

    /// What is worth searching around this configuration: keys and the values that each may take, in the words of
    /// [`tune::Space`](crate::tune::Space). It is used if nobody names a space; an app says here what matters for it.
    fn search_space(&self, config: &Self::Config) -> Vec<(&'static str, &'static str)> {
        let _ = config;
        vec![
            ("train.lr", "log:1e-4..1e-1"),
            ("train.weight_decay", "log:1e-5..1e-1"),
        ]
    }

    /// The configuration that trains for so many epochs on the training and the validation rows together, with the same test
    /// rows: what a search does last, when it has chosen. `None`, as here, if the app's data cannot be dealt so.
    fn refit(&self, config: &Self::Config, epochs: u64) -> Option<Self::Config> {
        let _ = (config, epochs);
        None
    }

    /// The rows of `source` as a table with the columns of the signature, so that a saved model can be
    /// tried on the data that comes with its app. Apps whose data is no table leave this as it is.
    fn table(&self, config: &Self::Config, source: &Source) -> Result<Table> {
        let _ = (config, source);
        Err(Error::Usage(format!(
            "the app `{}` has no table of its own; give a file",
            self.name()
        )))
    }

    /// Predictions for every row of `input` (or every row that has enough history before it).
    fn predict(
        &self,
        config: &Self::Config,
        fitted: &Self::Fitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table>;

    /// Endings of the files that [`predict_files`](App::predict_files) takes, in lower case and without the dot; none for apps that
    /// take tables only.
    fn files(&self) -> &'static [&'static str] {
        &[]
    }

    /// Predictions for files such as images, a row for each that can be read; `top` is how many classes a row names at most. Apps
    /// whose inputs are no files leave this as it is.
    fn predict_files(
        &self,
        config: &Self::Config,
        fitted: &Self::Fitted,
        model: &dyn Model,
        files: &[PathBuf],
        top: usize,
    ) -> Result<FilePredictions> {
        let _ = (config, fitted, model, files, top);
        Err(Error::Usage(format!(
            "the app `{}` reads no files of its own kind; give a table",
            self.name()
        )))
    }

    /// The next `steps` rows after `history`. Apps that cannot forecast leave this as it is.
    fn forecast(
        &self,
        config: &Self::Config,
        fitted: &Self::Fitted,
        model: &dyn Model,
        history: &Table,
        steps: usize,
    ) -> Result<Table> {
        let _ = (config, fitted, model, history, steps);
        Err(Error::Usage(format!(
            "the app `{}` does not forecast; use predict",
            self.name()
        )))
    }

    /// The text or sound that follows `prompt`; `on_piece` gets each new piece and can stop. The same options give the same.
    /// Apps that cannot generate leave this as it is.
    fn generate(
        &self,
        config: &Self::Config,
        fitted: &Self::Fitted,
        model: &dyn Model,
        prompt: &str,
        options: &GenerateOptions,
        on_piece: &mut OnPiece<'_>,
    ) -> Result<Generated> {
        let _ = (config, fitted, model, prompt, options, on_piece);
        Err(Error::Usage(format!(
            "the app `{}` does not generate; use predict",
            self.name()
        )))
    }
}

/// A configuration that an [`App`] can have.
///
/// It must have a field `train` of type [`TrainConfig`], so that `train.epochs` means the same in every
/// app, and `#[serde(default)]` on the container, so that keys may be left out. Doc comments become
/// help texts, `#[schemars(range(min = 1))]` and friends become checks.
pub trait AppConfig:
    Serialize + DeserializeOwned + JsonSchema + Default + Clone + Send + Sync + 'static
{
    /// The training part.
    fn train(&self) -> &TrainConfig;

    /// Rules that no schema can say, such as one value that depends on another.
    fn check(&self) -> Vec<Problem> {
        Vec::new()
    }
}

/// How sure an app is that a table is for it, and a sentence that says why, such as `it reads any table`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It makes sense of the table, as of any other.
    Any(String),
    /// There is something in the table that it is made for.
    Made(String),
}

impl Claim {
    /// Why.
    pub fn why(&self) -> &str {
        let (Claim::Any(why) | Claim::Made(why)) = self;
        why
    }
}

/// Where the data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The data set that comes with the app.
    Bundled,
    /// A file of the user's.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Bundled => write!(f, "bundled data"),
            Source::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One of the three parts of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Rows that the weights and the preprocessing are fitted on.
    Train,
    /// Rows that choose the best epoch.
    Val,
    /// Rows that nothing was fitted or chosen on.
    Test,
}

impl Part {
    /// All three, in order.
    pub const ALL: [Part; 3] = [Part::Train, Part::Val, Part::Test];

    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Val => "val",
            Part::Test => "test",
        }
    }
}

/// What [`App::prepare`] gives: fitted preprocessing, three parts of the data, and a summary.
pub struct Prepared<F, D> {
    /// What preprocessing learned from the training rows.
    pub fitted: F,
    /// Training rows.
    pub train: Arc<D>,
    /// Validation rows; may be empty.
    pub val: Arc<D>,
    /// Test rows; may be empty.
    pub test: Arc<D>,
    /// What a person should know about the data.
    pub summary: DataSummary,
}

/// What a person should know about the data of a run; part of the model file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataSummary {
    /// The file, or a name for bundled data.
    pub source: String,
    /// Rows that were read.
    pub rows: usize,
    /// Names of the columns that are used.
    pub columns: Vec<String>,
    /// sha256 of the bytes that were read ([`crate::fs::sha256_hex`]).
    pub sha256: String,
    /// First and last time, or another range that places the data.
    pub span: Option<(String, String)>,
    /// Samples in the training part.
    pub train: usize,
    /// Samples in the validation part.
    pub val: usize,
    /// Samples in the test part.
    pub test: usize,
    /// Rows left out between two parts.
    pub gap: usize,
    /// What was filled, dropped or is odd, one sentence each.
    pub notes: Vec<String>,
}

/// One part of the data with the model's outputs for it.
pub struct ScoredSplit<'a, D> {
    /// Which part; foreign data is scored as [`Part::Test`].
    pub part: Part,
    /// The rows.
    pub data: &'a D,
    /// The model's outputs, one row a sample, in the order of `data`.
    pub outputs: &'a Tensor,
    /// False while training watches its validation rows: only [`Scores::metrics`] is looked at then,
    /// so that baselines and rows may be left out.
    pub full: bool,
}

/// Scores of one part of the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scores {
    /// The model's, in the target's own units.
    #[serde(with = "crate::train::numbers")]
    pub metrics: Metrics,
    /// The same metrics for each naive or simple model: `persistence`, `majority_class`, …
    #[serde(with = "crate::train::numbers::nested")]
    pub baselines: BTreeMap<String, Metrics>,
    /// Truth, prediction and each baseline, row by row.
    #[serde(skip)]
    pub rows: Option<Table>,
}

/// A small picture for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// A few words below it.
    pub caption: String,
    /// The picture as a PNG file.
    pub png: Vec<u8>,
}

/// What [`App::predict_files`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct FilePredictions {
    /// A row for each file that could be read, in the order of the files; the first column, `file`, names it.
    pub rows: Table,
    /// The others, each with the reason.
    pub bad: Vec<(PathBuf, String)>,
}

/// What a saved model takes and gives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Signature {
    /// Columns of the input table.
    pub inputs: Vec<Field>,
    /// Rows that one prediction needs (the window of a series, 1 for independent rows).
    pub rows: usize,
    /// Columns of the output table.
    pub outputs: Vec<Field>,
    /// True if the app forecasts.
    pub forecast: bool,
    /// True if the app generates text or sound.
    pub generate: bool,
}

impl Signature {
    /// The input columns as the table readers want them.
    pub fn columns(&self) -> Vec<Column> {
        self.inputs.iter().map(Field::column).collect()
    }
}

/// One column of a signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// What its cells hold.
    pub kind: Kind,
    /// One sentence for a person.
    #[serde(default)]
    pub about: String,
    /// The unit, where there is one.
    #[serde(default)]
    pub unit: Option<String>,
    /// True if the column may be absent.
    #[serde(default)]
    pub optional: bool,
    /// True if a cell may be empty.
    #[serde(default)]
    pub missing: bool,
}

impl Field {
    /// A column that must be there.
    pub fn new(name: impl Into<String>, kind: Kind, about: impl Into<String>) -> Self {
        Field {
            name: name.into(),
            kind,
            about: about.into(),
            unit: None,
            optional: false,
            missing: false,
        }
    }

    /// The same column, measured in `unit`.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// The same column, which may be absent.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The same column, whose cells may be empty.
    #[must_use]
    pub fn missing(mut self) -> Self {
        self.missing = true;
        self
    }

    /// The column as the table readers want it.
    pub fn column(&self) -> Column {
        let mut column = match self.kind {
            Kind::Number => Column::number(&self.name),
            Kind::Text => Column::text(&self.name),
            Kind::Time => Column::time(&self.name),
        };
        if self.missing && self.kind == Kind::Number {
            column = column.allow_missing();
        }
        if self.optional {
            column = column.optional();
        }
        column
    }
}
