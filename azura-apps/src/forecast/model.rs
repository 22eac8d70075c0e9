//! The models: from a window of rows to all coming steps at once.

use azura_core::{Init, Param, Scope, Tensor};
use azura_learner::data::Batch;
use azura_learner::layers::{
    Ctx, Dropout, Gelu, Gru, Linear, Lstm, Module, Sequential, TransformerActivation,
    TransformerEncoder, TransformerOptions,
};
use azura_learner::loss::{Loss, huber, mae, mse, quantile};
use azura_learner::{Model, Result};

use super::config::{ForecastModel, Kind, LossKind, Normalize};

/// How large everything is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Rows of a window.
    pub(super) window: usize,
    /// Steps ahead.
    pub(super) horizon: usize,
    /// Features beside the target that are seen of the past only.
    pub(super) past: usize,
    /// Features that are known of the coming rows too, the calendar among them.
    pub(super) known: usize,
    /// How many of those are columns; the others are the calendar.
    pub(super) told: usize,
    /// The size of a change of the target, in deviations of the target.
    pub(super) change: f64,
}

/// A forecaster.
///
/// | value                 | shape                                                                         |
/// |-----------------------|-------------------------------------------------------------------------------|
/// | batch tensor 0        | windows, `[B, W, 1 + P + K]`: the scaled target first                          |
/// | batch tensor 1, if K  | what is known of the coming rows, `[B, H, K]`                                  |
/// | the last, in training | changes from the newest value to each step, over their usual size, `[B, H]`    |
/// | output                | the same for each quantile, or once, `[B, H, Q]`                               |
pub(super) struct Forecaster {
    shape: Shape,
    normalize: Normalize,
    loss: LossKind,
    /// The quantiles that are predicted; empty for one number.
    quantiles: Vec<f64>,
    body: Body,
}

enum Body {
    Linear {
        own: Own,
        /// From the other columns of the window.
        beside: Option<Linear>,
        /// From what is known of a step, the same for each step.
        known: Option<Linear>,
    },
    Mlp(Sequential),
    Lstm(Lstm, Head),
    Gru(Gru, Head),
    Transformer {
        patch: usize,
        patches: usize,
        embed: Linear,
        /// `[patches, D]`
        place: Param,
        encoder: TransformerEncoder,
        head: Head,
    },
}

/// What a linear model does with the target's own window.
enum Own {
    Nlinear(Linear),
    Dlinear {
        /// `[W, W]`: the moving average of a window is its product with this.
        average: Tensor,
        trend: Linear,
        rest: Linear,
    },
}

/// Dropout and a linear layer from what was made of the window, and from what is known of the coming rows.
struct Head {
    layers: usize,
    dropout: Dropout,
    told: bool,
    linear: Linear,
}

impl Head {
    fn new(
        config: &ForecastModel,
        shape: &Shape,
        inputs: usize,
        outputs: usize,
        p: &Scope,
    ) -> Result<Self> {
        let known = if shape.told > 0 {
            shape.horizon * shape.known
        } else {
            0
        };
        Ok(Head {
            layers: config.layers,
            dropout: Dropout::new(config.dropout)?,
            told: shape.told > 0,
            linear: Linear::new(inputs + known, outputs, p)?,
        })
    }

    fn forward(&self, seen: &Tensor, known: Option<&Tensor>, ctx: &mut Ctx) -> Result<Tensor> {
        let seen = self.dropout.forward(seen, ctx)?;
        match known.filter(|_| self.told) {
            Some(known) => {
                let known = known.flatten(1, 2)?;
                self.linear.forward(&Tensor::cat(&[&seen, &known], 1)?, ctx)
            }
            None => self.linear.forward(&seen, ctx),
        }
    }
}

impl Forecaster {
    /// Registers the parameters.
    ///
    /// # Errors
    /// If a size is 0 or the dropout is out of range.
    pub(super) fn new(
        config: &ForecastModel,
        quantiles: Vec<f64>,
        shape: Shape,
        p: &Scope,
    ) -> Result<Self> {
        let Shape {
            window,
            horizon,
            past,
            known,
            ..
        } = shape;
        let features = 1 + past + known;
        let outputs = horizon * quantiles.len().max(1);
        let head = |inputs: usize| Head::new(config, &shape, inputs, outputs, &p.at("head"));
        let body = match config.kind {
            Kind::Nlinear | Kind::Dlinear => Body::Linear {
                own: match config.kind {
                    Kind::Nlinear => Own::Nlinear(Linear::new(window, outputs, &p.at("linear"))?),
                    _ => Own::Dlinear {
                        average: moving_average(window, config.kernel)?,
                        trend: Linear::new(window, outputs, &p.at("trend"))?,
                        rest: Linear::new(window, outputs, &p.at("rest"))?,
                    },
                },
                beside: (past + shape.told > 0)
                    .then(|| {
                        let columns = window * (past + shape.told);
                        Linear::without_bias(columns, outputs, &p.at("beside"))
                    })
                    .transpose()?,
                known: (known > 0)
                    .then(|| Linear::without_bias(known, quantiles.len().max(1), &p.at("known")))
                    .transpose()?,
            },
            Kind::Mlp => {
                let mut body = Sequential::new();
                let mut inputs = window * features;
                if shape.told > 0 {
                    inputs += horizon * known;
                }
                for layer in 0..config.layers {
                    body = body
                        .with(Linear::new(
                            inputs,
                            config.hidden,
                            &p.at("hidden").at(layer),
                        )?)
                        .with(Gelu::default())
                        .with(Dropout::new(config.dropout)?);
                    inputs = config.hidden;
                }
                Body::Mlp(body.with(Linear::new(inputs, outputs, &p.at("head"))?))
            }
            Kind::Lstm => {
                let lstm = Lstm::new(features, config.hidden, &p.at("lstm"))
                    .layers(config.layers)
                    .dropout(config.dropout)
                    .build()?;
                let head = head(lstm.output_size())?;
                Body::Lstm(lstm, head)
            }
            Kind::Gru => {
                let gru = Gru::new(features, config.hidden, &p.at("gru"))
                    .layers(config.layers)
                    .dropout(config.dropout)
                    .build()?;
                let head = head(gru.output_size())?;
                Body::Gru(gru, head)
            }
            Kind::Transformer => {
                let patch = config.patch.min(window);
                let patches = window / patch;
                let options = TransformerOptions {
                    dim_feedforward: 2 * config.hidden,
                    dropout: config.dropout,
                    activation: TransformerActivation::Gelu,
                    norm_first: true,
                    ..TransformerOptions::default()
                };
                Body::Transformer {
                    patch,
                    patches,
                    embed: Linear::new(patch * features, config.hidden, &p.at("embed"))?,
                    place: p.param(
                        "place",
                        &[patches, config.hidden],
                        Init::Normal {
                            mean: 0.0,
                            std: 0.02,
                        },
                    )?,
                    encoder: TransformerEncoder::new(
                        config.layers,
                        true,
                        config.hidden,
                        config.heads,
                        &options,
                        &p.at("encoder"),
                    )?,
                    head: head(patches * config.hidden)?,
                }
            }
        };
        Ok(Forecaster {
            shape,
            normalize: config.normalize,
            loss: config.loss,
            quantiles,
            body,
        })
    }

    /// What the body gives, `[B, H·Q]`, for a target `[B, W]` and what stands beside it.
    fn body(
        &self,
        own: &Tensor,
        x: &Tensor,
        known: Option<&Tensor>,
        ctx: &mut Ctx,
    ) -> Result<Tensor> {
        let beside = self.shape.past + self.shape.known;
        let rows = x.shape()[0];
        // The window with the target as it is measured now.
        let whole = || -> Result<Tensor> {
            let own = own.unsqueeze(2)?;
            match beside {
                0 => Ok(own),
                n => Ok(Tensor::cat(&[&own, &x.narrow(2, 1, n)?], 2)?),
            }
        };
        match &self.body {
            Body::Linear {
                own: linear,
                beside: columns,
                known: step,
            } => {
                let mut out = match linear {
                    Own::Nlinear(linear) => linear.forward(own, ctx)?,
                    Own::Dlinear {
                        average,
                        trend,
                        rest,
                    } => {
                        let mean = own.matmul(average)?;
                        let left = own.clone().sub(&mean)?;
                        trend.forward(&mean, ctx)?.add(rest.forward(&left, ctx)?)?
                    }
                };
                if let Some(columns) = columns {
                    let count = self.shape.past + self.shape.told;
                    let seen = x.narrow(2, 1, count)?.flatten(1, 2)?;
                    out = out.add(columns.forward(&seen, ctx)?)?;
                }
                if let (Some(step), Some(known)) = (step, known) {
                    out = out.add(step.forward(known, ctx)?.flatten(1, 2)?)?;
                }
                Ok(out)
            }
            Body::Mlp(body) => {
                let mut parts = vec![whole()?.flatten(1, 2)?];
                if let Some(known) = known.filter(|_| self.shape.told > 0) {
                    parts.push(known.flatten(1, 2)?);
                }
                let parts: Vec<&Tensor> = parts.iter().collect();
                body.forward(&Tensor::cat(&parts, 1)?, ctx)
            }
            Body::Lstm(lstm, head) => {
                let (_, (h, _)) = lstm.forward(&whole()?, None, ctx)?;
                head.forward(&h.select(0, head.layers - 1)?, known, ctx)
            }
            Body::Gru(gru, head) => {
                let (_, h) = gru.forward(&whole()?, None, ctx)?;
                head.forward(&h.select(0, head.layers - 1)?, known, ctx)
            }
            Body::Transformer {
                patch,
                patches,
                embed,
                place,
                encoder,
                head,
            } => {
                // The oldest rows that fill no patch are left out.
                let used = patch * patches;
                let x = whole()?.narrow(1, self.shape.window - used, used)?;
                let x = x.reshape([rows, *patches, patch * (1 + beside)])?;
                let tokens = embed.forward(&x, ctx)?.add(place.value())?;
                let seen = encoder.forward(&tokens, ctx)?;
                head.forward(&seen.flatten(1, 2)?, known, ctx)
            }
        }
    }
}

/// The matrix whose product with a window is its moving average of `kernel` rows, the ends repeated as DLinear does.
fn moving_average(window: usize, kernel: usize) -> Result<Tensor> {
    let before = (kernel - 1) / 2;
    let mut average = vec![0.0f32; window * window];
    for to in 0..window {
        for tap in 0..kernel {
            let from = (to + tap).saturating_sub(before).min(window - 1);
            average[from * window + to] += 1.0 / kernel as f32;
        }
    }
    Ok(Tensor::from_vec(average, [window, window])?)
}

impl Model for Forecaster {
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor> {
        let x = &batch.tensors[0];
        let known = (self.shape.known > 0).then(|| &batch.tensors[1]);
        let rows = x.shape()[0];
        let own = x.select(2, 0)?;
        let last = own.narrow(1, self.shape.window - 1, 1)?;
        let change = self.shape.change;
        let out = match self.normalize {
            Normalize::None => self.body(&own, x, known, ctx)?,
            Normalize::Last => {
                let own = own.sub(&last)?.mul(1.0 / change)?;
                self.body(&own, x, known, ctx)?
            }
            Normalize::Revin => {
                let mean = own.mean(&[1], true)?;
                let deviation = own.var(&[1], 0.0, true)?.add(1e-5)?.sqrt()?;
                let scaled = own.sub(&mean)?.div(&deviation)?;
                let out = self.body(&scaled, x, known, ctx)?;
                out.mul(&deviation)?
                    .add(mean.sub(&last)?)?
                    .mul(1.0 / change)?
            }
        };
        Ok(out.reshape([rows, self.shape.horizon, self.quantiles.len().max(1)])?)
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        let target = &batch.tensors[batch.tensors.len() - 1];
        if self.quantiles.is_empty() {
            let output = output.select(2, 0)?;
            return match self.loss {
                // One usual change of the training rows, since targets are scaled by it.
                LossKind::Huber => huber(&output, target, 1.0),
                LossKind::Mse => mse(&output, target),
                LossKind::Mae => mae(&output, target),
            };
        }
        let mut all: Option<Loss> = None;
        for (at, &q) in self.quantiles.iter().enumerate() {
            let one = quantile(&output.select(2, at)?, target, q)?;
            all = Some(match all {
                None => one,
                Some(all) => Loss {
                    sum: all.sum.add(one.sum)?,
                    weight: all.weight + one.weight,
                },
            });
        }
        all.ok_or_else(|| azura_learner::Error::Usage("no quantile is predicted".to_string()))
    }
}
