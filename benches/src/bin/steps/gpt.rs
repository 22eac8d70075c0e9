//! The peers' GPT: no biases but in norms, one product for query, key and value, GELU, learned positions.

use super::nets::Net;
use azura_core::{KvCache, Scope, Tensor};
use azura_learner::layers::{AttentionInputs, Embedding, LayerNorm, Linear, MultiHeadAttention};
use azura_learner::{Ctx, Module, Result};

#[derive(Clone, Copy)]
pub struct Size {
    layers: usize,
    heads: usize,
    width: usize,
    pub length: usize,
    pub batch: usize,
    pub vocabulary: usize,
}

impl Size {
    pub fn of(name: &str) -> Self {
        let [layers, heads, width, length, batch] = if name.starts_with("gptsmall") {
            [4, 4, 128, 64, 12]
        } else {
            [6, 6, 384, 256, 8]
        };
        Size {
            layers,
            heads,
            width,
            length,
            batch,
            vocabulary: 65,
        }
    }
}

struct Block {
    n1: LayerNorm,
    attention: MultiHeadAttention,
    n2: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(size: &Size, p: &Scope) -> Result<Self> {
        let width = size.width;
        Ok(Block {
            n1: LayerNorm::new(&[width], &p.at("n1"))?,
            attention: MultiHeadAttention::new(width, size.heads, &p.at("attention"))
                .bias(false)
                .build()?,
            n2: LayerNorm::new(&[width], &p.at("n2"))?,
            up: Linear::without_bias(width, 4 * width, &p.at("u"))?,
            down: Linear::without_bias(4 * width, width, &p.at("w"))?,
        })
    }

    fn forward(&self, x: Tensor, cache: Option<&mut KvCache>, ctx: &mut Ctx) -> Result<Tensor> {
        let causal = AttentionInputs {
            is_causal: true,
            cache,
            ..Default::default()
        };
        let y = self.n1.forward(&x, ctx)?;
        let x = self.attention.forward(&y, &y, &y, causal, ctx)?.0.add(x)?;
        let y = self.up.forward(&self.n2.forward(&x, ctx)?, ctx)?.gelu()?;
        Ok(self.down.forward(&y, ctx)?.add(x)?)
    }
}

pub struct Gpt {
    tokens: Embedding,
    positions: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
    pub size: Size,
}

impl Gpt {
    pub fn new(size: Size, p: &Scope) -> Result<Self> {
        let blocks = (0..size.layers).map(|i| Block::new(&size, &p.at("bl").at(i)));
        Ok(Gpt {
            tokens: Embedding::new(size.vocabulary, size.width, &p.at("te"))?,
            positions: Embedding::new(size.length, size.width, &p.at("pe"))?,
            blocks: blocks.collect::<Result<_>>()?,
            norm: LayerNorm::new(&[size.width], &p.at("nf"))?,
            head: Linear::without_bias(size.width, size.vocabulary, &p.at("hd"))?,
            size,
        })
    }

    /// An empty cache for each layer.
    pub fn caches(&self) -> Result<Vec<KvCache>> {
        let blocks = self.blocks.iter();
        let caches = blocks.map(|block| block.attention.cache(1, self.size.length));
        caches.collect()
    }

    /// Scores `[B, T, V]` of what follows each of the tokens, the first of which stands at position `first`.
    pub fn scores(
        &self,
        tokens: &Tensor,
        first: usize,
        mut caches: Option<&mut [KvCache]>,
        ctx: &mut Ctx,
    ) -> Result<Tensor> {
        let positions = self.positions.weight().value();
        let positions = positions.narrow(0, first, tokens.shape()[1])?;
        let mut x = self.tokens.forward(tokens, ctx)?.add(positions)?;
        for (i, block) in self.blocks.iter().enumerate() {
            let cache = caches.as_deref_mut().map(|caches| &mut caches[i]);
            x = block.forward(x, cache, ctx)?;
        }
        self.head.forward(&self.norm.forward(&x, ctx)?, ctx)
    }
}

impl Net for Gpt {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let scores = self.scores(x, 0, None, ctx)?;
        Ok(scores.reshape([x.numel(), self.size.vocabulary])?)
    }
}
