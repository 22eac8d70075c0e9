//! What encoder and decoder layers are made of.

use azura_core::{Activation, Init, Param, Scope, Tensor};

use crate::error::{Error, Problem, Result};
use crate::layers::{AttentionInputs, Ctx, Dropout, LayerNorm, Module, MultiHeadAttention};

/// What a feed-forward network does between its two products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransformerActivation {
    /// `max(x, 0)`.
    #[default]
    Relu,
    /// [`Tensor::gelu`].
    Gelu,
    /// [`Tensor::gelu_tanh`], as in GPT-2.
    GeluTanh,
}

/// The options of all Transformer layers. The default is PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransformerOptions {
    /// The width between the two products of the feed-forward network: 2048.
    pub dim_feedforward: usize,
    /// The probability of dropping, in training, an element of each part's output, of the feed-forward network's
    /// inside, or an attention weight: 0.1.
    pub dropout: f64,
    /// ReLU.
    pub activation: TransformerActivation,
    /// Added to the variance in norms: 1e-5.
    pub layer_norm_eps: f64,
    /// Norms stand before each part instead of after it (Xiong et al. 2020, arXiv:2002.04745): not so.
    pub norm_first: bool,
    /// Whether products and norms have biases: they have.
    pub bias: bool,
}

impl Default for TransformerOptions {
    fn default() -> Self {
        TransformerOptions {
            dim_feedforward: 2048,
            dropout: 0.1,
            activation: TransformerActivation::default(),
            layer_norm_eps: 1e-5,
            norm_first: false,
            bias: true,
        }
    }
}

/// Where a layer stands and how its matrices begin.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    pub width: usize,
    pub heads: usize,
    pub options: &'a TransformerOptions,
    /// Every matrix begins Xavier uniform, as `torch.nn.Transformer` has it.
    pub xavier: bool,
}

impl Plan<'_> {
    pub fn attention(&self, p: &Scope) -> Result<MultiHeadAttention> {
        MultiHeadAttention::new(self.width, self.heads, p)
            .bias(self.options.bias)
            .dropout(self.options.dropout)
            .xavier_out(self.xavier)
            .build()
    }

    pub fn norm(&self, p: &Scope) -> Result<LayerNorm> {
        let options = self.options;
        LayerNorm::with(&[self.width], options.layer_norm_eps, true, options.bias, p)
    }

    pub fn feed_forward(&self, p: &Scope) -> Result<FeedForward> {
        let inner = self.options.dim_feedforward;
        if inner == 0 {
            let problem = Problem::new("dim_feedforward", "must be at least 1, but is 0");
            return Err(Error::Config(vec![problem]));
        }
        Ok(FeedForward {
            first: self.dense(self.width, inner, &p.at("linear1"))?,
            second: self.dense(inner, self.width, &p.at("linear2"))?,
            activation: self.options.activation,
            dropout: Dropout::new(self.options.dropout)?,
        })
    }

    fn dense(&self, inputs: usize, outputs: usize, p: &Scope) -> Result<Dense> {
        // A fully connected layer begins in ±1/√I.
        let bound = 1.0 / (inputs as f64).sqrt();
        let matrix = if self.xavier {
            Init::XavierUniform { gain: 1.0 }
        } else {
            Init::Uniform { bound }
        };
        let weight = p.param("weight", &[outputs, inputs], matrix)?;
        let bias = self.options.bias;
        let bias = bias
            .then(|| p.param("bias", &[outputs], Init::Uniform { bound }))
            .transpose()?;
        Ok(Dense { weight, bias })
    }
}

#[derive(Clone, Debug)]
struct Dense {
    weight: Param,
    bias: Option<Param>,
}

impl Dense {
    fn forward(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(Param::value);
        Ok(x.linear_act(&self.weight.value(), bias.as_ref(), activation)?)
    }
}

/// `linear2(dropout(activation(linear1(x))))`.
#[derive(Clone, Debug)]
pub(super) struct FeedForward {
    first: Dense,
    second: Dense,
    activation: TransformerActivation,
    dropout: Dropout,
}

impl FeedForward {
    pub fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let inner = match self.activation {
            TransformerActivation::Relu => self.first.forward(x, Activation::Relu)?,
            TransformerActivation::Gelu => self.first.forward(x, Activation::None)?.gelu()?,
            TransformerActivation::GeluTanh => {
                self.first.forward(x, Activation::None)?.gelu_tanh()?
            }
        };
        let inner = self.dropout.forward(&inner, ctx)?;
        self.second.forward(&inner, Activation::None)
    }
}

/// A part of a layer with the norm that goes with it, its dropout, and the way around it.
#[derive(Clone, Debug)]
pub(super) struct Sublayer<P> {
    part: P,
    norm: LayerNorm,
    dropout: Dropout,
    norm_first: bool,
}

impl<P> Sublayer<P> {
    pub fn new(part: P, norm: LayerNorm, options: &TransformerOptions) -> Result<Self> {
        Ok(Sublayer {
            part,
            norm,
            dropout: Dropout::new(options.dropout)?,
            norm_first: options.norm_first,
        })
    }

    /// `x + f(norm(x))`, or `norm(x + f(x))`.
    pub fn around(
        &self,
        x: &Tensor,
        ctx: &mut Ctx,
        f: impl FnOnce(&P, &Tensor, &mut Ctx) -> Result<Tensor>,
    ) -> Result<Tensor> {
        if self.norm_first {
            let y = f(&self.part, &self.norm.forward(x, ctx)?, ctx)?;
            return Ok(self.dropout.forward(&y, ctx)?.add(x.clone())?);
        }
        let y = f(&self.part, x, ctx)?;
        let sum = self.dropout.forward(&y, ctx)?.add(x.clone())?;
        self.norm.forward(&sum, ctx)
    }
}

impl Sublayer<MultiHeadAttention> {
    /// Attention of `x` to itself, or to `memory`.
    pub fn attend(
        &self,
        x: &Tensor,
        memory: Option<&Tensor>,
        inputs: AttentionInputs<'_>,
        ctx: &mut Ctx,
    ) -> Result<Tensor> {
        self.around(x, ctx, |attention, x, ctx| {
            let memory = memory.unwrap_or(x);
            Ok(attention.forward(x, memory, memory, inputs, ctx)?.0)
        })
    }
}

impl Sublayer<FeedForward> {
    pub fn feed(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        self.around(x, ctx, FeedForward::forward)
    }
}
