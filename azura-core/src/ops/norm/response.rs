//! Normalisation over neighbouring channels.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::norm::response::{self, Response};
use crate::dtype::for_float;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// The constants of [`Tensor::local_response_norm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResponseOptions {
    /// The factor of the mean square. PyTorch's default: 1e-4.
    pub alpha: f64,
    /// The exponent of the divisor. PyTorch's default: 0.75.
    pub beta: f64,
    /// What the divisor begins with. PyTorch's default: 1.
    pub k: f64,
}

impl Default for ResponseOptions {
    fn default() -> Self {
        ResponseOptions {
            alpha: 1e-4,
            beta: 0.75,
            k: 1.0,
        }
    }
}

impl Tensor {
    /// Local response normalisation over `size` neighbouring channels (Krizhevsky, Sutskever & Hinton
    /// 2012).
    ///
    /// `y = x / (k + alpha/size · Σ x²)^beta`, the sum over the channels from `size/2` before to
    /// `(size - 1)/2` after; channels that do not exist count as 0
    ///
    /// | value  | shape          |
    /// |--------|----------------|
    /// | `self` | `[N, C, L, …]` |
    /// | result | as `self`      |
    ///
    /// # Errors
    /// [`Error::Shape`] if there are fewer than three axes, [`Error::Argument`] if `size` is 0,
    /// [`Error::DType`] if the dtype is no float.
    pub fn local_response_norm(&self, size: usize, options: ResponseOptions) -> Result<Tensor> {
        let op = "local_response_norm";
        let [_, channels, inner @ ..] = self.shape() else {
            return Err(too_flat(op, self));
        };
        if inner.is_empty() {
            return Err(too_flat(op, self));
        }
        if size == 0 {
            return Err(Error::argument(op, "size must be at least 1", "0"));
        }
        if self.dtype().is_half() {
            return self.in_f32(op, |x, _| x.local_response_norm(size, options));
        }
        let ResponseOptions { alpha, beta, k } = options;
        let r = Response {
            channels: *channels,
            inner: inner.iter().product(),
            size,
            alpha,
            beta,
            k,
        };
        let edges = Edges::of(&[self]);
        let x = self.contiguous_detached();
        for_float!(op, x.dtype(), T => {
            let divisors = Tensor::fill_new::<T>(*x.sizes(), |out| response::divisors(r, x.slice::<T>(), out));
            let y = Tensor::fill_new::<T>(*x.sizes(), |y| response::divide(beta, x.slice::<T>(), divisors.slice(), y));
            Ok(edges.record(op, y, || {
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = only(dy)?.contiguous_detached();
                    grads.add(0, Tensor::fill_new::<T>(*x.sizes(), |dx| {
                        response::backward(r, x.slice::<T>(), divisors.slice(), dy.slice(), dx);
                    }))
                }
            }))
        })
    }
}

fn too_flat(op: &'static str, x: &Tensor) -> Error {
    Error::shape(
        op,
        "the input must be [N, C, L] or have more axes",
        format!("{:?}", x.shape()),
    )
}
