//! Layers: structs whose constructors register parameters by name.
//!
//! A layer is made under a [`Scope`](azura_core::Scope) (`p.at("encoder")`), and the names of its
//! parameters are PyTorch's where PyTorch has the layer, so that weights can be exchanged. A layer
//! with one input and one output is a [`Module`]; one with states has its own `forward`.
//!
//! | family | layers |
//! |---|---|
//! | linear | [`Linear`], [`Bilinear`] |
//! | convolutions | [`Conv1d`] to [`Conv3d`], [`ConvTranspose1d`] to [`ConvTranspose3d`] |
//! | pools | [`MaxPool1d`], [`AvgPool1d`], [`LpPool1d`], [`AdaptiveAvgPool1d`], [`AdaptiveMaxPool1d`], each to `3d`, and [`Upsample`] |
//! | norms | [`BatchNorm1d`] and [`InstanceNorm1d`] to `3d`, [`LayerNorm`], [`RmsNorm`], [`GroupNorm`], [`LocalResponseNorm`] |
//! | recurrent | [`Lstm`], [`Gru`], [`Rnn`] and the cells [`LstmCell`], [`GruCell`], [`RnnCell`] |
//! | attention | [`MultiHeadAttention`], [`PositionalEncoding`], [`RotaryEmbedding`] |
//! | Transformers | [`Transformer`], [`TransformerEncoder`], [`TransformerDecoder`] and their layers |
//! | tables | [`Embedding`] |
//! | dropout | [`Dropout`], [`Dropout1d`] to [`Dropout3d`], [`AlphaDropout`], [`FeatureAlphaDropout`] |
//! | activations | [`Relu`], [`Gelu`], [`Silu`], [`Prelu`], [`Softmax`] and their kind |
//! | shapes | [`Flatten`], [`Unflatten`], [`Pad`], [`PixelShuffle`], [`PixelUnshuffle`], [`Identity`] |
//! | chains | [`Sequential`], [`Residual`] |

mod activation;
mod attention;
mod batch_norm;
mod bilinear;
mod conv;
mod conv_transpose;
mod ctx;
mod dropout;
mod embedding;
mod instance_norm;
mod layer_norm;
mod linear;
mod pad;
mod pool;
mod prelu;
mod recurrent;
mod residual;
mod response_norm;
mod running;
mod sequential;
mod shape;
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
pub use batch_norm::{BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormOptions};
pub use bilinear::Bilinear;
pub use conv::{Conv1d, Conv2d, Conv3d, ConvBuilder};
pub use conv_transpose::{ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, ConvTransposeBuilder};
pub use ctx::Ctx;
pub use dropout::{AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout};
pub use embedding::Embedding;
pub use instance_norm::{InstanceNorm1d, InstanceNorm2d, InstanceNorm3d};
pub use layer_norm::{GroupNorm, LayerNorm, RmsNorm};
pub use linear::Linear;
pub use pad::Pad;
pub use pool::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d,
    AdaptiveMaxPool3d, AvgPool1d, AvgPool2d, AvgPool3d, LpPool1d, LpPool2d, LpPool3d, MaxPool1d,
    MaxPool2d, MaxPool3d, Upsample,
};
pub use prelu::Prelu;
pub use recurrent::{
    Gru, GruCell, Lstm, LstmBuilder, LstmCell, LstmState, Nonlinearity, RecurrentBuilder, Rnn,
    RnnCell,
};
pub use residual::Residual;
pub use response_norm::LocalResponseNorm;
pub use running::RunningStats;
pub use sequential::Sequential;
pub use shape::{Flatten, Identity, PixelShuffle, PixelUnshuffle, Unflatten};
pub use softmax::{LogSoftmax, Softmax, Softmax2d, Softmin};
pub use transformer::{
    DecoderMasks, EncoderMasks, Transformer, TransformerActivation, TransformerDecoder,
    TransformerDecoderLayer, TransformerEncoder, TransformerEncoderLayer, TransformerMasks,
    TransformerOptions,
};

use azura_core::Tensor;

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
