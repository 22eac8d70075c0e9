//! The models: fully connected layers, a small CNN, and the `ResNet` of CIFAR.

use azura_core::{CrossEntropyOptions, PadMode, Scope, Tensor};
use azura_learner::data::Batch;
use azura_learner::layers::{
    AdaptiveAvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, Ctx, Dropout, Flatten, Linear, MaxPool2d,
    Module, Relu, Residual, Sequential,
};
use azura_learner::loss::{Loss, cross_entropy_with};
use azura_learner::{Error, Model, Problem, Result};

use super::config::{ClassWeights, ImageConfig, ImageModel, ImageModelKind};
use super::data::Fitted;

/// A score for each class of a batch of images.
///
/// | value          | shape                                          |
/// |----------------|------------------------------------------------|
/// | batch tensor 0 | images, `[B, C, H, W]`                         |
/// | the last       | classes `[B]`, or shares of classes `[B, K]`   |
/// | output         | `[B, K]`                                       |
pub(super) struct Network {
    body: Sequential,
    smoothing: f64,
    weights: Option<Tensor>,
}

impl Network {
    /// Registers the parameters.
    ///
    /// # Errors
    /// If the blocks of a CNN halve the image to nothing, or a size is out of range.
    pub fn new(config: &ImageConfig, fitted: &Fitted, p: &Scope) -> Result<Self> {
        let classes = fitted.classes.len();
        let body = match config.model.kind {
            ImageModelKind::Mlp => mlp(&config.model, fitted, p)?,
            ImageModelKind::Cnn => cnn(&config.model, fitted, p)?,
            ImageModelKind::Resnet => resnet(&config.model, fitted, p)?,
        };
        let weights = match config.loss.class_weights {
            ClassWeights::None => None,
            ClassWeights::Balanced => {
                let all: usize = fitted.counts.iter().sum();
                // A class without images has no loss to weigh.
                let weight = |&count: &usize| match count {
                    0 => 0.0,
                    count => (all as f64 / (classes * count) as f64) as f32,
                };
                let weights: Vec<f32> = fitted.counts.iter().map(weight).collect();
                Some(Tensor::from_vec(weights, [classes])?)
            }
        };
        Ok(Network {
            body,
            smoothing: config.loss.label_smoothing,
            weights,
        })
    }
}

fn mlp(config: &ImageModel, fitted: &Fitted, p: &Scope) -> Result<Sequential> {
    let mut body = Sequential::new().with(Flatten::default());
    let mut width = fitted.shape.bytes();
    for i in 0..config.layers {
        let p = p.at("body").at(i);
        body = body.with(Linear::new(width, config.hidden, &p.at("linear"))?);
        if config.batch_norm {
            body = body.with(BatchNorm1d::new(config.hidden, &p.at("norm"))?);
        }
        body = body.with(Relu).with(Dropout::new(config.dropout)?);
        width = config.hidden;
    }
    Ok(body.with(Linear::new(width, fitted.classes.len(), &p.at("head"))?))
}

fn cnn(config: &ImageModel, fitted: &Fitted, p: &Scope) -> Result<Sequential> {
    let shape = fitted.shape;
    let (mut height, mut width) = (shape.height, shape.width);
    let mut channels = shape.channels;
    let mut body = Sequential::new();
    for block in 0..config.blocks {
        if height.min(width) < 2 {
            let message = format!(
                "is {}, but an image of {} × {} pixels can be halved {block} times only",
                config.blocks, shape.height, shape.width
            );
            return Err(Error::Config(vec![Problem::new("model.blocks", message)]));
        }
        let outputs = config.width << block;
        for conv in 0..2 {
            let p = p.at("body").at(block).at(conv);
            let layer = Conv2d::new(channels, outputs, 3, &p.at("conv"))
                .padding(1)
                .bias(!config.batch_norm);
            body = body.with(layer.build()?);
            if config.batch_norm {
                body = body.with(BatchNorm2d::new(outputs, &p.at("norm"))?);
            }
            body = body.with(Relu);
            channels = outputs;
        }
        body = body.with(MaxPool2d::new(2));
        (height, width) = (height / 2, width / 2);
    }
    let features = channels * height * width;
    Ok(body
        .with(Flatten::default())
        .with(Dropout::new(config.dropout)?)
        .with(Linear::new(features, fitted.classes.len(), &p.at("head"))?))
}

/// Three stages of `(depth − 2) / 6` blocks; the second and third halve the image and double the channels. The way around a block
/// that does has no parameters: every second pixel, and zeros in the new channels (option A of the paper).
fn resnet(config: &ImageModel, fitted: &Fitted, p: &Scope) -> Result<Sequential> {
    let conv = |inputs, outputs, stride: usize, p: &Scope| {
        Conv2d::new(inputs, outputs, 3, p)
            .padding(1)
            .stride(stride)
            .bias(false)
            .build()
    };
    let mut channels = config.width;
    let mut body = Sequential::new()
        .with(conv(fitted.shape.channels, channels, 1, &p.at("conv1"))?)
        .with(BatchNorm2d::new(channels, &p.at("bn1"))?)
        .with(Relu);
    for stage in 0..3 {
        for block in 0..(config.depth - 2) / 6 {
            let halves = stage > 0 && block == 0;
            let (stride, outputs) = match halves {
                true => (2, 2 * channels),
                false => (1, channels),
            };
            let p = p.at(format!("layer{}", stage + 1)).at(block);
            let inside = Sequential::new()
                .with(conv(channels, outputs, stride, &p.at("conv1"))?)
                .with(BatchNorm2d::new(outputs, &p.at("bn1"))?)
                .with(Relu)
                .with(conv(outputs, outputs, 1, &p.at("conv2"))?)
                .with(BatchNorm2d::new(outputs, &p.at("bn2"))?);
            let mut residual = Residual::new(inside);
            if halves {
                let more = (outputs - channels) as isize;
                let margins = [0, 0, 0, 0, more / 2, more - more / 2];
                residual = residual.projection(
                    Sequential::new()
                        .with(MaxPool2d::new(1).stride(2))
                        .with(Channels { margins }),
                );
            }
            body = body.with(residual).with(Relu);
            channels = outputs;
        }
    }
    Ok(body
        .with(AdaptiveAvgPool2d::new(1))
        .with(Flatten::default())
        .with(Linear::new(channels, fitted.classes.len(), &p.at("fc"))?))
}

/// Zeros in new channels before and behind those of the input.
struct Channels {
    margins: [isize; 6],
}

impl Module for Channels {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        Ok(x.pad(&self.margins, PadMode::Constant(0.0))?)
    }
}

impl Model for Network {
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor> {
        self.body.forward(&batch.tensors[0], ctx)
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        let target = &batch.tensors[batch.tensors.len() - 1];
        let options = CrossEntropyOptions {
            weight: self.weights.as_ref(),
            label_smoothing: self.smoothing,
            ..CrossEntropyOptions::default()
        };
        cross_entropy_with(output, target, options)
    }
}
