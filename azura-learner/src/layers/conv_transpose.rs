//! Transposed convolutions.

use std::marker::PhantomData;

use azura_core::{ConvTransposeOptions, Param, Scope, Sizes, Tensor};

use super::conv::register;
use super::{Ctx, Module};
use crate::error::Result;

/// The options of a [`ConvTranspose1d`], [`ConvTranspose2d`] or [`ConvTranspose3d`] under construction.
#[derive(Clone)]
pub struct ConvTransposeBuilder<Layer> {
    scope: Scope,
    inputs: usize,
    outputs: usize,
    kernel: Sizes,
    options: ConvTransposeOptions,
    bias: bool,
    layer: PhantomData<Layer>,
}

impl<Layer> ConvTransposeBuilder<Layer> {
    /// How far the kernel moves from one input to the next; 1 if not given.
    #[must_use]
    pub fn stride(mut self, stride: impl Into<Sizes>) -> Self {
        self.options.stride = stride.into();
        self
    }

    /// How much is cut off from both ends of each axis of the output; 0 if not given.
    #[must_use]
    pub fn padding(mut self, padding: impl Into<Sizes>) -> Self {
        self.options.padding = padding.into();
        self
    }

    /// How much is added to the end of each axis of the output; 0 if not given.
    #[must_use]
    pub fn output_padding(mut self, output_padding: impl Into<Sizes>) -> Self {
        self.options.output_padding = output_padding.into();
        self
    }

    /// The distance between the elements of the kernel; 1 if not given.
    #[must_use]
    pub fn dilation(mut self, dilation: impl Into<Sizes>) -> Self {
        self.options.dilation = dilation.into();
        self
    }

    /// Into how many groups channels are split; 1 if not given.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Self {
        self.options.groups = groups;
        self
    }

    /// Whether outputs have a bias; they do if not said otherwise.
    #[must_use]
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }
}

macro_rules! transposed {
    ($($(#[$doc:meta])* $name:ident = $method:ident over $axes:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            weight: Param,
            bias: Option<Param>,
            options: ConvTransposeOptions,
        }

        impl $name {
            /// Begins a layer from `inputs` to `outputs` channels: stride 1, no padding, with a bias.
            #[allow(clippy::new_ret_no_self)] // The options are named, and `build` ends them.
            pub fn new(
                inputs: usize,
                outputs: usize,
                kernel: impl Into<Sizes>,
                p: &Scope,
            ) -> ConvTransposeBuilder<Self> {
                ConvTransposeBuilder {
                    scope: p.clone(),
                    inputs,
                    outputs,
                    kernel: kernel.into(),
                    options: ConvTransposeOptions::default(),
                    bias: true,
                    layer: PhantomData,
                }
            }

            /// The weights, inputs first.
            pub fn weight(&self) -> &Param {
                &self.weight
            }

            /// `[O]`, if there is one.
            pub fn bias(&self) -> Option<&Param> {
                self.bias.as_ref()
            }
        }

        impl ConvTransposeBuilder<$name> {
            /// Registers the parameters.
            ///
            /// # Errors
            /// [`Error::Config`](crate::Error::Config) if a size is 0 or the groups do not divide the channels.
            pub fn build(self) -> Result<$name> {
                let kernel = self.kernel.to_vec($axes)?;
                let outputs = self.bias.then_some(self.outputs);
                let channels = [self.inputs, self.outputs];
                let (weight, bias) =
                    register(&self.scope, channels, outputs, &kernel, self.options.groups)?;
                Ok($name { weight, bias, options: self.options })
            }
        }

        impl Module for $name {
            fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
                let bias = self.bias.as_ref().map(Param::value);
                Ok(x.$method(&self.weight.value(), bias.as_ref(), self.options)?)
            }
        }
    )*};
}

transposed! {
    /// A transposed convolution over one axis, as `torch.nn.ConvTranspose1d`.
    ///
    /// | value    | shape                |
    /// |----------|----------------------|
    /// | `x`      | `[B, I, L]`          |
    /// | `weight` | `[I, O / groups, K]` |
    /// | `bias`   | `[O]`                |
    ///
    /// Weight and bias begin uniform in `±1/√(O / groups · K)`.
    ConvTranspose1d = conv_transpose1d over 1;
    /// A transposed convolution over two axes, as `torch.nn.ConvTranspose2d`.
    ///
    /// | value    | shape                     |
    /// |----------|---------------------------|
    /// | `x`      | `[B, I, H, W]`            |
    /// | `weight` | `[I, O / groups, KH, KW]` |
    /// | `bias`   | `[O]`                     |
    ///
    /// Weight and bias begin uniform in `±1/√(O / groups · KH · KW)`.
    ///
    /// ```
    /// use azura_core::{DType, Rng, Store, Tensor};
    /// use azura_learner::layers::{ConvTranspose2d, Ctx, Module};
    /// let store = Store::new(DType::F32);
    /// let up = ConvTranspose2d::new(16, 8, 2, &store.root(Rng::new(0)).at("up")).stride(2).build()?;
    /// let y = up.forward(&Tensor::ones([4, 16, 7, 7], DType::F32)?, &mut Ctx::eval())?;
    /// assert_eq!(y.shape(), [4, 8, 14, 14]);
    /// # Ok::<(), azura_learner::Error>(())
    /// ```
    ConvTranspose2d = conv_transpose2d over 2;
    /// A transposed convolution over three axes, as `torch.nn.ConvTranspose3d`.
    ///
    /// | value    | shape                         |
    /// |----------|-------------------------------|
    /// | `x`      | `[B, I, D, H, W]`             |
    /// | `weight` | `[I, O / groups, KD, KH, KW]` |
    /// | `bias`   | `[O]`                         |
    ///
    /// Weight and bias begin uniform in `±1/√(O / groups · KD · KH · KW)`.
    ConvTranspose3d = conv_transpose3d over 3;
}
