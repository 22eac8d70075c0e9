//! Encoder and decoder together.

use azura_core::{Scope, Tensor};

use super::block::{Plan, TransformerOptions};
use super::decoder::{DecoderMasks, TransformerDecoder};
use super::encoder::{EncoderMasks, TransformerEncoder};
use crate::error::Result;
use crate::layers::Ctx;

/// Who may not look where in a Transformer.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransformerMasks<'a> {
    /// In the encoder. PyTorch: `src_mask`, `src_key_padding_mask`, `src_is_causal`.
    pub source: EncoderMasks<'a>,
    /// In the decoder.
    pub decoder: DecoderMasks<'a>,
}

/// The Transformer of "Attention is all you need" (Vaswani et al. 2017, arXiv:1706.03762), as `torch.nn.Transformer`
/// with `batch_first`: an encoder and a decoder, each with a norm at its end. Embeddings, positions and the last
/// product to the vocabulary are the user's.
///
/// | value    | shape                   |
/// |----------|-------------------------|
/// | `source` | `[B, S, D]` or `[S, D]` |
/// | `target` | `[B, T, D]` or `[T, D]` |
/// | result   | as `target`             |
///
/// Parameters: `encoder.…` ([`TransformerEncoder`]) and `decoder.…` ([`TransformerDecoder`]). Every matrix begins
/// Xavier uniform.
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{Ctx, Transformer, TransformerMasks, TransformerOptions};
/// let store = Store::new(DType::F32);
/// let options = TransformerOptions { dim_feedforward: 16, ..Default::default() };
/// let model = Transformer::new(8, 2, [1, 1], &options, &store.root(Rng::new(0)))?;
/// let (source, target) = (Tensor::ones([2, 5, 8], DType::F32)?, Tensor::ones([2, 3, 8], DType::F32)?);
/// let mut masks = TransformerMasks::default();
/// masks.decoder.target.is_causal = true;
/// assert_eq!(model.forward(&source, &target, masks, &mut Ctx::eval())?.shape(), [2, 3, 8]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Transformer {
    encoder: TransformerEncoder,
    decoder: TransformerDecoder,
}

impl Transformer {
    /// A model of `width` features and `heads` heads with so many layers in the encoder and in the decoder.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if the heads do not divide the width or an option is out of range.
    pub fn new(
        width: usize,
        heads: usize,
        layers: [usize; 2],
        options: &TransformerOptions,
        p: &Scope,
    ) -> Result<Self> {
        let plan = Plan {
            width,
            heads,
            options,
            xavier: true,
        };
        Ok(Transformer {
            encoder: TransformerEncoder::planned(layers[0], true, &plan, &p.at("encoder"))?,
            decoder: TransformerDecoder::planned(layers[1], true, &plan, &p.at("decoder"))?,
        })
    }

    /// What the decoder makes of `target` beside the encoder's view of `source`.
    ///
    /// # Errors
    /// [`Error::Core`](crate::Error::Core) if sizes or dtypes do not fit.
    pub fn forward(
        &self,
        source: &Tensor,
        target: &Tensor,
        masks: TransformerMasks<'_>,
        ctx: &mut Ctx,
    ) -> Result<Tensor> {
        let memory = self.encoder.forward_masked(source, masks.source, ctx)?;
        self.decoder.forward(target, &memory, masks.decoder, ctx)
    }

    /// The encoder, for generation: its output is made once.
    pub fn encoder(&self) -> &TransformerEncoder {
        &self.encoder
    }

    /// The decoder.
    pub fn decoder(&self) -> &TransformerDecoder {
        &self.decoder
    }
}
