//! Pools and upsampling: layers without parameters.

use azura_core::{
    AvgPoolOptions, InterpolateOptions, LpPoolOptions, MaxPoolOptions, OutputSizes, Resize, Sizes,
    Tensor,
};

use super::{Ctx, Module};
use crate::error::Result;

macro_rules! max_pools {
    ($($(#[$doc:meta])* $name:ident = $method:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            kernel: Sizes,
            options: MaxPoolOptions,
        }

        impl $name {
            /// Windows of this size side by side, without padding.
            pub fn new(kernel: impl Into<Sizes>) -> Self {
                $name { kernel: kernel.into(), options: MaxPoolOptions::default() }
            }

            /// How far one window is from the next; the kernel's size if not given.
            #[must_use]
            pub fn stride(mut self, stride: impl Into<Sizes>) -> Self {
                self.options.stride = Some(stride.into());
                self
            }

            /// How far windows reach out of both ends of each axis; 0 if not given.
            #[must_use]
            pub fn padding(mut self, padding: impl Into<Sizes>) -> Self {
                self.options.padding = padding.into();
                self
            }

            /// The distance between the elements of a window; 1 if not given.
            #[must_use]
            pub fn dilation(mut self, dilation: impl Into<Sizes>) -> Self {
                self.options.dilation = dilation.into();
                self
            }

            /// Whether a last window that reaches out of the padded input counts; not if not given.
            #[must_use]
            pub fn ceil_mode(mut self, ceil_mode: bool) -> Self {
                self.options.ceil_mode = ceil_mode;
                self
            }
        }

        impl Module for $name {
            fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
                Ok(x.$method(self.kernel, self.options)?)
            }
        }
    )*};
}

max_pools! {
    /// The largest element of each window of `[B, C, L]`, as `torch.nn.MaxPool1d`.
    MaxPool1d = max_pool1d;
    /// The largest element of each window of `[B, C, H, W]`, as `torch.nn.MaxPool2d`.
    ///
    /// ```
    /// use azura_core::{DType, Tensor};
    /// use azura_learner::layers::{Ctx, MaxPool2d, Module};
    /// let pool = MaxPool2d::new(3).stride(2).padding(1);
    /// let y = pool.forward(&Tensor::ones([1, 64, 112, 112], DType::F32)?, &mut Ctx::eval())?;
    /// assert_eq!(y.shape(), [1, 64, 56, 56]);
    /// # Ok::<(), azura_learner::Error>(())
    /// ```
    MaxPool2d = max_pool2d;
    /// The largest element of each window of `[B, C, D, H, W]`, as `torch.nn.MaxPool3d`.
    MaxPool3d = max_pool3d;
}

macro_rules! avg_pools {
    ($($(#[$doc:meta])* $name:ident = $method:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            kernel: Sizes,
            options: AvgPoolOptions,
        }

        impl $name {
            /// Windows of this size side by side, without padding.
            pub fn new(kernel: impl Into<Sizes>) -> Self {
                $name { kernel: kernel.into(), options: AvgPoolOptions::default() }
            }

            /// How far one window is from the next; the kernel's size if not given.
            #[must_use]
            pub fn stride(mut self, stride: impl Into<Sizes>) -> Self {
                self.options.stride = Some(stride.into());
                self
            }

            /// How many zeros stand at both ends of each axis; 0 if not given.
            #[must_use]
            pub fn padding(mut self, padding: impl Into<Sizes>) -> Self {
                self.options.padding = padding.into();
                self
            }

            /// Whether a last window that reaches out of the padded input counts; not if not given.
            #[must_use]
            pub fn ceil_mode(mut self, ceil_mode: bool) -> Self {
                self.options.ceil_mode = ceil_mode;
                self
            }

            /// Whether zeros of the padding are counted in the mean; they are if not said otherwise.
            #[must_use]
            pub fn count_include_pad(mut self, count: bool) -> Self {
                self.options.count_include_pad = count;
                self
            }

            /// What sums are divided by instead of the number of elements.
            #[must_use]
            pub fn divisor_override(mut self, divisor: i64) -> Self {
                self.options.divisor_override = Some(divisor);
                self
            }
        }

        impl Module for $name {
            fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
                Ok(x.$method(self.kernel, self.options)?)
            }
        }
    )*};
}

avg_pools! {
    /// The mean of each window of `[B, C, L]`, as `torch.nn.AvgPool1d`.
    AvgPool1d = avg_pool1d;
    /// The mean of each window of `[B, C, H, W]`, as `torch.nn.AvgPool2d`.
    AvgPool2d = avg_pool2d;
    /// The mean of each window of `[B, C, D, H, W]`, as `torch.nn.AvgPool3d`.
    AvgPool3d = avg_pool3d;
}

macro_rules! adaptive_pools {
    ($($(#[$doc:meta])* $name:ident = $method:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            size: OutputSizes,
        }

        impl $name {
            /// So many parts of each axis; `None` keeps the input's size.
            pub fn new(size: impl Into<OutputSizes>) -> Self {
                $name { size: size.into() }
            }
        }

        impl Module for $name {
            fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
                Ok(x.$method(self.size)?)
            }
        }
    )*};
}

adaptive_pools! {
    /// The means of equal parts of `[B, C, L]`, as `torch.nn.AdaptiveAvgPool1d`.
    AdaptiveAvgPool1d = adaptive_avg_pool1d;
    /// The means of equal parts of `[B, C, H, W]`, as `torch.nn.AdaptiveAvgPool2d`.
    ///
    /// ```
    /// use azura_core::{DType, Tensor};
    /// use azura_learner::layers::{AdaptiveAvgPool2d, Ctx, Module};
    /// let x = Tensor::ones([2, 512, 7, 7], DType::F32)?;
    /// let y = AdaptiveAvgPool2d::new(1).forward(&x, &mut Ctx::eval())?;
    /// assert_eq!(y.shape(), [2, 512, 1, 1]);
    /// # Ok::<(), azura_learner::Error>(())
    /// ```
    AdaptiveAvgPool2d = adaptive_avg_pool2d;
    /// The means of equal parts of `[B, C, D, H, W]`, as `torch.nn.AdaptiveAvgPool3d`.
    AdaptiveAvgPool3d = adaptive_avg_pool3d;
    /// The largest elements of equal parts of `[B, C, L]`, as `torch.nn.AdaptiveMaxPool1d`.
    AdaptiveMaxPool1d = adaptive_max_pool1d;
    /// The largest elements of equal parts of `[B, C, H, W]`, as `torch.nn.AdaptiveMaxPool2d`.
    AdaptiveMaxPool2d = adaptive_max_pool2d;
    /// The largest elements of equal parts of `[B, C, D, H, W]`, as `torch.nn.AdaptiveMaxPool3d`.
    AdaptiveMaxPool3d = adaptive_max_pool3d;
}

macro_rules! lp_pools {
    ($($(#[$doc:meta])* $name:ident = $method:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            p: f64,
            kernel: Sizes,
            options: LpPoolOptions,
        }

        impl $name {
            /// Norms of order `p` of windows of this size side by side.
            pub fn new(p: f64, kernel: impl Into<Sizes>) -> Self {
                $name { p, kernel: kernel.into(), options: LpPoolOptions::default() }
            }

            /// How far one window is from the next; the kernel's size if not given.
            #[must_use]
            pub fn stride(mut self, stride: impl Into<Sizes>) -> Self {
                self.options.stride = Some(stride.into());
                self
            }

            /// Whether a last window that reaches out of the input counts; not if not given.
            #[must_use]
            pub fn ceil_mode(mut self, ceil_mode: bool) -> Self {
                self.options.ceil_mode = ceil_mode;
                self
            }
        }

        impl Module for $name {
            fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
                Ok(x.$method(self.p, self.kernel, self.options)?)
            }
        }
    )*};
}

lp_pools! {
    /// `(Σ x^p)^(1/p)` of each window of `[B, C, L]`. PyTorch: `torch.nn.LPPool1d`.
    LpPool1d = lp_pool1d;
    /// `(Σ x^p)^(1/p)` of each window of `[B, C, H, W]`. PyTorch: `torch.nn.LPPool2d`.
    LpPool2d = lp_pool2d;
    /// `(Σ x^p)^(1/p)` of each window of `[B, C, D, H, W]`. PyTorch: `torch.nn.LPPool3d`.
    LpPool3d = lp_pool3d;
}

/// Other resolutions of `[B, C, …]`, as `torch.nn.Upsample`.
///
/// ```
/// use azura_core::{DType, InterpolateOptions, Resize, Tensor};
/// use azura_learner::layers::{Ctx, Module, Upsample};
/// let twice = Upsample::new(Resize::Scale(2.0.into()), InterpolateOptions::default());
/// let y = twice.forward(&Tensor::ones([1, 3, 8, 8], DType::F32)?, &mut Ctx::eval())?;
/// assert_eq!(y.shape(), [1, 3, 16, 16]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Upsample {
    to: Resize,
    options: InterpolateOptions,
}

impl Upsample {
    /// A layer that makes these sizes.
    pub fn new(to: Resize, options: InterpolateOptions) -> Self {
        Upsample { to, options }
    }
}

impl Module for Upsample {
    fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
        Ok(x.interpolate(self.to, self.options)?)
    }
}
