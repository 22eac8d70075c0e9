//! The same elements under other sizes.

use super::{axes, axis};
use crate::autograd::{Edges, Grads, only};
use crate::cpu::map;
use crate::dtype::for_dtype;
use crate::ops::elementwise::sum_to;
use crate::shape::{self, Layout, Shape};
use crate::tensor::Tensor;
use crate::{Error, Result};

impl Tensor {
    /// The elements in row-major order under other sizes; a view where that is possible.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of elements would change.
    #[doc(alias = "view")]
    pub fn reshape(&self, shape: impl AsRef<[usize]>) -> Result<Tensor> {
        let to = Shape::new("reshape", shape.as_ref())?;
        if shape::checked_numel("reshape", &to)? != self.numel() {
            return Err(Error::shape(
                "reshape",
                "the number of elements must stay the same",
                format!("{:?} to {:?}", self.shape(), &to[..]),
            ));
        }
        let edges = Edges::of(&[self]);
        let y = match self.layout().reshape(&to) {
            Some(layout) => self.with_layout(layout),
            None => self
                .contiguous_detached()
                .with_layout(Layout::contiguous(to)),
        };
        let from = *self.sizes();
        Ok(edges.record("reshape", y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, only(dy)?.reshape(&from[..])?)
            }
        }))
    }

    /// [`Tensor::reshape`] where one size may be -1: the one that is left over.
    ///
    /// ```
    /// use azura_core::{DType, Tensor};
    /// let x = Tensor::zeros([2, 3, 4], DType::F32)?;
    /// assert_eq!(x.reshape_infer(&[2, -1])?.shape(), [2, 12]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of elements would change, a size is below -1, or it cannot be said what -1
    /// stands for.
    pub fn reshape_infer(&self, sizes: &[isize]) -> Result<Tensor> {
        self.reshape(&infer("reshape_infer", sizes, self.numel())?[..])
    }

    /// Axes `from..=to` merged into one.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no such axes, or `from` comes after `to`.
    pub fn flatten(&self, from: isize, to: isize) -> Result<Tensor> {
        let (first, last) = (
            axis("flatten", from, self.rank())?,
            axis("flatten", to, self.rank())?,
        );
        if self.rank() == 0 {
            return self.reshape([1]);
        }
        if first > last {
            return Err(Error::shape(
                "flatten",
                "the first axis must not come after the last",
                format!("{from} and {to}"),
            ));
        }
        let mut sizes = self.shape()[..first].to_vec();
        sizes.push(self.shape()[first..=last].iter().product());
        sizes.extend(&self.shape()[last + 1..]);
        self.reshape(sizes)
    }

    /// Axis `dim` cut into several of these sizes, of which one may be -1: what is left over.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis, or the sizes do not make up its own.
    pub fn unflatten(&self, dim: isize, sizes: &[isize]) -> Result<Tensor> {
        let op = "unflatten";
        let axis = shape::axis(op, dim, self.rank())?;
        let size = self.shape()[axis];
        let parts = infer(op, sizes, size)?;
        if parts.is_empty() || shape::checked_numel(op, &parts)? != size {
            return Err(Error::shape(
                op,
                format!("the sizes must make up the size {size} of axis {axis}"),
                format!("{sizes:?}"),
            ));
        }
        let mut to = self.shape()[..axis].to_vec();
        to.extend(&parts[..]);
        to.extend(&self.shape()[axis + 1..]);
        self.reshape(&Shape::new(op, &to)?[..])
    }

    /// Without axis `dim` if its size is 1, else unchanged.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis.
    pub fn squeeze(&self, dim: isize) -> Result<Tensor> {
        self.without("squeeze", &[dim])
    }

    /// Without those of the axes `dims` whose size is 1. PyTorch: `squeeze` of a tuple.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or it is named twice.
    pub fn squeeze_dims(&self, dims: &[isize]) -> Result<Tensor> {
        self.without("squeeze_dims", dims)
    }

    /// Without any axis of size 1. PyTorch: `squeeze` without an argument.
    ///
    /// # Errors
    /// None today; see [`Tensor::reshape`].
    pub fn squeeze_all(&self) -> Result<Tensor> {
        let dims: Vec<isize> = (0..self.rank() as isize).collect();
        self.without("squeeze_all", &dims)
    }

    fn without(&self, op: &'static str, dims: &[isize]) -> Result<Tensor> {
        let gone = axes(op, dims, self.rank())?;
        let sizes: Shape = self
            .shape()
            .iter()
            .enumerate()
            .filter(|&(axis, &size)| size != 1 || !gone.contains(&axis))
            .map(|(_, &size)| size)
            .collect();
        if sizes == *self.sizes() {
            return Ok(self.clone());
        }
        self.reshape(&sizes[..])
    }

    /// With a new axis of size 1 at `dim`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `dim` is not in `-rank-1..=rank`, or there are eight axes already.
    pub fn unsqueeze(&self, dim: isize) -> Result<Tensor> {
        let axis = shape::axis("unsqueeze", dim, self.rank() + 1)?;
        let mut sizes = self.shape().to_vec();
        sizes.insert(axis, 1);
        self.reshape(&Shape::new("unsqueeze", &sizes)?[..])
    }

    /// Axes of size 1 repeated, without a copy, to the sizes of `shape`; missing leading axes are added.
    ///
    /// # Errors
    /// [`Error::Shape`] if an axis of another size would have to be repeated.
    #[doc(alias = "broadcast_to")]
    pub fn expand(&self, shape: impl AsRef<[usize]>) -> Result<Tensor> {
        let to = Shape::new("expand", shape.as_ref())?;
        shape::checked_numel("expand", &to)?;
        let layout = self.layout().expand(&to).ok_or_else(|| {
            Error::shape(
                "expand",
                "only axes of size 1 can be repeated",
                format!("{:?} to {:?}", self.shape(), &to[..]),
            )
        })?;
        let edges = Edges::of(&[self]);
        let from = *self.sizes();
        Ok(edges.record("expand", self.with_layout(layout), || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, sum_to(only(dy)?, &from)?)
            }
        }))
    }

    /// [`Tensor::expand`] where -1 keeps the size of an axis. PyTorch: `expand` with -1.
    ///
    /// # Errors
    /// [`Error::Shape`] if an axis of another size would have to be repeated, or -1 stands for an axis that is not
    /// there.
    pub fn expand_keep(&self, sizes: &[isize]) -> Result<Tensor> {
        let op = "expand_keep";
        let lead = sizes.len().checked_sub(self.rank());
        let to = sizes
            .iter()
            .enumerate()
            .map(|(axis, &size)| match usize::try_from(size) {
                Ok(size) => Some(size),
                Err(_) if size != -1 => None,
                Err(_) => Some(self.shape()[axis.checked_sub(lead?)?]),
            })
            .collect::<Option<Vec<_>>>();
        let to = to.ok_or_else(|| {
            Error::shape(
                op,
                "every size must be one to expand to, or -1 for an axis that is there",
                format!("{sizes:?} for {:?}", self.shape()),
            )
        })?;
        self.expand(to)
    }

    /// The same tensor with its elements in row-major order without gaps.
    pub fn contiguous(&self) -> Tensor {
        if self.is_contiguous() {
            return self.clone();
        }
        let edges = Edges::of(&[self]);
        edges.record("contiguous", self.contiguous_detached(), || {
            |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| grads.add(0, only(dy)?)
        })
    }

    /// Contiguous and without a node.
    pub(crate) fn contiguous_detached(&self) -> Tensor {
        if self.is_contiguous() {
            self.detach()
        } else {
            self.copy()
        }
    }

    /// A copy in a buffer of its own, without a node.
    pub(crate) fn copy(&self) -> Tensor {
        for_dtype!(self.dtype(), T => Tensor::fill_new::<T>(*self.sizes(), |out| {
            map::copy(self.buffer_slice::<T>(), self.layout(), out);
        }))
    }
}

/// Sizes of which one may be -1: what is left of `numel` by the others.
fn infer(op: &'static str, sizes: &[isize], numel: usize) -> Result<Shape> {
    let mut to = Shape::new(op, &vec![0; sizes.len()])?;
    let mut open = None;
    for (axis, &size) in sizes.iter().enumerate() {
        match usize::try_from(size) {
            Ok(size) => to[axis] = size,
            Err(_) if size == -1 && open.is_none() => {
                open = Some(axis);
                to[axis] = 1;
            }
            Err(_) => {
                return Err(Error::shape(
                    op,
                    "sizes must not be negative, but for one -1",
                    format!("{sizes:?}"),
                ));
            }
        }
    }
    if let Some(axis) = open {
        let known = shape::checked_numel(op, &to)?;
        if known == 0 {
            return Err(Error::shape(
                op,
                "-1 must not stand beside a size of 0, where it could be anything",
                format!("{sizes:?}"),
            ));
        }
        if !numel.is_multiple_of(known) {
            return Err(Error::shape(
                op,
                format!("the other sizes must divide {numel}"),
                format!("{sizes:?}"),
            ));
        }
        to[axis] = numel / known;
    }
    Ok(to)
}
