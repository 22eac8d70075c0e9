//! Products, and running sums and products.

use super::{all, along};
use crate::Result;
use crate::autograd::{Edges, Grads, only};
use crate::cpu::fold::{self, Product, ProductExact};
use crate::cpu::scan::{self, Incoming, Products, ProductsExact, Sums, SumsExact};
use crate::dtype::{for_float, for_integer};
use crate::shape;
use crate::tensor::Tensor;

impl Tensor {
    /// The product over the axes `dims`; 1 over no elements.
    ///
    /// The gradient of an element is the product of the others, exact with any number of zeros. The
    /// product of integers or bools is i64 (modulo 2⁶⁴).
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if an axis does not exist or is named twice.
    pub fn prod(&self, dims: &[isize], keepdim: bool) -> Result<Tensor> {
        let op = "prod";
        let [y] = along(op, self, dims, keepdim, |x, sizes| {
            let shape = [sizes[0], sizes[2]].into_iter().collect();
            if !x.dtype().is_float() {
                return for_integer!(op, x.dtype(), T => Ok([Tensor::fill_new::<i64>(shape, |out| {
                    fold::fold(x.slice::<T>(), sizes, &ProductExact, out);
                })]));
            }
            let edges = Edges::of(&[x]);
            let y = for_float!(op, x.dtype(), T => Tensor::fill_new::<T>(shape, |out| {
                fold::fold(x.slice::<T>(), sizes, &Product, out);
            }));
            let saved = x.detach();
            Ok([edges.record(op, y, || {
                move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                    let dy = only(dy)?.contiguous_detached();
                    for_float!(op, dy.dtype(), T => grads.add(0, Tensor::fill_new::<T>(*saved.sizes(), |dx| {
                        let dy = Incoming::Last(dy.slice::<T>());
                        scan::products_backward(saved.slice(), &dy, sizes, dx);
                    })))
                }
            })])
        })?;
        Ok(y)
    }

    /// The product of all elements.
    ///
    /// # Errors
    /// None today; the result leaves room for dtypes without a product.
    pub fn prod_all(&self) -> Result<Tensor> {
        self.prod(&all(self), false)
    }

    /// Running sums along `dim`: element `k` is the sum of elements `0..=k`.
    ///
    /// Those of integers or bools are i64 and exact (modulo 2⁶⁴).
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if there is no such axis.
    pub fn cumsum(&self, dim: isize) -> Result<Tensor> {
        let op = "cumsum";
        if self.dtype().is_half() {
            return self.in_f32("cumsum", |x, _| x.cumsum(dim));
        }
        let edges = Edges::of(&[self]);
        let sizes = around(op, self, dim)?;
        let y = running(op, self, sizes, Way::Sums { reverse: false })?;
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(
                    0,
                    running(op, &only(dy)?, sizes, Way::Sums { reverse: true })?,
                )
            }
        }))
    }

    /// Running products along `dim`: element `k` is the product of elements `0..=k`.
    ///
    /// The gradient is exact with any number of zeros. Products of integers or bools are i64 (modulo 2⁶⁴).
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if there is no such axis.
    pub fn cumprod(&self, dim: isize) -> Result<Tensor> {
        let op = "cumprod";
        if self.dtype().is_half() {
            return self.in_f32("cumprod", |x, _| x.cumprod(dim));
        }
        let edges = Edges::of(&[self]);
        let sizes = around(op, self, dim)?;
        let y = running(op, self, sizes, Way::Products)?;
        let saved = self.detach();
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let (x, dy) = (saved.contiguous_detached(), only(dy)?.contiguous_detached());
                for_float!(op, dy.dtype(), T => grads.add(0, Tensor::fill_new::<T>(*x.sizes(), |dx| {
                    let dy = Incoming::Each(dy.slice::<T>());
                    scan::products_backward(x.slice(), &dy, sizes, dx);
                })))
            }
        }))
    }
}

/// `[outer, n, inner]` around axis `dim`; a number counts as one axis of size 1.
pub(crate) fn around(op: &'static str, x: &Tensor, dim: isize) -> Result<[usize; 3]> {
    let sizes = if x.rank() == 0 { &[1] } else { x.shape() };
    let axis = shape::axis(op, dim, sizes.len())?;
    let product = |sizes: &[usize]| sizes.iter().product();
    Ok([
        product(&sizes[..axis]),
        sizes[axis],
        product(&sizes[axis + 1..]),
    ])
}

enum Way {
    Sums { reverse: bool },
    Products,
}

fn running(op: &'static str, x: &Tensor, sizes: [usize; 3], way: Way) -> Result<Tensor> {
    let x = x.contiguous_detached();
    if x.dtype().is_float() {
        return for_float!(op, x.dtype(), T => Ok(Tensor::fill_new::<T>(*x.sizes(), |out| match way {
            Way::Sums { reverse } => scan::scan(&Sums, x.slice::<T>(), sizes, reverse, out),
            Way::Products => scan::scan(&Products, x.slice::<T>(), sizes, false, out),
        })));
    }
    for_integer!(op, x.dtype(), T => Ok(Tensor::fill_new::<i64>(*x.sizes(), |out| match way {
        Way::Sums { reverse } => scan::scan(&SumsExact, x.slice::<T>(), sizes, reverse, out),
        Way::Products => scan::scan(&ProductsExact, x.slice::<T>(), sizes, false, out),
    })))
}
