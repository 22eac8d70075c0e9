//! The models: a Transformer that looks back only, and an LSTM. Both read characters and score the next one.

use azura_core::{Init, KvCache, Param, Scope, Tensor};
use azura_learner::data::Batch;
use azura_learner::generate::Decoder;
use azura_learner::layers::{
    AttentionInputs, Ctx, Dropout, LayerNorm, Linear, Module, MultiHeadAttention,
};
use azura_learner::loss::{Loss, cross_entropy};
use azura_learner::{Model, Result};

use super::config::{TextModel, TextModelKind};
use crate::tokens::{self, TokenLstm, nothing_to_read, one};

/// A model of the next character.
///
/// | value          | shape |
/// |----------------|-------|
/// | batch tensor 0 | `[B, T]`, numbers of characters |
/// | batch tensor 1 | `[B, T]`, those one character on |
/// | output         | `[B, T, V]`, a score for each character |
/// | what is kept   | `[B, T, 2]`, the log-likelihood of the target and the likeliest character |
pub struct CharModel {
    net: Net,
}

enum Net {
    Gpt(Gpt),
    Lstm(TokenLstm),
}

impl CharModel {
    /// Registers the parameters of a model of `vocabulary` characters.
    ///
    /// # Errors
    /// If a size does not fit.
    pub(super) fn new(vocabulary: usize, config: &TextModel, p: &Scope) -> Result<Self> {
        let net = match config.kind {
            TextModelKind::Gpt => Net::Gpt(Gpt::new(vocabulary, config, p)?),
            TextModelKind::Lstm => {
                let sizes = [config.width, config.width, config.layers];
                Net::Lstm(TokenLstm::new(vocabulary, sizes, config.dropout, p)?)
            }
        };
        Ok(CharModel { net })
    }
}

impl Model for CharModel {
    fn forward(&self, batch: &Batch, ctx: &mut Ctx) -> Result<Tensor> {
        let ids = &batch.tensors[0];
        match &self.net {
            Net::Gpt(gpt) => gpt.scores(ids, 0, None, ctx),
            Net::Lstm(lstm) => Ok(lstm.scores(ids, None, ctx)?.0),
        }
    }

    fn loss(&self, output: &Tensor, batch: &Batch) -> Result<Loss> {
        let (scores, targets) = tokens::flat(output, batch)?;
        cross_entropy(&scores, &targets)
    }

    fn keep(&self, output: &Tensor, batch: &Batch) -> Result<Tensor> {
        tokens::keep(output, batch)
    }

    fn decoder(&self) -> Result<Box<dyn Decoder + '_>> {
        Ok(match &self.net {
            Net::Gpt(gpt) => Box::new(GptDecoder {
                gpt,
                caches: gpt.caches()?,
                window: Vec::with_capacity(gpt.context),
            }),
            Net::Lstm(lstm) => lstm.decoder(),
        })
    }
}

/// A block of the Transformer: attention and a small network, each behind a norm and beside the way straight through.
struct Block {
    attention_norm: LayerNorm,
    attention: MultiHeadAttention,
    mlp_norm: LayerNorm,
    up: Linear,
    down: Linear,
    dropout: Dropout,
}

impl Block {
    fn new(config: &TextModel, p: &Scope) -> Result<Self> {
        let width = config.width;
        Ok(Block {
            attention_norm: LayerNorm::new(&[width], &p.at("attention_norm"))?,
            attention: MultiHeadAttention::new(width, config.heads, &p.at("attention"))
                .bias(false)
                .dropout(config.dropout)
                .build()?,
            mlp_norm: LayerNorm::new(&[width], &p.at("mlp_norm"))?,
            up: Linear::without_bias(width, 4 * width, &p.at("up"))?,
            down: Linear::without_bias(4 * width, width, &p.at("down"))?,
            dropout: Dropout::new(config.dropout)?,
        })
    }

    fn forward(&self, x: Tensor, cache: Option<&mut KvCache>, ctx: &mut Ctx) -> Result<Tensor> {
        let causal = AttentionInputs {
            is_causal: true,
            cache,
            ..AttentionInputs::default()
        };
        let y = self.attention_norm.forward(&x, ctx)?;
        let (y, _) = self.attention.forward(&y, &y, &y, causal, ctx)?;
        let x = self.dropout.forward(&y, ctx)?.add(x)?;
        let y = self.mlp_norm.forward(&x, ctx)?;
        let y = self.down.forward(&self.up.forward(&y, ctx)?.gelu()?, ctx)?;
        Ok(self.dropout.forward(&y, ctx)?.add(x)?)
    }
}

/// A Transformer with learned positions, norms before each part, and one table for characters read and scored
/// (Press & Wolf 2017).
struct Gpt {
    tokens: Param,
    positions: Param,
    dropout: Dropout,
    blocks: Vec<Block>,
    norm: LayerNorm,
    context: usize,
}

impl Gpt {
    fn new(vocabulary: usize, config: &TextModel, p: &Scope) -> Result<Self> {
        // GPT-2's: as the table also makes the scores, these begin small and every character about as likely.
        let small = Init::Normal {
            mean: 0.0,
            std: 0.02,
        };
        let table =
            |name: &str, rows: usize| p.at(name).param("weight", &[rows, config.width], small);
        let blocks = (0..config.layers).map(|i| Block::new(config, &p.at("blocks").at(i)));
        Ok(Gpt {
            tokens: table("tokens", vocabulary)?,
            positions: table("positions", config.context)?,
            dropout: Dropout::new(config.dropout)?,
            blocks: blocks.collect::<Result<_>>()?,
            norm: LayerNorm::new(&[config.width], &p.at("norm"))?,
            context: config.context,
        })
    }

    /// Scores `[B, T, V]`; the first character stands at the position `first`, after those in the caches.
    fn scores(
        &self,
        ids: &Tensor,
        first: usize,
        mut caches: Option<&mut [KvCache]>,
        ctx: &mut Ctx,
    ) -> Result<Tensor> {
        let tokens = self.tokens.value();
        let positions = self.positions.value().narrow(0, first, ids.dim(1)?)?;
        let x = tokens.embedding(ids, Default::default())?.add(positions)?;
        let mut x = self.dropout.forward(&x, ctx)?;
        for (i, block) in self.blocks.iter().enumerate() {
            let cache = caches.as_deref_mut().map(|caches| &mut caches[i]);
            x = block.forward(x, cache, ctx)?;
        }
        Ok(self.norm.forward(&x, ctx)?.linear(&tokens, None)?)
    }

    /// An empty cache for each block.
    fn caches(&self) -> Result<Vec<KvCache>> {
        let blocks = self.blocks.iter();
        blocks.map(|b| b.attention.cache(1, self.context)).collect()
    }
}

/// Reads with a cache of keys and values. When the context is full, its older half is forgotten and the newer half is read
/// again from the position 0: positions are learned, so keys and values cannot be moved.
struct GptDecoder<'a> {
    gpt: &'a Gpt,
    caches: Vec<KvCache>,
    /// What the caches hold.
    window: Vec<u32>,
}

impl Decoder for GptDecoder<'_> {
    fn feed(&mut self, tokens: &[u32]) -> Result<Tensor> {
        let mut parts = Vec::new();
        let mut rest = tokens;
        while !rest.is_empty() {
            let mut again = 0;
            if self.window.len() == self.gpt.context {
                again = self.gpt.context / 2;
                self.window.drain(..self.gpt.context - again);
                self.caches.iter_mut().for_each(|cache| cache.truncate(0));
            }
            let room = self.gpt.context - self.window.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            let first = if again > 0 { 0 } else { self.window.len() };
            self.window.extend_from_slice(now);
            let ids = one(&self.window[first..])?;
            let caches = Some(self.caches.as_mut_slice());
            let scores = self.gpt.scores(&ids, first, caches, &mut Ctx::eval())?;
            parts.push(scores.select(0, 0)?.narrow(0, again, now.len())?);
            rest = later;
        }
        if parts.is_empty() {
            return Err(nothing_to_read());
        }
        Ok(Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use azura_core::{DType, Rng, Store, no_grad};

    const CONTEXT: usize = 8;

    fn model(kind: TextModelKind) -> CharModel {
        let config = TextModel {
            kind,
            context: CONTEXT,
            layers: 2,
            heads: 2,
            width: 16,
            dropout: 0.5,
        };
        CharModel::new(11, &config, &Store::new(DType::F32).root(Rng::new(5))).unwrap()
    }

    /// Scores of a window by itself, without a cache or a state.
    fn whole(model: &CharModel, tokens: &[u32]) -> Vec<f32> {
        let batch = Batch {
            tensors: vec![one(tokens).unwrap()],
            rows: vec![0],
        };
        let scores = model.forward(&batch, &mut Ctx::eval()).unwrap();
        scores.to_vec().unwrap()
    }

    #[track_caller]
    fn close(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{a} and {b}");
        }
    }

    /// Where the window of the n-th character begins: whenever it is full, half of it is given up.
    fn window(n: usize) -> usize {
        let over = n.saturating_sub(CONTEXT);
        over.div_ceil(CONTEXT / 2) * (CONTEXT / 2)
    }

    #[test]
    fn a_decoder_gives_what_the_model_gives_without_a_cache() {
        no_grad(|| {
            let tokens: Vec<u32> = (0..30).map(|i| i * 7 % 11).collect();
            for kind in [TextModelKind::Gpt, TextModelKind::Lstm] {
                let model = model(kind);
                let start = |n| match kind {
                    TextModelKind::Gpt => window(n),
                    TextModelKind::Lstm => 0,
                };
                let mut decoder = model.decoder().unwrap();
                for n in 1..=tokens.len() {
                    let scores = decoder.feed(&tokens[n - 1..n]).unwrap();
                    assert_eq!(scores.shape(), [1, 11]);
                    let reference = whole(&model, &tokens[start(n)..n]);
                    close(
                        &scores.to_vec::<f32>().unwrap(),
                        &reference[reference.len() - 11..],
                    );
                }
                // In pieces of any size: the same scores of every character.
                let mut single = model.decoder().unwrap();
                let one_by_one: Vec<f32> = tokens
                    .iter()
                    .flat_map(|&token| single.feed(&[token]).unwrap().to_vec::<f32>().unwrap())
                    .collect();
                for piece in [3, 7, 8, 13, 30] {
                    let mut decoder = model.decoder().unwrap();
                    let scores: Vec<f32> = tokens
                        .chunks(piece)
                        .flat_map(|part| decoder.feed(part).unwrap().to_vec::<f32>().unwrap())
                        .collect();
                    close(&scores, &one_by_one);
                }
                assert!(model.decoder().unwrap().feed(&[]).is_err());
                assert!(model.decoder().unwrap().feed(&[11]).is_err());
            }
        });
    }

    #[test]
    fn what_is_kept_is_the_likelihood_of_the_target() {
        no_grad(|| {
            let model = model(TextModelKind::Gpt);
            let batch = Batch {
                tensors: vec![one(&[1, 2, 3]).unwrap(), one(&[2, 3, 10]).unwrap()],
                rows: vec![0],
            };
            let output = model.forward(&batch, &mut Ctx::eval()).unwrap();
            let kept: Vec<f32> = model.keep(&output, &batch).unwrap().to_vec().unwrap();
            let all: Vec<f32> = output.log_softmax(-1).unwrap().to_vec().unwrap();
            for (i, target) in [2, 3, 10].into_iter().enumerate() {
                let row = &all[i * 11..(i + 1) * 11];
                assert!((kept[2 * i] - row[target]).abs() < 1e-5);
                let best = (0..11).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
                assert_eq!(kept[2 * i + 1], best as f32);
            }
            let loss = model.loss(&output, &batch).unwrap();
            assert_eq!(loss.weight, 3.0);
            let sum = -(kept[0] + kept[2] + kept[4]);
            assert!((loss.sum.item::<f32>().unwrap() - sum).abs() < 1e-5);
        });
    }
}
