//! Convolutions and transposed convolutions over one to three axes.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::conv::Conv;
use crate::cpu::gemm::Real;
use crate::cpu::reduce::{self, Identity, Sum};
use crate::dtype::for_float;
use crate::shape::{self, Shape};
use crate::sizes::{MOST, Sizes, checked, spatial};
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Element, Error, Result};

/// What surrounds the input of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// So many zeros on both sides of each axis.
    Zeros(Sizes),
    /// Zeros so that the output has the input's size; for stride 1. Of an odd number the last axis end gets one more.
    Same,
    /// Nothing.
    Valid,
}

impl<S: Into<Sizes>> From<S> for Padding {
    fn from(sizes: S) -> Self {
        Padding::Zeros(sizes.into())
    }
}

/// How [`Tensor::conv1d`], [`Tensor::conv2d`] and [`Tensor::conv3d`] run.
///
/// ```
/// use azura_core::ConvOptions;
/// let options = ConvOptions { stride: 2.into(), padding: [1, 0].into(), ..ConvOptions::default() };
/// assert_eq!(options.groups, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// How far the kernel moves from one output to the next; 1.
    pub stride: Sizes,
    /// What surrounds the input; no zeros.
    pub padding: Padding,
    /// The distance between the elements of the kernel; 1.
    pub dilation: Sizes,
    /// Into how many groups channels are split; outputs of a group see inputs of the same group only; 1.
    pub groups: usize,
}

impl Default for ConvOptions {
    fn default() -> Self {
        ConvOptions {
            stride: 1.into(),
            padding: 0.into(),
            dilation: 1.into(),
            groups: 1,
        }
    }
}

/// How [`Tensor::conv_transpose1d`], [`Tensor::conv_transpose2d`] and [`Tensor::conv_transpose3d`] run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTransposeOptions {
    /// How far the kernel moves from one input to the next; 1.
    pub stride: Sizes,
    /// How much is cut off from both sides of each axis of the output; 0.
    pub padding: Sizes,
    /// How much is added to the end of each axis of the output; less than the stride or the dilation; 0.
    pub output_padding: Sizes,
    /// The distance between the elements of the kernel; 1.
    pub dilation: Sizes,
    /// Into how many groups channels are split; 1.
    pub groups: usize,
}

impl Default for ConvTransposeOptions {
    fn default() -> Self {
        ConvTransposeOptions {
            stride: 1.into(),
            padding: 0.into(),
            output_padding: 0.into(),
            dilation: 1.into(),
            groups: 1,
        }
    }
}

impl Tensor {
    /// A convolution (cross-correlation) over one axis.
    ///
    /// `y[b, o, t] = bias[o] + Σ w[o, c, k] · x[b, c, t · stride + k · dilation - padding]`
    ///
    /// | value  | shape                                                       |
    /// |--------|-------------------------------------------------------------|
    /// | `self` | `[B, C, L]` or `[C, L]`                                     |
    /// | `w`    | `[O, C / groups, K]`                                        |
    /// | `bias` | `[O]`                                                       |
    /// | result | `[B, O, (L + 2·padding - dilation·(K - 1) - 1) / stride + 1]` |
    ///
    /// # Errors
    /// [`Error::Shape`] if sizes do not fit or the kernel is longer than the padded input, [`Error::DType`] if dtypes differ
    /// or are not floats, [`Error::Argument`] if a stride, a dilation or the groups are 0.
    ///
    /// ```
    /// use azura_core::{ConvOptions, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0], [1, 4])?;
    /// let w = Tensor::from_slice(&[1.0f32, -1.0], [1, 1, 2])?;
    /// let y = x.conv1d(&w, None, ConvOptions::default())?;
    /// assert_eq!(y.to_vec::<f32>()?, [-1.0, -1.0, -1.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    pub fn conv1d(
        &self,
        w: &Tensor,
        bias: Option<&Tensor>,
        options: ConvOptions,
    ) -> Result<Tensor> {
        convolution("conv1d", 1, self, w, bias, options)
    }

    /// A convolution over two axes; as [`Tensor::conv1d`] along each.
    ///
    /// | value  | shape                         |
    /// |--------|-------------------------------|
    /// | `self` | `[B, C, H, W]` or `[C, H, W]` |
    /// | `w`    | `[O, C / groups, KH, KW]`     |
    /// | `bias` | `[O]`                         |
    ///
    /// In f32 a kernel of 3 × 3 without stride or dilation is computed by Winograd's tiles where that is faster (Lavin & Gray 2016,
    /// arXiv:1509.09308), and so are its gradients. An element is then off by at most `4 · √k · ε` of the largest one, where k are the terms of
    /// its sum, `C / groups · 9`, and ε is 2⁻²³; measured are about a tenth of that, twice the error of the direct sums. What is not finite
    /// stays where the direct sums have it.
    ///
    /// # Errors
    /// Those of [`Tensor::conv1d`].
    pub fn conv2d(
        &self,
        w: &Tensor,
        bias: Option<&Tensor>,
        options: ConvOptions,
    ) -> Result<Tensor> {
        convolution("conv2d", 2, self, w, bias, options)
    }

    /// A convolution over three axes; as [`Tensor::conv1d`] along each.
    ///
    /// | value  | shape                               |
    /// |--------|-------------------------------------|
    /// | `self` | `[B, C, D, H, W]` or `[C, D, H, W]` |
    /// | `w`    | `[O, C / groups, KD, KH, KW]`       |
    /// | `bias` | `[O]`                               |
    ///
    /// # Errors
    /// Those of [`Tensor::conv1d`].
    pub fn conv3d(
        &self,
        w: &Tensor,
        bias: Option<&Tensor>,
        options: ConvOptions,
    ) -> Result<Tensor> {
        convolution("conv3d", 3, self, w, bias, options)
    }

    /// A transposed convolution over one axis: the gradient of [`Tensor::conv1d`] with these weights by its input.
    ///
    /// Element `t` of the input adds `w[c, o, k] · x[b, c, t]` to element `t · stride + k · dilation - padding` of the output.
    ///
    /// | value  | shape                                                                          |
    /// |--------|--------------------------------------------------------------------------------|
    /// | `self` | `[B, C, L]` or `[C, L]`                                                        |
    /// | `w`    | `[C, O / groups, K]`                                                           |
    /// | `bias` | `[O]`                                                                          |
    /// | result | `[B, O, (L - 1)·stride - 2·padding + dilation·(K - 1) + output_padding + 1]` |
    ///
    /// # Errors
    /// [`Error::Shape`] if sizes do not fit or nothing would be left of the output, [`Error::DType`] if dtypes differ or are
    /// not floats, [`Error::Argument`] if a stride, a dilation or the groups are 0, or the output's padding is too large.
    pub fn conv_transpose1d(
        &self,
        w: &Tensor,
        bias: Option<&Tensor>,
        options: ConvTransposeOptions,
    ) -> Result<Tensor> {
        transposed("conv_transpose1d", 1, self, w, bias, options)
    }

    /// A transposed convolution over two axes; as [`Tensor::conv_transpose1d`] along each.
    ///
    /// | value  | shape                         |
    /// |--------|-------------------------------|
    /// | `self` | `[B, C, H, W]` or `[C, H, W]` |
    /// | `w`    | `[C, O / groups, KH, KW]`     |
    /// | `bias` | `[O]`                         |
    ///
    /// # Errors
    /// Those of [`Tensor::conv_transpose1d`].
    pub fn conv_transpose2d(
        &self,
        w: &Tensor,
        bias: Option<&Tensor>,
        options: ConvTransposeOptions,
    ) -> Result<Tensor> {
        transposed("conv_transpose2d", 2, self, w, bias, options)
    }

    /// A transposed convolution over three axes; as [`Tensor::conv_transpose1d`] along each.
    ///
    /// | value  | shape                               |
    /// |--------|-------------------------------------|
    /// | `self` | `[B, C, D, H, W]` or `[C, D, H, W]` |
    /// | `w`    | `[C, O / groups, KD, KH, KW]`       |
    /// | `bias` | `[O]`                               |
    ///
    /// # Errors
    /// Those of [`Tensor::conv_transpose1d`].
    pub fn conv_transpose3d(
        &self,
        w: &Tensor,
        bias: Option<&Tensor>,
        options: ConvTransposeOptions,
    ) -> Result<Tensor> {
        transposed("conv_transpose3d", 3, self, w, bias, options)
    }
}

/// The operands of a convolution or transposed convolution, checked for what both have in common.
struct Operands {
    op: &'static str,
    dtype: DType,
    axes: usize,
    batched: bool,
    batch: usize,
    groups: usize,
    /// The two leading sizes of the weights, those of one group.
    channels: [usize; 2],
    x: [usize; MOST],
    kernel: [usize; MOST],
}

impl Operands {
    fn new(
        op: &'static str,
        axes: usize,
        x: &Tensor,
        w: &Tensor,
        bias: Option<&Tensor>,
        groups: usize,
        transposed: bool,
    ) -> Result<Self> {
        let dtype = same_dtype(op, x, w)?;
        if let Some(bias) = bias {
            same_dtype(op, x, bias)?;
        }
        if groups == 0 {
            return Err(Error::argument(op, "groups must be at least 1", "0"));
        }
        let batched = x.rank() == axes + 2;
        let mut fits = (batched || x.rank() == axes + 1) && w.rank() == axes + 2;
        if fits {
            let inputs = x.shape()[x.rank() - axes - 1];
            let (first, second) = (w.shape()[0], w.shape()[1]);
            let outputs = if transposed {
                second.saturating_mul(groups)
            } else {
                first
            };
            fits = first.is_multiple_of(groups)
                && inputs
                    == if transposed {
                        first
                    } else {
                        second.saturating_mul(groups)
                    }
                && bias.is_none_or(|bias| bias.shape() == [outputs]);
        }
        if !fits {
            let names = &["L", "H, W", "D, H, W"][axes - 1];
            let kernel = &["K", "KH, KW", "KD, KH, KW"][axes - 1];
            let (w_rule, groups_rule) = if transposed {
                ("C, O / groups", "C")
            } else {
                ("O, C / groups", "O and C")
            };
            return Err(Error::shape(
                op,
                format!(
                    "needs [B, C, {names}] or [C, {names}], weight [{w_rule}, {kernel}] and bias [O], {groups_rule} multiples of groups"
                ),
                format!(
                    "{:?}, {:?}, {} and {groups} groups",
                    x.shape(),
                    w.shape(),
                    bias.map_or("no bias".to_string(), |b| format!("{:?}", b.shape()))
                ),
            ));
        }
        let kernel = spatial(w.shape(), axes);
        if kernel.contains(&0) {
            return Err(Error::shape(
                op,
                "the kernel must not be empty",
                format!("{:?}", w.shape()),
            ));
        }
        Ok(Operands {
            op,
            dtype,
            axes,
            batched,
            batch: if batched { x.shape()[0] } else { 1 },
            groups,
            channels: [w.shape()[0] / groups, w.shape()[1]],
            x: spatial(x.shape(), axes),
            kernel,
        })
    }

    /// `dilation · (kernel - 1)`.
    fn reach(&self, dilation: [usize; MOST], axis: usize) -> Option<usize> {
        dilation[axis].checked_mul(self.kernel[axis] - 1)
    }

    /// The shape of a result with these channels and places.
    fn shape(&self, channels: usize, places: [usize; MOST]) -> Result<Shape> {
        let mut shape = Shape::empty();
        if self.batched {
            shape.push(self.batch);
        }
        shape.push(channels);
        for &size in &places[MOST - self.axes..] {
            shape.push(size);
        }
        shape::checked_numel(self.op, &shape)?;
        Ok(shape)
    }
}

/// A stride beyond every input is like any other that is: it leaves one place.
fn stride_of(op: &'static str, axes: usize, stride: Sizes) -> Result<[usize; MOST]> {
    let stride = stride.positive(op, "stride", axes)?;
    Ok(stride.map(|size| size.min(isize::MAX as usize / 4)))
}

fn convolution(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    options: ConvOptions,
) -> Result<Tensor> {
    let it = Operands::new(op, axes, x, w, bias, options.groups, false)?;
    let stride = stride_of(op, axes, options.stride)?;
    let dilation = options.dilation.positive(op, "dilation", axes)?;
    // Zeros before the first and after the last element.
    let mut around = [[0; 2]; MOST];
    match options.padding {
        Padding::Valid => {}
        Padding::Zeros(sizes) => {
            around = sizes.of(op, "padding", axes, 0)?.map(|size| [size; 2]);
        }
        Padding::Same => {
            if stride != [1; MOST] {
                return Err(Error::argument(
                    op,
                    "padding `same` needs stride 1",
                    format!("{:?}", &stride[MOST - axes..]),
                ));
            }
            for (axis, around) in around.iter_mut().enumerate() {
                let both = checked(op, "the kernel", || it.reach(dilation, axis))?;
                *around = [both / 2, both - both / 2];
            }
        }
    }
    let mut y = [0; MOST];
    for axis in 0..MOST {
        let padded = checked(op, "the padded input", || {
            it.x[axis]
                .checked_add(around[axis][0])?
                .checked_add(around[axis][1])
        })?;
        let left = it
            .reach(dilation, axis)
            .and_then(|reach| padded.checked_sub(reach)?.checked_sub(1));
        let Some(left) = left else {
            return Err(Error::shape(
                op,
                "the kernel must not be longer than the padded input",
                format!(
                    "kernel {:?} with dilation {:?} over {:?} padded to {padded} on axis {}",
                    &it.kernel[MOST - axes..],
                    &dilation[MOST - axes..],
                    &it.x[MOST - axes..],
                    axis + axes - MOST,
                ),
            ));
        };
        y[axis] = left / stride[axis] + 1;
    }
    let conv = Conv {
        batch: it.batch,
        groups: it.groups,
        inputs: it.channels[1],
        outputs: it.channels[0],
        x: it.x,
        y,
        kernel: it.kernel,
        stride,
        padding: around.map(|[before, _]| before),
        dilation,
    };
    let shape = it.shape(conv.groups * conv.outputs, y)?;
    record(
        op,
        it.dtype,
        x,
        w,
        bias,
        Kernels {
            conv,
            transposed: false,
        },
        shape,
    )
}

fn transposed(
    op: &'static str,
    axes: usize,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    options: ConvTransposeOptions,
) -> Result<Tensor> {
    let it = Operands::new(op, axes, x, w, bias, options.groups, true)?;
    let stride = stride_of(op, axes, options.stride)?;
    let dilation = options.dilation.positive(op, "dilation", axes)?;
    let padding = options.padding.of(op, "padding", axes, 0)?;
    let extra = options.output_padding.of(op, "output_padding", axes, 0)?;
    let mut y = [0; MOST];
    for axis in 0..MOST {
        if extra[axis] > 0 && extra[axis] >= stride[axis].max(dilation[axis]) {
            return Err(Error::argument(
                op,
                "output_padding must be smaller than stride or dilation",
                format!(
                    "{:?}, {:?} and {:?}",
                    &extra[MOST - axes..],
                    &stride[MOST - axes..],
                    &dilation[MOST - axes..]
                ),
            ));
        }
        let whole = checked(op, "the output", || {
            it.x[axis]
                .saturating_sub(1)
                .checked_mul(stride[axis])?
                .checked_add(it.reach(dilation, axis)?)?
                .checked_add(extra[axis])?
                .checked_add(1)
        })?;
        let cut = checked(op, "padding", || padding[axis].checked_mul(2))?;
        y[axis] = whole.saturating_sub(cut);
        if it.x[axis] == 0 || y[axis] == 0 {
            return Err(Error::shape(
                op,
                "neither the input's axes nor the output's may be empty",
                format!(
                    "input {:?}, output {whole} less padding {cut} on axis {}",
                    x.shape(),
                    axis + axes - MOST
                ),
            ));
        }
    }
    let conv = Conv {
        batch: it.batch,
        groups: it.groups,
        inputs: it.channels[1],
        outputs: it.channels[0],
        x: y,
        y: it.x,
        kernel: it.kernel,
        stride,
        padding,
        dilation,
    };
    let shape = it.shape(conv.groups * conv.inputs, y)?;
    record(
        op,
        it.dtype,
        x,
        w,
        bias,
        Kernels {
            conv,
            transposed: true,
        },
        shape,
    )
}

/// A convolution, or its transpose: there each of the two ways takes the other's place.
#[derive(Clone, Copy)]
struct Kernels {
    conv: Conv,
    transposed: bool,
}

impl Kernels {
    fn forward<T: Real + Element>(&self, x: &[T], w: &[T], bias: Option<&[T]>, y: &mut [T]) {
        if self.transposed {
            self.conv.input(x, w, bias, y);
        } else {
            self.conv.forward(x, w, bias, y);
        }
    }

    fn input<T: Real + Element>(&self, dy: &[T], w: &[T], dx: &mut [T]) {
        if self.transposed {
            self.conv.forward(dy, w, None, dx);
        } else {
            self.conv.input(dy, w, None, dx);
        }
    }

    fn weight<T: Real + Element>(&self, x: &[T], dy: &[T], accumulate: bool, dw: &mut [T]) {
        if self.transposed {
            self.conv.weight(dy, x, accumulate, dw);
        } else {
            self.conv.weight(x, dy, accumulate, dw);
        }
    }
}

/// The sum of `dy [batch, channels, places]` over all but the channels.
fn bias_gradient<T: Sum>(dy: &[T], batch: usize, channels: usize, accumulate: bool, out: &mut [T]) {
    let places = dy.len() / (batch * channels).max(1);
    let sizes: Shape = [batch, channels].into_iter().collect();
    let sums = Tensor::fill_new::<T>(sizes, |sums| {
        reduce::sum(
            dy,
            [batch * channels, places, 1],
            &Identity,
            1.0,
            false,
            sums,
        );
    });
    reduce::sum(
        sums.slice::<T>(),
        [1, batch, channels],
        &Identity,
        1.0,
        accumulate,
        out,
    );
}

fn record(
    op: &'static str,
    dtype: DType,
    x: &Tensor,
    w: &Tensor,
    bias: Option<&Tensor>,
    kernels: Kernels,
    shape: Shape,
) -> Result<Tensor> {
    if dtype.is_half() {
        return x.in_f32(op, |x, wide| {
            let (w, bias) = (wide.of(w)?, wide.some(bias)?);
            record(op, DType::F32, &x, &w, bias.as_ref(), kernels, shape)
        });
    }
    let edges = match bias {
        Some(bias) => Edges::of(&[x, w, bias]),
        None => Edges::of(&[x, w]),
    };
    let (x, w) = (x.contiguous_detached(), w.contiguous_detached());
    let bias = bias.map(Tensor::contiguous_detached);
    let y = for_float!(op, dtype, T => Tensor::fill_new::<T>(shape, |y| {
        kernels.forward(x.slice::<T>(), w.slice(), bias.as_ref().map(Tensor::slice), y);
    }));
    let bias = bias.map(|bias| *bias.sizes());
    let batch = kernels.conv.batch;
    Ok(edges.record(op, y, || {
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
            let dy = only(dy)?.contiguous_detached();
            for_float!(op, dtype, T => {
                let dy = dy.slice::<T>();
                grads.accumulate::<T>(1, w.sizes(), |dw, accumulate| {
                    kernels.weight(x.slice(), dy, accumulate, dw);
                })?;
                if let Some(bias) = &bias {
                    grads.accumulate::<T>(2, bias, |db, accumulate| {
                        bias_gradient(dy, batch, bias[0], accumulate, db);
                    })?;
                }
                if grads.wants(0) {
                    let dx = Tensor::fill_new::<T>(*x.sizes(), |dx| kernels.input(dy, w.slice(), dx));
                    grads.add(0, dx)?;
                }
                Ok(())
            })
        }
    }))
}
