//! The models: fully connected layers, or a Transformer over the columns.

use azura_core::{EmbeddingOptions, Init, Param, Scope, Tensor};
use azura_learner::data::Batch;
use azura_learner::layers::{
    Ctx, Dropout, Embedding, Linear, Module, Relu, Sequential, TransformerActivation,
    TransformerEncoder, TransformerOptions,
};
use azura_learner::loss::{Loss, cross_entropy, mse};
use azura_learner::{Model, Result};

use super::columns::Inputs;
use super::config::{ModelKind, TabularModel};
use super::target::Task;

/// The output for a table's rows.
///
/// | value                     | shape                                                       |
/// |---------------------------|-------------------------------------------------------------|
/// | batch tensor 0, if any    | numbers, `[B, F]`                                            |
/// | the next, if any          | ids of categories, `[B, C]`                                  |
/// | the last                  | classes `[B]`, or scaled numbers `[B, 1]`                    |
/// | output                    | a score for each class, `[B, K]`, or a scaled number `[B, 1]` |
pub(super) struct Network {
    has_numbers: bool,
    embeddings: Vec<Embedding>,
    body: Body,
    classes: bool,
}

enum Body {
    Mlp(Sequential),
    Transformer {
        /// Of each number, `[F, D]`: what it is multiplied by, and what is added.
        weight: Option<(Param, Param)>,
        /// Where the answer is read, `[D]`.
        answer: Param,
        encoder: TransformerEncoder,
        head: Linear,
    },
}

impl Network {
    /// Registers the parameters: `category.N.*`, and `body.*` or `number.*`, `answer`, `encoder.*` and `head.*`.
    ///
    /// # Errors
    /// If a size is 0 or the dropout is out of range.
    pub fn new(config: &TabularModel, inputs: &Inputs, task: &Task, p: &Scope) -> Result<Self> {
        let outputs = match task {
            Task::Classes(names) => names.len(),
            Task::Number { .. } => 1,
        };
        let transformer = config.kind == ModelKind::Transformer;
        // An id that training has not seen has no say.
        let unknown = EmbeddingOptions {
            padding_idx: Some(0),
            ..EmbeddingOptions::default()
        };
        let mut embeddings = Vec::new();
        let mut features = inputs.width();
        for (i, count) in inputs.categories().enumerate() {
            let width = if transformer {
                config.hidden
            } else {
                width_of(count)
            };
            let p = p.at("category").at(i);
            embeddings.push(Embedding::with(count, width, unknown, &p)?);
            features += width;
        }
        let body = match config.kind {
            ModelKind::Mlp => {
                let (mut body, mut width) = (Sequential::new(), features);
                for i in 0..config.layers {
                    let p = p.at("body").at(i);
                    body = body
                        .with(Linear::new(width, config.hidden, &p)?)
                        .with(Relu)
                        .with(Dropout::new(config.dropout)?);
                    width = config.hidden;
                }
                Body::Mlp(body.with(Linear::new(width, outputs, &p.at("head"))?))
            }
            ModelKind::Transformer => {
                let (count, width) = (inputs.width(), config.hidden);
                let init = Init::Uniform {
                    bound: 1.0 / (width as f64).sqrt(),
                };
                let number = p.at("number");
                let weight = match count {
                    0 => None,
                    _ => Some((
                        number.param("weight", &[count, width], init)?,
                        number.param("bias", &[count, width], init)?,
                    )),
                };
                let options = TransformerOptions {
                    dim_feedforward: 2 * width,
                    dropout: config.dropout,
                    activation: TransformerActivation::Gelu,
                    norm_first: true,
                    ..TransformerOptions::default()
                };
                Body::Transformer {
                    weight,
                    answer: p.param("answer", &[width], init)?,
                    encoder: TransformerEncoder::new(
                        config.layers,
                        true,
                        width,
                        config.heads,
                        &options,
                        &p.at("encoder"),
                    )?,
                    head: Linear::new(width, outputs, &p.at("head"))?,
                }
            }
        };
        Ok(Network {
            has_numbers: inputs.width() > 0,
            embeddings,
            body,
            classes: matches!(task, Task::Classes(_)),
        })
    }

    /// What stands for each column of categories, `[B, D]` each.
    fn embedded(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Vec<Tensor>> {
        let ids = batch.tensors.get(usize::from(self.has_numbers));
        let embedded = self.embeddings.iter().enumerate().map(|(i, table)| {
            let ids = ids.map(|ids| ids.select(1, i)).transpose()?;
            ids.map(|ids| table.forward(&ids, ctx)).transpose()
        });
        Ok(embedded
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect())
    }
}

/// How many numbers stand for one of `count` values: the rule of fast.ai.
fn width_of(count: usize) -> usize {
    ((1.6 * (count as f64).powf(0.56)).round() as usize).clamp(1, 64)
}

impl Model for Network {
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor> {
        let mut parts = self.embedded(batch, ctx)?;
        match &self.body {
            Body::Mlp(body) => {
                if self.has_numbers {
                    parts.insert(0, batch.tensors[0].clone());
                }
                let parts: Vec<&Tensor> = parts.iter().collect();
                body.forward(&Tensor::cat(&parts, 1)?, ctx)
            }
            Body::Transformer {
                weight,
                answer,
                encoder,
                head,
            } => {
                let rows = batch.tensors[0].shape()[0];
                let answer = answer.value();
                let width = answer.shape()[0];
                let mut tokens = vec![answer.expand([rows, 1, width])?];
                if let Some((weight, bias)) = weight {
                    let numbers = batch.tensors[0].unsqueeze(2)?;
                    tokens.push(numbers.mul(weight.value())?.add(bias.value())?);
                }
                for part in parts {
                    tokens.push(part.unsqueeze(1)?);
                }
                let tokens: Vec<&Tensor> = tokens.iter().collect();
                let seen = encoder.forward(&Tensor::cat(&tokens, 1)?, ctx)?;
                head.forward(&seen.select(1, 0)?, ctx)
            }
        }
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        let target = &batch.tensors[batch.tensors.len() - 1];
        if self.classes {
            cross_entropy(output, target)
        } else {
            mse(output, target)
        }
    }
}
