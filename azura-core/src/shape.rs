//! Shapes, strides and how they combine: pure arithmetic on sizes, no data.

use crate::{Error, Result};
use std::ops::Deref;

/// The most axes a tensor can have. PyTorch allows 64; nobody has needed more than 8 here, and a
/// fixed array keeps shapes off the heap.
pub const MAX_RANK: usize = 8;

/// Up to [`MAX_RANK`] sizes, kept inline. Dereferences to a slice.
#[derive(Clone, Copy, Debug)]
pub struct Dims<T> {
    rank: u8,
    /// Beyond the rank they are the default, so that two of a rank are compared without a loop over it.
    values: [T; MAX_RANK],
}

/// The sizes of a tensor's axes.
pub type Shape = Dims<usize>;

impl<T: Copy + Default> Dims<T> {
    /// Copies `values`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are more than [`MAX_RANK`].
    pub(crate) fn new(op: &'static str, values: &[T]) -> Result<Self> {
        if values.len() > MAX_RANK {
            return Err(Error::shape(
                op,
                format!("a tensor has at most {MAX_RANK} axes"),
                format!("{}", values.len()),
            ));
        }
        Ok(values.iter().copied().collect())
    }

    pub(crate) fn empty() -> Self {
        Dims {
            rank: 0,
            values: [T::default(); MAX_RANK],
        }
    }

    pub(crate) fn push(&mut self, value: T) {
        self.values[self.rank as usize] = value;
        self.rank += 1;
    }

    pub(crate) fn remove(&mut self, index: usize) {
        let rank = self.rank as usize;
        self.values.copy_within(index + 1..rank, index);
        self.values[rank - 1] = T::default();
        self.rank -= 1;
    }
}

impl<T: Copy + Default> FromIterator<T> for Dims<T> {
    /// Collects at most [`MAX_RANK`] values; callers check the number first.
    fn from_iter<I: IntoIterator<Item = T>>(iter: I) -> Self {
        let mut dims = Dims::empty();
        for value in iter {
            dims.push(value);
        }
        dims
    }
}

impl<T> Deref for Dims<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.values[..self.rank as usize]
    }
}

impl<T> std::ops::DerefMut for Dims<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[..self.rank as usize]
    }
}

impl<T: PartialEq> PartialEq for Dims<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank && self.values == other.values
    }
}

/// The most elements a tensor can have: of 8 bytes each they fill the 47 bits of address space that a
/// process has.
const MAX_NUMEL: usize = 1 << 44;

/// The number of elements of a shape.
///
/// # Errors
/// [`Error::Shape`] if the product of the sizes, those of 0 left out, exceeds what memory can hold:
/// then strides fit too.
pub(crate) fn checked_numel(op: &'static str, shape: &[usize]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size.max(1)))
        .filter(|&product| product <= MAX_NUMEL)
        .map(|_| shape.iter().product())
        .ok_or_else(|| {
            Error::shape(
                op,
                "the number of elements must fit the address space",
                format!("{shape:?}"),
            )
        })
}

/// Where the elements of a tensor lie in its buffer. Strides and offset count elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Layout {
    pub shape: Shape,
    pub strides: Dims<isize>,
    pub offset: usize,
}

impl Layout {
    /// Row-major without gaps.
    #[inline]
    pub fn contiguous(shape: Shape) -> Self {
        let mut strides = Dims {
            rank: shape.rank,
            values: [0; MAX_RANK],
        };
        let mut step = 1isize;
        for (stride, &size) in strides.iter_mut().zip(shape.iter()).rev() {
            *stride = step;
            step *= size.max(1) as isize;
        }
        Layout {
            shape,
            strides,
            offset: 0,
        }
    }

    #[inline]
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_contiguous(&self) -> bool {
        let mut step = 1isize;
        for axis in (0..self.shape.len()).rev() {
            let size = self.shape[axis];
            if size == 0 {
                return true;
            }
            if size != 1 {
                if self.strides[axis] != step {
                    return false;
                }
                step *= size as isize;
            }
        }
        true
    }

    pub fn permute(&self, axes: &[usize]) -> Self {
        Layout {
            shape: axes.iter().map(|&a| self.shape[a]).collect(),
            strides: axes.iter().map(|&a| self.strides[a]).collect(),
            offset: self.offset,
        }
    }

    /// The layout of the same elements under `shape`, if no copy is needed.
    pub fn reshape(&self, shape: &Shape) -> Option<Self> {
        if self.is_contiguous() {
            return Some(Layout {
                offset: self.offset,
                ..Layout::contiguous(*shape)
            });
        }
        // Group axes of the old shape that lie without gaps, and cut each group into new axes.
        let old: Vec<(usize, isize)> = self
            .shape
            .iter()
            .zip(self.strides.iter())
            .filter(|(size, _)| **size != 1)
            .map(|(&size, &stride)| (size, stride))
            .collect();
        let mut strides: Dims<isize> = shape.iter().map(|_| 0).collect();
        let (mut i, mut j) = (0, 0);
        while i < old.len() && j < shape.len() {
            let (start, first) = (i, j);
            let (mut have, mut want) = (old[i].0, shape[j]);
            while have != want {
                if have < want {
                    i += 1;
                    have *= old.get(i)?.0;
                } else {
                    j += 1;
                    want *= *shape.get(j)?;
                }
            }
            for k in start..i {
                if old[k].1 != old[k + 1].1 * old[k + 1].0 as isize {
                    return None;
                }
            }
            let mut step = old[i].1;
            for axis in (first..=j).rev() {
                strides[axis] = step;
                step *= shape[axis] as isize;
            }
            i += 1;
            j += 1;
        }
        Some(Layout {
            shape: *shape,
            strides,
            offset: self.offset,
        })
    }

    /// The layout seen as `shape`: missing leading axes and axes of size 1 get stride 0.
    pub fn expand(&self, shape: &Shape) -> Option<Self> {
        let lead = shape.len().checked_sub(self.shape.len())?;
        let mut strides: Dims<isize> = shape.iter().map(|_| 0).collect();
        for axis in 0..self.shape.len() {
            let (from, to) = (self.shape[axis], shape[lead + axis]);
            if from == to {
                strides[lead + axis] = self.strides[axis];
            } else if from != 1 {
                return None;
            }
        }
        Some(Layout {
            shape: *shape,
            strides,
            offset: self.offset,
        })
    }
}

/// The shape of an elementwise result: axes are aligned at the end, sizes are equal or one of them is 1.
///
/// # Errors
/// [`Error::Shape`] if a pair of sizes differs and neither is 1.
pub(crate) fn broadcast(op: &'static str, a: &Shape, b: &Shape) -> Result<Shape> {
    if a == b {
        return Ok(*a);
    }
    let rank = a.len().max(b.len());
    let size =
        |s: &Shape, axis: usize| (axis + s.len()).checked_sub(rank).map_or(1, |axis| s[axis]);
    let mut shape = Shape::empty();
    for axis in 0..rank {
        shape.push(match (size(a, axis), size(b, axis)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => {
                return Err(Error::shape(
                    op,
                    "sizes aligned at the last axis must be equal or 1",
                    format!("{:?} and {:?}", &a[..], &b[..]),
                ));
            }
        });
    }
    checked_numel(op, &shape)?;
    Ok(shape)
}

/// An axis given from the front (0, 1, …) or from the back (-1, -2, …) as an index.
///
/// # Errors
/// [`Error::Shape`] if there is no such axis.
pub(crate) fn axis(op: &'static str, dim: isize, rank: usize) -> Result<usize> {
    let index = if dim < 0 { dim + rank as isize } else { dim };
    if (0..rank as isize).contains(&index) {
        Ok(index as usize)
    } else {
        Err(Error::shape(
            op,
            format!("the axis must lie in {}..{rank}", -(rank as isize)),
            format!("{dim}"),
        ))
    }
}
