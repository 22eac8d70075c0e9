//! Windows of images as columns, and channels as pixels.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::patches::{self, Windows};
use crate::dtype::for_dtype;
use crate::shape::{self, Shape};
use crate::tensor::Tensor;
use crate::{Error, Result, Sizes};

/// The options of [`Tensor::unfold`], for rows and columns each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfoldOptions {
    /// The distance between neighbouring pixels of a window.
    pub dilation: Sizes,
    /// Zeros around the image.
    pub padding: Sizes,
    /// The distance between neighbouring windows.
    pub stride: Sizes,
}

impl Default for UnfoldOptions {
    fn default() -> Self {
        UnfoldOptions {
            dilation: 1.into(),
            padding: 0.into(),
            stride: 1.into(),
        }
    }
}

impl Tensor {
    /// The windows of an image as columns (im2col). PyTorch: `nn.functional.unfold`.
    ///
    /// | value  | shape                          |
    /// |--------|--------------------------------|
    /// | `self` | `[B, C, H, W]` or `[C, H, W]`  |
    /// | result | `[B, C · kh · kw, L]` or without B, with L windows |
    ///
    /// Row `(c · kh + i) · kw + j` holds pixel `(i, j)` of channel `c` of each window, in row-major order of the windows.
    ///
    /// # Errors
    /// [`Error::Shape`] if the tensor is no image or no window fits into it, [`Error::Argument`] if a size, dilation or
    /// stride is 0, [`Error::DType`] if the dtype is not a float.
    pub fn unfold(&self, kernel: impl Into<Sizes>, options: UnfoldOptions) -> Result<Tensor> {
        let op = "unfold";
        let positive = |what, sizes: Sizes| {
            let [_, rows, cols] = sizes.positive(op, what, 2)?;
            Ok([rows, cols])
        };
        let kernel = positive("the kernel", kernel.into())?;
        let dilation = positive("the dilation", options.dilation)?;
        let stride = positive("the stride", options.stride)?;
        let [_, rows, cols] = options.padding.of(op, "the padding", 2, 0)?;
        let padding = [rows, cols];
        if !(3..=4).contains(&self.rank()) {
            return Err(Error::shape(
                op,
                "needs [B, C, H, W] or [C, H, W]",
                format!("{:?}", self.shape()),
            ));
        }
        let [.., channels, height, width] = *self.shape() else {
            return Err(Error::shape(
                op,
                "needs [C, H, W]",
                format!("{:?}", self.shape()),
            ));
        };
        let image = [height, width];
        let mut counts = [0; 2];
        for axis in 0..2 {
            let reach = (kernel[axis] - 1).checked_mul(dilation[axis]);
            let room = padding[axis]
                .checked_mul(2)
                .and_then(|both| both.checked_add(image[axis]));
            let left = reach
                .zip(room)
                .and_then(|(reach, room)| room.checked_sub(reach.checked_add(1)?));
            counts[axis] = match left {
                Some(left) => left / stride[axis] + 1,
                None => {
                    return Err(Error::shape(
                        op,
                        "a window must fit into the padded image",
                        format!(
                            "kernel {kernel:?}, dilation {dilation:?} and padding {padding:?} for an image {image:?}"
                        ),
                    ));
                }
            };
        }
        let batch = if self.rank() == 4 { self.shape()[0] } else { 1 };
        let rows = shape::checked_numel(op, &[channels, kernel[0], kernel[1]])?;
        let columns = shape::checked_numel(op, &counts)?;
        let whole: Shape = [batch, rows, columns].into_iter().collect();
        shape::checked_numel(op, &whole)?;
        let sizes = if self.rank() == 4 {
            whole
        } else {
            [rows, columns].into_iter().collect()
        };
        let windows = Windows {
            planes: batch * channels,
            image,
            kernel,
            dilation,
            padding,
            stride,
            counts,
        };
        let edges = Edges::of(&[self]);
        let from = *self.sizes();
        let dtype = self.clone().floats(op)?.dtype();
        let y = for_dtype!(dtype, T => {
            let x = self.contiguous_detached();
            Tensor::fill_new::<T>(sizes, |out| patches::unfold(&windows, x.slice(), out))
        });
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                accumulate!(op, grads, only(dy)?, from, |dy, dx, add| {
                    if !add {
                        dx.fill(0.0);
                    }
                    patches::fold(&windows, dy, dx);
                })
            }
        }))
    }

    /// Channels as pixels: every `r²` channels become a block of `r × r` pixels (Shi et al. 2016, arXiv:1609.05158).
    ///
    /// | value  | shape                  |
    /// |--------|------------------------|
    /// | `self` | `[..., C · r², H, W]`  |
    /// | result | `[..., C, H · r, W · r]` |
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not three axes or the channels are no multiple of `r²`, [`Error::Argument`] if `r`
    /// is 0.
    pub fn pixel_shuffle(&self, r: usize) -> Result<Tensor> {
        let op = "pixel_shuffle";
        let (lead, [channels, height, width]) = planes(op, self, r)?;
        let block = r.checked_mul(r);
        if block.is_none_or(|block| !channels.is_multiple_of(block)) {
            return Err(Error::shape(
                op,
                format!("the channels must be a multiple of the square of {r}"),
                format!("{:?}", self.shape()),
            ));
        }
        let (rows, cols) = (height.saturating_mul(r), width.saturating_mul(r));
        let c = channels / (r * r);
        let mut sizes = lead.clone();
        sizes.extend([c, rows, cols]);
        shape::checked_numel(op, &sizes)?;
        let n = lead.iter().product::<usize>() * c;
        self.reshape([n, r, r, height, width])?
            .permute(&[0, 3, 1, 4, 2])?
            .reshape(sizes)
    }

    /// Pixels as channels: the inverse of [`Tensor::pixel_shuffle`].
    ///
    /// | value  | shape                    |
    /// |--------|--------------------------|
    /// | `self` | `[..., C, H · r, W · r]` |
    /// | result | `[..., C · r², H, W]`    |
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not three axes or the sizes are no multiples of `r`, [`Error::Argument`] if `r` is 0.
    pub fn pixel_unshuffle(&self, r: usize) -> Result<Tensor> {
        let op = "pixel_unshuffle";
        let (lead, [channels, height, width]) = planes(op, self, r)?;
        if !height.is_multiple_of(r) || !width.is_multiple_of(r) {
            return Err(Error::shape(
                op,
                format!("height and width must be multiples of {r}"),
                format!("{:?}", self.shape()),
            ));
        }
        let c = channels.saturating_mul(r).saturating_mul(r);
        let mut sizes = lead.clone();
        sizes.extend([c, height / r, width / r]);
        shape::checked_numel(op, &sizes)?;
        let n = lead.iter().product::<usize>() * channels;
        self.reshape([n, height / r, r, width / r, r])?
            .permute(&[0, 2, 4, 1, 3])?
            .reshape(sizes)
    }
}

/// The leading axes, and the last three.
fn planes(op: &'static str, x: &Tensor, r: usize) -> Result<(Vec<usize>, [usize; 3])> {
    if r == 0 {
        return Err(Error::argument(op, "the factor must be positive", "0"));
    }
    match *x.shape() {
        [ref lead @ .., channels, height, width] => Ok((lead.to_vec(), [channels, height, width])),
        _ => Err(Error::shape(
            op,
            "needs [..., C, H, W]",
            format!("{:?}", x.shape()),
        )),
    }
}
