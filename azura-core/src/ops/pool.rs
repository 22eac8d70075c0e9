//! The largest element or the mean of windows, over one to three axes.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::max_pool::{self, Windows};
use crate::cpu::resample::{Taps, resample, resample_backward};
use crate::dtype::for_float;
use crate::shape::{self, Shape};
use crate::sizes::{MOST, OutputSizes, Sizes, checked, spatial};
use crate::tensor::Tensor;
use crate::{DType, Error, Result};

/// How [`Tensor::max_pool2d`] and its likes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPoolOptions {
    /// How far one window is from the next; the kernel's size if not given.
    pub stride: Option<Sizes>,
    /// How far windows reach out of both ends of each axis, at most half a kernel; 0.
    pub padding: Sizes,
    /// The distance between the elements of a window; 1.
    pub dilation: Sizes,
    /// Whether a last window that reaches out of the padded input counts; not.
    pub ceil_mode: bool,
}

impl Default for MaxPoolOptions {
    fn default() -> Self {
        MaxPoolOptions {
            stride: None,
            padding: 0.into(),
            dilation: 1.into(),
            ceil_mode: false,
        }
    }
}

/// How [`Tensor::avg_pool2d`] and its likes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPoolOptions {
    /// How far one window is from the next; the kernel's size if not given.
    pub stride: Option<Sizes>,
    /// How many zeros stand at both ends of each axis, at most half a kernel; 0.
    pub padding: Sizes,
    /// Whether a last window that reaches out of the padded input counts; not.
    pub ceil_mode: bool,
    /// Whether those zeros are counted in the mean; they are.
    pub count_include_pad: bool,
    /// What sums are divided by instead of the number of elements.
    pub divisor_override: Option<i64>,
}

impl Default for AvgPoolOptions {
    fn default() -> Self {
        AvgPoolOptions {
            stride: None,
            padding: 0.into(),
            ceil_mode: false,
            count_include_pad: true,
            divisor_override: None,
        }
    }
}

/// How [`Tensor::lp_pool2d`] and its likes run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LpPoolOptions {
    /// How far one window is from the next; the kernel's size if not given.
    pub stride: Option<Sizes>,
    /// Whether a last window that reaches out of the input counts; not.
    pub ceil_mode: bool,
}

impl Tensor {
    /// The largest element of each window along one axis; NaN if there is one. The gradient goes to the first of equals.
    ///
    /// | value  | shape                                                           |
    /// |--------|-----------------------------------------------------------------|
    /// | `self` | `[B, C, L]` or `[C, L]`                                         |
    /// | result | `[…, (L + 2·padding - dilation·(kernel - 1) - 1) / stride + 1]` |
    ///
    /// # Errors
    /// [`Error::Shape`] if the rank does not fit or an axis is empty or shorter than a window, [`Error::DType`] if the dtype
    /// is not a float, [`Error::Argument`] if the kernel, a stride or a dilation is 0 or the padding more than half a kernel.
    ///
    /// ```
    /// use azura_core::{MaxPoolOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 5.0, 2.0, 3.0], [1, 4])?;
    /// let y = x.max_pool1d(2, MaxPoolOptions::default())?;
    /// assert_eq!(y.to_vec::<f32>()?, [5.0, 3.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    pub fn max_pool1d(&self, kernel: impl Into<Sizes>, options: MaxPoolOptions) -> Result<Tensor> {
        Ok(max_pool("max_pool1d", 1, self, kernel.into(), options)?.0)
    }

    /// The largest element of each window over two axes; see [`Tensor::max_pool1d`].
    ///
    /// # Errors
    /// Those of [`Tensor::max_pool1d`].
    pub fn max_pool2d(&self, kernel: impl Into<Sizes>, options: MaxPoolOptions) -> Result<Tensor> {
        Ok(max_pool("max_pool2d", 2, self, kernel.into(), options)?.0)
    }

    /// The largest element of each window over three axes; see [`Tensor::max_pool1d`].
    ///
    /// # Errors
    /// Those of [`Tensor::max_pool1d`].
    pub fn max_pool3d(&self, kernel: impl Into<Sizes>, options: MaxPoolOptions) -> Result<Tensor> {
        Ok(max_pool("max_pool3d", 3, self, kernel.into(), options)?.0)
    }

    /// [`Tensor::max_pool1d`] and where each element was (i64): its index in the channel's row.
    ///
    /// # Errors
    /// Those of [`Tensor::max_pool1d`].
    pub fn max_pool1d_with_indices(
        &self,
        kernel: impl Into<Sizes>,
        options: MaxPoolOptions,
    ) -> Result<(Tensor, Tensor)> {
        with_indices(max_pool("max_pool1d", 1, self, kernel.into(), options)?)
    }

    /// [`Tensor::max_pool2d`] and where each element was (i64): its index in the channel's plane.
    ///
    /// # Errors
    /// Those of [`Tensor::max_pool1d`].
    pub fn max_pool2d_with_indices(
        &self,
        kernel: impl Into<Sizes>,
        options: MaxPoolOptions,
    ) -> Result<(Tensor, Tensor)> {
        with_indices(max_pool("max_pool2d", 2, self, kernel.into(), options)?)
    }

    /// [`Tensor::max_pool3d`] and where each element was (i64): its index in the channel's volume.
    ///
    /// # Errors
    /// Those of [`Tensor::max_pool1d`].
    pub fn max_pool3d_with_indices(
        &self,
        kernel: impl Into<Sizes>,
        options: MaxPoolOptions,
    ) -> Result<(Tensor, Tensor)> {
        with_indices(max_pool("max_pool3d", 3, self, kernel.into(), options)?)
    }

    /// The mean of each window along one axis.
    ///
    /// | value  | shape                                        |
    /// |--------|----------------------------------------------|
    /// | `self` | `[B, C, L]` or `[C, L]`                      |
    /// | result | `[…, (L + 2·padding - kernel) / stride + 1]` |
    ///
    /// # Errors
    /// [`Error::Shape`] if the rank does not fit or an axis is empty or shorter than a window, [`Error::DType`] if the dtype
    /// is not a float, [`Error::Argument`] if the kernel, a stride or the divisor is 0 or the padding more than half a kernel.
    pub fn avg_pool1d(&self, kernel: impl Into<Sizes>, options: AvgPoolOptions) -> Result<Tensor> {
        avg_pool("avg_pool1d", 1, self, kernel.into(), options)
    }

    /// The mean of each window over two axes; see [`Tensor::avg_pool1d`].
    ///
    /// # Errors
    /// Those of [`Tensor::avg_pool1d`].
    pub fn avg_pool2d(&self, kernel: impl Into<Sizes>, options: AvgPoolOptions) -> Result<Tensor> {
        avg_pool("avg_pool2d", 2, self, kernel.into(), options)
    }

    /// The mean of each window over three axes; see [`Tensor::avg_pool1d`].
    ///
    /// # Errors
    /// Those of [`Tensor::avg_pool1d`].
    pub fn avg_pool3d(&self, kernel: impl Into<Sizes>, options: AvgPoolOptions) -> Result<Tensor> {
        avg_pool("avg_pool3d", 3, self, kernel.into(), options)
    }

    /// The mean of each of `size` parts of one axis; part `i` of `n` elements runs from `⌊i·n/size⌋` to `⌈(i + 1)·n/size⌉`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the rank does not fit or an axis is empty, [`Error::DType`] if the dtype is not a float.
    pub fn adaptive_avg_pool1d(&self, size: impl Into<OutputSizes>) -> Result<Tensor> {
        adaptive_avg("adaptive_avg_pool1d", 1, self, size.into())
    }

    /// The mean of each part of two axes; see [`Tensor::adaptive_avg_pool1d`].
    ///
    /// ```
    /// use azura_core::{DType, Tensor};
    /// let y = Tensor::ones([8, 512, 7, 7], DType::F32)?.adaptive_avg_pool2d([None, Some(1)])?;
    /// assert_eq!(y.shape(), [8, 512, 7, 1]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Tensor::adaptive_avg_pool1d`].
    pub fn adaptive_avg_pool2d(&self, size: impl Into<OutputSizes>) -> Result<Tensor> {
        adaptive_avg("adaptive_avg_pool2d", 2, self, size.into())
    }

    /// The mean of each part of three axes; see [`Tensor::adaptive_avg_pool1d`].
    ///
    /// # Errors
    /// Those of [`Tensor::adaptive_avg_pool1d`].
    pub fn adaptive_avg_pool3d(&self, size: impl Into<OutputSizes>) -> Result<Tensor> {
        adaptive_avg("adaptive_avg_pool3d", 3, self, size.into())
    }

    /// The largest element of each of the parts of [`Tensor::adaptive_avg_pool1d`].
    ///
    /// # Errors
    /// Those of [`Tensor::adaptive_avg_pool1d`].
    pub fn adaptive_max_pool1d(&self, size: impl Into<OutputSizes>) -> Result<Tensor> {
        Ok(adaptive_max("adaptive_max_pool1d", 1, self, size.into())?.0)
    }

    /// The largest element of each part of two axes; see [`Tensor::adaptive_max_pool1d`].
    ///
    /// # Errors
    /// Those of [`Tensor::adaptive_avg_pool1d`].
    pub fn adaptive_max_pool2d(&self, size: impl Into<OutputSizes>) -> Result<Tensor> {
        Ok(adaptive_max("adaptive_max_pool2d", 2, self, size.into())?.0)
    }

    /// The largest element of each part of three axes; see [`Tensor::adaptive_max_pool1d`].
    ///
    /// # Errors
    /// Those of [`Tensor::adaptive_avg_pool1d`].
    pub fn adaptive_max_pool3d(&self, size: impl Into<OutputSizes>) -> Result<Tensor> {
        Ok(adaptive_max("adaptive_max_pool3d", 3, self, size.into())?.0)
    }

    /// [`Tensor::adaptive_max_pool1d`] and where each element was (i64).
    ///
    /// # Errors
    /// Those of [`Tensor::adaptive_avg_pool1d`].
    pub fn adaptive_max_pool1d_with_indices(
        &self,
        size: impl Into<OutputSizes>,
    ) -> Result<(Tensor, Tensor)> {
        with_indices(adaptive_max("adaptive_max_pool1d", 1, self, size.into())?)
    }

    /// [`Tensor::adaptive_max_pool2d`] and where each element was (i64): its index in the channel's plane.
    ///
    /// # Errors
    /// Those of [`Tensor::adaptive_avg_pool1d`].
    pub fn adaptive_max_pool2d_with_indices(
        &self,
        size: impl Into<OutputSizes>,
    ) -> Result<(Tensor, Tensor)> {
        with_indices(adaptive_max("adaptive_max_pool2d", 2, self, size.into())?)
    }

    /// [`Tensor::adaptive_max_pool3d`] and where each element was (i64): its index in the channel's volume.
    ///
    /// # Errors
    /// Those of [`Tensor::adaptive_avg_pool1d`].
    pub fn adaptive_max_pool3d_with_indices(
        &self,
        size: impl Into<OutputSizes>,
    ) -> Result<(Tensor, Tensor)> {
        with_indices(adaptive_max("adaptive_max_pool3d", 3, self, size.into())?)
    }

    /// `(Σ x^p)^(1/p)` of each window along one axis. The gradient of a window whose sum is 0 is 0.
    ///
    /// # Errors
    /// Those of [`Tensor::avg_pool1d`], and [`Error::Argument`] if `p` is 0.
    pub fn lp_pool1d(
        &self,
        p: f64,
        kernel: impl Into<Sizes>,
        options: LpPoolOptions,
    ) -> Result<Tensor> {
        lp_pool("lp_pool1d", 1, self, p, kernel.into(), options)
    }

    /// `(Σ x^p)^(1/p)` of each window over two axes; see [`Tensor::lp_pool1d`].
    ///
    /// # Errors
    /// Those of [`Tensor::lp_pool1d`].
    pub fn lp_pool2d(
        &self,
        p: f64,
        kernel: impl Into<Sizes>,
        options: LpPoolOptions,
    ) -> Result<Tensor> {
        lp_pool("lp_pool2d", 2, self, p, kernel.into(), options)
    }

    /// `(Σ x^p)^(1/p)` of each window over three axes; see [`Tensor::lp_pool1d`].
    ///
    /// # Errors
    /// Those of [`Tensor::lp_pool1d`].
    pub fn lp_pool3d(
        &self,
        p: f64,
        kernel: impl Into<Sizes>,
        options: LpPoolOptions,
    ) -> Result<Tensor> {
        lp_pool("lp_pool3d", 3, self, p, kernel.into(), options)
    }
}

/// The sizes of an input of pools, of three axes always.
fn input(op: &'static str, axes: usize, x: &Tensor) -> Result<[usize; MOST]> {
    let names = &["L", "H, W", "D, H, W"][axes - 1];
    if x.rank() != axes + 1 && x.rank() != axes + 2 {
        return Err(Error::shape(
            op,
            format!("needs [B, C, {names}] or [C, {names}]"),
            format!("{:?}", x.shape()),
        ));
    }
    let sizes = spatial(x.shape(), axes);
    if sizes.contains(&0) {
        return Err(Error::shape(
            op,
            "the axes of windows must not be empty",
            format!("{:?}", x.shape()),
        ));
    }
    Ok(sizes)
}

/// The windows along all axes, before they are clipped to the input.
struct Plan {
    kernel: [usize; MOST],
    stride: [usize; MOST],
    padding: [usize; MOST],
    dilation: [usize; MOST],
    /// How many windows there are.
    count: [usize; MOST],
}

impl Plan {
    fn new(
        op: &'static str,
        axes: usize,
        sizes: [usize; MOST],
        kernel: Sizes,
        options: MaxPoolOptions,
    ) -> Result<Self> {
        // A stride beyond every input is like any other that is: it leaves one window.
        let far = isize::MAX as usize / 4;
        let stride = options.stride.unwrap_or(kernel);
        let kernel = kernel.positive(op, "kernel", axes)?;
        let stride = stride.positive(op, "stride", axes)?.map(|s| s.min(far));
        let padding = options.padding.of(op, "padding", axes, 0)?;
        let dilation = options.dilation.positive(op, "dilation", axes)?;
        let mut count = [0; MOST];
        for axis in 0..MOST {
            let reach = checked(op, "the kernel", || {
                let reach = (kernel[axis] - 1).checked_mul(dilation[axis])?;
                reach.checked_add(1)
            })?;
            if padding[axis] > reach / 2 {
                return Err(Error::argument(
                    op,
                    "padding must be at most half of the kernel",
                    format!(
                        "padding {:?} and kernel {:?}",
                        &padding[MOST - axes..],
                        &kernel[MOST - axes..]
                    ),
                ));
            }
            let padded = checked(op, "the padded input", || {
                sizes[axis].checked_add(padding[axis].checked_mul(2)?)
            })?;
            let more = if options.ceil_mode {
                stride[axis] - 1
            } else {
                0
            };
            let Some(left) = (padded + more).checked_sub(reach) else {
                return Err(Error::shape(
                    op,
                    "a window must not be longer than the padded input",
                    format!(
                        "kernel {:?} over {:?} padded to {padded} on axis {}",
                        &kernel[MOST - axes..],
                        &sizes[MOST - axes..],
                        axis + axes - MOST
                    ),
                ));
            };
            count[axis] = left / stride[axis] + 1;
            // A window that begins in the padding at the end has nothing to say.
            if options.ceil_mode
                && (count[axis] - 1).saturating_mul(stride[axis]) >= sizes[axis] + padding[axis]
            {
                count[axis] -= 1;
            }
        }
        Ok(Plan {
            kernel,
            stride,
            padding,
            dilation,
            count,
        })
    }

    /// Where window `i` begins in the input, and where its kernel ends.
    fn window(&self, axis: usize, i: usize) -> (isize, isize) {
        let start = (i * self.stride[axis]) as isize - self.padding[axis] as isize;
        let reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
        (start, start + reach as isize)
    }
}

/// The shape of `x` with other spatial sizes.
fn resized(op: &'static str, axes: usize, x: &Tensor, sizes: [usize; MOST]) -> Result<Shape> {
    let mut shape = *x.sizes();
    let lead = shape.len() - axes;
    shape[lead..].copy_from_slice(&sizes[MOST - axes..]);
    shape::checked_numel(op, &shape)?;
    Ok(shape)
}

fn max_pool(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    kernel: Sizes,
    options: MaxPoolOptions,
) -> Result<(Tensor, Tensor)> {
    let sizes = input(op, axes, x)?;
    let plan = Plan::new(op, axes, sizes, kernel, options)?;
    let shape = resized(op, axes, x, plan.count)?;
    let windows = std::array::from_fn(|axis| Windows {
        size: sizes[axis],
        dilation: plan.dilation[axis],
        ranges: (0..plan.count[axis])
            .map(|i| {
                let (start, end) = plan.window(axis, i);
                // The first element of the window that is there.
                let start = if start < 0 {
                    start.rem_euclid(plan.dilation[axis] as isize)
                } else {
                    start
                };
                let end = end.min(sizes[axis] as isize).max(0);
                start.min(end) as usize..end as usize
            })
            .collect(),
    });
    record_max(op, x, windows, shape)
}

/// Part `i` of `parts` of an axis.
pub(super) fn adaptive_part(size: usize, parts: usize, i: usize) -> std::ops::Range<usize> {
    let at = |i: usize| i as u128 * size as u128;
    let parts = parts as u128;
    (at(i) / parts) as usize..at(i + 1).div_ceil(parts) as usize
}

/// The sizes of the input and of the result, and the result's shape.
fn adaptive_sizes(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    size: OutputSizes,
) -> Result<([usize; MOST], [usize; MOST], Shape)> {
    let sizes = input(op, axes, x)?;
    let given = size.of(op, "the size", axes, Some(1))?;
    let parts = std::array::from_fn(|axis| given[axis].unwrap_or(sizes[axis]));
    Ok((sizes, parts, resized(op, axes, x, parts)?))
}

fn adaptive_max(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    size: OutputSizes,
) -> Result<(Tensor, Tensor)> {
    let (sizes, parts, shape) = adaptive_sizes(op, axes, x, size)?;
    let windows = std::array::from_fn(|axis| Windows {
        size: sizes[axis],
        dilation: 1,
        ranges: (0..parts[axis])
            .map(|i| adaptive_part(sizes[axis], parts[axis], i))
            .collect(),
    });
    record_max(op, x, windows, shape)
}

/// The largest elements, and their places as u32.
fn record_max(
    op: &'static str,
    x: &Tensor,
    windows: [Windows; MOST],
    shape: Shape,
) -> Result<(Tensor, Tensor)> {
    if x.dtype().is_half() {
        return x.in_f32(op, |x, _| record_max(op, &x, windows, shape));
    }
    let plane: usize = windows.iter().map(|axis| axis.size).product();
    let y_plane: usize = windows.iter().map(|axis| axis.ranges.len()).product();
    if u32::try_from(plane).is_err() {
        return Err(Error::shape(
            op,
            "a channel must have fewer than 2³² elements",
            format!("{:?}", x.shape()),
        ));
    }
    let (edges, dtype, from) = (Edges::of(&[x]), x.dtype(), *x.sizes());
    let x = x.contiguous_detached();
    let mut places = Tensor::number(0.0, DType::U32);
    let y = for_float!(op, dtype, T => Tensor::fill_new::<T>(shape, |y| {
        places = Tensor::fill_new::<u32>(shape, |places| {
            max_pool::max(x.slice::<T>(), &windows, y, places);
        });
    }));
    let saved = places.clone();
    let y = edges.record(op, y, || {
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
            let dy = only(dy)?.contiguous_detached();
            for_float!(op, dtype, T => grads.add(0, Tensor::fill_new::<T>(from, |dx| {
                max_pool::max_backward(dy.slice(), saved.slice(), [plane, y_plane], dx);
            })))
        }
    });
    Ok((y, places))
}

fn with_indices((y, places): (Tensor, Tensor)) -> Result<(Tensor, Tensor)> {
    Ok((y, places.cast(DType::I64)?))
}

fn avg_pool(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    kernel: Sizes,
    options: AvgPoolOptions,
) -> Result<Tensor> {
    let sizes = input(op, axes, x)?;
    if options.divisor_override == Some(0) {
        return Err(Error::argument(op, "the divisor must not be 0", "0"));
    }
    let windows = MaxPoolOptions {
        stride: options.stride,
        padding: options.padding,
        dilation: 1.into(),
        ceil_mode: options.ceil_mode,
    };
    let plan = Plan::new(op, axes, sizes, kernel, windows)?;
    let shape = resized(op, axes, x, plan.count)?;
    let mut taps = sizes.map(Taps::new);
    for (axis, taps) in taps.iter_mut().enumerate() {
        let size = sizes[axis] as isize;
        for i in 0..plan.count[axis] {
            let (start, end) = plan.window(axis, i);
            let padded = end.min(size + plan.padding[axis] as isize) - start;
            let inside = start.max(0) as usize..end.min(size).max(0) as usize;
            let count = match (options.divisor_override, options.count_include_pad) {
                // One axis divides for all.
                (Some(divisor), _) if axis == 0 => divisor as f64,
                (Some(_), _) => 1.0,
                (None, true) => padded as f64,
                (None, false) => inside.len().max(1) as f64,
            };
            taps.push(inside.map(|i| (i, 1.0)), count);
        }
    }
    record_resample(op, x, taps, shape)
}

fn adaptive_avg(op: &'static str, axes: usize, x: &Tensor, size: OutputSizes) -> Result<Tensor> {
    let (sizes, parts, shape) = adaptive_sizes(op, axes, x, size)?;
    let taps = std::array::from_fn(|axis| means(sizes[axis], parts[axis]));
    record_resample(op, x, taps, shape)
}

/// The means of equal parts of an axis.
pub(super) fn means(size: usize, parts: usize) -> Taps {
    let mut taps = Taps::new(size);
    for i in 0..parts {
        let part = adaptive_part(size, parts, i);
        let count = part.len() as f64;
        taps.push(part.map(|i| (i, 1.0)), count);
    }
    taps
}

/// The weighted sums along each axis, of the last axes of `x`.
pub(super) fn record_resample(
    op: &'static str,
    x: &Tensor,
    taps: [Taps; MOST],
    shape: Shape,
) -> Result<Tensor> {
    if x.dtype().is_half() {
        return x.in_f32(op, |x, _| record_resample(op, &x, taps, shape));
    }
    let (edges, dtype, from) = (Edges::of(&[x]), x.dtype(), *x.sizes());
    let x = x.contiguous_detached();
    let y = for_float!(op, dtype, T => Tensor::fill_new::<T>(shape, |y| {
        resample(x.slice(), &taps, y);
    }));
    Ok(edges.record(op, y, || {
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
            let dy = only(dy)?.contiguous_detached();
            for_float!(op, dtype, T => grads.add(0, Tensor::fill_new::<T>(from, |dx| {
                resample_backward(dy.slice(), &taps, dx);
            })))
        }
    }))
}

fn lp_pool(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    p: f64,
    kernel: Sizes,
    options: LpPoolOptions,
) -> Result<Tensor> {
    if x.dtype().is_half() {
        return x.in_f32(op, |x, _| lp_pool(op, axes, &x, p, kernel, options));
    }
    if p == 0.0 || p.is_nan() {
        return Err(Error::argument(op, "p must not be 0", format!("{p}")));
    }
    let sizes = kernel.positive(op, "kernel", axes)?;
    let count: f64 = sizes.iter().map(|&size| size as f64).product();
    let options = AvgPoolOptions {
        stride: options.stride,
        ceil_mode: options.ceil_mode,
        ..AvgPoolOptions::default()
    };
    let mean = avg_pool(op, axes, &x.clone().pow(p)?, kernel, options)?;
    // Where the sum is 0 its root may have no slope: 1 takes its place, and 0 the place of the result.
    let zero = mean.eq(0.0)?;
    let one = Tensor::ones(mean.shape(), mean.dtype())?;
    let root = Tensor::where_(&zero, &one, &mean)?
        .mul(count)?
        .pow(1.0 / p)?;
    Tensor::where_(&zero, &mean.detach(), &root)
}
