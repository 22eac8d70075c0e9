//! Where the windows of pools lie.

use super::MaxPoolOptions;
use crate::shape::{self, Shape};
use crate::sizes::{MOST, OutputSizes, Sizes, checked, spatial};
use crate::tensor::Tensor;
use crate::{Error, Result};

/// The sizes of an input of pools, of three axes always.
pub(super) fn input(op: &'static str, axes: usize, x: &Tensor) -> Result<[usize; MOST]> {
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
pub(super) struct Plan {
    pub kernel: [usize; MOST],
    pub stride: [usize; MOST],
    pub padding: [usize; MOST],
    pub dilation: [usize; MOST],
    /// How many windows there are.
    pub count: [usize; MOST],
}

impl Plan {
    pub(super) fn new(
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
    pub(super) fn window(&self, axis: usize, i: usize) -> (isize, isize) {
        let start = (i * self.stride[axis]) as isize - self.padding[axis] as isize;
        let reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
        (start, start + reach as isize)
    }
}

/// The shape of `x` with other spatial sizes.
pub(super) fn resized(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    sizes: [usize; MOST],
) -> Result<Shape> {
    let mut shape = *x.sizes();
    let lead = shape.len() - axes;
    shape[lead..].copy_from_slice(&sizes[MOST - axes..]);
    shape::checked_numel(op, &shape)?;
    Ok(shape)
}

/// Part `i` of `parts` of an axis.
pub(in crate::ops) fn adaptive_part(size: usize, parts: usize, i: usize) -> std::ops::Range<usize> {
    let at = |i: usize| i as u128 * size as u128;
    let parts = parts as u128;
    (at(i) / parts) as usize..at(i + 1).div_ceil(parts) as usize
}

/// The sizes of the input and of the result, and the result's shape.
pub(super) fn adaptive_sizes(
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
