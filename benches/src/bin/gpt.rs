//! Times training steps of the peers' GPTs, and attention alone at their sizes: one JSON line each.
//!
//! `gpt --workload gptsmall_train|gpt_train|gptsmall_attention|gpt_attention [--threads N] [--secs S]`
//!
//! The model is the peers': no biases but in norms, one product for query, key and value, GELU, learned positions,
//! AdamW. Attention alone is forward and backward of one layer's heads, causal.

#![forbid(unsafe_code)]

use azura_benches::{Arguments, random_labels, random_normal, time_steps};
use azura_core::optim::{Adam, Optimizer};
use azura_core::{
    AttentionOptions, DType, Init, NormOptions, Param, Reduction, Rng, Scope, Store, Tensor, grad,
    with_threads,
};
use azura_learner::layers::{AttentionInputs, Linear, MultiHeadAttention};
use azura_learner::{Ctx, Module, Result};
use std::process::ExitCode;

/// Layers, heads, width, length and batch.
#[derive(Clone, Copy)]
struct Size(usize, usize, usize, usize, usize);

const VOCABULARY: usize = 65;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    match with_threads(arguments.threads, || run(&arguments)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<String> {
    let (small, large) = (Size(4, 4, 128, 64, 12), Size(6, 6, 384, 256, 8));
    match arguments.workload.as_str() {
        "gptsmall_train" => train(arguments, small),
        "gpt_train" => train(arguments, large),
        "gptsmall_attention" => attention(arguments, small),
        "gpt_attention" => attention(arguments, large),
        other => Err(azura_learner::Error::Usage(format!(
            "no workload `{other}`; there are gptsmall_train, gpt_train, gptsmall_attention and gpt_attention"
        ))),
    }
}

struct Norm(Param, Param);

impl Norm {
    fn new(width: usize, p: &Scope) -> Result<Self> {
        let bias = p.param("bias", &[width], Init::Zeros)?;
        Ok(Norm(p.param("weight", &[width], Init::Ones)?, bias))
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (self.0.value(), self.1.value());
        let options = NormOptions {
            weight: Some(&weight),
            bias: Some(&bias),
            ..Default::default()
        };
        Ok(x.layer_norm(weight.shape(), options)?)
    }
}

struct Block {
    n1: Norm,
    attention: MultiHeadAttention,
    n2: Norm,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(width: usize, heads: usize, p: &Scope) -> Result<Self> {
        Ok(Block {
            n1: Norm::new(width, &p.at("n1"))?,
            attention: MultiHeadAttention::new(width, heads, &p.at("attention"))
                .bias(false)
                .build()?,
            n2: Norm::new(width, &p.at("n2"))?,
            up: Linear::without_bias(width, 4 * width, &p.at("up"))?,
            down: Linear::without_bias(4 * width, width, &p.at("down"))?,
        })
    }

    fn forward(&self, x: Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let causal = AttentionInputs {
            is_causal: true,
            ..Default::default()
        };
        let y = self.n1.forward(&x)?;
        let x = self.attention.forward(&y, &y, &y, causal, ctx)?.0.add(x)?;
        let y = self.up.forward(&self.n2.forward(&x)?, ctx)?.gelu()?;
        Ok(self.down.forward(&y, ctx)?.add(x)?)
    }
}

fn train(arguments: &Arguments, Size(layers, heads, width, time, batch): Size) -> Result<String> {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let normal = Init::Normal {
        mean: 0.0,
        std: 1.0,
    };
    let tokens = p
        .at("tokens")
        .param("weight", &[VOCABULARY, width], normal)?;
    let positions = p.at("positions").param("weight", &[time, width], normal)?;
    let blocks = (0..layers)
        .map(|i| Block::new(width, heads, &p.at(i)))
        .collect::<Result<Vec<_>>>()?;
    let norm = Norm::new(width, &p.at("norm"))?;
    let head = Linear::without_bias(width, VOCABULARY, &p.at("head"))?;
    let x = random_labels(batch * time, VOCABULARY as u64, 1)?;
    let y = random_labels(batch * time, VOCABULARY as u64, 2)?;
    let mut optimizer = Adam::adamw(&store)?;
    time_steps(arguments, batch, || {
        store.zero_grad();
        let mut ctx = Ctx::train(Rng::new(0));
        let rows = tokens.value().index_select(0, &x)?;
        let mut h = rows.reshape([batch, time, width])?.add(positions.value())?;
        for block in &blocks {
            h = block.forward(h, &mut ctx)?;
        }
        let scores = head.forward(&norm.forward(&h)?, &mut ctx)?;
        let loss = scores
            .reshape([batch * time, VOCABULARY])?
            .cross_entropy(&y, Reduction::Mean)?;
        loss.backward()?;
        optimizer.step(1e-3)?;
        Ok(f64::from(loss.item::<f32>()?))
    })
}

fn attention(arguments: &Arguments, Size(_, heads, width, time, batch): Size) -> Result<String> {
    let x = random_normal(&[batch, time, 3 * width], 1)?;
    let weights = random_normal(&[batch, heads, time, width / heads], 2)?;
    let third = |i: usize| -> Result<Tensor> {
        let rows = x.narrow(2, i * width, width)?;
        let heads = rows.reshape([batch, time, heads, width / heads])?;
        Ok(heads.transpose(1, 2)?.variable())
    };
    let (q, k, v) = (third(0)?, third(1)?, third(2)?);
    time_steps(arguments, batch, || {
        let causal = AttentionOptions {
            is_causal: true,
            ..Default::default()
        };
        let y = q.scaled_dot_product_attention(&k, &v, causal)?;
        let loss = y.mul(&weights)?.sum_all()?;
        grad(&loss, &[&q, &k, &v])?;
        Ok(f64::from(loss.item::<f32>()?))
    })
}
