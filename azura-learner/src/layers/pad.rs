//! Margins as a layer.

use azura_core::{PadMode, Tensor};

use super::{Ctx, Module};
use crate::error::Result;

/// Margins around the last `N` axes, as PyTorch's padding layers: `ConstantPad2d` is [`Pad::<2>::constant`], and so on.
///
/// | value  | shape                                   |
/// |--------|-----------------------------------------|
/// | `x`    | `[..., H, W]`                           |
/// | result | `[..., top + H + bottom, left + W + right]` |
///
/// Margins are one number for all sides, or two for each axis from the last one on: `[left, right, top, bottom]`. A
/// negative margin crops.
///
/// ```
/// use azura_core::Tensor;
/// use azura_learner::layers::{Ctx, Module, Pad};
/// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0], [1, 3])?;
/// let y = Pad::<1>::reflection(&[2, 1])?.forward(&x, &mut Ctx::eval())?;
/// assert_eq!(y.to_vec::<f32>()?, [3.0, 2.0, 1.0, 2.0, 3.0, 2.0]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pad<const N: usize> {
    margins: Vec<isize>,
    mode: PadMode,
}

impl<const N: usize> Pad<N> {
    /// Margins in which stands what `mode` says.
    ///
    /// # Errors
    /// If there are not one or `2 N` margins.
    pub fn new(margins: &[isize], mode: PadMode) -> Result<Self> {
        let margins = match *margins {
            [all] => vec![all; 2 * N],
            _ if margins.len() == 2 * N => margins.to_vec(),
            _ => {
                return Err(azura_core::Error::Argument {
                    op: "pad",
                    rule: format!("there must be one margin or {}", 2 * N),
                    fact: format!("{margins:?}"),
                }
                .into());
            }
        };
        Ok(Pad { margins, mode })
    }

    /// Margins of one number. PyTorch: `ConstantPad1d` to `ConstantPad3d`.
    ///
    /// # Errors
    /// Those of [`Pad::new`].
    #[doc(alias = "ConstantPad2d")]
    pub fn constant(margins: &[isize], value: f64) -> Result<Self> {
        Pad::new(margins, PadMode::Constant(value))
    }

    /// Margins of zeros. PyTorch: `ZeroPad1d` to `ZeroPad3d`.
    ///
    /// # Errors
    /// Those of [`Pad::new`].
    #[doc(alias = "ZeroPad2d")]
    pub fn zero(margins: &[isize]) -> Result<Self> {
        Pad::new(margins, PadMode::Constant(0.0))
    }

    /// Mirrored margins. PyTorch: `ReflectionPad1d` to `ReflectionPad3d`.
    ///
    /// # Errors
    /// Those of [`Pad::new`].
    #[doc(alias = "ReflectionPad2d")]
    pub fn reflection(margins: &[isize]) -> Result<Self> {
        Pad::new(margins, PadMode::Reflect)
    }

    /// Margins of the edge. PyTorch: `ReplicationPad1d` to `ReplicationPad3d`.
    ///
    /// # Errors
    /// Those of [`Pad::new`].
    #[doc(alias = "ReplicationPad2d")]
    pub fn replication(margins: &[isize]) -> Result<Self> {
        Pad::new(margins, PadMode::Replicate)
    }

    /// Margins from the other end. PyTorch: `CircularPad1d` to `CircularPad3d`.
    ///
    /// # Errors
    /// Those of [`Pad::new`].
    #[doc(alias = "CircularPad2d")]
    pub fn circular(margins: &[isize]) -> Result<Self> {
        Pad::new(margins, PadMode::Circular)
    }
}

impl<const N: usize> Module for Pad<N> {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        Ok(x.pad(&self.margins, self.mode)?)
    }
}
