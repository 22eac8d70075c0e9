//! The models: a fully convolutional net and a residual net over time.

use azura_core::{Padding, Scope, Tensor};
use azura_learner::data::Batch;
use azura_learner::layers::{BatchNorm1d, Conv1d, Ctx, Dropout, Linear, Module};
use azura_learner::loss::{Loss, cross_entropy};
use azura_learner::{Model, Result};

use super::config::{SignalModel, SignalModelKind};

/// Kernels of the three convolutions of a stack.
const KERNELS: [usize; 3] = [8, 5, 3];

/// A score for each class of series.
///
/// | value          | shape                                                        |
/// |----------------|--------------------------------------------------------------|
/// | batch tensor 0 | series, `[B, C, T]`                                           |
/// | batch tensor 1 | 1 where a series has values and 0 behind its end, `[B, 1, T]` |
/// | batch tensor 2 | classes, `[B]`                                                |
/// | output         | a score for each class, `[B, K]`                              |
///
/// What lies behind the end of a series is set to 0 after every layer, and is left out of the mean: outputs are those of the series
/// alone.
pub(super) struct Network {
    stacks: Vec<Stack>,
    dropout: Dropout,
    head: Linear,
}

/// A convolution and a norm.
struct Unit {
    conv: Conv1d,
    norm: BatchNorm1d,
}

impl Unit {
    fn new(inputs: usize, outputs: usize, kernel: usize, p: &Scope) -> Result<Self> {
        Ok(Unit {
            // The norm's shift does what a bias would.
            conv: Conv1d::new(inputs, outputs, kernel, &p.at("conv"))
                .padding(Padding::Same)
                .bias(false)
                .build()?,
            norm: BatchNorm1d::new(outputs, &p.at("norm"))?,
        })
    }

    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let y = self.conv.forward(x, ctx)?;
        self.norm.forward(&y, ctx)
    }
}

/// Three units, and a way around them in a residual net.
struct Stack {
    units: Vec<Unit>,
    around: Option<Unit>,
    residual: bool,
}

impl Stack {
    fn forward(&self, x: &Tensor, mask: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let mut y = x.clone();
        for (i, unit) in self.units.iter().enumerate() {
            y = unit.forward(&y, ctx)?;
            if self.residual && i + 1 == self.units.len() {
                y = match &self.around {
                    Some(around) => around.forward(x, ctx)?.add(y)?,
                    None => y.add(x)?,
                };
            }
            y = y.relu()?.mul(mask)?;
        }
        Ok(y)
    }
}

impl Network {
    /// Registers `stack.S.unit.N.*`, `stack.S.around.*` and `head.*`.
    ///
    /// # Errors
    /// If a size is 0 or the dropout is out of range.
    pub fn new(config: &SignalModel, channels: usize, classes: usize, p: &Scope) -> Result<Self> {
        let width = config.width;
        let sizes = match config.kind {
            SignalModelKind::Fcn => vec![[width, 2 * width, width]],
            SignalModelKind::Resnet => vec![[width; 3], [2 * width; 3], [2 * width; 3]],
        };
        let residual = config.kind == SignalModelKind::Resnet;
        let (mut stacks, mut inputs) = (Vec::new(), channels);
        for (s, sizes) in sizes.into_iter().enumerate() {
            let p = p.at("stack").at(s);
            let (mut units, from) = (Vec::new(), inputs);
            for (i, (outputs, kernel)) in sizes.into_iter().zip(KERNELS).enumerate() {
                units.push(Unit::new(inputs, outputs, kernel, &p.at("unit").at(i))?);
                inputs = outputs;
            }
            let around = match residual && from != inputs {
                true => Some(Unit::new(from, inputs, 1, &p.at("around"))?),
                false => None,
            };
            stacks.push(Stack {
                units,
                around,
                residual,
            });
        }
        Ok(Network {
            stacks,
            dropout: Dropout::new(config.dropout)?,
            head: Linear::new(inputs, classes, &p.at("head"))?,
        })
    }
}

impl Model for Network {
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor> {
        let (mut x, mask) = (batch.tensors[0].clone(), &batch.tensors[1]);
        for stack in &self.stacks {
            x = stack.forward(&x, mask, ctx)?;
        }
        let means = x.sum(&[2], false)?.div(mask.sum(&[2], false)?)?;
        let means = self.dropout.forward(&means, ctx)?;
        self.head.forward(&means, ctx)
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        cross_entropy(output, &batch.tensors[2])
    }
}
