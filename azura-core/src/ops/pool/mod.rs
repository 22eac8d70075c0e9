//! The largest element or the mean of windows, over one to three axes.
//!
//! | file      | what lives there                               |
//! |-----------|------------------------------------------------|
//! | `mod`     | the operations                                 |
//! | `windows` | where windows lie                              |
//! | `largest` | their largest elements                         |
//! | `mean`    | their means, and sums of powers made of them   |

mod largest;
mod mean;
mod windows;

use crate::Result;
use crate::sizes::{OutputSizes, Sizes};
use crate::tensor::Tensor;
use largest::{adaptive_max, max_pool, with_indices};
use mean::{adaptive_avg, avg_pool, lp_pool};
pub(super) use mean::{means, record_resample};

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
    /// [`Error::Shape`](crate::Error::Shape) if the rank does not fit or an axis is empty or shorter than a window, [`Error::DType`](crate::Error::DType) if the dtype
    /// is not a float, [`Error::Argument`](crate::Error::Argument) if the kernel, a stride or a dilation is 0 or the padding more than half a kernel.
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
    /// [`Error::Shape`](crate::Error::Shape) if the rank does not fit or an axis is empty or shorter than a window, [`Error::DType`](crate::Error::DType) if the dtype
    /// is not a float, [`Error::Argument`](crate::Error::Argument) if the kernel, a stride or the divisor is 0 or the padding more than half a kernel.
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
    /// [`Error::Shape`](crate::Error::Shape) if the rank does not fit or an axis is empty, [`Error::DType`](crate::Error::DType) if the dtype is not a float.
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
    /// Those of [`Tensor::avg_pool1d`], and [`Error::Argument`](crate::Error::Argument) if `p` is 0.
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
