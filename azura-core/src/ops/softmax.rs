//! Softmax and its relatives, in one pass over each row and safe at any size.

use super::reduce::{all, along};
use crate::Result;
use crate::autograd::{Edges, Grads, only};
use crate::cpu::fold::{self, Extreme};
use crate::cpu::softmax as kernel;
use crate::cpu::spread;
use crate::dtype::for_float;
use crate::shape;
use crate::tensor::Tensor;

impl Tensor {
    /// `exp(x) / Σ exp(x)` along `dim`. A row of nothing but `-inf` gives NaN, as in PyTorch.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if there is no such axis, [`crate::Error::DType`] if the dtype is not a float.
    pub fn softmax(&self, dim: isize) -> Result<Tensor> {
        self.along_last("softmax", dim, |x| {
            let edges = Edges::of(&[x]);
            let y = for_float!("softmax", x.dtype(), T => Tensor::fill_new::<T>(*x.sizes(), |out| {
                kernel::softmax(x.contiguous_detached().slice(), row(x), out);
            }));
            let saved = y.detach();
            Ok(edges.record("softmax", y, || {
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = only(dy)?.contiguous_detached();
                    for_float!("softmax", dy.dtype(), T => grads.add(0, Tensor::fill_new::<T>(*dy.sizes(), |dx| {
                        kernel::softmax_backward(saved.slice(), dy.slice(), row(&dy), dx);
                    })))
                }
            }))
        })
    }

    /// `x - ln Σ exp(x)` along `dim`.
    ///
    /// # Errors
    /// Those of [`Tensor::softmax`].
    pub fn log_softmax(&self, dim: isize) -> Result<Tensor> {
        self.along_last("log_softmax", dim, |x| {
            let edges = Edges::of(&[x]);
            let y = for_float!("log_softmax", x.dtype(), T => Tensor::fill_new::<T>(*x.sizes(), |out| {
                kernel::log_softmax(x.contiguous_detached().slice(), row(x), out);
            }));
            let saved = y.detach();
            Ok(edges.record("log_softmax", y, || {
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = only(dy)?.contiguous_detached();
                    for_float!("log_softmax", dy.dtype(), T => grads.add(0, Tensor::fill_new::<T>(*dy.sizes(), |dx| {
                        kernel::log_softmax_backward(saved.slice(), dy.slice(), row(&dy), dx);
                    })))
                }
            }))
        })
    }

    /// `exp(-x) / Σ exp(-x)` along `dim`.
    ///
    /// # Errors
    /// Those of [`Tensor::softmax`].
    pub fn softmin(&self, dim: isize) -> Result<Tensor> {
        self.clone().floats("softmin")?.neg()?.softmax(dim)
    }

    /// `ln Σ exp(x)` over the axes `dims`, without overflow: `-inf` over nothing or nothing but `-inf`
    /// (where the gradient is NaN, as in PyTorch), `inf` if there is one.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if an axis does not exist or is named twice, [`crate::Error::DType`] if the
    /// dtype is not a float.
    pub fn logsumexp(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        let op = "logsumexp";
        let [y] = along(op, &self.clone().floats(op)?, dims, keepdim, |x, sizes| {
            let edges = Edges::of(&[x]);
            let shape = [sizes[0], sizes[2]].into_iter().collect();
            let y = for_float!(op, x.dtype(), T => {
                let x = x.slice::<T>();
                let top = Tensor::fill_new::<T>(shape, |out| {
                    fold::fold(x, sizes, &Extreme { largest: true }, out);
                });
                Tensor::fill_new::<T>(shape, |out| {
                    kernel::log_sum_exp_over(x, sizes, top.slice(), out);
                })
            });
            let saved = edges.recorded().then(|| (x.detach(), y.detach()));
            Ok([edges.record(op, y, || {
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = only(dy)?.contiguous_detached();
                    let Some((x, y)) = &saved else { return Ok(()) };
                    for_float!(op, x.dtype(), T => grads.add(0, Tensor::fill_new::<T>(*x.sizes(), |dx| {
                        let given = [y.slice(), dy.slice()];
                        spread::spread(&kernel::LogSumExpBackward, x.slice::<T>(), given, sizes, dx);
                    })))
                }
            })])
        })?;
        Ok(y)
    }

    /// `ln Σ exp(x)` of all elements.
    ///
    /// # Errors
    /// [`crate::Error::DType`] if the dtype is not a float.
    pub fn logsumexp_all(&self) -> Result<Tensor> {
        self.logsumexp(&all(self), false)
    }

    /// Runs `f` with axis `dim` brought to the end and puts it back.
    fn along_last(
        &self,
        op: &'static str,
        dim: isize,
        f: impl FnOnce(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        if self.dtype().is_half() {
            return self.in_f32(op, |x, _| x.along_last(op, dim, f));
        }
        if self.rank() == 0 {
            shape::axis(op, dim, 1)?;
            return f(&self.reshape([1])?)?.reshape([]);
        }
        let axis = shape::axis(op, dim, self.rank())? as isize;
        if axis + 1 == self.rank() as isize {
            f(self)
        } else {
            f(&self.transpose(axis, -1)?)?.transpose(axis, -1)
        }
    }
}

fn row(x: &Tensor) -> usize {
    x.shape().last().copied().unwrap_or(1)
}
