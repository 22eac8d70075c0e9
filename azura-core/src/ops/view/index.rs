//! Reading at indices.

use super::axis;
use crate::autograd::{Edges, Grads, only};
use crate::cpu::indexing::{self, Along};
use crate::dtype::for_dtype;
use crate::shape::{self, Shape};
use crate::tensor::Tensor;
use crate::{DType, Error, Result};

impl Tensor {
    /// Entries `ids` of axis `dim`, in that order; an entry may be taken several times.
    ///
    /// # Errors
    /// [`Error::DType`] if `ids` is not u32 or i64, [`Error::Shape`] if it has more than one axis or an id is
    /// not in `0..size`.
    pub fn index_select(&self, dim: isize, ids: &Tensor) -> Result<Tensor> {
        let op = "index_select";
        let axis = axis(op, dim, self.rank())?;
        if ids.rank() > 1 || (self.rank() == 0 && ids.numel() != 1) {
            return Err(Error::shape(
                op,
                "ids must have one axis",
                format!("shape {:?}", ids.shape()),
            ));
        }
        if self.rank() == 0 {
            indices(op, ids, 1)?;
            return Ok(self.clone());
        }
        self.take(op, axis, indices(op, ids, self.shape()[axis])?)
    }

    /// Entries `ids` of `axis`, each below its size.
    pub(super) fn take(&self, op: &'static str, axis: usize, ids: Vec<usize>) -> Result<Tensor> {
        let edges = Edges::of(&[self]);
        let from = *self.sizes();
        let mut sizes = from;
        sizes[axis] = ids.len();
        shape::checked_numel(op, &sizes)?;
        let dims = around(&from, axis);
        let source = self.contiguous_detached();
        let y = for_dtype!(self.dtype(), T => Tensor::fill_new::<T>(sizes, |out| {
            indexing::select(source.slice::<T>(), dims, &ids, out);
        }));
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                accumulate!(op, grads, only(dy)?, from, |dy, dx, add| {
                    if !add {
                        dx.fill(0.0);
                    }
                    indexing::add(dy, dims, &ids, 1.0, dx);
                })
            }
        }))
    }

    /// One element for each index: along axis `dim` the one that it names, along the others the one where it stands.
    ///
    /// `y[i, j, k] = x[index[i, j, k], j, k]` for `dim` 0, and so on.
    ///
    /// # Errors
    /// [`Error::DType`] if `index` is not u32 or i64; [`Error::Shape`] if it has not the axes of the tensor, is longer
    /// along another axis than `dim`, or an index is not in `0..size`.
    pub fn gather(&self, dim: isize, index: &Tensor) -> Result<Tensor> {
        let op = "gather";
        let at = Places::new(op, self, dim, index)?;
        let edges = Edges::of(&[self]);
        let source = self.contiguous_detached();
        let y = for_dtype!(self.dtype(), T => Tensor::fill_new::<T>(*index.sizes(), |out| {
            at.along().gather(source.slice::<T>(), out);
        }));
        let from = *self.sizes();
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                accumulate!(op, grads, only(dy)?, from, |dy, dx, add| {
                    if !add {
                        dx.fill(0.0);
                    }
                    at.along().scatter_add(dy, &at.shape, dx);
                })
            }
        }))
    }

    /// [`Tensor::gather`] with the other axes broadcast, or of all elements in row-major order if no axis is named.
    ///
    /// # Errors
    /// Those of [`Tensor::gather`], and [`Error::Shape`] if the other axes cannot be broadcast.
    pub fn take_along_dim(&self, index: &Tensor, dim: Option<isize>) -> Result<Tensor> {
        let op = "take_along_dim";
        let Some(dim) = dim else {
            let index = index.reshape([index.numel()])?;
            return self.reshape([self.numel()])?.gather(0, &index);
        };
        let axis = shape::axis(op, dim, self.rank())?;
        if index.rank() != self.rank() {
            return Err(Error::shape(
                op,
                "the indices must have as many axes as the tensor",
                format!("{:?} and {:?}", index.shape(), self.shape()),
            ));
        }
        let (mut own, mut of_index) = (*self.sizes(), *index.sizes());
        (own[axis], of_index[axis]) = (1, 1);
        let common = shape::broadcast(op, &own, &of_index)?;
        (own, of_index) = (common, common);
        (own[axis], of_index[axis]) = (self.shape()[axis], index.shape()[axis]);
        self.expand(&own[..])?
            .gather(axis as isize, &index.expand(&of_index[..])?)
    }

    /// Elements at indices along several axes at once. PyTorch: `x[i, j]`, with `None` for `:`.
    ///
    /// The indices, one tensor for each of the first axes or `None`, are broadcast together; their axes take the place of those that
    /// they name, or come first if an axis between those is not indexed. Negative indices count from the end. A bool
    /// tensor stands for the places where it is true, along as many axes as it has.
    ///
    /// ```
    /// use azura_core::Tensor;
    /// let x = Tensor::from_slice(&[0.0f32, 1.0, 2.0, 3.0, 4.0, 5.0], [2, 3])?;
    /// let ids = Tensor::from_slice(&[2i64, 0], [2])?;
    /// assert_eq!(x.index(&[None, Some(&ids)])?.to_vec::<f32>()?, [2.0, 0.0, 5.0, 3.0]);
    /// assert_eq!(x.index(&[Some(&x.detach().gt(2.5)?)])?.to_vec::<f32>()?, [3.0, 4.0, 5.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::DType`] if an index is not u32, i64 or bool; [`Error::Shape`] if there are more than axes, their sizes
    /// cannot be broadcast, a mask has other sizes than its axes, or an index lies outside its axis.
    pub fn index(&self, at: &[Option<&Tensor>]) -> Result<Tensor> {
        let op = "index";
        let mut named: Vec<(usize, Tensor)> = Vec::new();
        let mut next = 0;
        let too_many = || {
            Error::shape(
                op,
                format!("at most {} axes can be indexed", self.rank()),
                format!("{} indices", at.len()),
            )
        };
        for index in at {
            match index {
                Some(mask) if mask.dtype() == DType::Bool => {
                    let sizes = self.shape().get(next..next + mask.rank());
                    if sizes.ok_or_else(too_many)? != mask.shape() {
                        return Err(Error::shape(
                            op,
                            "a mask must have the sizes of the axes that it stands for",
                            format!("{:?} for {:?}", mask.shape(), self.shape()),
                        ));
                    }
                    for ids in true_places(mask)? {
                        named.push((next, ids));
                        next += 1;
                    }
                }
                Some(ids) if next < self.rank() => {
                    named.push((next, (*ids).clone()));
                    next += 1;
                }
                None if next < self.rank() => next += 1,
                _ => return Err(too_many()),
            }
        }
        let Some(&(first, _)) = named.first() else {
            return Ok(self.clone());
        };
        let mut sizes = *named[0].1.sizes();
        for (_, ids) in &named {
            sizes = shape::broadcast(op, &sizes, ids.sizes())?;
        }
        // One index into all named axes as one.
        let mut flat = vec![0usize; sizes.iter().product()];
        for (axis, ids) in &named {
            let size = self.shape()[*axis];
            let ids = signed(op, &ids.expand(&sizes[..])?)?;
            for (k, (flat, id)) in flat.iter_mut().zip(ids).enumerate() {
                let from_start = if id < 0 { id + size as i64 } else { id };
                let inside = usize::try_from(from_start).ok().filter(|&i| i < size);
                let inside = inside.ok_or_else(|| {
                    Error::shape(
                        op,
                        format!("every index of axis {axis} must lie in -{size}..{size}"),
                        format!("{id} at position {}", place(k, &sizes)),
                    )
                })?;
                *flat = *flat * size + inside;
            }
        }
        let others = |axis: &usize| named.iter().all(|(named, _)| named != axis);
        let together = named.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1);
        let (x, first) = if together {
            (self.clone(), first)
        } else {
            let rest = (0..self.rank()).filter(others);
            let order: Vec<isize> = named
                .iter()
                .map(|(axis, _)| *axis)
                .chain(rest)
                .map(|axis| axis as isize)
                .collect();
            (self.permute(&order)?, 0)
        };
        let (before, after) = (&x.shape()[..first], &x.shape()[first + named.len()..]);
        let merged: usize = x.shape()[first..first + named.len()].iter().product();
        let result = [before, &sizes, after].concat();
        let result = Shape::new(op, &result)?;
        x.reshape([before, &[merged], after].concat())?
            .take(op, first, flat)?
            .reshape(&result[..])
    }
}

/// The size before, of and behind an axis.
pub(super) fn around(sizes: &[usize], axis: usize) -> [usize; 3] {
    let product = |sizes: &[usize]| sizes.iter().product::<usize>();
    [
        product(&sizes[..axis]),
        sizes[axis],
        product(&sizes[axis + 1..]),
    ]
}

/// A checked index tensor along one axis of another tensor.
pub(super) struct Places {
    ids: Vec<usize>,
    /// Those of the indices; a number has one axis of size 1.
    pub shape: Shape,
    axis: usize,
    target: Shape,
}

impl Places {
    /// # Errors
    /// As [`Tensor::gather`].
    pub(super) fn new(op: &'static str, x: &Tensor, dim: isize, index: &Tensor) -> Result<Places> {
        let axis = axis(op, dim, x.rank())?;
        let (target, shape) = (at_least_one(x.sizes()), at_least_one(index.sizes()));
        let fits = target.len() == shape.len()
            && (0..shape.len()).all(|a| a == axis || shape[a] <= target[a]);
        if !fits {
            return Err(Error::shape(
                op,
                format!(
                    "the indices must have the axes of the tensor, and be no longer but along axis {axis}"
                ),
                format!("{:?} for {:?}", index.shape(), x.shape()),
            ));
        }
        Ok(Places {
            ids: indices(op, index, target[axis])?,
            shape,
            axis,
            target,
        })
    }

    pub(super) fn along(&self) -> Along<'_> {
        Along {
            ids: &self.ids,
            shape: &self.shape,
            axis: self.axis,
            target: &self.target,
        }
    }
}

/// A number has one axis of size 1 where indices are concerned, as in PyTorch.
pub(super) fn at_least_one(sizes: &Shape) -> Shape {
    if sizes.is_empty() {
        [1].into_iter().collect()
    } else {
        *sizes
    }
}

/// The coordinates of the true elements, one i64 tensor for each axis.
fn true_places(mask: &Tensor) -> Result<Vec<Tensor>> {
    let truths = mask.to_vec::<bool>()?;
    let flat = (0..truths.len()).filter(|&k| truths[k]);
    let flat: Vec<usize> = flat.collect();
    let mut step = mask.numel();
    mask.shape()
        .iter()
        .map(|&size| {
            step /= size.max(1);
            let ids: Vec<i64> = flat
                .iter()
                .map(|k| (k / step.max(1) % size.max(1)) as i64)
                .collect();
            Tensor::from_slice(&ids, [ids.len()])
        })
        .collect()
}

/// The values of an index tensor.
fn signed(op: &'static str, ids: &Tensor) -> Result<Vec<i64>> {
    match ids.dtype() {
        DType::I64 => ids.to_vec(),
        DType::U32 => Ok(ids.to_vec::<u32>()?.into_iter().map(i64::from).collect()),
        other => Err(Error::dtype(
            op,
            "indices must be u32 or i64",
            other.to_string(),
        )),
    }
}

/// The values of an index tensor, each checked against the size of the axis it indexes.
pub(crate) fn indices(op: &'static str, ids: &Tensor, size: usize) -> Result<Vec<usize>> {
    signed(op, ids)?
        .into_iter()
        .enumerate()
        .map(|(at, id)| {
            let index = usize::try_from(id).ok().filter(|&id| id < size);
            index.ok_or_else(|| {
                Error::shape(
                    op,
                    format!("every index must lie in 0..{size}"),
                    format!("{id} at position {}", place(at, ids.sizes())),
                )
            })
        })
        .collect()
}

/// Element number `at` of a shape by its coordinates; along one axis that is its number.
fn place(at: usize, shape: &[usize]) -> String {
    if shape.len() < 2 {
        return at.to_string();
    }
    let mut rest = at;
    let mut coordinates = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        coordinates[axis] = rest % shape[axis];
        rest /= shape[axis];
    }
    format!("{coordinates:?}")
}
