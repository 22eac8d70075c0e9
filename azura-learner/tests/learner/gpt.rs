//! A GPT (Radford et al. 2019) put together from layers, as a user would: the tests' example of a decoder-only model.

use azura_core::{Init, KvCache, NormOptions, Param, Scope, Tensor};
use azura_learner::Result;
use azura_learner::layers::{AttentionInputs, Ctx, Linear, Module, MultiHeadAttention};

pub struct Gpt {
    wte: Param,
    wpe: Param,
    blocks: Vec<Block>,
    ln_f: Norm,
}

struct Block {
    ln_1: Norm,
    attn: MultiHeadAttention,
    ln_2: Norm,
    c_fc: Linear,
    c_proj: Linear,
}

struct Norm {
    weight: Param,
    bias: Param,
}

impl Norm {
    fn new(width: usize, p: &Scope) -> Result<Self> {
        Ok(Norm {
            weight: p.param("weight", &[width], Init::Ones)?,
            bias: p.param("bias", &[width], Init::Zeros)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (self.weight.value(), self.bias.value());
        let options = NormOptions {
            weight: Some(&weight),
            bias: Some(&bias),
            ..Default::default()
        };
        Ok(x.layer_norm(weight.shape(), options)?)
    }
}

impl Gpt {
    pub fn new(
        vocabulary: usize,
        positions: usize,
        width: usize,
        heads: usize,
        layers: usize,
        p: &Scope,
    ) -> Result<Self> {
        let normal = Init::Normal {
            mean: 0.0,
            std: 0.02,
        };
        let block = |p: &Scope| -> Result<Block> {
            Ok(Block {
                ln_1: Norm::new(width, &p.at("ln_1"))?,
                attn: MultiHeadAttention::new(width, heads, &p.at("attn")).build()?,
                ln_2: Norm::new(width, &p.at("ln_2"))?,
                c_fc: Linear::new(width, 4 * width, &p.at("mlp").at("c_fc"))?,
                c_proj: Linear::new(4 * width, width, &p.at("mlp").at("c_proj"))?,
            })
        };
        Ok(Gpt {
            wte: p.at("wte").param("weight", &[vocabulary, width], normal)?,
            wpe: p.at("wpe").param("weight", &[positions, width], normal)?,
            blocks: (0..layers)
                .map(|i| block(&p.at("h").at(i)))
                .collect::<Result<_>>()?,
            ln_f: Norm::new(width, &p.at("ln_f"))?,
        })
    }

    /// One cache for each block.
    pub fn caches(&self, batch: usize, capacity: usize) -> Result<Vec<KvCache>> {
        self.blocks
            .iter()
            .map(|block| block.attn.cache(batch, capacity))
            .collect()
    }

    /// Scores of the next token, `[B, T, V]`, for tokens `[B, T]`; with caches, of those that follow what is there.
    pub fn forward(
        &self,
        tokens: &Tensor,
        mut caches: Option<&mut Vec<KvCache>>,
        ctx: &mut Ctx,
    ) -> Result<Tensor> {
        let (batch, time) = (tokens.shape()[0], tokens.shape()[1]);
        let from = caches.as_ref().map_or(0, |caches| caches[0].len());
        let wte = self.wte.value();
        let rows = wte.index_select(0, &tokens.reshape([batch * time])?)?;
        let positions = self.wpe.value().narrow(0, from, time)?;
        let mut x = rows
            .reshape([batch, time, wte.shape()[1]])?
            .add(positions)?;
        for (i, block) in self.blocks.iter().enumerate() {
            let inputs = AttentionInputs {
                is_causal: true,
                cache: caches.as_mut().map(|caches| &mut caches[i]),
                ..Default::default()
            };
            let y = block.ln_1.forward(&x)?;
            x = x.add(block.attn.forward(&y, &y, &y, inputs, ctx)?.0)?;
            let y = block.c_fc.forward(&block.ln_2.forward(&x)?, ctx)?;
            x = x.add(block.c_proj.forward(&y.gelu_tanh()?, ctx)?)?;
        }
        // The product with the tokens' own rows.
        Ok(self.ln_f.forward(&x)?.linear(&wte, None)?)
    }
}
