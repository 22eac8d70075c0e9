//! The configuration of the image app: docs, ranges and defaults in one place.

use azura_learner::app::AppConfig;
use azura_learner::data::augment::ImageAugment;
use azura_learner::data::image::{BadFiles, Colour, Fit};
use azura_learner::train::{ScheduleConfig, ScheduleKind};
use azura_learner::{Problem, TrainConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bundled::{check_folds, check_parts};

/// Which of some classes a picture shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImageConfig {
    /// What is read, and how it is brought to one size.
    pub data: ImageData,
    /// What training changes about images; nothing unless set.
    pub augment: ImageAugment,
    /// The model.
    pub model: ImageModel,
    /// What is minimised.
    pub loss: ImageLoss,
    /// How to train.
    pub train: TrainConfig,
}

/// What is read, and how it is brought to one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImageData {
    /// The set that is read when no path is given.
    pub dataset: ImageSet,
    /// Height and width that images are brought to, in pixels; 0 leaves them as they are.
    #[schemars(range(max = 4096))]
    pub size: usize,
    /// How images of other proportions come to the size.
    pub fit: Fit,
    /// Their colours.
    pub colour: Colour,
    /// What is done about files that cannot be used.
    pub bad: BadFiles,
    /// Column of the class, in a table of pixels.
    pub label: String,
    /// MiB of images that are held in memory; those of a larger folder stay in their files and are decoded for every batch.
    #[schemars(range(max = 1_000_000))]
    pub memory: usize,
    /// Fraction of the images for validation, each class by itself; 0 for none.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub val: f64,
    /// Fraction of the images for the test, each class by itself; a test part that the data itself has is used instead.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub test: f64,
    /// Folds of a cross-validation, dealt as scikit-learn's `StratifiedKFold`; 0 for none.
    #[schemars(range(max = 100))]
    pub folds: usize,
    /// The fold that is the test, from 1.
    #[schemars(range(min = 1, max = 100))]
    pub fold: usize,
}

/// A set that comes with the program; `datasets/README.md` says more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageSet {
    /// 1,797 handwritten digits of 8 × 8 pixels.
    #[default]
    Digits,
    /// 10,000 of MNIST's 70,000 handwritten digits of 28 × 28 pixels: 8,000 of its training part, 2,000 of its test part.
    Mnist,
}

/// The model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImageModel {
    /// What it is made of.
    pub kind: ImageModelKind,
    /// Units of each hidden layer of an MLP.
    #[schemars(range(min = 1, max = 8192))]
    pub hidden: usize,
    /// Hidden layers of an MLP.
    #[schemars(range(min = 1, max = 8))]
    pub layers: usize,
    /// Channels of the first convolutions; each block or stage after it has twice as many.
    #[schemars(range(min = 1, max = 1024))]
    pub width: usize,
    /// Blocks of a CNN: two convolutions and a pool, which halves height and width.
    #[schemars(range(min = 1, max = 6))]
    pub blocks: usize,
    /// Layers of a `ResNet`, 6 n + 2: 20, 32, 44, 56, ….
    #[schemars(range(min = 8, max = 1202))]
    pub depth: usize,
    /// Whether layers of an MLP or CNN normalise each channel over the batch; a `ResNet` always does.
    pub batch_norm: bool,
    /// Probability of dropping a hidden unit of an MLP, or an input of a CNN's last layer, in training.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub dropout: f64,
}

/// What the model is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageModelKind {
    /// Fully connected layers over all pixels.
    Mlp,
    /// Blocks of two convolutions of 3 × 3 and a pool.
    #[default]
    Cnn,
    /// The residual network for small images (He, Zhang, Ren & Sun 2016, arXiv:1512.03385, section 4.2).
    Resnet,
}

/// What is minimised: cross-entropy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ImageLoss {
    /// How much of each target is spread evenly over all classes; 0.1 is usual.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub label_smoothing: f64,
    /// What each class counts.
    pub class_weights: ClassWeights,
}

/// What each class counts in the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// The same for each image.
    #[default]
    None,
    /// All images / (classes · images of the class), so that every class counts the same together.
    Balanced,
}

impl Default for ImageData {
    fn default() -> Self {
        ImageData {
            dataset: ImageSet::default(),
            size: 0,
            fit: Fit::default(),
            colour: Colour::default(),
            bad: BadFiles::default(),
            label: "label".to_string(),
            memory: 2048,
            val: 0.1,
            test: 0.2,
            folds: 0,
            fold: 1,
        }
    }
}

impl Default for ImageModel {
    fn default() -> Self {
        ImageModel {
            kind: ImageModelKind::default(),
            hidden: 256,
            layers: 2,
            width: 16,
            blocks: 2,
            depth: 20,
            batch_norm: true,
            dropout: 0.2,
        }
    }
}

impl Default for ImageConfig {
    fn default() -> Self {
        ImageConfig {
            data: ImageData::default(),
            augment: ImageAugment::default(),
            model: ImageModel::default(),
            loss: ImageLoss::default(),
            train: TrainConfig {
                epochs: 20,
                batch: 64,
                lr: 3e-3,
                weight_decay: 1e-2,
                schedule: ScheduleConfig {
                    kind: ScheduleKind::Cosine,
                    ..ScheduleConfig::default()
                },
                monitor: "val.accuracy".to_string(),
                ..TrainConfig::default()
            },
        }
    }
}

impl AppConfig for ImageConfig {
    fn train(&self) -> &TrainConfig {
        &self.train
    }

    fn check(&self) -> Vec<Problem> {
        let (data, model) = (&self.data, &self.model);
        let mut problems = check_parts(data.val, data.test);
        problems.extend(self.augment.check("augment"));
        problems.extend(check_folds(data.folds, data.fold));
        if model.kind == ImageModelKind::Resnet && model.depth % 6 != 2 {
            let message = format!("must be 6 n + 2, but is {}", model.depth);
            problems.push(
                Problem::new("model.depth", message).help("write 8, 14, 20, 32, 44, 56 or 110"),
            );
        }
        if self.augment.mixup + self.augment.cutmix > 0.0
            && self.loss.class_weights == ClassWeights::Balanced
        {
            let message = "cannot be combined with `augment.mixup` or `augment.cutmix`: an image of two classes has no weight of one";
            problems.push(
                Problem::new("loss.class_weights", message).help("set loss.class_weights=none"),
            );
        }
        problems
    }
}
