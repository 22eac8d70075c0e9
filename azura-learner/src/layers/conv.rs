//! Convolutions.

use std::marker::PhantomData;

use azura_core::{ConvOptions, Init, PadMode, Padding, Param, Scope, Sizes, Tensor};

use super::{Ctx, Module};
use crate::error::{Error, Problem, Result};

/// Weights `[outer, inner / groups, kernel…]` and a bias, as the constructor of a convolution or a transposed one
/// registers them. PyTorch's initial values: Kaiming uniform with `a = √5` is `±1/√fan` for the weights, where `fan` counts the
/// inner channels of a group by the elements of the kernel, and the bias has the same.
pub(super) fn register(
    p: &Scope,
    [outer, inner]: [usize; 2],
    outputs: Option<usize>,
    kernel: &[usize],
    groups: usize,
) -> Result<(Param, Option<Param>)> {
    for (name, size) in [("channels", outer.min(inner)), ("groups", groups)] {
        if size == 0 {
            return problem(name, "must be at least 1, but is 0".to_string());
        }
    }
    if kernel.contains(&0) {
        return problem("kernel", format!("must be at least 1, but is {kernel:?}"));
    }
    if !outer.is_multiple_of(groups) || !inner.is_multiple_of(groups) {
        return problem(
            "groups",
            format!("must divide the channels {outer} and {inner}, but is {groups}"),
        );
    }
    let mut shape = vec![outer, inner / groups];
    shape.extend(kernel);
    let fan: f64 = shape[1..].iter().map(|&size| size as f64).product();
    let init = Init::Uniform {
        bound: 1.0 / fan.sqrt(),
    };
    let weight = p.param("weight", &shape, init)?;
    let bias = outputs
        .map(|outputs| p.param("bias", &[outputs], init))
        .transpose()?;
    Ok((weight, bias))
}

fn problem<T>(key: &str, message: String) -> Result<T> {
    Err(Error::Config(vec![Problem::new(key, message)]))
}

/// The options of a [`Conv1d`], [`Conv2d`] or [`Conv3d`] under construction.
#[derive(Clone)]
pub struct ConvBuilder<Layer> {
    scope: Scope,
    channels: [usize; 2],
    kernel: Sizes,
    options: ConvOptions,
    padding_mode: PadMode,
    bias: bool,
    layer: PhantomData<Layer>,
}

impl<Layer> ConvBuilder<Layer> {
    fn new(inputs: usize, outputs: usize, kernel: Sizes, p: &Scope) -> Self {
        ConvBuilder {
            scope: p.clone(),
            channels: [outputs, inputs],
            kernel,
            options: ConvOptions::default(),
            padding_mode: PadMode::default(),
            bias: true,
            layer: PhantomData,
        }
    }

    /// How far the kernel moves from one output to the next; 1 if not given.
    #[must_use]
    pub fn stride(mut self, stride: impl Into<Sizes>) -> Self {
        self.options.stride = stride.into();
        self
    }

    /// What surrounds the input: a number of zeros for each axis, or [`Padding::Same`]; nothing if not given.
    #[must_use]
    pub fn padding(mut self, padding: impl Into<Padding>) -> Self {
        self.options.padding = padding.into();
        self
    }

    /// What the padding holds; zeros if not given.
    #[must_use]
    pub fn padding_mode(mut self, mode: PadMode) -> Self {
        self.padding_mode = mode;
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

    fn register(mut self, axes: usize) -> Result<Convolution> {
        let kernel = self.kernel.to_vec(axes)?;
        let outputs = self.bias.then_some(self.channels[0]);
        let (weight, bias) = register(
            &self.scope,
            self.channels,
            outputs,
            &kernel,
            self.options.groups,
        )?;
        let mut margins = Vec::new();
        if self.padding_mode != PadMode::Constant(0.0) {
            // `pad` begins with the last axis.
            let dilation = self.options.dilation.to_vec(axes)?;
            for axis in (0..axes).rev() {
                let [before, behind] = match self.options.padding {
                    Padding::Valid => [0, 0],
                    Padding::Zeros(sizes) => [sizes.to_vec(axes)?[axis]; 2],
                    Padding::Same => {
                        let both = dilation[axis].saturating_mul(kernel[axis] - 1);
                        [both / 2, both - both / 2]
                    }
                };
                for margin in [before, behind] {
                    margins.push(isize::try_from(margin).unwrap_or(isize::MAX));
                }
            }
            self.options.padding = Padding::Valid;
        }
        Ok(Convolution {
            weight,
            bias,
            options: self.options,
            margins,
            padding_mode: self.padding_mode,
        })
    }
}

/// What all three have in common.
#[derive(Clone, Debug)]
struct Convolution {
    weight: Param,
    bias: Option<Param>,
    options: ConvOptions,
    /// What is padded before; empty if the convolution itself pads with zeros.
    margins: Vec<isize>,
    padding_mode: PadMode,
}

impl Convolution {
    fn padded(&self, x: &Tensor) -> Result<Tensor> {
        if self.margins.is_empty() {
            Ok(x.clone())
        } else {
            Ok(x.pad(&self.margins, self.padding_mode)?)
        }
    }
}

macro_rules! convolutions {
    ($($(#[$doc:meta])* $name:ident = $method:ident over $axes:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Convolution);

        impl $name {
            /// Begins a layer from `inputs` to `outputs` channels: stride 1, no padding, with a bias.
            #[allow(clippy::new_ret_no_self)] // The options are named, and `build` ends them.
            pub fn new(
                inputs: usize,
                outputs: usize,
                kernel: impl Into<Sizes>,
                p: &Scope,
            ) -> ConvBuilder<Self> {
                ConvBuilder::new(inputs, outputs, kernel.into(), p)
            }

            /// The weights, outputs first.
            pub fn weight(&self) -> &Param {
                &self.0.weight
            }

            /// `[O]`, if there is one.
            pub fn bias(&self) -> Option<&Param> {
                self.0.bias.as_ref()
            }
        }

        impl ConvBuilder<$name> {
            /// Registers the parameters.
            ///
            /// # Errors
            /// [`Error::Config`] if a size is 0 or the groups do not divide the channels.
            pub fn build(self) -> Result<$name> {
                Ok($name(self.register($axes)?))
            }
        }

        impl Module for $name {
            fn forward(&self, x: &Tensor, _: &mut Ctx) -> Result<Tensor> {
                let it = &self.0;
                let bias = it.bias.as_ref().map(Param::value);
                Ok(it.padded(x)?.$method(&it.weight.value(), bias.as_ref(), it.options)?)
            }
        }
    )*};
}

convolutions! {
    /// A convolution over one axis, as `torch.nn.Conv1d`.
    ///
    /// | value    | shape                |
    /// |----------|----------------------|
    /// | `x`      | `[B, I, L]`          |
    /// | `weight` | `[O, I / groups, K]` |
    /// | `bias`   | `[O]`                |
    ///
    /// Weight and bias begin uniform in `±1/√(I / groups · K)`.
    Conv1d = conv1d over 1;
    /// A convolution over two axes, as `torch.nn.Conv2d`.
    ///
    /// | value    | shape                      |
    /// |----------|----------------------------|
    /// | `x`      | `[B, I, H, W]`             |
    /// | `weight` | `[O, I / groups, KH, KW]`  |
    /// | `bias`   | `[O]`                      |
    ///
    /// Weight and bias begin uniform in `±1/√(I / groups · KH · KW)`.
    ///
    /// ```
    /// use azura_core::{DType, Rng, Store, Tensor};
    /// use azura_learner::layers::{Conv2d, Ctx, Module};
    /// let store = Store::new(DType::F32);
    /// let conv = Conv2d::new(3, 16, 3, &store.root(Rng::new(0)).at("stem"))
    ///     .stride(2)
    ///     .padding(1)
    ///     .build()?;
    /// let y = conv.forward(&Tensor::ones([4, 3, 32, 32], DType::F32)?, &mut Ctx::eval())?;
    /// assert_eq!(y.shape(), [4, 16, 16, 16]);
    /// # Ok::<(), azura_learner::Error>(())
    /// ```
    Conv2d = conv2d over 2;
    /// A convolution over three axes, as `torch.nn.Conv3d`.
    ///
    /// | value    | shape                         |
    /// |----------|-------------------------------|
    /// | `x`      | `[B, I, D, H, W]`             |
    /// | `weight` | `[O, I / groups, KD, KH, KW]` |
    /// | `bias`   | `[O]`                         |
    ///
    /// Weight and bias begin uniform in `±1/√(I / groups · KD · KH · KW)`.
    Conv3d = conv3d over 3;
}
