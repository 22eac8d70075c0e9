//! The models: convolutions over a spectrogram, or a recurrent net over its frames.

use azura_core::{Scope, Tensor};
use azura_learner::data::Batch;
use azura_learner::layers::{
    BatchNorm2d, Conv2d, Ctx, Dropout, Gru, Linear, MaxPool2d, Module, Relu, Sequential,
};
use azura_learner::loss::{Loss, cross_entropy};
use azura_learner::{Model, Result};

use super::config::{SoundModel, SoundModelKind};

/// A score for each class of recordings.
///
/// | value          | shape                                 |
/// |----------------|---------------------------------------|
/// | batch tensor 0 | spectrograms, `[B, 1, bands, frames]` |
/// | batch tensor 1 | classes, `[B]`                        |
/// | output         | a score for each class, `[B, K]`      |
pub(super) struct Network {
    body: Body,
    dropout: Dropout,
    head: Linear,
}

enum Body {
    Cnn(Sequential),
    Gru(Gru),
}

impl Network {
    /// Registers `conv.N.*` and `norm.N.*`, or `gru.*`, and `head.*`.
    ///
    /// # Errors
    /// If a size is 0 or the dropout is out of range.
    pub fn new(config: &SoundModel, bands: usize, classes: usize, p: &Scope) -> Result<Self> {
        let (body, width) = match config.kind {
            SoundModelKind::Cnn => {
                let (mut body, mut inputs) = (Sequential::new(), 1);
                for i in 0..config.layers {
                    let outputs = config.width * if i == 0 { 1 } else { 2 };
                    // The norm's shift does what a bias would.
                    let conv = Conv2d::new(inputs, outputs, 3, &p.at("conv").at(i))
                        .padding(1)
                        .bias(false)
                        .build()?;
                    body = body
                        .with(conv)
                        .with(BatchNorm2d::new(outputs, &p.at("norm").at(i))?)
                        .with(Relu)
                        .with(MaxPool2d::new(2));
                    inputs = outputs;
                }
                (Body::Cnn(body), inputs)
            }
            SoundModelKind::Gru => {
                let gru = Gru::new(bands, config.width, &p.at("gru"))
                    .layers(config.layers)
                    .bidirectional(true)
                    .build()?;
                let width = gru.output_size();
                (Body::Gru(gru), width)
            }
        };
        Ok(Network {
            body,
            dropout: Dropout::new(config.dropout)?,
            head: Linear::new(width, classes, &p.at("head"))?,
        })
    }
}

impl Model for Network {
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor> {
        let x = &batch.tensors[0];
        let (seen, axes): (Tensor, &[isize]) = match &self.body {
            Body::Cnn(body) => (body.forward(x, ctx)?, &[2, 3]),
            Body::Gru(gru) => {
                let frames = x.select(1, 0)?.transpose(1, 2)?;
                (gru.forward(&frames, None, ctx)?.0, &[1])
            }
        };
        // The maximum hears what is short, the mean what lasts.
        let pooled = seen.mean(axes, false)?.add(seen.amax(axes, false)?)?;
        let pooled = self.dropout.forward(&pooled, ctx)?;
        self.head.forward(&pooled, ctx)
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        cross_entropy(output, &batch.tensors[1])
    }
}
