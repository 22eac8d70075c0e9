//! Masks, and the triangles of matrices.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::threads::for_rows;
use crate::dtype::for_dtype;
use crate::ops::Rhs;
use crate::shape;
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Element, Error, Result};

impl Tensor {
    /// `value`, a number or a tensor of rank 0, where `mask` is true; else the tensor. Both are broadcast.
    ///
    /// # Errors
    /// [`Error::DType`] if `mask` is not bool or the dtype of `value` differs, [`Error::Shape`] if sizes cannot be
    /// broadcast or `value` has axes, [`Error::Argument`] if a number is no value of an integer dtype.
    pub fn masked_fill(&self, mask: &Tensor, value: impl Into<Rhs>) -> Result<Tensor> {
        let op = "masked_fill";
        mask.expect_dtype(op, DType::Bool)?;
        let value = match value.into() {
            number @ Rhs::Scalar(_) => number.tensor(op, self.dtype())?,
            Rhs::Tensor(value) if value.rank() == 0 => value,
            Rhs::Tensor(value) => {
                return Err(Error::shape(
                    op,
                    "the value must be a number or a tensor without axes",
                    format!("shape {:?}", value.shape()),
                ));
            }
        };
        same_dtype(op, self, &value)?;
        shape::broadcast(op, self.sizes(), mask.sizes())?;
        Tensor::where_(mask, &value, self)
    }

    /// The elements where `mask` is true, in row-major order, as one axis. Both are broadcast.
    ///
    /// # Errors
    /// [`Error::DType`] if `mask` is not bool, [`Error::Shape`] if sizes cannot be broadcast.
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        let op = "masked_select";
        mask.expect_dtype(op, DType::Bool)?;
        let shape = shape::broadcast(op, self.sizes(), mask.sizes())?;
        let truths = mask.expand(&shape[..])?.to_vec::<bool>()?;
        let ids = (0..truths.len()).filter(|&i| truths[i]).collect();
        self.expand(&shape[..])?
            .reshape([truths.len()])?
            .take(op, 0, ids)
    }

    /// The matrices of the last two axes with zeros above the diagonal number `diagonal`: 0 is the main one, 1 the next
    /// above. PyTorch's default is 0.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not two axes.
    pub fn tril(&self, diagonal: isize) -> Result<Tensor> {
        self.triangle("tril", Triangle::Lower, diagonal)
    }

    /// The matrices of the last two axes with zeros below the diagonal number `diagonal`: 0 is the main one, 1 the next
    /// above. PyTorch's default is 0.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not two axes.
    pub fn triu(&self, diagonal: isize) -> Result<Tensor> {
        self.triangle("triu", Triangle::Upper, diagonal)
    }

    fn triangle(&self, op: &'static str, triangle: Triangle, diagonal: isize) -> Result<Tensor> {
        if self.rank() < 2 {
            return Err(Error::shape(
                op,
                "the tensor must have two axes",
                format!("shape {:?}", self.shape()),
            ));
        }
        let edges = Edges::of(&[self]);
        let y = triangle.of(self, diagonal);
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, triangle.of(&only(dy)?, diagonal))
            }
        }))
    }
}

/// Which part of a matrix stays.
#[derive(Clone, Copy)]
enum Triangle {
    Lower,
    Upper,
}

impl Triangle {
    /// `x` with zeros in the other part; without a node.
    fn of(self, x: &Tensor, diagonal: isize) -> Tensor {
        let source = x.contiguous_detached();
        let (rows, cols) = (x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]);
        for_dtype!(x.dtype(), T => Tensor::fill_new::<T>(*x.sizes(), |out| {
            let x = source.slice::<T>();
            // Some 16,000 elements are worth a thread.
            let grain = (1usize << 14).div_ceil(cols.max(1));
            for_rows(out, cols.max(1), grain, |first, block| {
                for (i, out) in block.chunks_exact_mut(cols.max(1)).enumerate() {
                    let row = first + i;
                    self.row(row % rows, diagonal, &x[row * cols..][..cols], out);
                }
            });
        }))
    }

    fn row<T: Element>(self, row: usize, diagonal: isize, x: &[T], out: &mut [T]) {
        let zero = T::from_f64(0.0);
        // The diagonal's column in this row.
        let middle = diagonal.saturating_add(row as isize);
        let cut = |column: isize| column.clamp(0, x.len() as isize) as usize;
        let (from, to) = match self {
            Triangle::Lower => (0, cut(middle.saturating_add(1))),
            Triangle::Upper => (cut(middle), x.len()),
        };
        out[..from].fill(zero);
        out[from..to].copy_from_slice(&x[from..to]);
        out[to..].fill(zero);
    }
}
