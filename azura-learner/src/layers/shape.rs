//! Shapes as layers.

use azura_core::Tensor;

use super::{Ctx, Module};
use crate::error::Result;

/// The input as it is; for places where a layer is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Identity;

impl Module for Identity {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        Ok(x.clone())
    }
}

/// Axes `from..=to` merged into one; by default all but the batch.
///
/// ```
/// use azura_core::{DType, Tensor};
/// use azura_learner::layers::{Ctx, Flatten, Module};
/// let x = Tensor::ones([2, 3, 4], DType::F32)?;
/// assert_eq!(Flatten::default().forward(&x, &mut Ctx::eval())?.shape(), [2, 12]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flatten {
    /// The first axis.
    pub from: isize,
    /// The last axis.
    pub to: isize,
}

impl Default for Flatten {
    fn default() -> Self {
        Flatten { from: 1, to: -1 }
    }
}

impl Module for Flatten {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        Ok(x.flatten(self.from, self.to)?)
    }
}

/// One axis cut into several, of which one may be -1: what is left over.
#[derive(Clone, Debug, PartialEq)]
pub struct Unflatten {
    /// The axis.
    pub dim: isize,
    /// The sizes that it is cut into.
    pub sizes: Vec<isize>,
}

impl Module for Unflatten {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        Ok(x.unflatten(self.dim, &self.sizes)?)
    }
}

/// Channels as pixels, `[..., C · r², H, W]` to `[..., C, H · r, W · r]` (Shi et al. 2016, arXiv:1609.05158).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelShuffle {
    /// The factor r.
    pub factor: usize,
}

impl Module for PixelShuffle {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        Ok(x.pixel_shuffle(self.factor)?)
    }
}

/// Pixels as channels, `[..., C, H · r, W · r]` to `[..., C · r², H, W]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelUnshuffle {
    /// The factor r.
    pub factor: usize,
}

impl Module for PixelUnshuffle {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        Ok(x.pixel_unshuffle(self.factor)?)
    }
}
