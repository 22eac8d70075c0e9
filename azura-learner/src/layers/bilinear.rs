//! A bilinear form of two inputs.

use azura_core::{Init, Param, Scope, Tensor};

use crate::error::Result;

/// A bilinear form of two inputs for each output, as `torch.nn.Bilinear`.
///
/// `y[o] = Σᵢⱼ a[i] · weight[o, i, j] · b[j] + bias[o]`
///
/// | value    | shape       |
/// |----------|-------------|
/// | `a`      | `[..., I]`  |
/// | `b`      | `[..., J]`  |
/// | `weight` | `[O, I, J]` |
/// | `bias`   | `[O]`       |
/// | result   | `[..., O]`  |
///
/// Weight and bias begin uniform in `±1/√I`.
#[derive(Clone, Debug)]
pub struct Bilinear {
    weight: Param,
    bias: Option<Param>,
}

impl Bilinear {
    /// A layer from `left` and `right` to `outputs` features, with a bias.
    ///
    /// # Errors
    /// If the scope has parameters of these names already.
    pub fn new(left: usize, right: usize, outputs: usize, p: &Scope) -> Result<Self> {
        let mut layer = Bilinear::without_bias(left, right, outputs, p)?;
        layer.bias = Some(p.param("bias", &[outputs], init(left))?);
        Ok(layer)
    }

    /// A layer from `left` and `right` to `outputs` features, without a bias.
    ///
    /// # Errors
    /// If the scope has a parameter of this name already.
    pub fn without_bias(left: usize, right: usize, outputs: usize, p: &Scope) -> Result<Self> {
        let weight = p.param("weight", &[outputs, left, right], init(left))?;
        Ok(Bilinear { weight, bias: None })
    }

    /// The output for `a` and `b`.
    ///
    /// # Errors
    /// If the sizes do not fit.
    pub fn forward(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(Param::value);
        Ok(a.bilinear(b, &self.weight.value(), bias.as_ref())?)
    }
}

/// PyTorch's.
fn init(left: usize) -> Init {
    Init::Uniform {
        bound: 1.0 / (left.max(1) as f64).sqrt(),
    }
}
