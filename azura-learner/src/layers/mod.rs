//! Layers: structs whose constructors register parameters by name.
//!
//! A layer is made under a [`Scope`](azura_core::Scope) (`p.at("encoder")`), and the names of its
//! parameters are PyTorch's where PyTorch has the layer, so that weights can be exchanged. A layer
//! with one input and one output is a [`Module`]; one with states has its own `forward`.

mod activation;
mod attention;
mod dropout;
mod linear;
mod lstm;
mod prelu;
mod sequential;
mod softmax;
mod transformer;

pub use activation::{
    Celu, Elu, Gelu, Glu, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyRelu, LogSigmoid,
    Mish, Relu, Relu6, Selu, Sigmoid, Silu, Softplus, Softshrink, Softsign, Tanh, Tanhshrink,
    Threshold,
};
pub use attention::{
    AttentionInputs, MultiHeadAttention, MultiHeadAttentionBuilder, PositionalEncoding,
    RotaryEmbedding, sinusoidal_positions,
};
pub use dropout::{AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout};
pub use linear::Linear;
pub use lstm::{Lstm, LstmBuilder, LstmState};
pub use prelu::Prelu;
pub use sequential::Sequential;
pub use softmax::{LogSoftmax, Softmax, Softmax2d, Softmin};
pub use transformer::{
    DecoderMasks, EncoderMasks, Transformer, TransformerActivation, TransformerDecoder,
    TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer, TransformerMasks,
    TransformerOptions,
};

use azura_core::{Rng, Tensor};

use crate::error::Result;

/// A layer with one input and one output; what [`Sequential`] chains.
pub trait Module: Send + Sync {
    /// The output for `x`.
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor>;
}

impl<M: Module + ?Sized> Module for Box<M> {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        (**self).forward(x, ctx)
    }
}

/// What a forward pass is for, and its random numbers.
///
/// The trainer makes one for each step, from the seed and the step's number, so that a resumed run
/// drops the same units.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// True in training: dropout drops.
    pub train: bool,
    /// Random numbers of this pass.
    pub rng: Rng,
}

impl Ctx {
    /// A training pass with these random numbers.
    pub fn train(rng: Rng) -> Self {
        Ctx { train: true, rng }
    }

    /// A pass that predicts: nothing is random.
    pub fn eval() -> Self {
        Ctx {
            train: false,
            rng: Rng::new(0),
        }
    }
}
