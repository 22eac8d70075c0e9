//! The encoder: every position looks at every other.

use azura_core::{Scope, Tensor};

use super::block::{FeedForward, Plan, Sublayer, TransformerOptions};
use crate::error::Result;
use crate::layers::{AttentionInputs, Ctx, LayerNorm, Module, MultiHeadAttention};

/// Who may not look where in an encoder; see [`AttentionInputs`].
#[derive(Clone, Copy, Debug, Default)]
pub struct EncoderMasks<'a> {
    /// `[T, T]` or `[B·H, T, T]`.
    pub mask: Option<&'a Tensor>,
    /// `[B, T]`.
    pub key_padding_mask: Option<&'a Tensor>,
    /// Nobody looks ahead.
    pub is_causal: bool,
}

impl<'a> EncoderMasks<'a> {
    pub(super) fn inputs(self) -> AttentionInputs<'a> {
        AttentionInputs {
            attn_mask: self.mask,
            key_padding_mask: self.key_padding_mask,
            is_causal: self.is_causal,
            ..Default::default()
        }
    }
}

/// Attention and a feed-forward network, each with a way around it, as `torch.nn.TransformerEncoderLayer`.
///
/// `x = norm1(x + self_attn(x))`, `y = norm2(x + linear2(activation(linear1(x))))`; with `norm_first` norms stand inside:
/// `x = x + self_attn(norm1(x))`, …
///
/// | value  | shape                   |
/// |--------|-------------------------|
/// | `x`    | `[B, T, D]` or `[T, D]` |
/// | result | as `x`                  |
///
/// Parameters: `self_attn.…` ([`MultiHeadAttention`]), `linear1.…`, `linear2.…`, `norm1.…`, `norm2.…`.
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{Ctx, EncoderMasks, TransformerEncoderLayer, TransformerOptions};
/// let store = Store::new(DType::F32);
/// let options = TransformerOptions { dim_feedforward: 16, norm_first: true, ..Default::default() };
/// let layer = TransformerEncoderLayer::new(8, 2, &options, &store.root(Rng::new(0)))?;
/// let x = Tensor::ones([1, 5, 8], DType::F32)?;
/// let causal = EncoderMasks { is_causal: true, ..Default::default() };
/// assert_eq!(layer.forward_masked(&x, causal, &mut Ctx::eval())?.shape(), [1, 5, 8]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TransformerEncoderLayer {
    attention: Sublayer<MultiHeadAttention>,
    feed: Sublayer<FeedForward>,
}

impl TransformerEncoderLayer {
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
        let feed = plan.feed_forward(p)?;
        let norm = |name: &str| plan.norm(&p.at(name));
        Ok(TransformerEncoderLayer {
            attention: Sublayer::new(attention, norm("norm1")?, plan.options)?,
            feed: Sublayer::new(feed, norm("norm2")?, plan.options)?,
        })
    }

    /// The output under masks.
    ///
    /// # Errors
    /// [`Error::Core`](crate::Error::Core) if sizes or dtypes do not fit.
    pub fn forward_masked(
        &self,
        x: &Tensor,
        masks: EncoderMasks<'_>,
        ctx: &mut Ctx,
    ) -> Result<Tensor> {
        let x = self.attention.attend(x, None, masks.inputs(), ctx)?;
        self.feed.feed(&x, ctx)
    }
}

impl Module for TransformerEncoderLayer {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        self.forward_masked(x, EncoderMasks::default(), ctx)
    }
}

/// Encoder layers one after another, as `torch.nn.TransformerEncoder`.
///
/// Parameters: `layers.0.…`, `layers.1.…`, and `norm.…` if there is a norm at the end. Each layer begins with
/// values of its own; PyTorch copies those of the first.
#[derive(Clone, Debug)]
pub struct TransformerEncoder {
    layers: Vec<TransformerEncoderLayer>,
    norm: Option<LayerNorm>,
}

impl TransformerEncoder {
    /// `layers` layers as [`TransformerEncoderLayer::new`] makes them, and a norm at the end if `final_norm`.
    ///
    /// # Errors
    /// Those of [`TransformerEncoderLayer::new`].
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
        Ok(TransformerEncoder {
            layers: (0..layers)
                .map(|i| TransformerEncoderLayer::planned(plan, &p.at("layers").at(i)))
                .collect::<Result<_>>()?,
            norm: final_norm.then(|| plan.norm(&p.at("norm"))).transpose()?,
        })
    }

    /// The output under masks, which every layer gets.
    ///
    /// # Errors
    /// [`Error::Core`](crate::Error::Core) if sizes or dtypes do not fit.
    pub fn forward_masked(
        &self,
        x: &Tensor,
        masks: EncoderMasks<'_>,
        ctx: &mut Ctx,
    ) -> Result<Tensor> {
        let mut x = x.clone();
        for layer in &self.layers {
            x = layer.forward_masked(&x, masks, ctx)?;
        }
        match &self.norm {
            Some(norm) => norm.forward(&x, ctx),
            None => Ok(x),
        }
    }
}

impl Module for TransformerEncoder {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        self.forward_masked(x, EncoderMasks::default(), ctx)
    }
}
