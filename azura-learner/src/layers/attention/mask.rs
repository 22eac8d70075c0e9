//! The masks of `torch.nn.MultiheadAttention` as one mask that is added to the scores.

use azura_core::{DType, Tensor};

use crate::error::Result;

/// Sizes of the scores.
#[derive(Clone, Copy)]
pub(super) struct Scores {
    pub batch: usize,
    pub heads: usize,
    pub queries: usize,
    /// Keys that the caller gave.
    pub keys: usize,
    /// Keys of the layer's own after those: everyone may look at them.
    pub own: usize,
    pub dtype: DType,
}

/// The error that a layer's masks have.
pub(super) fn unfit(rule: String, fact: String) -> azura_core::Error {
    azura_core::Error::Shape {
        op: "multi_head_attention",
        rule,
        fact,
    }
}

impl Scores {
    /// The sum of the masks that are there, broadcast to `[B, H, T, S]`.
    pub fn mask(
        &self,
        attn_mask: Option<&Tensor>,
        key_padding_mask: Option<&Tensor>,
        causal_from: Option<usize>,
    ) -> Result<Option<Tensor>> {
        let mut sum = None;
        if let Some(mask) = attn_mask {
            sum = Some(self.of_pairs(mask)?);
        }
        if let Some(mask) = key_padding_mask {
            sum = Some(plus(sum, self.of_keys(mask)?)?);
        }
        if let Some(from) = causal_from {
            sum = Some(plus(sum, self.causal(from)?)?);
        }
        sum.map(|mask| self.with_own(mask)).transpose()
    }

    /// `[T, S]` or `[B·H, T, S]`.
    fn of_pairs(&self, mask: &Tensor) -> Result<Tensor> {
        let Scores {
            batch,
            heads,
            queries,
            keys,
            ..
        } = *self;
        let mask = self.added(mask)?;
        if mask.shape() == [queries, keys] {
            return Ok(mask);
        }
        if mask.shape() == [batch * heads, queries, keys] {
            return Ok(mask.reshape([batch, heads, queries, keys])?);
        }
        let rule = format!(
            "attn_mask must be [{queries}, {keys}] or [{}, {queries}, {keys}]",
            batch * heads
        );
        Err(unfit(rule, format!("{:?}", mask.shape())).into())
    }

    /// `[B, S]`.
    fn of_keys(&self, mask: &Tensor) -> Result<Tensor> {
        let Scores { batch, keys, .. } = *self;
        if mask.shape() != [batch, keys] {
            let rule = format!("key_padding_mask must be [{batch}, {keys}]");
            return Err(unfit(rule, format!("{:?}", mask.shape())).into());
        }
        Ok(self.added(mask)?.reshape([batch, 1, 1, keys])?)
    }

    fn causal(&self, from: usize) -> Result<Tensor> {
        let later = (0..self.queries * self.keys)
            .map(|at| at % self.keys > at / self.keys + from)
            .collect();
        self.added(&Tensor::from_vec::<bool>(later, [self.queries, self.keys])?)
    }

    /// A mask of bools, true where nobody looks, as numbers to be added.
    fn added(&self, mask: &Tensor) -> Result<Tensor> {
        if mask.dtype() != DType::Bool {
            return Ok(mask.clone());
        }
        let number = |x: f64| Tensor::scalar(x, self.dtype);
        Ok(Tensor::where_(
            mask,
            &number(f64::NEG_INFINITY)?,
            &number(0.0)?,
        )?)
    }

    fn with_own(&self, mask: Tensor) -> Result<Tensor> {
        if self.own == 0 {
            return Ok(mask);
        }
        let mut shape = mask.shape().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.own;
        }
        Ok(Tensor::cat(
            &[&mask, &Tensor::zeros(shape, self.dtype)?],
            -1,
        )?)
    }
}

fn plus(sum: Option<Tensor>, mask: Tensor) -> Result<Tensor> {
    Ok(match sum {
        Some(sum) => sum.add(mask)?,
        None => mask,
    })
}
