//! One tensor cut into several views.

use crate::autograd::{Edges, Grads};
use crate::shape::{self, Shape};
use crate::tensor::Tensor;
use crate::{DType, Error, Result};

impl Tensor {
    /// [`Tensor::narrow`] along `axis` for each of `sizes`, one after the other.
    fn parts(&self, op: &'static str, axis: usize, sizes: &[usize]) -> Result<Vec<Tensor>> {
        let edges = Edges::of(&[self]);
        let mut start = 0;
        let parts = sizes
            .iter()
            .map(|&len| {
                let y = self.detach().narrow(axis as isize, start, len);
                start += len;
                y
            })
            .collect::<Result<Vec<_>>>()?;
        let shapes: Vec<_> = parts.iter().map(|part| *part.sizes()).collect();
        let dtype = self.dtype();
        Ok(edges.record_list(op, parts, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = dy
                    .iter_mut()
                    .zip(&shapes)
                    .map(|(dy, shape)| or_zeros(dy.take(), shape, dtype))
                    .collect::<Result<Vec<_>>>()?;
                grads.add(
                    0,
                    Tensor::cat(&dy.iter().collect::<Vec<_>>(), axis as isize)?,
                )
            }
        }))
    }

    /// Parts of `size` entries of axis `dim`, the last of which may be shorter: views.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis, [`Error::Argument`] if `size` is 0 and the axis is not empty.
    pub fn split(&self, size: usize, dim: isize) -> Result<Vec<Tensor>> {
        let op = "split";
        let axis = shape::axis(op, dim, self.rank())?;
        let all = self.shape()[axis];
        if size == 0 && all > 0 {
            return Err(Error::argument(
                op,
                format!("the size of a part must be positive where the axis has {all} entries"),
                "0",
            ));
        }
        self.parts(op, axis, &in_parts_of(size, all))
    }

    /// Parts of these sizes of axis `dim`: views. PyTorch: `split` with a list.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or the sizes do not make up its own.
    pub fn split_with_sizes(&self, sizes: &[usize], dim: isize) -> Result<Vec<Tensor>> {
        let op = "split_with_sizes";
        let axis = shape::axis(op, dim, self.rank())?;
        let sum = sizes.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
        if sum != Some(self.shape()[axis]) {
            return Err(Error::shape(
                op,
                format!(
                    "the sizes must make up the size {} of axis {axis}",
                    self.shape()[axis]
                ),
                format!("{sizes:?}"),
            ));
        }
        self.parts(op, axis, sizes)
    }

    /// At most `count` parts of axis `dim`, all equal but for the last one: views.
    ///
    /// As in PyTorch there are fewer if parts of the rounded-up size are enough.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis, [`Error::Argument`] if `count` is 0.
    pub fn chunk(&self, count: usize, dim: isize) -> Result<Vec<Tensor>> {
        let op = "chunk";
        let axis = shape::axis(op, dim, self.rank())?;
        if count == 0 {
            return Err(Error::argument(op, "there must be a part", "0"));
        }
        match self.shape()[axis] {
            0 if count > MOST_EMPTY_PARTS => Err(Error::argument(
                op,
                format!("an empty axis is cut into at most {MOST_EMPTY_PARTS} parts"),
                format!("{count}"),
            )),
            0 => self.parts(op, axis, &vec![0; count]),
            all => self.parts(op, axis, &in_parts_of(all.div_ceil(count), all)),
        }
    }

    /// The entries of axis `dim`, each without that axis: views.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis.
    pub fn unbind(&self, dim: isize) -> Result<Vec<Tensor>> {
        let op = "unbind";
        let axis = shape::axis(op, dim, self.rank())?;
        let edges = Edges::of(&[self]);
        let x = self.detach();
        let entries = (0..self.shape()[axis])
            .map(|i| x.select(axis as isize, i))
            .collect::<Result<Vec<_>>>()?;
        let dtype = self.dtype();
        Ok(edges.record_list(op, entries, || {
            let mut shape = *self.sizes();
            shape.remove(axis);
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = dy
                    .iter_mut()
                    .map(|dy| or_zeros(dy.take(), &shape, dtype))
                    .collect::<Result<Vec<_>>>()?;
                grads.add(
                    0,
                    Tensor::stack(&dy.iter().collect::<Vec<_>>(), axis as isize)?,
                )
            }
        }))
    }
}

/// An empty axis can be cut into any number of empty parts: beyond this it is a mistake that would fill the memory.
const MOST_EMPTY_PARTS: usize = 1 << 16;

/// The sizes of parts of `size` that make up `all`; one empty part of nothing.
fn in_parts_of(size: usize, all: usize) -> Vec<usize> {
    if all == 0 {
        return vec![0];
    }
    (0..all)
        .step_by(size)
        .map(|start| size.min(all - start))
        .collect()
}

/// The gradient of a part, or zeros where nothing flowed back.
fn or_zeros(dy: Option<Tensor>, shape: &Shape, dtype: DType) -> Result<Tensor> {
    match dy {
        Some(dy) => Ok(dy),
        None => Tensor::number(0.0, dtype).expand(&shape[..]),
    }
}
