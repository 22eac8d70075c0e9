//! The decoder: positions look at each other and at what the encoder made.

use azura_core::{Scope, Tensor};

use super::block::{FeedForward, Plan, Sublayer, TransformerOptions};
use super::encoder::EncoderMasks;
use crate::error::Result;
use crate::layers::{Ctx, LayerNorm, Module, MultiHeadAttention};

/// Who may not look where in a decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecoderMasks<'a> {
    /// In its own sequence. PyTorch: `tgt_mask`, `tgt_key_padding_mask`, `tgt_is_causal`.
    pub target: EncoderMasks<'a>,
    /// In what the encoder made. PyTorch: `memory_mask`, `memory_key_padding_mask`, `memory_is_causal`.
    pub memory: EncoderMasks<'a>,
}

/// Attention to itself, attention to the encoder's output, and a feed-forward network, each with a way around it, as
/// `torch.nn.TransformerDecoderLayer`.
///
/// `x = norm1(x + self_attn(x))`, `x = norm2(x + multihead_attn(x, memory))`,
/// `y = norm3(x + linear2(activation(linear1(x))))`; with `norm_first` norms stand inside.
///
/// | value    | shape                   |
/// |----------|-------------------------|
/// | `x`      | `[B, T, D]` or `[T, D]` |
/// | `memory` | `[B, S, D]` or `[S, D]` |
/// | result   | as `x`                  |
///
/// Parameters: `self_attn.…`, `multihead_attn.…` ([`MultiHeadAttention`]), `linear1.…`, `linear2.…`, `norm1.…` to
/// `norm3.…`.
#[derive(Clone, Debug)]
pub struct TransformerDecoderLayer {
    attention: Sublayer<MultiHeadAttention>,
    cross: Sublayer<MultiHeadAttention>,
    feed: Sublayer<FeedForward>,
}

impl TransformerDecoderLayer {
    /// A layer of `width` features and `heads` heads.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if the heads do not divide the width or an option is out of range.
    pub fn new(
        width: usize,
        heads: usize,
        options: &TransformerOptions,
        p: &Scope,
    ) -> Result<Self> {
        let plan = Plan {
            width,
            heads,
            options,
            xavier: false,
        };
        Self::planned(&plan, p)
    }

    pub(super) fn planned(plan: &Plan<'_>, p: &Scope) -> Result<Self> {
        let attention = plan.attention(&p.at("self_attn"))?;
        let cross = plan.attention(&p.at("multihead_attn"))?;
        let feed = plan.feed_forward(p)?;
        let norm = |name: &str| plan.norm(&p.at(name));
        Ok(TransformerDecoderLayer {
            attention: Sublayer::new(attention, norm("norm1")?, plan.options)?,
            cross: Sublayer::new(cross, norm("norm2")?, plan.options)?,
            feed: Sublayer::new(feed, norm("norm3")?, plan.options)?,
        })
    }

    /// The output for `x` beside `memory`.
    ///
    /// # Errors
    /// [`Error::Core`](crate::Error::Core) if sizes or dtypes do not fit.
    pub fn forward(
        &self,
        x: &Tensor,
        memory: &Tensor,
        masks: DecoderMasks<'_>,
        ctx: &mut Ctx,
    ) -> Result<Tensor> {
        let x = self.attention.attend(x, None, masks.target.inputs(), ctx)?;
        let x = self
            .cross
            .attend(&x, Some(memory), masks.memory.inputs(), ctx)?;
        self.feed.feed(&x, ctx)
    }
}

/// Decoder layers one after another, as `torch.nn.TransformerDecoder`.
///
/// Parameters: `layers.0.…`, `layers.1.…`, and `norm.…` if there is a norm at the end.
#[derive(Clone, Debug)]
pub struct TransformerDecoder {
    layers: Vec<TransformerDecoderLayer>,
    norm: Option<LayerNorm>,
}

impl TransformerDecoder {
    /// `layers` layers as [`TransformerDecoderLayer::new`] makes them, and a norm at the end if `final_norm`.
    ///
    /// # Errors
    /// Those of [`TransformerDecoderLayer::new`].
    pub fn new(
        layers: usize,
        final_norm: bool,
        width: usize,
        heads: usize,
        options: &TransformerOptions,
        p: &Scope,
    ) -> Result<Self> {
        let plan = Plan {
            width,
            heads,
            options,
            xavier: false,
        };
        Self::planned(layers, final_norm, &plan, p)
    }

    pub(super) fn planned(
        layers: usize,
        final_norm: bool,
        plan: &Plan<'_>,
        p: &Scope,
    ) -> Result<Self> {
        Ok(TransformerDecoder {
            layers: (0..layers)
                .map(|i| TransformerDecoderLayer::planned(plan, &p.at("layers").at(i)))
                .collect::<Result<_>>()?,
            norm: final_norm.then(|| plan.norm(&p.at("norm"))).transpose()?,
        })
    }

    /// The output for `x` beside `memory`; every layer gets the masks.
    ///
    /// # Errors
    /// [`Error::Core`](crate::Error::Core) if sizes or dtypes do not fit.
    pub fn forward(
        &self,
        x: &Tensor,
        memory: &Tensor,
        masks: DecoderMasks<'_>,
        ctx: &mut Ctx,
    ) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = layer.forward(&x, memory, masks, ctx)?;
        }
        match &self.norm {
            Some(norm) => norm.forward(&x, ctx),
            None => Ok(x),
        }
    }
}
