//! The app: 8×8 pixels in, one of ten classes out.

use azura_core::{Scope, Tensor};
use azura_learner::app::{
    App, AppConfig, DataSummary, Field, Metrics, Prepared, ScoredSplit, Scores, Signature, Source,
};
use azura_learner::baselines::majority_class;
use azura_learner::data::{
    Batch, Column, Dataset, Kind, Table, read_csv, read_csv_from, split_stratified,
};
use azura_learner::fs::sha256_hex;
use azura_learner::layers::{Dropout, Linear, Relu, Sequential};
use azura_learner::train::{Model, Supervised, TensorDataset, TrainConfig};
use azura_learner::{Ctx, Result, loss, metrics};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

const PIXELS: usize = 64;
const CLASSES: usize = 10;
const BUNDLED: &[u8] = include_bytes!("../../datasets/digits/digits.csv");

/// Handwritten digits of 8×8 pixels.
pub struct Digits;

/// The configuration of [`Digits`].
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DigitsConfig {
    /// The model.
    pub model: ModelConfig,
    /// How to train.
    pub train: TrainConfig,
}

/// The network between pixels and classes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Units of the hidden layer.
    #[schemars(range(min = 1, max = 4096))]
    pub hidden: usize,
    /// Probability of dropping a hidden unit in training.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub dropout: f64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        ModelConfig {
            hidden: 128,
            dropout: 0.2,
        }
    }
}

impl Default for DigitsConfig {
    fn default() -> Self {
        let train = TrainConfig {
            epochs: 60,
            lr: 3e-3,
            monitor: "val.accuracy".to_string(),
            ..TrainConfig::default()
        };
        DigitsConfig {
            model: ModelConfig::default(),
            train,
        }
    }
}

impl AppConfig for DigitsConfig {
    fn train(&self) -> &TrainConfig {
        &self.train
    }
}

/// What is learned from the training rows besides the weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fitted {
    /// The brightest pixel, which scales to 1.
    brightest: f64,
    /// The most frequent class, the naive baseline.
    majority: usize,
}

/// Images as tensors, and their labels as numbers.
pub struct Images {
    tensors: TensorDataset,
    labels: Vec<usize>,
}

impl Dataset for Images {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch> {
        self.tensors.batch(rows)
    }
}

fn pixel_names() -> Vec<String> {
    (0..PIXELS).map(|i| format!("p{i}")).collect()
}

fn read(source: &Source) -> Result<(Table, String)> {
    let mut columns: Vec<Column> = pixel_names().iter().map(Column::number).collect();
    columns.push(Column::number("label"));
    Ok(match source {
        Source::Bundled => (
            read_csv_from(BUNDLED, "digits.csv", &columns)?,
            sha256_hex(BUNDLED),
        ),
        Source::File(path) => (
            read_csv(path, &columns)?,
            azura_learner::data::sha256_file(path)?,
        ),
    })
}

/// Pixels as `[rows, 64]`, scaled.
fn images(table: &Table, rows: &[usize], fitted: &Fitted) -> Result<Tensor> {
    let pixels = table.matrix(&pixel_names())?;
    let scaled = rows
        .iter()
        .flat_map(|&row| &pixels[row * PIXELS..(row + 1) * PIXELS])
        .map(|&pixel| (pixel / fitted.brightest) as f32)
        .collect();
    Ok(Tensor::from_vec(scaled, [rows.len(), PIXELS])?)
}

fn labels(table: &Table) -> Result<Vec<usize>> {
    let labels = table.numbers("label")?;
    let valid = |label: f64| label.fract() == 0.0 && (0.0..CLASSES as f64).contains(&label);
    match labels.iter().position(|&label| !valid(label)) {
        None => Ok(labels.iter().map(|&label| label as usize).collect()),
        Some(row) => Err(table
            .error_at(
                row,
                "label",
                format!("{} is not a digit from 0 to 9", labels[row]),
                "labels are whole numbers",
            )
            .into()),
    }
}

fn part(table: &Table, labels: &[usize], rows: &[usize], fitted: &Fitted) -> Result<Images> {
    let labels: Vec<usize> = rows.iter().map(|&row| labels[row]).collect();
    let classes = labels.iter().map(|&label| label as u32).collect();
    let tensors = [
        images(table, rows, fitted)?,
        Tensor::from_vec(classes, [rows.len()])?,
    ];
    Ok(Images {
        tensors: TensorDataset::new(tensors)?,
        labels,
    })
}

impl App for Digits {
    type Config = DigitsConfig;
    type Fitted = Fitted;
    type Data = Images;

    fn name(&self) -> &'static str {
        "digits"
    }

    fn about(&self) -> &'static str {
        "Handwritten digits: which of ten classes an image of 8×8 pixels shows."
    }

    fn version(&self) -> u32 {
        1
    }

    fn prepare(&self, config: &DigitsConfig, source: &Source) -> Result<Prepared<Fitted, Images>> {
        let (table, sha256) = read(source)?;
        let classes = labels(&table)?;
        let split = split_stratified(&classes, 0.1, 0.2, config.train.seed)?;
        let of_training: Vec<usize> = split.train.iter().map(|&row| classes[row]).collect();
        let pixels = table.matrix(&pixel_names())?;
        let training = split
            .train
            .iter()
            .flat_map(|&row| &pixels[row * PIXELS..(row + 1) * PIXELS]);
        let fitted = Fitted {
            brightest: training.fold(1.0, |a: f64, &b| a.max(b)),
            majority: majority_class(&of_training)?,
        };
        let part = |rows: &[usize]| {
            Ok::<_, azura_learner::Error>(Arc::new(part(&table, &classes, rows, &fitted)?))
        };
        let (train, val, test) = (part(&split.train)?, part(&split.val)?, part(&split.test)?);
        let summary = DataSummary {
            source: table.source().to_string(),
            rows: table.len(),
            columns: table.names().iter().map(ToString::to_string).collect(),
            sha256,
            train: train.len(),
            val: val.len(),
            test: test.len(),
            ..DataSummary::default()
        };
        Ok(Prepared {
            fitted,
            train,
            val,
            test,
            summary,
        })
    }

    fn open(&self, _: &DigitsConfig, fitted: &Fitted, source: &Source) -> Result<Images> {
        let (table, _) = read(source)?;
        let rows: Vec<usize> = (0..table.len()).collect();
        part(&table, &labels(&table)?, &rows, fitted)
    }

    fn build(&self, config: &DigitsConfig, _: &Fitted, p: &Scope) -> Result<Box<dyn Model>> {
        let hidden = config.model.hidden;
        let network = Sequential::new()
            .with(Linear::new(PIXELS, hidden, &p.at("hidden"))?)
            .with(Relu)
            .with(Dropout::new(config.model.dropout)?)
            .with(Linear::new(hidden, CLASSES, &p.at("classes"))?);
        Ok(Box::new(Supervised::new(network, loss::cross_entropy)))
    }

    fn score(
        &self,
        _: &DigitsConfig,
        fitted: &Fitted,
        split: &ScoredSplit<'_, Images>,
    ) -> Result<Scores> {
        let truth = &split.data.labels;
        let predicted: Vec<usize> = split
            .outputs
            .argmax(1, false)?
            .to_vec::<i64>()?
            .into_iter()
            .map(|class| class as usize)
            .collect();
        let metric = |predicted: &[usize]| -> Result<Metrics> {
            Ok(Metrics::from([(
                "accuracy".to_string(),
                metrics::accuracy(truth, predicted)?,
            )]))
        };
        let majority = vec![fitted.majority; truth.len()];
        let column = |classes: &[usize]| {
            classes
                .iter()
                .map(|&class| class as f64)
                .collect::<Vec<f64>>()
        };
        Ok(Scores {
            metrics: metric(&predicted)?,
            baselines: BTreeMap::from([("majority_class".to_string(), metric(&majority)?)]),
            rows: Some(
                Table::new("predictions")
                    .with("truth", column(truth))?
                    .with("prediction", column(&predicted))?
                    .with("majority_class", column(&majority))?,
            ),
        })
    }

    fn signature(&self, _: &DigitsConfig, _: &Fitted) -> Signature {
        let pixel = |name: &String| {
            Field::new(name, Kind::Number, "brightness of one pixel, row by row").unit("0–16")
        };
        Signature {
            inputs: pixel_names().iter().map(pixel).collect(),
            rows: 1,
            outputs: vec![
                Field::new("digit", Kind::Number, "the most probable digit"),
                Field::new("probability", Kind::Number, "how probable it is"),
            ],
            forecast: false,
            generate: false,
        }
    }

    fn table(&self, _: &DigitsConfig, source: &Source) -> Result<Table> {
        Ok(read(source)?.0)
    }

    fn predict(
        &self,
        _: &DigitsConfig,
        fitted: &Fitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table> {
        let rows: Vec<usize> = (0..input.len()).collect();
        let batch = Batch {
            tensors: vec![images(input, &rows, fitted)?],
            rows,
        };
        let probabilities =
            azura_core::no_grad(|| model.forward(&batch, &mut Ctx::eval()))?.softmax(1)?;
        let digits = probabilities.argmax(1, false)?.to_vec::<i64>()?;
        let best = probabilities.max(1, false)?.to_vec::<f32>()?;
        Ok(Table::new("predictions")
            .with(
                "digit",
                digits
                    .iter()
                    .map(|&digit| digit as f64)
                    .collect::<Vec<f64>>(),
            )?
            .with(
                "probability",
                best.iter().map(|&p| f64::from(p)).collect::<Vec<f64>>(),
            )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use azura_learner::run::{Finish, RunPaths, train};
    use azura_learner::{Registry, StopFlag};

    #[test]
    fn an_app_from_outside_trains_saves_and_predicts() {
        let folder = tempfile::tempdir().unwrap();
        let paths = RunPaths::in_folder(folder.path());
        let registry = Registry::new().with(&Digits);
        let app = registry.get("digits").unwrap();
        let config = serde_json::json!({ "train": { "epochs": 20 } });
        let finish = train(
            app,
            &config,
            &Source::Bundled,
            &paths,
            Vec::new(),
            &StopFlag::new(),
        )
        .unwrap();
        assert!(matches!(finish, Finish::Trained(_)));

        let model = registry.open(&paths.model).unwrap();
        let scores = model.evaluate(&Source::Bundled).unwrap();
        assert!(scores.metrics["accuracy"] > 0.95, "{scores:?}");
        assert!(scores.baselines["majority_class"]["accuracy"] < 0.15);

        let rows = model.table(&Source::Bundled).unwrap();
        let digits = model.predict(&rows).unwrap();
        assert_eq!(digits.len(), rows.len());
        let mistakes = app.check(&serde_json::json!({ "model": { "hiden": 3 } }));
        assert_eq!(mistakes[0].key, "model.hiden");
    }
}
