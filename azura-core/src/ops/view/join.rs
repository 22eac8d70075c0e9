//! Several tensors to one, and one repeated or turned.

use super::Indexing;
use crate::autograd::{Edges, Grads, only};
use crate::cpu::map;
use crate::cpu::threads::for_rows;
use crate::dtype::for_dtype;
use crate::shape::{self, Shape};
use crate::tensor::{Tensor, same_dtype};
use crate::{Error, Result};

impl Tensor {
    /// Tensors of equal sizes but for axis `dim`, one after the other along it.
    ///
    /// As in PyTorch, a tensor of shape `[0]` fits to any others.
    ///
    /// # Errors
    /// [`Error::Shape`] if `tensors` is empty or sizes differ elsewhere, [`Error::DType`] if dtypes differ.
    #[doc(alias = "concat")]
    pub fn cat(tensors: &[&Tensor], dim: isize) -> Result<Tensor> {
        let nothing = |tensor: &&&Tensor| tensor.shape() == [0];
        let first = tensors
            .iter()
            .find(|tensor| !nothing(tensor))
            .or(tensors.first())
            .ok_or_else(|| Error::shape("cat", "there must be a tensor", "none"))?;
        let axis = shape::axis("cat", dim, first.rank())?;
        let mut sizes = *first.sizes();
        sizes[axis] = 0;
        let mut parts = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            same_dtype("cat", first, tensor)?;
            if nothing(&tensor) {
                parts.push(0);
                continue;
            }
            let same = tensor.rank() == first.rank()
                && (0..first.rank()).all(|a| a == axis || tensor.shape()[a] == first.shape()[a]);
            if !same {
                return Err(Error::shape(
                    "cat",
                    format!("sizes must be equal but for axis {axis}"),
                    format!("{:?} and {:?}", first.shape(), tensor.shape()),
                ));
            }
            parts.push(tensor.shape()[axis]);
            sizes[axis] = sizes[axis].saturating_add(tensor.shape()[axis]);
        }
        shape::checked_numel("cat", &sizes)?;
        let edges = Edges::of(tensors);
        let y = joined(tensors, &parts, axis, sizes);
        let shapes: Vec<Shape> = tensors.iter().map(|tensor| *tensor.sizes()).collect();
        Ok(edges.record("cat", y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?;
                let mut start = 0;
                for (i, (&part, shape)) in parts.iter().zip(&shapes).enumerate() {
                    if grads.wants(i) {
                        let dx = dy.narrow(axis as isize, start, part)?;
                        grads.add(
                            i,
                            if part == 0 {
                                dx.reshape(&shape[..])?
                            } else {
                                dx
                            },
                        )?;
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

    /// The whole tensor `times[a]` times along each axis `a`; missing leading axes are added.
    ///
    /// # Errors
    /// [`Error::Shape`] if `times` has fewer entries than there are axes, or the result is too large.
    pub fn repeat(&self, times: impl AsRef<[usize]>) -> Result<Tensor> {
        self.repeated("repeat", times.as_ref())
    }

    /// [`Tensor::repeat`] where missing entries of `times` are 1.
    ///
    /// # Errors
    /// [`Error::Shape`] if the result is too large.
    pub fn tile(&self, times: impl AsRef<[usize]>) -> Result<Tensor> {
        let times = times.as_ref();
        let missing = self.rank().saturating_sub(times.len());
        let ones = vec![1; missing];
        self.repeated("tile", &[&ones, times].concat())
    }

    fn repeated(&self, op: &'static str, times: &[usize]) -> Result<Tensor> {
        let Some(lead) = times.len().checked_sub(self.rank()) else {
            return Err(Error::shape(
                op,
                format!(
                    "there must be a number for each of the {} axes",
                    self.rank()
                ),
                format!("{times:?}"),
            ));
        };
        let mut sizes = Shape::new(op, times)?;
        let mut of_x = sizes;
        for axis in 0..times.len() {
            let own = axis.checked_sub(lead).map_or(1, |axis| self.shape()[axis]);
            of_x[axis] = own;
            sizes[axis] = own.saturating_mul(times[axis]);
        }
        shape::checked_numel(op, &sizes)?;
        let mut y = self.reshape(&of_x[..])?;
        // From the last axis on, each seen as [before, 1, itself and behind]: what is copied first is the least.
        for axis in (0..times.len()).rev().filter(|&axis| times[axis] != 1) {
            let before: usize = y.shape()[..axis].iter().product();
            let behind: usize = y.shape()[axis..].iter().product();
            let mut to = *y.sizes();
            to[axis] = sizes[axis];
            y = y
                .reshape([before, 1, behind])?
                .expand([before, times[axis], behind])?
                .reshape(&to[..])?;
        }
        Ok(y)
    }

    /// Entries moved by `shifts[i]` along axis `dims[i]`, those that leave at one end coming in at the other; without
    /// `dims` the elements in row-major order by the only shift.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis, or the lists differ in length.
    pub fn roll(&self, shifts: &[isize], dims: &[isize]) -> Result<Tensor> {
        let op = "roll";
        if dims.is_empty() && shifts.len() == 1 {
            let flat = self.reshape([self.numel()])?;
            return flat.roll(shifts, &[0])?.reshape(self.shape());
        }
        if dims.len() != shifts.len() {
            return Err(Error::shape(
                op,
                "there must be a shift for each axis",
                format!("{shifts:?} for {dims:?}"),
            ));
        }
        let turns = dims
            .iter()
            .zip(shifts)
            .map(|(&dim, &shift)| {
                let axis = shape::axis(op, dim, self.rank())?;
                let size = (self.shape()[axis] as isize).max(1);
                Ok((axis, shift.rem_euclid(size) as usize))
            })
            .collect::<Result<Vec<_>>>()?;
        let edges = Edges::of(&[self]);
        let y = turned(&self.detach(), &turns)?;
        Ok(edges.record(op, y, || {
            let back: Vec<(usize, usize)> = turns
                .iter()
                .map(|&(axis, shift)| (axis, self.shape()[axis].max(shift) - shift))
                .collect();
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, turned(&only(dy)?, &back)?)
            }
        }))
    }

    /// Coordinates of a grid: from vectors of the lengths `N₁`, `N₂`, … as many views of shape `[N₁, N₂, …]`, of which
    /// the first changes along the first axis alone, and so on. PyTorch's default is [`Indexing::Ij`].
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no tensor or one has more than one axis, [`Error::DType`] if dtypes differ.
    pub fn meshgrid(tensors: &[&Tensor], indexing: Indexing) -> Result<Vec<Tensor>> {
        let op = "meshgrid";
        let first = tensors
            .first()
            .ok_or_else(|| Error::shape(op, "there must be a tensor", "none"))?;
        let mut sizes = Shape::new(op, &vec![1; tensors.len()])?;
        for (axis, tensor) in tensors.iter().enumerate() {
            same_dtype(op, first, tensor)?;
            if tensor.rank() > 1 {
                return Err(Error::shape(
                    op,
                    "every tensor must have one axis",
                    format!("shape {:?}", tensor.shape()),
                ));
            }
            sizes[axis] = tensor.numel();
        }
        shape::checked_numel(op, &sizes)?;
        tensors
            .iter()
            .enumerate()
            .map(|(axis, tensor)| {
                let mut own = vec![1; tensors.len()];
                own[axis] = tensor.numel();
                let grid = tensor.reshape(own)?.expand(&sizes[..])?;
                match indexing {
                    Indexing::Xy if tensors.len() > 1 => grid.transpose(0, 1),
                    _ => Ok(grid),
                }
            })
            .collect()
    }
}

/// `tensors`, of which each has `parts[i]` entries along `axis`, in one tensor of these sizes; without a node.
fn joined(tensors: &[&Tensor], parts: &[usize], axis: usize, sizes: Shape) -> Tensor {
    let outer: usize = sizes[..axis].iter().product();
    let inner: usize = sizes[axis + 1..].iter().product();
    let row = sizes[axis] * inner;
    for_dtype!(tensors[0].dtype(), T => Tensor::fill_new::<T>(sizes, |out| {
        if out.is_empty() {
            return;
        }
        if outer == 1 {
            let mut rest = out;
            for (tensor, part) in tensors.iter().zip(parts) {
                let (own, behind) = rest.split_at_mut(part * inner);
                map::copy(tensor.buffer_slice::<T>(), tensor.layout(), own);
                rest = behind;
            }
            return;
        }
        let sources: Vec<Tensor> = tensors.iter().map(|x| x.contiguous_detached()).collect();
        let sources: Vec<&[T]> = sources.iter().map(Tensor::slice::<T>).collect();
        for_rows(out, row, (1usize << 14).div_ceil(row), |first, block| {
            for (i, out) in block.chunks_exact_mut(row).enumerate() {
                let mut rest = out;
                for (source, part) in sources.iter().zip(parts) {
                    let part = part * inner;
                    let (own, behind) = rest.split_at_mut(part);
                    own.copy_from_slice(&source[(first + i) * part..][..part]);
                    rest = behind;
                }
            }
        });
    }))
}

/// `x` moved by each number of entries along its axis, which is at most its size.
fn turned(x: &Tensor, turns: &[(usize, usize)]) -> Result<Tensor> {
    let mut y = x.clone();
    for &(axis, shift) in turns {
        let (dim, size) = (axis as isize, y.shape()[axis]);
        if shift == 0 || shift >= size {
            continue;
        }
        let (start, end) = (
            y.narrow(dim, 0, size - shift)?,
            y.narrow(dim, size - shift, shift)?,
        );
        y = Tensor::cat(&[&end, &start], dim)?;
    }
    Ok(y)
}
