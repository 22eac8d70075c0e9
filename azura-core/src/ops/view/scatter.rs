//! Writing and adding at indices.

use super::axis;
use super::index::{Places, around, at_least_one, indices};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::indexing;
use crate::dtype::{for_dtype, for_float};
use crate::ops::Rhs;
use crate::shape::Shape;
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Error, Result};

/// Runs `$body` with `$T` standing for the element type of a dtype whose elements can be summed.
macro_rules! for_number {
    ($op:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            DType::F32 => {
                type $T = f32;
                $body
            }
            DType::F64 => {
                type $T = f64;
                $body
            }
            DType::I64 => {
                type $T = i64;
                $body
            }
            DType::U32 => {
                type $T = u32;
                $body
            }
            other => {
                return Err(Error::dtype(
                    $op,
                    "takes numbers",
                    format!("{other}; cast it first with `cast`"),
                ));
            }
        }
    };
}

/// Checks that `src` has a value for each index.
fn covers(op: &'static str, at: &Places, index: &Tensor, src: &Tensor) -> Result<Shape> {
    let sizes = at_least_one(src.sizes());
    let covers = sizes.len() == at.shape.len() && (0..sizes.len()).all(|a| at.shape[a] <= sizes[a]);
    if covers {
        Ok(sizes)
    } else {
        Err(Error::shape(
            op,
            "there must be a value for each index",
            format!("values {:?} and indices {:?}", src.shape(), index.shape()),
        ))
    }
}

impl Tensor {
    /// A copy with the elements of `src`, or one number, at indices along axis `dim`.
    ///
    /// `y[index[i, j, k], j, k] = src[i, j, k]` for `dim` 0, and so on. Of several values for one place the last in
    /// row-major order stays, and alone gets a gradient (PyTorch leaves open which, and gives it to all).
    ///
    /// # Errors
    /// [`Error::DType`] if `index` is not u32 or i64, or the dtype of `src` differs; [`Error::Shape`] if `index` does
    /// not fit as in [`Tensor::gather`], or `src` is shorter along an axis; [`Error::Argument`] if a number is no value
    /// of an integer dtype.
    pub fn scatter(&self, dim: isize, index: &Tensor, src: impl Into<Rhs>) -> Result<Tensor> {
        let op = "scatter";
        let at = Places::new(op, self, dim, index)?;
        let src = match src.into() {
            Rhs::Tensor(src) => src,
            // A view that repeats the number for each index.
            number => number.tensor(op, self.dtype())?.expand(&at.shape[..])?,
        };
        let dtype = same_dtype(op, self, &src)?;
        if dtype.is_half() {
            return self.in_f32(op, |x, wide| x.scatter(dim, index, wide.of(&src)?));
        }
        let sizes = covers(op, &at, index, &src)?;
        let edges = Edges::of(&[self, &src]);
        let y = for_dtype!(dtype, T => {
            let (x, src) = (self.contiguous_detached(), src.contiguous_detached());
            let src = src.slice::<T>();
            Tensor::fill_new::<T>(*self.sizes(), |out| {
                out.copy_from_slice(x.slice());
                at.along().scatter(&sizes, |_, source| src[source], out);
            })
        });
        let (from, of_src) = (*self.sizes(), *src.sizes());
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?.contiguous_detached();
                for_float!(op, dtype, T => {
                    let dy = dy.slice::<T>();
                    if grads.wants(0) {
                        grads.add(0, Tensor::fill_new::<T>(from, |dx| {
                            dx.copy_from_slice(dy);
                            at.along().scatter(&at.shape, |_, _| 0.0, dx);
                        }))?;
                    }
                    if grads.wants(1) {
                        // Which index wrote last to each place.
                        let mut last = vec![0usize; dy.len()];
                        at.along().scatter(&at.shape, |k, _| k, &mut last);
                        grads.add(1, Tensor::fill_new::<T>(of_src, |dsrc| {
                            dsrc.fill(0.0);
                            let value = |k, place: usize| if last[place] == k { dy[place] } else { 0.0 };
                            at.along().scatter_back(&sizes, value, dsrc);
                        }))?;
                    }
                    Ok(())
                })
            }
        }))
    }

    /// A copy to which the elements of `src` are added at indices along axis `dim`, in row-major order.
    ///
    /// `y[index[i, j, k], j, k] += src[i, j, k]` for `dim` 0, and so on.
    ///
    /// # Errors
    /// Those of [`Tensor::scatter`], and [`Error::DType`] for bool.
    pub fn scatter_add(&self, dim: isize, index: &Tensor, src: &Tensor) -> Result<Tensor> {
        let op = "scatter_add";
        let at = Places::new(op, self, dim, index)?;
        let dtype = same_dtype(op, self, src)?;
        if dtype.is_half() {
            return self.in_f32(op, |x, wide| x.scatter_add(dim, index, &wide.of(src)?));
        }
        let sizes = covers(op, &at, index, src)?;
        let edges = Edges::of(&[self, src]);
        let y = for_number!(op, dtype, T => {
            let (x, src) = (self.contiguous_detached(), src.contiguous_detached());
            Tensor::fill_new::<T>(*self.sizes(), |out| {
                out.copy_from_slice(x.slice());
                at.along().scatter_add(src.slice::<T>(), &sizes, out);
            })
        });
        let of_src = *src.sizes();
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?.contiguous_detached();
                if grads.wants(1) {
                    for_float!(op, dtype, T => grads.add(1, Tensor::fill_new::<T>(of_src, |dsrc| {
                        dsrc.fill(0.0);
                        let dy = dy.slice::<T>();
                        at.along().scatter_back(&sizes, |_, place| dy[place], dsrc);
                    })))?;
                }
                grads.add(0, dy)
            }
        }))
    }

    /// A copy to which the entries of `src`, times `alpha`, are added at entries `ids` of axis `dim`, in order.
    /// PyTorch's default for `alpha` is 1.
    ///
    /// # Errors
    /// [`Error::DType`] if `ids` is not u32 or i64, dtypes differ, or for bool; [`Error::Shape`] if `ids` has more
    /// than one axis, an id is not in `0..size`, or `src` has not one entry for each id; [`Error::Argument`] if `alpha`
    /// is no value of an integer dtype.
    pub fn index_add(&self, dim: isize, ids: &Tensor, src: &Tensor, alpha: f64) -> Result<Tensor> {
        let op = "index_add";
        let axis = axis(op, dim, self.rank())?;
        let dtype = same_dtype(op, self, src)?;
        if dtype.is_half() {
            return self.in_f32(op, |x, wide| x.index_add(dim, ids, &wide.of(src)?, alpha));
        }
        let from = at_least_one(self.sizes());
        let mut sizes = from;
        sizes[axis] = ids.numel();
        if ids.rank() > 1 || at_least_one(src.sizes()) != sizes {
            return Err(Error::shape(
                op,
                "ids must have one axis, and the values one entry for each id",
                format!(
                    "ids {:?} and values {:?} for {:?}",
                    ids.shape(),
                    src.shape(),
                    self.shape()
                ),
            ));
        }
        let ids = indices(op, ids, from[axis])?;
        let dims = around(&from, axis);
        let edges = Edges::of(&[self, src]);
        let factor = Rhs::Scalar(alpha).tensor(op, dtype)?;
        let y = for_number!(op, dtype, T => {
            let (x, src) = (self.contiguous_detached(), src.contiguous_detached());
            let factor = factor.item::<T>()?;
            Tensor::fill_new::<T>(*self.sizes(), |out| {
                out.copy_from_slice(x.slice());
                indexing::add(src.slice::<T>(), dims, &ids, factor, out);
            })
        });
        let of_src = *src.sizes();
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?.contiguous_detached();
                if grads.wants(1) {
                    let dsrc = for_float!(op, dtype, T => Tensor::fill_new::<T>(of_src, |dsrc| {
                        indexing::select(dy.slice::<T>(), dims, &ids, dsrc);
                    }));
                    grads.add(1, if alpha == 1.0 { dsrc } else { dsrc.mul(alpha)? })?;
                }
                grads.add(0, dy)
            }
        }))
    }
}
