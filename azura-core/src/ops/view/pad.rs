//! Padding.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::place;
use crate::dtype::for_dtype;
use crate::ops::elementwise::Rhs;
use crate::shape::{self, Layout, Shape};
use crate::tensor::Tensor;
use crate::{Error, Result};

/// What stands in the margins of [`Tensor::pad`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// This number.
    Constant(f64),
    /// The elements beside the edge, mirrored; the edge itself is not repeated.
    Reflect,
    /// The edge.
    Replicate,
    /// The elements from the other end.
    Circular,
}

impl Default for PadMode {
    fn default() -> Self {
        PadMode::Constant(0.0)
    }
}

impl Tensor {
    /// Margins around the last axes; negative ones crop.
    ///
    /// `padding` holds the margins before and behind the last axis, then of the one before it, and so on:
    /// `[left, right, top, bottom]`. PyTorch: `nn.functional.pad`. Any number of axes can be padded in any mode.
    ///
    /// ```
    /// use azura_core::{PadMode, Tensor};
    /// let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0], [3])?;
    /// assert_eq!(x.pad(&[2, -1], PadMode::Reflect)?.to_vec::<f32>()?, [3.0, 2.0, 1.0, 2.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if `padding` has an odd number of entries or more than two for each axis, crops more than there
    /// is, or reaches further than its mode allows: a mirror must be shorter than the axis, a turn no longer than it,
    /// and an empty axis has no edge. [`Error::Argument`] if the number is no value of an integer dtype.
    pub fn pad(&self, padding: &[isize], mode: PadMode) -> Result<Tensor> {
        let op = "pad";
        if padding.len() % 2 == 1 || padding.len() / 2 > self.rank() {
            return Err(Error::shape(
                op,
                "there must be two margins for each axis that is padded",
                format!("{padding:?} for {:?}", self.shape()),
            ));
        }
        let mut sizes = *self.sizes();
        let mut margins = Vec::new();
        for (i, pair) in padding.chunks_exact(2).enumerate() {
            let axis = self.rank() - 1 - i;
            let margin = Margin::new(self.shape()[axis], pair[0], pair[1], mode)?;
            sizes[axis] = margin.len;
            if padding_changes(pair) {
                margins.push((axis, margin));
            }
        }
        shape::checked_numel(op, &sizes)?;
        match mode {
            PadMode::Constant(value) => self.framed(sizes, &margins, value),
            _ => margins.iter().try_fold(self.clone(), |x, (axis, margin)| {
                let ids = (0..margin.len).map(|i| margin.source(i, mode)).collect();
                x.take(op, *axis, ids)
            }),
        }
    }

    /// In a frame of one number.
    fn framed(&self, sizes: Shape, margins: &[(usize, Margin)], value: f64) -> Result<Tensor> {
        let op = "pad";
        let value = Rhs::Scalar(value).tensor(op, self.dtype())?;
        let edges = Edges::of(&[self]);
        // The part of x that stays, and where it stands in the result.
        let (mut kept, mut places) = (*self.layout(), Layout::contiguous(sizes));
        for &(
            axis,
            Margin {
                size, before, len, ..
            },
        ) in margins
        {
            let first = before.min(0).unsigned_abs().min(size);
            let to = (before.max(0) as usize).min(len);
            let count = (size - first).min(len - to);
            kept.shape[axis] = count;
            places.shape[axis] = count;
            kept.offset = kept
                .offset
                .wrapping_add_signed((first as isize).wrapping_mul(kept.strides[axis]));
            places.offset += to * places.strides[axis] as usize;
        }
        let all: usize = kept.numel();
        let y = for_dtype!(self.dtype(), T => {
            let value = value.item::<T>()?;
            Tensor::fill_new::<T>(sizes, |out| {
                out.fill(value);
                if all > 0 {
                    let part = self.with_layout(kept).contiguous_detached();
                    place::write(part.slice::<T>(), &places, out);
                }
            })
        });
        let back: Vec<isize> = (0..self.rank())
            .rev()
            .flat_map(|axis| {
                let margin = margins.iter().find(|(padded, _)| *padded == axis);
                margin.map_or([0, 0], |(_, m)| [-m.before, -m.behind])
            })
            .collect();
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, only(dy)?.pad(&back, PadMode::Constant(0.0))?)
            }
        }))
    }
}

fn padding_changes(pair: &[isize]) -> bool {
    pair != [0, 0]
}

/// The padding of one axis.
struct Margin {
    size: usize,
    before: isize,
    behind: isize,
    /// The size of the result.
    len: usize,
}

impl Margin {
    fn new(size: usize, before: isize, behind: isize, mode: PadMode) -> Result<Margin> {
        let op = "pad";
        let fact = format!("margins {before} and {behind} for size {size}");
        // No axis is as long as this; a margin below it can be turned round and added without care.
        let longest = isize::MAX as usize / 4;
        if before.unsigned_abs().max(behind.unsigned_abs()) > longest {
            return Err(Error::shape(
                op,
                "a margin must fit the address space",
                fact,
            ));
        }
        let Ok(len) = usize::try_from(size as isize + before + behind) else {
            return Err(Error::shape(
                op,
                "no more can be cropped than there is",
                fact,
            ));
        };
        let margin = Margin {
            size,
            before,
            behind,
            len,
        };
        let longest = before.max(behind).max(0) as usize;
        let (allowed, rule) = match mode {
            PadMode::Constant(_) => (true, ""),
            PadMode::Reflect => (
                longest == 0 || longest < size,
                "a reflected margin must be shorter than the axis",
            ),
            PadMode::Replicate => (
                longest == 0 || size > 0 || len == 0,
                "an empty axis has no edge to repeat",
            ),
            PadMode::Circular => (
                longest <= margin.inner(),
                "a circular margin must not be longer than what the axis keeps",
            ),
        };
        if allowed {
            Ok(margin)
        } else {
            Err(Error::shape(op, rule, fact))
        }
    }

    /// What cropping leaves.
    fn inner(&self) -> usize {
        let cropped = self.before.min(0).unsigned_abs() + self.behind.min(0).unsigned_abs();
        self.size.saturating_sub(cropped)
    }

    /// Which entry of the axis stands at place `i` of the result.
    fn source(&self, i: usize, mode: PadMode) -> usize {
        let (at, size) = (i as isize - self.before, self.size as isize);
        let source = match mode {
            PadMode::Constant(_) => at,
            PadMode::Replicate => at.clamp(0, size - 1),
            PadMode::Reflect if at < 0 => -at,
            PadMode::Reflect if at >= size => 2 * (size - 1) - at,
            PadMode::Reflect => at,
            // The turn goes through what cropping leaves.
            PadMode::Circular => {
                let first = -self.before.min(0);
                first + (at - first).rem_euclid((self.inner() as isize).max(1))
            }
        };
        source as usize
    }
}
