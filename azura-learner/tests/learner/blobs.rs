//! An app that is no series: points of the plane with a label, told apart by a small network.

use std::collections::BTreeMap;
use std::sync::Arc;

use azura_core::{DType, Rng, Scope, Tensor, no_grad};
use azura_learner::app::{DataSummary, Field, Part, Prepared, ScoredSplit, Scores, Signature};
use azura_learner::data::{Column, Kind, Table, Values, read_csv};
use azura_learner::layers::{Dropout, Linear, Sequential, Tanh};
use azura_learner::{
    App, AppConfig, Batch, Ctx, Dataset, Model, Problem, Result, Source, Supervised, TensorDataset,
    TrainConfig, fs, loss,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub struct Blobs;

/// How points are told apart.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Points of the bundled data.
    #[schemars(range(min = 20, max = 10_000))]
    pub points: usize,
    /// Units of the hidden layer.
    #[schemars(range(min = 1, max = 512))]
    pub hidden: usize,
    /// Part of the hidden units that is dropped in training.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
    /// Training.
    pub train: TrainConfig,
}

impl Default for Config {
    fn default() -> Self {
        let train = TrainConfig {
            epochs: 6,
            batch: 16,
            lr: 0.02,
            monitor: "val.accuracy".to_string(),
            ..TrainConfig::default()
        };
        Config {
            points: 120,
            hidden: 8,
            dropout: 0.1,
            train,
        }
    }
}

impl AppConfig for Config {
    fn train(&self) -> &TrainConfig {
        &self.train
    }

    fn check(&self) -> Vec<Problem> {
        if self.hidden > self.points {
            vec![Problem::new("hidden", "must not be above points")]
        } else {
            Vec::new()
        }
    }
}

#[derive(Serialize, Deserialize)]
pub struct Fitted {
    pub mean: Vec<f64>,
    pub scale: Vec<f64>,
    pub majority: usize,
}

impl Fitted {
    fn features(&self, table: &Table) -> Result<Tensor> {
        let mut values = Vec::new();
        let matrix = table.matrix(&["x", "y"])?;
        for point in matrix.chunks(2) {
            for (i, value) in point.iter().enumerate() {
                values.push(((value - self.mean[i]) / self.scale[i]) as f32);
            }
        }
        Ok(Tensor::from_vec(values, [table.len(), 2])?)
    }

    fn data(&self, table: &Table) -> Result<TensorDataset> {
        let labels: Vec<i64> = table.numbers("label")?.iter().map(|&l| l as i64).collect();
        let labels = Tensor::from_vec(labels, [table.len()])?;
        TensorDataset::new([self.features(table)?, labels])
    }
}

fn read(config: &Config, source: &Source) -> Result<Table> {
    match source {
        Source::Bundled => {
            let mut rng = Rng::new(99);
            let (mut x, mut y, mut label) = (Vec::new(), Vec::new(), Vec::new());
            for i in 0..config.points {
                let class = (i % 3) as f64;
                x.push(10.0 + class + 0.3 * rng.normal());
                y.push(class * class - 0.3 * rng.normal());
                label.push(class);
            }
            let table = Table::new("blobs").with("x", Values::Number(x))?;
            Ok(table
                .with("y", Values::Number(y))?
                .with("label", Values::Number(label))?)
        }
        Source::File(path) => {
            let columns = ["x", "y", "label"].map(Column::number);
            Ok(read_csv(path, &columns)?)
        }
    }
}

fn csv(table: &Table) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    table.to_csv(&mut bytes)?;
    Ok(bytes)
}

impl App for Blobs {
    type Config = Config;
    type Fitted = Fitted;
    type Data = TensorDataset;

    fn name(&self) -> &'static str {
        "blobs"
    }

    fn about(&self) -> &'static str {
        "Tells clouds of points apart"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["clouds"]
    }

    fn version(&self) -> u32 {
        2
    }

    fn prepare(&self, config: &Config, source: &Source) -> Result<Prepared<Fitted, TensorDataset>> {
        let table = read(config, source)?;
        let bytes = match source {
            Source::Bundled => csv(&table)?,
            Source::File(path) => std::fs::read(path).unwrap(),
        };
        let (a, b) = (table.len() * 6 / 10, table.len() * 8 / 10);
        let parts = [
            table.slice(0..a),
            table.slice(a..b),
            table.slice(b..table.len()),
        ];
        let mut fitted = Fitted {
            mean: Vec::new(),
            scale: Vec::new(),
            majority: 0,
        };
        for name in ["x", "y"] {
            let values = parts[0].numbers(name)?;
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let square = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
            fitted.mean.push(mean);
            fitted.scale.push((square / values.len() as f64).sqrt());
        }
        let summary = DataSummary {
            source: source.to_string(),
            rows: table.len(),
            columns: vec!["x".into(), "y".into(), "label".into()],
            sha256: fs::sha256_hex(&bytes),
            train: parts[0].len(),
            val: parts[1].len(),
            test: parts[2].len(),
            ..DataSummary::default()
        };
        Ok(Prepared {
            train: Arc::new(fitted.data(&parts[0])?),
            val: Arc::new(fitted.data(&parts[1])?),
            test: Arc::new(fitted.data(&parts[2])?),
            fitted,
            summary,
        })
    }

    fn open(&self, config: &Config, fitted: &Fitted, source: &Source) -> Result<TensorDataset> {
        fitted.data(&read(config, source)?)
    }

    fn build(&self, config: &Config, _: &Fitted, p: &Scope) -> Result<Box<dyn Model>> {
        let network = Sequential::new()
            .with(Linear::new(2, config.hidden, &p.at("hidden"))?)
            .with(Tanh)
            .with(Dropout::new(config.dropout)?)
            .with(Linear::new(config.hidden, 3, &p.at("classes"))?);
        Ok(Box::new(Supervised::new(network, loss::cross_entropy)))
    }

    fn score(
        &self,
        _: &Config,
        fitted: &Fitted,
        split: &ScoredSplit<'_, TensorDataset>,
    ) -> Result<Scores> {
        let rows: Vec<usize> = (0..split.data.len()).collect();
        let truth = split.data.batch(&rows)?.tensors[1].to_vec::<i64>()?;
        let predicted = split.outputs.argmax(1, false)?.to_vec::<i64>()?;
        let share = |right: usize| right as f64 / truth.len() as f64;
        let accuracy = share(truth.iter().zip(&predicted).filter(|(a, b)| a == b).count());
        let majority = share(
            truth
                .iter()
                .filter(|&&t| t == fitted.majority as i64)
                .count(),
        );
        let metrics = |value: f64| BTreeMap::from([("accuracy".to_string(), value)]);
        let number = |values: &[i64]| Values::Number(values.iter().map(|&v| v as f64).collect());
        let table = Table::new("predictions").with("truth", number(&truth))?;
        Ok(Scores {
            metrics: metrics(accuracy),
            baselines: BTreeMap::from([("majority_class".to_string(), metrics(majority))]),
            rows: split
                .full
                .then(|| table.with("prediction", number(&predicted)))
                .transpose()?,
        })
    }

    fn signature(&self, _: &Config, _: &Fitted) -> Signature {
        Signature {
            inputs: vec![
                Field::new("x", Kind::Number, "to the right"),
                Field::new("y", Kind::Number, "upwards").unit("m"),
            ],
            rows: 1,
            outputs: vec![Field::new("label", Kind::Number, "the cloud")],
            forecast: false,
            generate: false,
        }
    }

    fn predict(
        &self,
        _: &Config,
        fitted: &Fitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table> {
        let tensors = vec![fitted.features(input)?];
        let batch = Batch {
            tensors,
            rows: (0..input.len()).collect(),
        };
        let logits = no_grad(|| model.forward(&batch, &mut Ctx::eval()))?;
        let column = |i: usize| -> Result<Values> {
            let values = logits.select(1, i)?.cast(DType::F64)?.to_vec::<f64>()?;
            Ok(Values::Number(values))
        };
        let label = logits.argmax(1, false)?.cast(DType::F64)?.to_vec::<f64>()?;
        let mut table = Table::new("predictions").with("label", Values::Number(label))?;
        for i in 0..3 {
            table.push(format!("logit{i}"), column(i)?)?;
        }
        Ok(table)
    }
}

/// The part's name in messages of tests.
pub fn accuracy(scores: &BTreeMap<Part, Scores>, part: Part) -> f64 {
    scores[&part].metrics["accuracy"]
}
