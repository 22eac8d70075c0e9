//! Sampling at the places of a grid.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::grid_sample::{Between, Outside, Sampler};
use crate::dtype::for_float;
use crate::shape::{self, Shape};
use crate::sizes::spatial;
use crate::tensor::{Tensor, same_dtype};
use crate::{Error, Result};

/// How [`Tensor::grid_sample`] takes values between elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GridSampleMode {
    /// On straight lines between the neighbours. PyTorch: `bilinear`, for volumes too.
    #[default]
    Linear,
    /// From the nearest element.
    Nearest,
    /// On cubics through four neighbours along each axis (Keys 1981). PyTorch: `bicubic`.
    Cubic,
}

/// What [`Tensor::grid_sample`] finds outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GridSamplePadding {
    /// Zeros.
    #[default]
    Zeros,
    /// The element at the border.
    Border,
    /// What lies as far inside, reflected at the border as often as it takes.
    Reflection,
}

/// How [`Tensor::grid_sample`] runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GridSampleOptions {
    /// How values between elements are taken; linearly.
    pub mode: GridSampleMode,
    /// What lies outside; zeros.
    pub padding_mode: GridSamplePadding,
    /// Whether -1 and 1 are the centres of the first and last elements instead of the outer edges; not.
    pub align_corners: bool,
}

impl Tensor {
    /// Elements at the places that `grid` names (Jaderberg et al. 2015, arXiv:1506.02025).
    ///
    /// Numbers of the grid run from -1 to 1 along each axis of the input, the last axis first.
    ///
    /// | value  | images            | volumes              |
    /// |--------|-------------------|----------------------|
    /// | `self` | `[B, C, H, W]`    | `[B, C, D, H, W]`    |
    /// | `grid` | `[B, OH, OW, 2]`  | `[B, OD, OH, OW, 3]` |
    /// | result | `[B, C, OH, OW]`  | `[B, C, OD, OH, OW]` |
    ///
    /// # Errors
    /// [`Error::Shape`] if sizes do not fit or an axis of the input is empty, [`Error::DType`] if dtypes differ or are not
    /// floats.
    ///
    /// ```
    /// use azura_core::{GridSampleOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [1, 1, 2, 2])?;
    /// let centre = Tensor::from_slice(&[0.0f32, 0.0], [1, 1, 1, 2])?;
    /// let y = x.grid_sample(&centre, GridSampleOptions::default())?;
    /// assert_eq!(y.to_vec::<f32>()?, [2.5]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    pub fn grid_sample(&self, grid: &Tensor, options: GridSampleOptions) -> Result<Tensor> {
        let op = "grid_sample";
        let dtype = same_dtype(op, self, grid)?;
        let axes = self.rank().saturating_sub(2);
        let fits = (axes == 2 || axes == 3)
            && grid.rank() == axes + 2
            && grid.shape()[0] == self.shape()[0]
            && grid.shape()[axes + 1] == axes
            && !self.shape()[2..].contains(&0);
        if !fits {
            return Err(Error::shape(
                op,
                "needs [B, C, H, W] and a grid [B, OH, OW, 2], or [B, C, D, H, W] and [B, OD, OH, OW, 3]",
                format!("{:?} and {:?}", self.shape(), grid.shape()),
            ));
        }
        if dtype.is_half() {
            return self.in_f32(op, |x, wide| x.grid_sample(&wide.of(grid)?, options));
        }
        let mut shape: Shape = self.shape()[..2].iter().copied().collect();
        for &size in &grid.shape()[1..=axes] {
            shape.push(size);
        }
        shape::checked_numel(op, &shape)?;
        let sampler = Sampler {
            batch: self.shape()[0],
            channels: self.shape()[1],
            x: spatial(self.shape(), axes),
            places: grid.shape()[1..=axes].iter().product(),
            axes,
            between: match options.mode {
                GridSampleMode::Linear => Between::Linear,
                GridSampleMode::Nearest => Between::Nearest,
                GridSampleMode::Cubic => Between::Cubic,
            },
            outside: match options.padding_mode {
                GridSamplePadding::Zeros => Outside::Zeros,
                GridSamplePadding::Border => Outside::Border,
                GridSamplePadding::Reflection => Outside::Reflection,
            },
            align_corners: options.align_corners,
        };
        let edges = Edges::of(&[self, grid]);
        let (x, grid) = (self.contiguous_detached(), grid.contiguous_detached());
        let y = for_float!(op, dtype, T => Tensor::fill_new::<T>(shape, |y| {
            sampler.forward(x.slice(), grid.slice(), y);
        }));
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?.contiguous_detached();
                for_float!(op, dtype, T => {
                    let mut dgrid = grid.clone();
                    let dx = Tensor::fill_new::<T>(*x.sizes(), |dx| {
                        dgrid = Tensor::fill_new::<T>(*grid.sizes(), |dgrid| {
                            sampler.backward(x.slice(), grid.slice(), dy.slice(), dx, dgrid);
                        });
                    });
                    grads.add(0, dx)?;
                    grads.add(1, dgrid)
                })
            }
        }))
    }
}
