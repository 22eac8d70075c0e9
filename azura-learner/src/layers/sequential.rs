//! Layers one after another.

use azura_core::Tensor;

use super::{Ctx, Module};
use crate::error::Result;

/// Layers one after another, as `torch.nn.Sequential`.
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{Ctx, Linear, Module, Relu, Sequential};
/// let store = Store::new(DType::F32);
/// let p = store.root(Rng::new(0));
/// let model = Sequential::new()
///     .with(Linear::new(4, 8, &p.at(0))?)
///     .with(Relu)
///     .with(Linear::new(8, 2, &p.at(2))?);
/// let y = model.forward(&Tensor::ones([1, 4], DType::F32)?, &mut Ctx::eval())?;
/// assert_eq!(y.shape(), [1, 2]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Default)]
pub struct Sequential {
    layers: Vec<Box<dyn Module>>,
}

impl Sequential {
    /// No layer yet: the output is the input.
    pub fn new() -> Self {
        Sequential::default()
    }

    /// The same layers with one more at the end.
    #[must_use]
    pub fn with(mut self, layer: impl Module + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }
}

impl Module for Sequential {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let mut y = x.clone();
        for layer in &self.layers {
            y = layer.forward(&y, ctx)?;
        }
        Ok(y)
    }
}
