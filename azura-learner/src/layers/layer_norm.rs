//! Normalisation of each sample by itself: over its last axes, or over groups of its channels.

use azura_core::{Init, NormOptions, Param, Scope, Tensor};

use super::{Ctx, Module};
use crate::error::Result;

/// Layer normalisation over the last axes (Ba, Kiros & Hinton 2016, arXiv:1607.06450), as
/// `torch.nn.LayerNorm`.
///
/// `y = (x - mean(x)) / sqrt(var(x) + eps) · weight + bias`
///
/// | value            | shape                            |
/// |------------------|----------------------------------|
/// | `x`              | `[..., S]`, `S` one or more axes |
/// | `weight`, `bias` | `S`, beginning with 1 and 0      |
/// | result           | as `x`                           |
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{Ctx, LayerNorm, Module};
/// let store = Store::new(DType::F32);
/// let norm = LayerNorm::new(&[3], &store.root(Rng::new(0)).at("norm"))?;
/// let y = norm.forward(&Tensor::arange(0.0, 6.0, 1.0, DType::F32)?.reshape([2, 3])?, &mut Ctx::eval())?;
/// assert!(y.to_vec::<f32>()?[1].abs() < 1e-6);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LayerNorm {
    shape: Vec<usize>,
    weight: Option<Param>,
    bias: Option<Param>,
    eps: f64,
}

impl LayerNorm {
    /// A layer over these last sizes, with weight and bias and an epsilon of 1e-5.
    ///
    /// # Errors
    /// If the scope has parameters of these names already.
    pub fn new(shape: &[usize], p: &Scope) -> Result<Self> {
        Self::with(shape, 1e-5, true, true, p)
    }

    /// The same with another epsilon; `affine` says whether there is a weight, and `bias` whether a bias
    /// is with it.
    ///
    /// # Errors
    /// If the scope has parameters of these names already.
    pub fn with(shape: &[usize], eps: f64, affine: bool, bias: bool, p: &Scope) -> Result<Self> {
        Ok(LayerNorm {
            shape: shape.to_vec(),
            weight: affine
                .then(|| p.param("weight", shape, Init::Ones))
                .transpose()?,
            bias: (affine && bias)
                .then(|| p.param("bias", shape, Init::Zeros))
                .transpose()?,
            eps,
        })
    }
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        let (weight, bias) = (
            self.weight.as_ref().map(Param::value),
            self.bias.as_ref().map(Param::value),
        );
        let options = NormOptions {
            weight: weight.as_ref(),
            bias: bias.as_ref(),
            eps: self.eps,
        };
        Ok(x.layer_norm(&self.shape, options)?)
    }
}

/// Root-mean-square normalisation over the last axes (Zhang & Sennrich 2019, arXiv:1910.07467), as
/// `torch.nn.RMSNorm`.
///
/// `y = x / sqrt(mean(x²) + eps) · weight`
///
/// | value    | shape                            |
/// |----------|----------------------------------|
/// | `x`      | `[..., S]`, `S` one or more axes |
/// | `weight` | `S`, beginning with 1            |
/// | result   | as `x`                           |
#[derive(Clone, Debug)]
pub struct RmsNorm {
    shape: Vec<usize>,
    weight: Option<Param>,
    eps: Option<f64>,
}

impl RmsNorm {
    /// A layer over these last sizes, with a weight and the machine epsilon of the dtype.
    ///
    /// # Errors
    /// If the scope has a parameter of this name already.
    pub fn new(shape: &[usize], p: &Scope) -> Result<Self> {
        Self::with(shape, None, true, p)
    }

    /// The same with another epsilon, and with or without a weight.
    ///
    /// # Errors
    /// If the scope has a parameter of this name already.
    pub fn with(shape: &[usize], eps: Option<f64>, affine: bool, p: &Scope) -> Result<Self> {
        Ok(RmsNorm {
            shape: shape.to_vec(),
            weight: affine
                .then(|| p.param("weight", shape, Init::Ones))
                .transpose()?,
            eps,
        })
    }
}

impl Module for RmsNorm {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        let weight = self.weight.as_ref().map(Param::value);
        Ok(x.rms_norm(&self.shape, weight.as_ref(), self.eps)?)
    }
}

/// Group normalisation: neighbouring channels of a sample together (Wu & He 2018, arXiv:1803.08494), as
/// `torch.nn.GroupNorm`.
///
/// | value            | shape                       |
/// |------------------|-----------------------------|
/// | `x`              | `[N, C, …]`                 |
/// | `weight`, `bias` | `[C]`, beginning with 1 and 0 |
/// | result           | as `x`                      |
#[derive(Clone, Debug)]
pub struct GroupNorm {
    groups: usize,
    weight: Option<Param>,
    bias: Option<Param>,
    eps: f64,
}

impl GroupNorm {
    /// A layer of so many groups of `channels`, with weight and bias and an epsilon of 1e-5.
    ///
    /// # Errors
    /// If the scope has parameters of these names already.
    pub fn new(groups: usize, channels: usize, p: &Scope) -> Result<Self> {
        Self::with(groups, channels, 1e-5, true, true, p)
    }

    /// The same with another epsilon; `affine` says whether there is a weight, and `bias` whether a bias
    /// is with it.
    ///
    /// # Errors
    /// If the scope has parameters of these names already.
    pub fn with(
        groups: usize,
        channels: usize,
        eps: f64,
        affine: bool,
        bias: bool,
        p: &Scope,
    ) -> Result<Self> {
        Ok(GroupNorm {
            groups,
            weight: affine
                .then(|| p.param("weight", &[channels], Init::Ones))
                .transpose()?,
            bias: (affine && bias)
                .then(|| p.param("bias", &[channels], Init::Zeros))
                .transpose()?,
            eps,
        })
    }
}

impl Module for GroupNorm {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        let (weight, bias) = (
            self.weight.as_ref().map(Param::value),
            self.bias.as_ref().map(Param::value),
        );
        let options = NormOptions {
            weight: weight.as_ref(),
            bias: bias.as_ref(),
            eps: self.eps,
        };
        Ok(x.group_norm(self.groups, options)?)
    }
}
