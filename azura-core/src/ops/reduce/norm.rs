//! Norms of vectors, and what is made of them.

use super::extreme::share;
use super::{all, along, not_empty};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::fold::{self, NonZero, Norm1, Norm2, NormInf, NormNegInf, NormP};
use crate::cpu::map::Map;
use crate::cpu::math::Num;
use crate::cpu::spread;
use crate::dtype::for_float;
use crate::shape;
use crate::tensor::{Tensor, same_dtype};
use crate::{Element, Error, Result};

/// `(x, ‖x‖ₚ, dy) -> dx`. Where the norm is 0, and where its slope is infinite, the gradient is 0.
struct Slope {
    p: f64,
}

impl<T: Num + Element> Map<T, T, 3> for Slope {
    #[inline(always)]
    fn call(&self, [x, norm, dy]: [T; 3]) -> T {
        let (x, norm, dy) = (x.to_f64(), norm.to_f64(), dy.to_f64());
        let p = self.p;
        let slope = if p == 2.0 {
            x / norm
        } else if x == 0.0 {
            0.0
        } else {
            // sign(x) · (|x| / ‖x‖)^(p - 1): as a ratio it neither overflows nor vanishes early.
            let ratio = (x.abs() / norm).powf(p - 1.0);
            if x < 0.0 { -ratio } else { ratio }
        };
        T::from_f64(if norm == 0.0 { 0.0 } else { slope * dy })
    }
}

/// The same for p = 1: the sign.
struct Sign;

impl<T: Num> Map<T, T, 3> for Sign {
    #[inline(always)]
    fn call(&self, [x, _, dy]: [T; 3]) -> T {
        let zero = T::lit(0.0);
        let x_is_nan = x.nan_select(x, zero);
        x.gt_select(zero, dy, zero.gt_select(x, -dy, x_is_nan))
    }
}

impl Tensor {
    /// The p-norm of the vectors along the axes `dims` together.
    ///
    /// | p          | norm                                        | gradient where the norm is 0 |
    /// |------------|---------------------------------------------|------------------------------|
    /// | 0          | how many elements are not 0                 | 0 everywhere                 |
    /// | `inf`      | the largest absolute value, shared by equals | 0                           |
    /// | `-inf`     | the smallest absolute value, shared by equals | 0                          |
    /// | any other  | `(Σ ∣x∣ᵖ)^(1/p)`                             | 0                            |
    ///
    /// PyTorch: `linalg.vector_norm(x, p, dims, keepdim)`. Sums are taken in f64, so an f32 norm overflows
    /// only if it is itself too large.
    ///
    /// # Errors
    /// [`Error::Shape`] if an axis does not exist or is named twice, or if there is no element and p is
    /// negative or infinite; [`Error::Argument`] if p is NaN; [`Error::DType`] if the dtype is not a float.
    pub fn norm(&self, p: f64, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        let op = "norm";
        if p.is_nan() {
            return Err(Error::argument(op, "p must be a number", "NaN"));
        }
        let [y] = along(op, &self.clone().floats(op)?, dims, keepdim, |x, sizes| {
            if p < 0.0 || p.is_infinite() {
                not_empty(op, self, sizes)?;
            }
            let edges = Edges::of(&[x]);
            let shape = [sizes[0], sizes[2]].into_iter().collect();
            let y = for_float!(op, x.dtype(), T => Tensor::fill_new::<T>(shape, |out| {
                let x = x.slice::<T>();
                match p {
                    0.0 => fold::fold(x, sizes, &NonZero, out),
                    1.0 => fold::fold(x, sizes, &Norm1, out),
                    2.0 => fold::fold(x, sizes, &Norm2, out),
                    f64::INFINITY => fold::fold(x, sizes, &NormInf, out),
                    f64::NEG_INFINITY => fold::fold(x, sizes, &NormNegInf, out),
                    _ => fold::fold(x, sizes, &NormP(p), out),
                }
            }));
            let saved = edges.recorded().then(|| (x.detach(), y.detach()));
            Ok([edges.record(op, y, || {
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = only(dy)?;
                    match &saved {
                        Some((x, y)) => grads.add(0, norm_backward(p, x, y, dy, sizes)?),
                        None => Ok(()),
                    }
                }
            })])
        })?;
        Ok(y)
    }

    /// The p-norm of all elements. PyTorch: `norm(p)`.
    ///
    /// # Errors
    /// Those of [`Tensor::norm`].
    pub fn norm_all(&self, p: f64) -> Result<Tensor> {
        self.norm(p, &all(self), false)
    }

    /// Vectors along `dim` divided by their p-norm: `x / max(‖x‖ₚ, eps)`.
    ///
    /// PyTorch: `nn.functional.normalize` with `p = 2`, `dim = 1` and `eps = 1e-12`.
    ///
    /// # Errors
    /// Those of [`Tensor::norm`]; [`Error::Argument`] if `eps` is NaN.
    pub fn normalize(&self, p: f64, dim: isize, eps: f64) -> Result<Tensor> {
        if self.dtype().is_half() {
            return self.in_f32("normalize", |x, _| x.normalize(p, dim, eps));
        }
        check_eps("normalize", eps)?;
        let norm = self.norm(p, &[dim], true)?;
        self.clone().div(norm.clamp(eps, f64::INFINITY)?)
    }

    /// The cosine of the angle between vectors along `dim`, broadcast:
    /// `x · y / (max(‖x‖, eps) · max(‖y‖, eps))`.
    ///
    /// PyTorch: `nn.functional.cosine_similarity` with `dim = 1` and `eps = 1e-8`; as there, the gradient
    /// passes through a norm below `eps` as if it had not been raised.
    ///
    /// # Errors
    /// [`Error::Shape`] if the sizes cannot be broadcast or there is no such axis, [`Error::DType`] if the
    /// dtypes differ or are not floats, [`Error::Argument`] if `eps` is NaN.
    pub fn cosine_similarity(&self, other: &Tensor, dim: isize, eps: f64) -> Result<Tensor> {
        let op = "cosine_similarity";
        if same_dtype(op, self, other)?.is_half() {
            return self.in_f32(op, |x, wide| {
                x.cosine_similarity(&wide.of(other)?, dim, eps)
            });
        }
        check_eps(op, eps)?;
        let shape = shape::broadcast(op, self.sizes(), other.sizes())?;
        let unit = |x: &Tensor| {
            let x = x.clone().floats(op)?.expand(&shape[..])?;
            let norm = x.norm(2.0, &[dim], true)?;
            let edges = Edges::of(&[&norm]);
            let raised = norm.detach().clamp(eps, f64::INFINITY)?;
            let norm = edges.record(op, raised, || {
                |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| grads.add(0, only(dy)?)
            });
            x.div(norm)
        };
        unit(self)?.mul(unit(other)?)?.sum(&[dim], false)
    }
}

fn check_eps(op: &'static str, eps: f64) -> Result<()> {
    if eps.is_nan() {
        return Err(Error::argument(op, "eps must be a number", "NaN"));
    }
    Ok(())
}

fn norm_backward(p: f64, x: &Tensor, y: &Tensor, dy: Tensor, sizes: [usize; 3]) -> Result<Tensor> {
    let op = "norm";
    if p == 0.0 {
        return Ok(Tensor::full_like(x, 0.0));
    }
    if p.is_infinite() {
        // To those whose absolute value is the norm, with their sign; 0 has none.
        let part = share(op, &x.clone().abs()?, sizes, y, dy)?;
        return for_float!(op, x.dtype(), T => {
            Ok(Tensor::fill_new::<T>(*x.sizes(), |dx| {
                spread::spread(&Sign, x.slice::<T>(), [part.slice(), part.slice()], [1, 1, x.numel()], dx);
            }))
        });
    }
    let dy = dy.contiguous_detached();
    for_float!(op, x.dtype(), T => Ok(Tensor::fill_new::<T>(*x.sizes(), |dx| {
        let given = [y.slice::<T>(), dy.slice()];
        if p == 1.0 {
            spread::spread(&Sign, x.slice::<T>(), given, sizes, dx);
        } else {
            spread::spread(&Slope { p }, x.slice::<T>(), given, sizes, dx);
        }
    })))
}
