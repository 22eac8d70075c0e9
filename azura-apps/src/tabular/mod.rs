//! The tabular app: one column of a table from the others, in any order of rows.
//!
//! Whether the target is a class or a number, and what each column holds, is found out and told with the reason. Scalers, categories
//! and baselines learn from the training rows only; a missing number, a category never seen and a column that knows the answer
//! are dealt with, and said.

mod columns;
mod config;
mod data;
mod leaks;
mod model;
mod score;
mod target;

pub use config::{ModelKind, Set, SplitKind, TabularConfig, TabularModel, TaskKind};
pub use data::{BREAST_CANCER, DIABETES, Fitted, IRIS, TabularData, WINE};

use azura_core::{Scope, no_grad};
use azura_learner::app::{Claim, Field, Prepared, ScoredSplit, Scores, Signature};
use azura_learner::data::{Batch, Kind, Table, read_csv};
use azura_learner::layers::Ctx;
use azura_learner::{App, Model, Result, Source};

use columns::Encoding;
use model::Network;
use target::Task;

use crate::probability::{most_probable, probabilities};

/// Rows of a table that are predicted at a time.
const AT_ONCE: usize = 1024;

/// One column of a table from the others.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tabular;

/// The columns that the model reads.
fn inputs(fitted: &Fitted) -> Vec<Field> {
    let field = |input: &columns::Input| {
        let kind = input.encoding.kind();
        let about = match &input.encoding {
            Encoding::Number { .. } => "a number; may be empty".to_string(),
            Encoding::Category { values } => format!("one of {} values, or another", values.len()),
            Encoding::Time { .. } => "a time".to_string(),
        };
        let field = Field::new(&input.name, kind, about);
        if kind == Kind::Number {
            field.missing()
        } else {
            field
        }
    };
    fitted.inputs.0.iter().map(field).collect()
}

impl App for Tabular {
    type Config = TabularConfig;
    type Fitted = Fitted;
    type Data = TabularData;

    fn name(&self) -> &'static str {
        "tabular"
    }

    fn about(&self) -> &'static str {
        "One column of any table from the others: a class or a number, whichever it holds"
    }

    fn version(&self) -> u32 {
        1
    }

    fn reads(&self, _: &Table, _: Option<&str>) -> Option<Claim> {
        Some(Claim::Any("it reads any table".to_string()))
    }

    /// Widths and heads of a Transformer fit each other at every choice: 8 divides each width.
    fn search_space(&self, config: &TabularConfig) -> Vec<(&'static str, &'static str)> {
        let mut space = vec![
            ("train.lr", "log:3e-4..3e-2"),
            ("train.weight_decay", "log:1e-5..1e-1"),
            ("train.batch", "16|32|64"),
            ("model.layers", "int:1..4"),
            ("model.dropout", "0..0.5"),
        ];
        space.extend(match config.model.kind {
            ModelKind::Mlp => vec![("model.hidden", "16|32|64|128|256")],
            ModelKind::Transformer => {
                vec![("model.hidden", "16|32|64"), ("model.heads", "2|4|8")]
            }
        });
        space
    }

    fn refit(&self, config: &TabularConfig, epochs: u64) -> Option<TabularConfig> {
        let mut refit = config.clone();
        refit.data.val = 0.0;
        refit.train = refit.train.for_epochs(epochs);
        Some(refit)
    }

    fn prepare(
        &self,
        config: &TabularConfig,
        source: &Source,
    ) -> Result<Prepared<Fitted, TabularData>> {
        data::prepare(config, source)
    }

    fn open(
        &self,
        config: &TabularConfig,
        fitted: &Fitted,
        source: &Source,
    ) -> Result<TabularData> {
        let mut fields = inputs(fitted);
        let target = Field::new(&fitted.target.name, fitted.target.kind, "what is predicted");
        fields.push(target);
        let columns: Vec<_> = fields.iter().map(Field::column).collect();
        let table = match source {
            Source::File(path) => read_csv(path, &columns)?,
            Source::Bundled => data::read(config, source)?.0,
        };
        data::open(fitted, &table)
    }

    fn build(&self, config: &TabularConfig, fitted: &Fitted, p: &Scope) -> Result<Box<dyn Model>> {
        let network = Network::new(&config.model, &fitted.inputs, &fitted.target.task, p)?;
        Ok(Box::new(network))
    }

    fn score(
        &self,
        _: &TabularConfig,
        fitted: &Fitted,
        split: &ScoredSplit<'_, TabularData>,
    ) -> Result<Scores> {
        score::score(fitted, split)
    }

    fn signature(&self, _: &TabularConfig, fitted: &Fitted) -> Signature {
        let outputs = match &fitted.target.task {
            Task::Classes(names) => {
                let mut fields = vec![
                    Field::new("prediction", Kind::Text, "the most probable class"),
                    Field::new("probability", Kind::Number, "how probable it is"),
                ];
                fields.extend(names.iter().map(|name| {
                    Field::new(
                        format!("p_{name}"),
                        Kind::Number,
                        format!("the probability of {name}"),
                    )
                }));
                fields
            }
            Task::Number { .. } => vec![Field::new(
                "prediction",
                Kind::Number,
                format!("the {} to be expected", fitted.target.name),
            )],
        };
        Signature {
            inputs: inputs(fitted),
            rows: 1,
            outputs,
            forecast: false,
            generate: false,
        }
    }

    fn table(&self, config: &TabularConfig, source: &Source) -> Result<Table> {
        Ok(data::read(config, source)?.0)
    }

    fn predict(
        &self,
        _: &TabularConfig,
        fitted: &Fitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table> {
        let encoded = fitted.inputs.encode(input)?;
        let mut outputs = Vec::new();
        let rows: Vec<usize> = (0..input.len()).collect();
        for rows in rows.chunks(AT_ONCE) {
            let batch = Batch {
                tensors: data::input_tensors(&encoded.select(rows), rows.len())?,
                rows: rows.to_vec(),
            };
            outputs.push(no_grad(|| model.forward(&batch, &mut Ctx::eval()))?);
        }
        let outputs: Vec<_> = outputs.iter().collect();
        let outputs = azura_core::Tensor::cat(&outputs, 0)?;
        let table = Table::new("predictions");
        let Task::Classes(names) = &fitted.target.task else {
            return Ok(table.with(
                "prediction",
                score::unscaled(&fitted.target.task, &outputs)?,
            )?);
        };
        let p = probabilities(&outputs)?;
        let best = most_probable(&p, names.len());
        let of = |row: usize, class: usize| p[row * names.len() + class];
        let rows = best.iter().copied().enumerate();
        let mut table = table
            .with(
                "prediction",
                best.iter()
                    .map(|&class| names[class].clone())
                    .collect::<Vec<_>>(),
            )?
            .with(
                "probability",
                rows.map(|(row, class)| of(row, class)).collect::<Vec<_>>(),
            )?;
        for (class, name) in names.iter().enumerate() {
            let column: Vec<f64> = (0..best.len()).map(|row| of(row, class)).collect();
            table.push(format!("p_{name}"), column)?;
        }
        Ok(table)
    }
}
