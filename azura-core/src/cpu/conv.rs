//! Convolutions of one to three axes, their gradients, and so transposed convolutions.
//!
//! A convolution is a product of the weights with columns of the input (`columns`). Where lines are long enough the products
//! read the input itself, shifted under each tap (`shifted`); else columns are made tile by tile in the order in which
//! the matrix kernels read them, and never as a whole (`product`). The gradient of the input is the same with the kernel turned
//! round, once for each remainder of the stride; that of the weights sums over places (`weights`). With one input
//! channel in a group there is no matrix: `depthwise`. Kernels of 3 × 3 in f32 take a quarter of the products: `winograd`.
//!
//! Threads share the columns, or the rows of the weights: an element is one chain of additions whose order depends on
//! sizes only.

mod columns;
mod depthwise;
mod product;
mod shifted;
mod weights;
mod winograd;

use super::gemm::{Mat, Real};
use crate::buffer::Buffer;
use crate::{DType, Element};
use columns::{Columns, Tap};
use product::{Target, product};
use winograd::{Weights, Winograd};

/// A convolution of `x` by `w` to `y`; an axis that is not there has size 1, and comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conv {
    pub batch: usize,
    pub groups: usize,
    /// Input channels of one group.
    pub inputs: usize,
    /// Output channels of one group.
    pub outputs: usize,
    pub x: [usize; 3],
    pub y: [usize; 3],
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    /// Zeros before the first element.
    pub padding: [usize; 3],
    pub dilation: [usize; 3],
}

/// Up to this many output channels for one input channel, products of matrices would be mostly padding.
const DEPTHWISE_OUTPUTS: usize = 4;

impl Conv {
    fn is_depthwise(&self) -> bool {
        self.inputs == 1 && self.outputs <= DEPTHWISE_OUTPUTS
    }

    fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// The columns of `x` that the places of `y` read.
    fn columns(&self) -> Columns {
        let taps = |axis: usize| {
            (0..self.kernel[axis])
                .map(|k| {
                    let offset =
                        k as isize * self.dilation[axis] as isize - self.padding[axis] as isize;
                    let (count, step) = (self.y[axis], self.stride[axis]);
                    Tap::new(k, offset, count, step, self.x[axis])
                })
                .collect()
        };
        Columns {
            batch: self.batch,
            groups: self.groups,
            channels: self.inputs,
            source: self.x,
            count: self.y,
            step: self.stride,
            taps: [taps(0), taps(1), taps(2)],
        }
    }

    /// The columns of `dy` that the places `phase + q · stride` of `x` read.
    fn turned_columns(&self, phase: [usize; 3]) -> Columns {
        let count = |axis: usize| (self.x[axis] - phase[axis]).div_ceil(self.stride[axis]);
        let taps = |axis: usize| {
            let stride = self.stride[axis] as isize;
            (0..self.kernel[axis])
                .filter_map(|k| {
                    let distance = (phase[axis] + self.padding[axis]) as isize
                        - k as isize * self.dilation[axis] as isize;
                    (distance.rem_euclid(stride) == 0).then(|| {
                        let offset = distance.div_euclid(stride);
                        Tap::new(k, offset, count(axis), 1, self.y[axis])
                    })
                })
                .collect()
        };
        Columns {
            batch: self.batch,
            groups: self.groups,
            channels: self.outputs,
            source: self.y,
            count: [count(0), count(1), count(2)],
            step: [1; 3],
            taps: [taps(0), taps(1), taps(2)],
        }
    }

    /// `y = x ⋆ w + bias`: `x [B, G·I, …]`, `w [G·O, I, …]`, `bias [G·O]`, `y [B, G·O, …]`. Writes all of `y`.
    pub(crate) fn forward<T: Real + Element>(
        &self,
        x: &[T],
        w: &[T],
        bias: Option<&[T]>,
        y: &mut [T],
    ) {
        let columns = self.columns();
        if self.is_depthwise() {
            return depthwise::forward(self, &columns, x, w, bias, y);
        }
        if let (Some(winograd), Some(x), Some(w), Some(y)) =
            (Winograd::forward(self), single(x), single(w), single_mut(y))
        {
            let w = Weights {
                data: w,
                output: self.inputs * 9,
                channel: 9,
                group: self.outputs * self.inputs * 9,
                turned: false,
            };
            if winograd.product(x, &w, bias.and_then(single), y) {
                return;
            }
        }
        let (m, k) = (self.outputs, columns.rows());
        let a = |group: usize| Mat::new(&w[group * m * k..(group + 1) * m * k], m, k);
        product(&columns, x, a, m, bias, &Target::dense(self.y), y);
    }

    /// `dx = dy ⋆ᵀ w + bias`, where `bias [G·I]` makes it the transposed convolution. Writes all of `dx`.
    pub(crate) fn input<T: Real + Element>(
        &self,
        dy: &[T],
        w: &[T],
        bias: Option<&[T]>,
        dx: &mut [T],
    ) {
        if dx.is_empty() {
            return;
        }
        if self.is_depthwise() {
            return depthwise::input(self, &self.columns(), dy, w, bias, dx);
        }
        if let (Some(winograd), Some(dy), Some(w), Some(dx)) =
            (Winograd::input(self), single(dy), single(w), single_mut(dx))
        {
            let w = Weights {
                data: w,
                output: 9,
                channel: self.inputs * 9,
                group: self.outputs * self.inputs * 9,
                turned: true,
            };
            if winograd.product(dy, &w, bias.and_then(single), dx) {
                return;
            }
        }
        let (m, taps) = (self.inputs, self.taps());
        let mut turned = Buffer::uninit(size_of_val(w));
        let turned = turned.as_mut_slice::<T>();
        let phases = |axis: usize| 0..self.stride[axis].min(self.x[axis]);
        // A stride may leave places that no tap reaches.
        if self.stride != [1; 3] || self.outputs == 0 {
            let channels = self.groups * self.inputs;
            for (i, plane) in dx.chunks_exact_mut(self.x.iter().product()).enumerate() {
                plane.fill(bias.map_or(T::default(), |bias| bias[i % channels]));
            }
        }
        for z in phases(0) {
            for y in phases(1) {
                for x in phases(2) {
                    let phase = [z, y, x];
                    let columns = self.turned_columns(phase);
                    let k = columns.rows();
                    if k == 0 {
                        continue;
                    }
                    self.turn(&columns, w, taps, turned);
                    let turned = &*turned;
                    let a = |group: usize| Mat::new(&turned[group * m * k..][..m * k], m, k);
                    let target = Target {
                        sizes: self.x,
                        origin: phase,
                        step: self.stride,
                    };
                    product(&columns, dy, a, m, bias, &target, dx);
                }
            }
        }
    }

    /// The taps of `columns` from `w [G·O, I, taps]` to `[G, I, O · taps]`.
    fn turn<T: Copy>(&self, columns: &Columns, w: &[T], taps: usize, to: &mut [T]) {
        let [depths, heights, widths] = &columns.taps;
        let places: usize = depths.len() * heights.len() * widths.len();
        if places == 0 {
            return;
        }
        let rows = to.chunks_exact_mut(places).enumerate();
        for (i, to) in rows.take(self.groups * self.inputs * self.outputs) {
            let (input, output) = (i / self.outputs, i % self.outputs);
            let (group, input) = (input / self.inputs, input % self.inputs);
            let from = &w[((group * self.outputs + output) * self.inputs + input) * taps..][..taps];
            let mut to = to.iter_mut();
            for z in depths {
                for y in heights {
                    for (x, to) in widths.iter().zip(&mut to) {
                        let row = z.index * self.kernel[1] + y.index;
                        *to = from[row * self.kernel[2] + x.index];
                    }
                }
            }
        }
    }

    /// The gradient of `w`, added to `dw` if `accumulate`; else all of `dw` is written.
    pub(crate) fn weight<T: Real + Element>(
        &self,
        x: &[T],
        dy: &[T],
        accumulate: bool,
        dw: &mut [T],
    ) {
        if let (Some(winograd), Some(x), Some(dy), Some(dw)) = (
            Winograd::gradient(self),
            single(x),
            single(dy),
            single_mut(dw),
        ) && winograd.weight(x, dy, accumulate, dw)
        {
            return;
        }
        let columns = self.columns();
        if self.is_depthwise() {
            depthwise::weight(self, &columns, x, dy, accumulate, dw);
        } else {
            weights::weight(self, &columns, x, dy, accumulate, dw);
        }
    }
}

/// Elements that are f32.
fn single<T: Element>(x: &[T]) -> Option<&[f32]> {
    // SAFETY: `Element` is sealed, and f32 is the only type of this dtype.
    (T::DTYPE == DType::F32)
        .then(|| unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) })
}

/// [`single`] to be written.
fn single_mut<T: Element>(x: &mut [T]) -> Option<&mut [f32]> {
    let (data, len) = (x.as_mut_ptr().cast(), x.len());
    // SAFETY: as above; the slice is borrowed as long as the result.
    (T::DTYPE == DType::F32).then(|| unsafe { std::slice::from_raw_parts_mut(data, len) })
}

#[cfg(test)]
mod tests;
