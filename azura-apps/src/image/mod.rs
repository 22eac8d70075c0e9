//! The image app: which of some classes a picture shows.
//!
//! Images come from a folder for each class, MNIST's or CIFAR's files, or a table of pixels; MLP, small CNN and the ResNet of CIFAR are
//! chosen by the configuration. What preprocessing learns, mean and deviation of each channel, it learns from the training images only.

mod config;
mod data;
mod inline;
mod model;
mod score;

pub use config::{
    ClassWeights, ImageConfig, ImageData, ImageLoss, ImageModel, ImageModelKind, ImageSet,
};
pub use data::{DIGITS, Fitted, ImageSamples, MNIST_IMAGES, MNIST_LABELS};

use std::path::PathBuf;

use azura_core::{Scope, Tensor, no_grad};
use azura_learner::app::{
    Field, FilePredictions, Picture, Prepared, ScoredSplit, Scores, Signature,
};
use azura_learner::data::image::{Images, decode_image, encode_png};
use azura_learner::data::{Batch, Kind, Table, Values};
use azura_learner::layers::Ctx;
use azura_learner::{App, Model, Result, Source};

use model::Network;

use crate::probability::most_probable;

/// Images that are predicted at a time.
const AT_ONCE: usize = 256;
/// The column of an image in a table, for models that were not trained on one.
const IMAGE: &str = "image";

/// Which of some classes a picture shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Image;

impl App for Image {
    type Config = ImageConfig;
    type Fitted = Fitted;
    type Data = ImageSamples;

    fn name(&self) -> &'static str {
        "image"
    }

    fn about(&self) -> &'static str {
        "Which of some classes a picture shows: a folder for each class, MNIST, CIFAR or a table of pixels"
    }

    fn version(&self) -> u32 {
        1
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["cifar10_classifier"]
    }

    fn prepare(
        &self,
        config: &ImageConfig,
        source: &Source,
    ) -> Result<Prepared<Fitted, ImageSamples>> {
        data::prepare(config, source)
    }

    fn open(&self, config: &ImageConfig, fitted: &Fitted, source: &Source) -> Result<ImageSamples> {
        data::open(config, fitted, source)
    }

    fn build(&self, config: &ImageConfig, fitted: &Fitted, p: &Scope) -> Result<Box<dyn Model>> {
        Ok(Box::new(Network::new(config, fitted, p)?))
    }

    fn score(
        &self,
        _: &ImageConfig,
        fitted: &Fitted,
        split: &ScoredSplit<'_, ImageSamples>,
    ) -> Result<Scores> {
        score::score(fitted, split)
    }

    fn mistakes(&self, data: &ImageSamples, rows: &Table, most: usize) -> Result<Vec<Picture>> {
        let (truth, prediction) = (rows.texts("truth")?, rows.texts("prediction")?);
        let p = rows.numbers("probability")?;
        let mut wrong: Vec<usize> = (0..rows.len())
            .filter(|&i| truth[i] != prediction[i])
            .collect();
        // The surest mistakes first.
        wrong.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
        let picture = |&i: &usize| {
            Ok(Picture {
                caption: format!("{} as {} {:.2}", truth[i], prediction[i], p[i]),
                png: encode_png(&data.rows.bytes(&[i])?, data.rows.images().shape())?,
            })
        };
        wrong.iter().take(most).map(picture).collect()
    }

    fn signature(&self, _: &ImageConfig, fitted: &Fitted) -> Signature {
        let inputs = match &fitted.pixels {
            Some(pixels) => {
                let unit = format!("0–{}", pixels.white);
                let pixel = |name: &String| {
                    Field::new(name, Kind::Number, "brightness of a pixel").unit(&unit)
                };
                pixels.columns.iter().map(pixel).collect()
            }
            None => vec![Field::new(
                IMAGE,
                Kind::Text,
                "a PNG or JPEG file, written in base64",
            )],
        };
        let mut outputs = vec![
            Field::new("prediction", Kind::Text, "the most probable class"),
            Field::new("probability", Kind::Number, "how probable it is"),
        ];
        outputs.extend(fitted.classes.iter().map(|name| {
            let about = format!("the probability of {name}");
            Field::new(format!("p_{name}"), Kind::Number, about)
        }));
        Signature {
            inputs,
            rows: 1,
            outputs,
            forecast: false,
            generate: false,
        }
    }

    fn table(&self, config: &ImageConfig, source: &Source) -> Result<Table> {
        data::table(config, source)
    }

    fn predict(
        &self,
        config: &ImageConfig,
        fitted: &Fitted,
        model: &dyn Model,
        input: &Table,
    ) -> Result<Table> {
        let bytes = match &fitted.pixels {
            Some(pixels) => data::fitting(pixels.bytes(input)?, pixels.shape, config, fitted),
            None => inline::decode(input, IMAGE, fitted.shape, config.data.fit)?,
        };
        let classes = fitted.classes.len();
        let p = probabilities(fitted, model, &Images::new(fitted.shape, bytes))?;
        let best = most_probable(&p, classes);
        let mut table = top(Table::new("predictions"), fitted, &p, 1)?;
        for (class, name) in fitted.classes.iter().enumerate() {
            let column: Vec<f64> = (0..best.len())
                .map(|row| p[row * classes + class])
                .collect();
            table.push(format!("p_{name}"), column)?;
        }
        Ok(table)
    }

    fn files(&self) -> &'static [&'static str] {
        &["png", "jpg", "jpeg"]
    }

    fn predict_files(
        &self,
        config: &ImageConfig,
        fitted: &Fitted,
        model: &dyn Model,
        files: &[PathBuf],
        top_k: usize,
    ) -> Result<FilePredictions> {
        let decode = |path: &PathBuf| {
            let bytes = std::fs::read(path).map_err(|e| format!("cannot be read: {e}"))?;
            decode_image(&bytes, fitted.shape, config.data.fit)
        };
        let (mut names, mut bad, mut p) = (Vec::new(), Vec::new(), Vec::new());
        for files in files.chunks(AT_ONCE) {
            let decoded = azura_core::in_parallel(files.len(), |i| decode(&files[i]));
            let mut bytes = Vec::new();
            for (path, image) in files.iter().zip(decoded) {
                match image {
                    Ok(image) => {
                        names.push(path.display().to_string());
                        bytes.extend(image);
                    }
                    Err(why) => bad.push((path.clone(), why)),
                }
            }
            p.extend(probabilities(
                fitted,
                model,
                &Images::new(fitted.shape, bytes),
            )?);
        }
        let rows = Table::new("predictions").with("file", Values::Text(names))?;
        Ok(FilePredictions {
            rows: top(rows, fitted, &p, top_k)?,
            bad,
        })
    }
}

/// The probability of each class for each image.
fn probabilities(fitted: &Fitted, model: &dyn Model, images: &Images) -> Result<Vec<f64>> {
    let rows: Vec<usize> = (0..images.len()).collect();
    let shape = images.shape();
    let mut p = Vec::with_capacity(rows.len() * fitted.classes.len());
    for rows in rows.chunks(AT_ONCE) {
        let numbers = fitted.normalise.apply(&images.read(rows)?, shape);
        let sizes = [rows.len(), shape.channels, shape.height, shape.width];
        let batch = Batch {
            tensors: vec![Tensor::from_vec(numbers, sizes)?],
            rows: rows.to_vec(),
        };
        let outputs = no_grad(|| model.forward(&batch, &mut Ctx::eval()))?;
        p.extend(crate::probability::probabilities(&outputs)?);
    }
    Ok(p)
}

/// The `count` most probable classes of each row, with their probabilities: `prediction`, `probability`, `prediction_2`, ….
fn top(mut table: Table, fitted: &Fitted, p: &[f64], count: usize) -> Result<Table> {
    let classes = fitted.classes.len();
    let order = |p: &[f64]| {
        let mut order: Vec<usize> = (0..classes).collect();
        // Stable: of equals the first.
        order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
        order
    };
    let orders: Vec<Vec<usize>> = p.chunks_exact(classes).map(order).collect();
    for place in 0..count.clamp(1, classes) {
        let suffix = match place {
            0 => String::new(),
            place => format!("_{}", place + 1),
        };
        let best = orders.iter().map(|order| order[place]);
        let names: Vec<String> = best
            .clone()
            .map(|class| fitted.classes[class].clone())
            .collect();
        let shares = best
            .enumerate()
            .map(|(row, class)| p[row * classes + class]);
        table.push(format!("prediction{suffix}"), names)?;
        table.push(format!("probability{suffix}"), shares.collect::<Vec<f64>>())?;
    }
    Ok(table)
}
