//! The fully connected layer.

use azura_core::{Init, Param, Scope, Tensor};

use super::{Ctx, Module};
use crate::error::Result;

/// A fully connected layer, as `torch.nn.Linear`.
///
/// `y = x · weightᵀ + bias`
///
/// | value    | shape      |
/// |----------|------------|
/// | `x`      | `[..., I]` |
/// | `weight` | `[O, I]`   |
/// | `bias`   | `[O]`      |
/// | result   | `[..., O]` |
///
/// Weight and bias begin uniform in `±1/√I`.
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{Ctx, Linear, Module};
/// let store = Store::new(DType::F32);
/// let layer = Linear::new(3, 2, &store.root(Rng::new(0)).at("head"))?;
/// let y = layer.forward(&Tensor::ones([4, 3], DType::F32)?, &mut Ctx::eval())?;
/// assert_eq!(y.shape(), [4, 2]);
/// assert_eq!(store.params()[0].name(), "head.weight");
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Param,
    bias: Option<Param>,
}

impl Linear {
    /// A layer from `inputs` to `outputs` features, with a bias.
    ///
    /// # Errors
    /// If the scope has parameters of these names already.
    pub fn new(inputs: usize, outputs: usize, p: &Scope) -> Result<Self> {
        let mut layer = Linear::without_bias(inputs, outputs, p)?;
        layer.bias = Some(p.param("bias", &[outputs], init(inputs))?);
        Ok(layer)
    }

    /// A layer from `inputs` to `outputs` features, without a bias.
    ///
    /// # Errors
    /// If the scope has a parameter of this name already.
    pub fn without_bias(inputs: usize, outputs: usize, p: &Scope) -> Result<Self> {
        let weight = p.param("weight", &[outputs, inputs], init(inputs))?;
        Ok(Linear { weight, bias: None })
    }

    /// `[O, I]`.
    pub fn weight(&self) -> &Param {
        &self.weight
    }

    /// `[O]`, if there is one.
    pub fn bias(&self) -> Option<&Param> {
        self.bias.as_ref()
    }
}

/// PyTorch's: Kaiming uniform with `a = √5` is `±1/√I` for the weight, and the bias has the same.
fn init(inputs: usize) -> Init {
    Init::Uniform {
        bound: 1.0 / (inputs.max(1) as f64).sqrt(),
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(Param::value);
        Ok(x.linear(&self.weight.value(), bias.as_ref())?)
    }
}
