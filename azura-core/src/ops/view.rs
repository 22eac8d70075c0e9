//! Shapes and selections. All but `cat`, `stack` and `index_select` are views: they share the buffer.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::map;
use crate::dtype::for_dtype;
use crate::shape::{self, Layout, Shape};
use crate::tensor::{Tensor, same_dtype};
use crate::{DType, Error, Result};

impl Tensor {
    /// The elements in row-major order under other sizes; a view where that is possible.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of elements would change.
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

    /// Axes `from..=to` merged into one.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no such axes, or `from` comes after `to`.
    pub fn flatten(&self, from: isize, to: isize) -> Result<Tensor> {
        if self.rank() == 0 {
            // A number counts as one axis of size 1, as in PyTorch.
            shape::axis("flatten", from, 1)?;
            shape::axis("flatten", to, 1)?;
            return self.reshape([1]);
        }
        let first = shape::axis("flatten", from, self.rank())?;
        let last = shape::axis("flatten", to, self.rank())?;
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

    /// The axes in another order.
    ///
    /// # Errors
    /// [`Error::Shape`] if `axes` does not name each axis once.
    pub fn permute(&self, axes: &[isize]) -> Result<Tensor> {
        let order = axes
            .iter()
            .map(|&a| shape::axis("permute", a, self.rank()))
            .collect::<Result<Vec<_>>>()?;
        let mut inverse = vec![usize::MAX; self.rank()];
        for (to, &from) in order.iter().enumerate() {
            inverse[from] = to;
        }
        if order.len() != self.rank() || inverse.contains(&usize::MAX) {
            return Err(Error::shape(
                "permute",
                "each axis must be named once",
                format!("{axes:?} for {} axes", self.rank()),
            ));
        }
        let edges = Edges::of(&[self]);
        let y = self.with_layout(self.layout().permute(&order));
        Ok(edges.record("permute", y, || {
            let inverse: Vec<isize> = inverse.iter().map(|&a| a as isize).collect();
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, only(dy)?.permute(&inverse)?)
            }
        }))
    }

    /// Two axes exchanged.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no such axes.
    pub fn transpose(&self, a: isize, b: isize) -> Result<Tensor> {
        if self.rank() == 0 {
            shape::axis("transpose", a, 1)?;
            shape::axis("transpose", b, 1)?;
            return Ok(self.clone());
        }
        let a = shape::axis("transpose", a, self.rank())?;
        let b = shape::axis("transpose", b, self.rank())?;
        let mut axes: Vec<isize> = (0..self.rank() as isize).collect();
        axes.swap(a, b);
        self.permute(&axes)
    }

    /// The transpose of a matrix.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not two axes.
    pub fn t(&self) -> Result<Tensor> {
        if self.rank() != 2 {
            return Err(Error::shape(
                "t",
                "the tensor must have two axes",
                format!("shape {:?}", self.shape()),
            ));
        }
        self.permute(&[1, 0])
    }

    /// The part `start..start + len` of one axis.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or it is too short.
    pub fn narrow(&self, dim: isize, start: usize, len: usize) -> Result<Tensor> {
        let axis = shape::axis("narrow", dim, self.rank())?;
        let size = self.shape()[axis];
        if start.checked_add(len).is_none_or(|end| end > size) {
            return Err(Error::shape(
                "narrow",
                format!("start + len must not exceed the size {size} of axis {axis}"),
                format!("start {start} and len {len}"),
            ));
        }
        let edges = Edges::of(&[self]);
        let mut layout = *self.layout();
        layout.shape[axis] = len;
        if self.numel() > 0 && len > 0 {
            layout.offset += start * layout.strides[axis] as usize;
        }
        let (from, dtype) = (*self.sizes(), self.dtype());
        Ok(edges.record("narrow", self.with_layout(layout), || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?;
                let dx = for_dtype!(dtype, T => {
                    let dy = dy.contiguous_detached();
                    Tensor::fill_new::<T>(from, |out| {
                        out.fill(T::default());
                        let inner: usize = from[axis + 1..].iter().product();
                        let (row, part) = (from[axis] * inner, len * inner);
                        if part > 0 {
                            for (out, dy) in out.chunks_exact_mut(row).zip(dy.slice::<T>().chunks_exact(part)) {
                                out[start * inner..start * inner + part].copy_from_slice(dy);
                            }
                        }
                    })
                });
                grads.add(0, dx)
            }
        }))
    }

    /// Entry `index` of one axis, which disappears.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or entry.
    pub fn select(&self, dim: isize, index: usize) -> Result<Tensor> {
        let axis = shape::axis("select", dim, self.rank())?;
        let size = self.shape()[axis];
        if index >= size {
            return Err(Error::shape(
                "select",
                format!("the index must lie in 0..{size}"),
                format!("{index}"),
            ));
        }
        self.narrow(dim, index, 1)?.squeeze(dim)
    }

    /// Without axis `dim` if its size is 1, else unchanged.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis.
    pub fn squeeze(&self, dim: isize) -> Result<Tensor> {
        if self.rank() == 0 {
            shape::axis("squeeze", dim, 1)?;
            return Ok(self.clone());
        }
        let axis = shape::axis("squeeze", dim, self.rank())?;
        let mut sizes = *self.sizes();
        if sizes[axis] == 1 {
            sizes.remove(axis);
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
                grads.add(0, super::elementwise::sum_to(only(dy)?, &from)?)
            }
        }))
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

    /// Tensors of equal sizes but for axis `dim`, one after the other along it.
    ///
    /// # Errors
    /// [`Error::Shape`] if `tensors` is empty or sizes differ elsewhere, [`Error::DType`] if dtypes differ.
    pub fn cat(tensors: &[&Tensor], dim: isize) -> Result<Tensor> {
        let first = tensors
            .first()
            .ok_or_else(|| Error::shape("cat", "there must be a tensor", "none"))?;
        let axis = shape::axis("cat", dim, first.rank())?;
        let mut sizes = *first.sizes();
        sizes[axis] = 0;
        for tensor in tensors {
            same_dtype("cat", first, tensor)?;
            let same = tensor.rank() == first.rank()
                && (0..first.rank()).all(|a| a == axis || tensor.shape()[a] == first.shape()[a]);
            if !same {
                return Err(Error::shape(
                    "cat",
                    format!("sizes must be equal but for axis {axis}"),
                    format!("{:?} and {:?}", first.shape(), tensor.shape()),
                ));
            }
            sizes[axis] += tensor.shape()[axis];
        }
        shape::checked_numel("cat", &sizes)?;
        let edges = Edges::of(tensors);
        let inner: usize = sizes[axis + 1..].iter().product();
        let row = sizes[axis] * inner;
        let y = for_dtype!(first.dtype(), T => Tensor::fill_new::<T>(sizes, |out| {
            let mut start = 0;
            for tensor in tensors {
                let source = tensor.contiguous_detached();
                let part = tensor.shape()[axis] * inner;
                if part > 0 {
                    for (out, source) in out.chunks_exact_mut(row).zip(source.slice::<T>().chunks_exact(part)) {
                        out[start..start + part].copy_from_slice(source);
                    }
                }
                start += part;
            }
        }));
        let parts: Vec<usize> = tensors.iter().map(|tensor| tensor.shape()[axis]).collect();
        Ok(edges.record("cat", y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?;
                let mut start = 0;
                for (i, &part) in parts.iter().enumerate() {
                    if grads.wants(i) {
                        grads.add(i, dy.narrow(axis as isize, start, part)?)?;
                    }
                    start += part;
                }
                Ok(())
            }
        }))
    }

    /// Tensors of equal sizes along a new axis `dim`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `tensors` is empty, shapes differ or there is no such axis, [`Error::DType`] if
    /// dtypes differ.
    pub fn stack(tensors: &[&Tensor], dim: isize) -> Result<Tensor> {
        let first = tensors
            .first()
            .ok_or_else(|| Error::shape("stack", "there must be a tensor", "none"))?;
        if let Some(other) = tensors.iter().find(|x| x.shape() != first.shape()) {
            return Err(Error::shape(
                "stack",
                "all tensors must have the same shape",
                format!("{:?} and {:?}", first.shape(), other.shape()),
            ));
        }
        let with_axis = tensors
            .iter()
            .map(|tensor| tensor.unsqueeze(dim))
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&with_axis.iter().collect::<Vec<_>>(), dim)
    }

    /// Entries `ids` of axis `dim`, in that order; an entry may be taken several times.
    ///
    /// # Errors
    /// [`Error::DType`] if `ids` is not u32 or i64, [`Error::Shape`] if it has not one axis or an id is
    /// not in `0..size`.
    pub fn index_select(&self, dim: isize, ids: &Tensor) -> Result<Tensor> {
        let op = "index_select";
        let axis = shape::axis(op, dim, self.rank())?;
        if ids.rank() != 1 {
            return Err(Error::shape(
                op,
                "ids must have one axis",
                format!("shape {:?}", ids.shape()),
            ));
        }
        let size = self.shape()[axis];
        let ids = indices(op, ids, size)?;
        let edges = Edges::of(&[self]);
        let from = *self.sizes();
        let mut sizes = from;
        sizes[axis] = ids.len();
        shape::checked_numel(op, &sizes)?;
        let inner: usize = from[axis + 1..].iter().product();
        let (row, taken) = (size * inner, ids.len() * inner);
        let source = self.contiguous_detached();
        let y = for_dtype!(self.dtype(), T => Tensor::fill_new::<T>(sizes, |out| {
            if taken > 0 && inner > 0 {
                for (out, x) in out.chunks_exact_mut(taken).zip(source.slice::<T>().chunks_exact(row)) {
                    for (out, &id) in out.chunks_exact_mut(inner).zip(&ids) {
                        out.copy_from_slice(&x[id * inner..(id + 1) * inner]);
                    }
                }
            }
        }));
        let dtype = self.dtype();
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?.contiguous_detached();
                crate::dtype::for_float!(op, dtype, T => grads.accumulate::<T>(0, &from, |out, accumulate| {
                    if !accumulate {
                        out.fill(0.0);
                    }
                    if taken > 0 && inner > 0 {
                        for (out, dy) in out.chunks_exact_mut(row).zip(dy.slice::<T>().chunks_exact(taken)) {
                            for (dy, &id) in dy.chunks_exact(inner).zip(&ids) {
                                for (out, dy) in out[id * inner..(id + 1) * inner].iter_mut().zip(dy) {
                                    *out += *dy;
                                }
                            }
                        }
                    }
                }))
            }
        }))
    }
}

/// The values of an index tensor, each checked against the size of the axis it indexes.
pub(crate) fn indices(op: &'static str, ids: &Tensor, size: usize) -> Result<Vec<usize>> {
    let values: Vec<i64> = match ids.dtype() {
        DType::I64 => ids.to_vec()?,
        DType::U32 => ids.to_vec::<u32>()?.into_iter().map(i64::from).collect(),
        other => {
            return Err(Error::dtype(
                op,
                "indices must be u32 or i64",
                other.to_string(),
            ));
        }
    };
    values
        .into_iter()
        .enumerate()
        .map(|(at, id)| {
            usize::try_from(id)
                .ok()
                .filter(|&id| id < size)
                .ok_or_else(|| {
                    Error::shape(
                        op,
                        format!("every index must lie in 0..{size}"),
                        format!("{id} at position {at}"),
                    )
                })
        })
        .collect()
}
