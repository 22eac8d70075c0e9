//! Convolutions with one input channel in each group: each output plane is a few shifted input planes.

use super::Conv;
use super::columns::Columns;
use crate::Element;
use crate::cpu::gemm::Real;
use crate::cpu::simd::{Kernel, dispatch};
use crate::cpu::threads::for_rows;

/// Multiply-adds that are worth a thread of their own.
const PART_WORK: usize = crate::cpu::threads::grain::DEPTHWISE;
/// Products summed side by side: two AVX-512 registers of f32.
const LANES: usize = 32;
/// Products summed in one precision before the sum goes on in f64.
const BLOCK: usize = 4096;

/// Calls `f(tap, x, y, len)` for every tap and every row of `y` in which the tap reads inside of `x`: element `y + i` belongs
/// to `x + i · step`.
#[inline(always)]
fn visit(columns: &Columns, mut f: impl FnMut(usize, usize, usize, usize)) {
    let [_, height, width] = columns.source;
    let [_, rows, row_len] = columns.count;
    let [depths, heights, widths] = &columns.taps;
    let mut tap = 0;
    for dz in depths {
        for dy in heights {
            for dx in widths {
                // A tap that reads outside everywhere has no place to begin at.
                let depth = if dx.inside.is_empty() {
                    0..0
                } else {
                    dz.inside.clone()
                };
                for z in depth {
                    for y in dy.inside.clone() {
                        let iz = (z * columns.step[0]).wrapping_add_signed(dz.offset);
                        let iy = (y * columns.step[1]).wrapping_add_signed(dy.offset);
                        let ix = (dx.inside.start * columns.step[2]).wrapping_add_signed(dx.offset);
                        let x_at = (iz * height + iy) * width + ix;
                        let y_at = (z * rows + y) * row_len + dx.inside.start;
                        f(tap, x_at, y_at, dx.inside.len());
                    }
                }
                tap += 1;
            }
        }
    }
}

struct Forward<'a, T> {
    columns: &'a Columns,
    x: &'a [T],
    w: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Forward { columns, x, w, y } = self;
        let step = columns.step[2];
        visit(columns, |tap, x_at, y_at, len| {
            let w = w[tap];
            let y = &mut y[y_at..y_at + len];
            if step == 1 {
                for (y, x) in y.iter_mut().zip(&x[x_at..x_at + len]) {
                    *y = w.mul_add(*x, *y);
                }
            } else {
                for (y, x) in y.iter_mut().zip(x[x_at..].iter().step_by(step)) {
                    *y = w.mul_add(*x, *y);
                }
            }
        });
    }
}

struct Input<'a, T> {
    columns: &'a Columns,
    dy: &'a [T],
    w: &'a [T],
    dx: &'a mut [T],
}

impl<T: Real> Kernel for Input<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Input { columns, dy, w, dx } = self;
        let step = columns.step[2];
        visit(columns, |tap, x_at, y_at, len| {
            let w = w[tap];
            let dy = &dy[y_at..y_at + len];
            if step == 1 {
                for (dx, dy) in dx[x_at..x_at + len].iter_mut().zip(dy) {
                    *dx = w.mul_add(*dy, *dx);
                }
            } else {
                for (dx, dy) in dx[x_at..].iter_mut().step_by(step).zip(dy) {
                    *dx = w.mul_add(*dy, *dx);
                }
            }
        });
    }
}

struct Weight<'a, T> {
    columns: &'a Columns,
    x: &'a [T],
    dy: &'a [T],
    /// One sum for each tap.
    sums: &'a mut [f64],
}

impl<T: Real + Element> Kernel for Weight<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Weight {
            columns,
            x,
            dy,
            sums,
        } = self;
        let step = columns.step[2];
        let mut lanes = [T::default(); LANES];
        let mut pending = 0;
        let mut current = 0;
        let flush = |lanes: &mut [T; LANES], sum: &mut f64| {
            for lane in lanes {
                *sum += lane.to_f64();
                *lane = T::default();
            }
        };
        visit(columns, |tap, x_at, y_at, len| {
            for start in (0..len).step_by(BLOCK) {
                let n = (len - start).min(BLOCK);
                if tap != current || pending + n > BLOCK {
                    flush(&mut lanes, &mut sums[current]);
                    (current, pending) = (tap, 0);
                }
                pending += n;
                let dy = &dy[y_at + start..y_at + start + n];
                if step == 1 {
                    let x = &x[x_at + start..x_at + start + n];
                    let (mut xs, mut dys) = (x.chunks_exact(LANES), dy.chunks_exact(LANES));
                    for (x, dy) in xs.by_ref().zip(dys.by_ref()) {
                        for ((lane, x), dy) in lanes.iter_mut().zip(x).zip(dy) {
                            *lane = x.mul_add(*dy, *lane);
                        }
                    }
                    for ((lane, x), dy) in lanes.iter_mut().zip(xs.remainder()).zip(dys.remainder())
                    {
                        *lane = x.mul_add(*dy, *lane);
                    }
                } else {
                    let x = x[x_at + start * step..].iter().step_by(step);
                    for (i, (x, dy)) in x.zip(dy).enumerate() {
                        let lane = &mut lanes[i % LANES];
                        *lane = x.mul_add(*dy, *lane);
                    }
                }
            }
        });
        if !sums.is_empty() {
            flush(&mut lanes, &mut sums[current]);
        }
    }
}

fn grain(columns: &Columns, taps: usize) -> usize {
    (PART_WORK / (columns.per_image() * taps).max(1)).max(1)
}

pub(super) fn forward<T: Real + Element>(
    conv: &Conv,
    columns: &Columns,
    x: &[T],
    w: &[T],
    bias: Option<&[T]>,
    y: &mut [T],
) {
    let (plane, size, taps) = (columns.plane(), columns.per_image(), conv.taps());
    if y.is_empty() {
        return;
    }
    for_rows(y, size, grain(columns, taps), |first, y| {
        for (i, y) in y.chunks_exact_mut(size).enumerate() {
            let channel = first + i;
            let output = channel % (conv.groups * conv.outputs);
            y.fill(bias.map_or(T::default(), |bias| bias[output]));
            dispatch(Forward {
                columns,
                x: &x[channel / conv.outputs * plane..][..plane],
                w: &w[output * taps..][..taps],
                y,
            });
        }
    });
}

pub(super) fn input<T: Real + Element>(
    conv: &Conv,
    columns: &Columns,
    dy: &[T],
    w: &[T],
    bias: Option<&[T]>,
    dx: &mut [T],
) {
    let (plane, size, taps) = (columns.plane(), columns.per_image(), conv.taps());
    let grain = grain(columns, taps * conv.outputs);
    for_rows(dx, plane, grain, |first, dx| {
        for (i, dx) in dx.chunks_exact_mut(plane).enumerate() {
            let input = first + i;
            let group = input % conv.groups;
            dx.fill(bias.map_or(T::default(), |bias| bias[group]));
            for o in 0..conv.outputs {
                dispatch(Input {
                    columns,
                    dy: &dy[(input * conv.outputs + o) * size..][..size],
                    w: &w[(group * conv.outputs + o) * taps..][..taps],
                    dx,
                });
            }
        }
    });
}

pub(super) fn weight<T: Real + Element>(
    conv: &Conv,
    columns: &Columns,
    x: &[T],
    dy: &[T],
    accumulate: bool,
    dw: &mut [T],
) {
    let (plane, size, taps) = (columns.plane(), columns.per_image(), conv.taps());
    if dw.is_empty() {
        return;
    }
    let channels = conv.groups * conv.outputs;
    let grain = grain(columns, taps * conv.batch.max(1));
    for_rows(dw, taps, grain, |first, dw| {
        let mut sums = vec![0.0; taps];
        for (i, dw) in dw.chunks_exact_mut(taps).enumerate() {
            let output = first + i;
            sums.fill(0.0);
            for image in 0..conv.batch {
                let group = output / conv.outputs;
                dispatch(Weight {
                    columns,
                    x: &x[(image * conv.groups + group) * plane..][..plane],
                    dy: &dy[(image * channels + output) * size..][..size],
                    sums: &mut sums,
                });
            }
            for (dw, sum) in dw.iter_mut().zip(&sums) {
                let sum = T::from_f64(*sum);
                *dw = if accumulate { *dw + sum } else { sum };
            }
        }
    });
}
