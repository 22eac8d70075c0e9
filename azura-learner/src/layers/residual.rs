//! A layer and the way around it.

use azura_core::Tensor;

use super::{Ctx, Module};
use crate::error::Result;

/// A layer with a way around it: `y = x + f(x)`, or `y = projection(x) + f(x)` (He, Zhang, Ren & Sun 2016,
/// arXiv:1512.03385).
///
/// | value                   | shape        |
/// |-------------------------|--------------|
/// | `x`                     | any          |
/// | `f(x)`, `projection(x)` | the same `S` |
/// | result                  | `S`          |
///
/// Without a projection `f(x)` must have the shape of `x`. PyTorch has no such layer. Parameters have the names that `f`
/// and the projection gave them.
///
/// A block of a ResNet, which makes half as many pixels and twice as many channels:
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{BatchNorm2d, Conv2d, Ctx, Module, Relu, Residual, Sequential};
/// let store = Store::new(DType::F32);
/// let p = store.root(Rng::new(0)).at("layer2").at(0);
/// let conv = |channels, kernel, stride, name: &str| {
///     let conv = Conv2d::new(channels, 16, [kernel; 2], &p.at(name)).stride([stride; 2]).bias(false);
///     conv.padding([kernel / 2; 2]).build()
/// };
/// let inside = Sequential::new()
///     .with(conv(8, 3, 2, "conv1")?)
///     .with(BatchNorm2d::new(16, &p.at("bn1"))?)
///     .with(Relu)
///     .with(conv(16, 3, 1, "conv2")?)
///     .with(BatchNorm2d::new(16, &p.at("bn2"))?);
/// let around = Sequential::new()
///     .with(conv(8, 1, 2, "downsample.0")?)
///     .with(BatchNorm2d::new(16, &p.at("downsample.1"))?);
/// let block = Sequential::new().with(Residual::new(inside).projection(around)).with(Relu);
/// let x = Tensor::ones([1, 8, 6, 6], DType::F32)?;
/// assert_eq!(block.forward(&x, &mut Ctx::eval())?.shape(), [1, 16, 3, 3]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
pub struct Residual {
    inner: Box<dyn Module>,
    projection: Option<Box<dyn Module>>,
}

impl Residual {
    /// `x + inner(x)`.
    pub fn new(inner: impl Module + 'static) -> Self {
        Residual {
            inner: Box::new(inner),
            projection: None,
        }
    }

    /// The same layer with `projection(x)` in place of `x`, where the shape changes.
    #[must_use]
    pub fn projection(mut self, projection: impl Module + 'static) -> Self {
        self.projection = Some(Box::new(projection));
        self
    }
}

impl Module for Residual {
    /// # Errors
    /// [`Error::Shape`](azura_core::Error::Shape) if both ways do not give the same shape, and what the layers return.
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        let y = self.inner.forward(x, ctx)?;
        let around = match &self.projection {
            Some(projection) => projection.forward(x, ctx)?,
            None => x.clone(),
        };
        // Broadcasting would hide a mistake.
        if y.shape() != around.shape() {
            return Err(azura_core::Error::Shape {
                op: "residual",
                rule: "both ways must give the same shape".to_string(),
                fact: format!(
                    "{:?} through the layer and {:?} around it; a projection changes the latter",
                    y.shape(),
                    around.shape()
                ),
            }
            .into());
        }
        Ok(y.add(around)?)
    }
}
