//! Changing the sizes of images, signals and volumes.

use super::pool::{means, record_resample};
use crate::cpu::resample::Taps;
use crate::shape;
use crate::sizes::{MOST, PerAxis, Sizes, spatial};
use crate::tensor::Tensor;
use crate::{Error, Result};

/// Where the values between elements come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InterpolateMode {
    /// The element at `⌊i · scale⌋`, computed in f32 as PyTorch does. PyTorch: `nearest`.
    #[default]
    Nearest,
    /// The element whose centre is nearest. PyTorch: `nearest-exact`.
    NearestExact,
    /// A straight line between the two neighbours along each axis. PyTorch: `linear`, `bilinear`, `trilinear`.
    Linear,
    /// A cubic through four neighbours along each axis, with `a = -0.75` (Keys 1981); for two axes. PyTorch: `bicubic`.
    Cubic,
    /// The mean of the elements that an output stands for. PyTorch: `area`.
    Area,
}

/// The sizes that [`Tensor::interpolate`] is to make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resize {
    /// These.
    Size(Sizes),
    /// The input's times these factors, rounded down.
    Scale(PerAxis<f64>),
}

/// How [`Tensor::interpolate`] runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterpolateOptions {
    /// Where the values between elements come from; the nearest.
    pub mode: InterpolateMode,
    /// Whether the centres of the first and last elements stay where they are, instead of the outer edges. For linear and
    /// cubic interpolation.
    pub align_corners: bool,
    /// Whether places are computed from the sizes, where a scale factor was given that the rounded sizes do not have.
    pub recompute_scale_factor: bool,
}

impl Tensor {
    /// The elements at other resolutions along all axes but the first two.
    ///
    /// Element `i` of the result stands at `(i + ½) · scale - ½` of the input, or at `i · (n - 1) / (size - 1)` with
    /// `align_corners`; `scale` is the input's size by the result's.
    ///
    /// | value  | shape                                        |
    /// |--------|----------------------------------------------|
    /// | `self` | `[B, C, L]`, `[B, C, H, W]`, `[B, C, D, H, W]` |
    /// | result | the same with other sizes after `C`          |
    ///
    /// # Errors
    /// [`Error::Shape`] if the rank does not fit or a size is 0, [`Error::DType`] if the dtype is not a float,
    /// [`Error::Argument`] if a factor is not positive or `align_corners` does not go with the mode.
    ///
    /// ```
    /// use azura_core::{InterpolateMode, InterpolateOptions, Resize, Tensor};
    /// let x = Tensor::from_slice(&[0.0f32, 1.0], [1, 1, 2])?;
    /// let options = InterpolateOptions { mode: InterpolateMode::Linear, ..Default::default() };
    /// let y = x.interpolate(Resize::Size(4.into()), options)?;
    /// assert_eq!(y.to_vec::<f32>()?, [0.0, 0.25, 0.75, 1.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    pub fn interpolate(&self, to: Resize, options: InterpolateOptions) -> Result<Tensor> {
        let op = "interpolate";
        if !(3..=5).contains(&self.rank()) {
            return Err(Error::shape(
                op,
                "needs [B, C, L], [B, C, H, W] or [B, C, D, H, W]",
                format!("{:?}", self.shape()),
            ));
        }
        let axes = self.rank() - 2;
        let mode = options.mode;
        if mode == InterpolateMode::Cubic && axes != 2 {
            return Err(Error::shape(
                op,
                "cubic interpolation needs [B, C, H, W]",
                format!("{:?}", self.shape()),
            ));
        }
        if options.align_corners
            && !matches!(mode, InterpolateMode::Linear | InterpolateMode::Cubic)
        {
            return Err(Error::argument(
                op,
                "align_corners goes with linear and cubic interpolation",
                format!("{mode:?}"),
            ));
        }
        let from = spatial(self.shape(), axes);
        let (sizes, factors) = match to {
            Resize::Size(sizes) => (sizes.of(op, "the size", axes, 1)?, [None; MOST]),
            Resize::Scale(factors) => {
                let factors = factors.of(op, "the scale factor", axes, 1.0)?;
                if factors
                    .iter()
                    .any(|&f| f.is_nan() || f <= 0.0 || f.is_infinite())
                {
                    return Err(Error::argument(
                        op,
                        "the scale factor must be positive and finite",
                        format!("{:?}", &factors[MOST - axes..]),
                    ));
                }
                let sizes =
                    std::array::from_fn(|axis| (from[axis] as f64 * factors[axis]) as usize);
                let kept = !options.recompute_scale_factor;
                (sizes, factors.map(|factor| kept.then_some(factor)))
            }
        };
        if from.contains(&0) || sizes.contains(&0) {
            return Err(Error::shape(
                op,
                "sizes must be at least 1",
                format!("{:?} to {:?}", &from[MOST - axes..], &sizes[MOST - axes..]),
            ));
        }
        let mut shape = *self.sizes();
        shape[2..].copy_from_slice(&sizes[MOST - axes..]);
        shape::checked_numel(op, &shape)?;
        let taps = std::array::from_fn(|axis| {
            if axis < MOST - axes {
                return Taps::same(1);
            }
            let grid = Axis {
                size: from[axis],
                results: sizes[axis],
                factor: factors[axis],
                align_corners: options.align_corners,
            };
            grid.taps(mode)
        });
        record_resample(op, self, taps, shape)
    }
}

/// One axis of an interpolation.
struct Axis {
    size: usize,
    results: usize,
    /// The factor that was asked for, where it counts instead of the sizes.
    factor: Option<f64>,
    align_corners: bool,
}

impl Axis {
    fn taps(&self, mode: InterpolateMode) -> Taps {
        let mut taps = Taps::new(self.size);
        for i in 0..self.results {
            match mode {
                InterpolateMode::Nearest => taps.push([(self.nearest(i, 0.0), 1.0)], 1.0),
                InterpolateMode::NearestExact => taps.push([(self.nearest(i, 0.5), 1.0)], 1.0),
                InterpolateMode::Linear => self.linear(i, &mut taps),
                InterpolateMode::Cubic => self.cubic(i, &mut taps),
                InterpolateMode::Area => return means(self.size, self.results),
            }
        }
        taps
    }

    /// PyTorch computes these places in f32 for every dtype, and which element is taken depends on it.
    fn nearest(&self, i: usize, centre: f64) -> usize {
        let scale = match self.factor {
            Some(factor) => (1.0 / factor) as f32,
            None => self.size as f32 / self.results as f32,
        };
        let place = if centre == 0.0 {
            i as f32 * scale
        } else {
            ((i as f64 + centre) * f64::from(scale)) as f32
        };
        (place.floor() as usize).min(self.size - 1)
    }

    /// Where result `i` stands between the elements of the source.
    fn place(&self, i: usize) -> f64 {
        if self.align_corners {
            let steps = self.results - 1;
            return if steps == 0 {
                0.0
            } else {
                i as f64 * ((self.size - 1) as f64 / steps as f64)
            };
        }
        let scale = match self.factor {
            Some(factor) => 1.0 / factor,
            None => self.size as f64 / self.results as f64,
        };
        scale * (i as f64 + 0.5) - 0.5
    }

    fn linear(&self, i: usize, taps: &mut Taps) {
        if self.results == self.size {
            return taps.push([(i, 1.0)], 1.0);
        }
        let place = self.place(i).max(0.0);
        let low = (place as usize).min(self.size - 1);
        let high = (low + 1).min(self.size - 1);
        let part = (place - low as f64).clamp(0.0, 1.0);
        taps.push([(low, 1.0 - part), (high, part)], 1.0);
    }

    fn cubic(&self, i: usize, taps: &mut Taps) {
        let place = self.place(i);
        let low = (place.floor() as isize).min(self.size as isize - 1);
        let part = (place - low as f64).clamp(0.0, 1.0);
        let weights = cubic_weights(part);
        let last = self.size as isize - 1;
        taps.push(
            (0..4).map(|k| {
                let index = (low + k as isize - 1).clamp(0, last) as usize;
                (index, weights[k])
            }),
            1.0,
        );
    }
}

/// The weights of the elements at -1, 0, 1 and 2 for the place `t` in `[0, 1]` (Keys 1981, with PyTorch's `a`).
pub(super) fn cubic_weights(t: f64) -> [f64; 4] {
    const A: f64 = -0.75;
    let near = |t: f64| ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0;
    let far = |t: f64| ((A * t - 5.0 * A) * t + 8.0 * A) * t - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}
