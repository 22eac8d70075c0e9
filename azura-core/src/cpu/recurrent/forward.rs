//! The walk forward.

use super::{
    Ahead, Buffers, Cell, Dims, Factor, Row, STEPWISE_ROWS, State, Weights, check, check_out,
    with_rotated,
};
use crate::cpu::gemm::pack::{with_scratch, with_slice};
use crate::cpu::gemm::{Epilogue, Mat, Real};
use crate::cpu::simd::{Kernel, dispatch};
use crate::cpu::threads::{Shared, parallel, part};
use std::marker::PhantomData;
use std::ops::Range;

/// Runs the layer over `x` `[B, T, I]`.
///
/// The output of row `b` at step `t` goes to `out[(b·T + t)·out_stride..][..P]`: `out_stride` is P for one direction,
/// 2P for two that share the output (the reverse one is given `&mut out[P..]`). `hn` `[B, P]` and `cn` `[B, H]` take the
/// state after the last step walked; `cn` is empty if the cell has none. `saved` holds [`Dims::saved_len`] elements;
/// `None` if no gradient is wanted.
///
/// # Panics
/// If a slice does not have the size that `d` says.
#[allow(clippy::too_many_arguments)] // One call holds the whole operation.
pub(crate) fn forward<C: Cell, T: Real>(
    d: &Dims<'_>,
    x: &[T],
    w: &Weights<'_, T>,
    init: State<'_, T>,
    out: &mut [T],
    out_stride: usize,
    hn: &mut [T],
    cn: &mut [T],
    saved: Option<&mut [T]>,
) {
    let Dims {
        batch,
        time,
        input,
        hidden,
        output,
        ..
    } = *d;
    check::<C, T>(d, x, w, init);
    check_out(d, out, out_stride);
    let cells = if C::HAS_CELLS { batch * hidden } else { 0 };
    assert!(
        hn.len() == batch * output && cn.len() == cells,
        "hn is [B, P] and cn is [B, H]"
    );
    assert!(
        saved.as_ref().is_none_or(|s| s.len() == d.saved_len::<C>()),
        "saved has the size of Dims::saved_len"
    );
    if batch * hidden == 0 {
        return;
    }
    let saved = saved.map(|s| Shared(s.as_mut_ptr()));
    let (out, hn, cn) = (
        Shared(out.as_mut_ptr()),
        Shared(hn.as_mut_ptr()),
        Shared(cn.as_mut_ptr()),
    );
    let gates = C::GATES * hidden;
    let w_hh = Mat::new(w.w_hh, gates, output).t();
    let w_hr = match w.w_hr {
        Some(w_hr) => Mat::new(w_hr, output, hidden).t(),
        None => Mat::new(&[], 0, 0),
    };
    with_bias::<C, T, _>(d, w, |bias| {
        with_rotated::<C, T, _>(d, w.w_ih, |w_ih| {
            let parts = d.parts::<C>();
            let rows = batch.div_ceil(parts);
            let uses = time.div_ceil(d.input_steps::<C>(rows));
            let uses = if rows < STEPWISE_ROWS {
                rows * uses
            } else {
                uses
            };
            Factor::with(Mat::new(w_ih, gates, input).t(), uses, |w_ih| {
                Factor::with_rows(w_hh, rows, time, |w_hh| {
                    Factor::with_rows(w_hr, rows, time, |w_hr| {
                        parallel(parts, |i| {
                            let rows = part(batch, parts, i);
                            let run = Forward::<C, T> {
                                d,
                                x,
                                w_ih,
                                w_hh,
                                w_hr,
                                bias,
                                init,
                                out: out.get(),
                                out_stride,
                                rows: rows.clone(),
                                cell: PhantomData,
                            };
                            let len = match &saved {
                                Some(_) => Buffers::<T>::scratch_len::<C>(d, rows.len()),
                                None => Buffers::<T>::rolling_len::<C>(d, rows.len()),
                            };
                            with_scratch(len, |p| {
                                let buffers = match &saved {
                                    Some(saved) => Buffers::saved::<C>(d, saved.get(), p, &rows),
                                    None => Buffers::rolling::<C>(d, p, rows.len()),
                                };
                                // SAFETY: the sizes were checked above; each part has rows of its own.
                                unsafe { run.walk(&buffers, hn.get(), cn.get()) };
                            });
                        });
                    });
                });
            });
        });
    });
}

/// Calls `f` with what each block of a step begins with: both biases where both products meet.
fn with_bias<C: Cell, T: Real, R>(
    d: &Dims<'_>,
    w: &Weights<'_, T>,
    f: impl FnOnce(&[T]) -> R,
) -> R {
    let (gates, shift) = (C::GATES * d.hidden, C::HIDDEN_AT * d.hidden);
    with_slice(C::BLOCKS * d.hidden, |bias: &mut [T]| {
        bias.fill(T::default());
        if let Some(b_ih) = w.b_ih {
            bias[..shift].copy_from_slice(&b_ih[gates - shift..]);
            bias[shift..gates].copy_from_slice(&b_ih[..gates - shift]);
        }
        if let Some(b_hh) = w.b_hh {
            let sums = &mut bias[shift..];
            sums.iter_mut()
                .zip(b_hh)
                .for_each(|(sum, &b)| *sum = *sum + b);
        }
        f(bias)
    })
}

/// One part of the batch on its way forward.
struct Forward<'a, C, T> {
    d: &'a Dims<'a>,
    x: &'a [T],
    w_ih: Factor<'a, T>,
    w_hh: Factor<'a, T>,
    w_hr: Factor<'a, T>,
    bias: &'a [T],
    init: State<'a, T>,
    out: *mut T,
    out_stride: usize,
    rows: Range<usize>,
    cell: PhantomData<C>,
}

impl<C: Cell, T: Real> Forward<'_, C, T> {
    /// # Safety
    /// All sizes agree with `d`, and no other thread touches this part's rows of `out`, `hn`, `cn` and the buffers.
    unsafe fn walk(&self, buffers: &Buffers<T>, hn: *mut T, cn: *mut T) {
        let Dims { time, reverse, .. } = *self.d;
        let first = if buffers.rolling || !reverse { 0 } else { time };
        let last = match (buffers.rolling, reverse) {
            (true, _) => time % 2,
            (false, true) => 0,
            (false, false) => time,
        };
        // SAFETY: slots of the buffers hold this part's rows of one state, and so do these rows of what is given.
        unsafe {
            let hidden = (buffers.hidden, buffers.hidden_step, self.d.output);
            let cells = (buffers.cells, buffers.cell_step, self.d.hidden);
            self.begin(hidden, first, self.init.h);
            if C::HAS_CELLS {
                self.begin(cells, first, self.init.c);
            }
            let chunk = self.d.input_steps::<C>(self.rows.len());
            for s0 in (0..time).step_by(chunk) {
                let s1 = (s0 + chunk).min(time);
                let t0 = if reverse { time - s1 } else { s0 };
                let base = buffers.base(t0);
                let blocks = buffers.blocks.add((t0 - base) * buffers.block_step);
                self.input_products(t0..t0 + (s1 - s0), blocks, buffers.block_step);
                for s in s0..s1 {
                    self.step(buffers, s, base);
                }
            }
            self.end(hidden, last, hn);
            if C::HAS_CELLS {
                self.end(cells, last, cn);
            }
        }
    }

    /// Writes the state before the first step to slot `first`.
    ///
    /// # Safety
    /// As for [`Forward::walk`].
    unsafe fn begin(
        &self,
        (to, step, width): (*mut T, usize, usize),
        first: usize,
        from: Option<&[T]>,
    ) {
        // SAFETY: the slot holds this part's rows.
        unsafe {
            let (to, len) = (to.add(first * step), self.rows.len() * width);
            match from {
                Some(from) => {
                    to.copy_from_nonoverlapping(from.as_ptr().add(self.rows.start * width), len);
                }
                None => (0..len).for_each(|i| to.add(i).write(T::default())),
            }
        }
    }

    /// Writes the state in slot `last` to this part's rows of `to`.
    ///
    /// # Safety
    /// As for [`Forward::walk`].
    unsafe fn end(&self, (from, step, width): (*mut T, usize, usize), last: usize, to: *mut T) {
        // SAFETY: the slot holds this part's rows.
        unsafe {
            to.add(self.rows.start * width)
                .copy_from_nonoverlapping(from.add(last * step), self.rows.len() * width);
        }
    }

    /// Step number `s`, whose input products are in `blocks`, which begin with step `base`.
    ///
    /// # Safety
    /// As for [`Forward::walk`].
    unsafe fn step(&self, buffers: &Buffers<T>, s: usize, base: usize) {
        let Dims {
            time,
            hidden,
            output,
            ..
        } = *self.d;
        let rows = self.rows.len();
        let t = self.d.step(s);
        let (before, after) = buffers.slots(self.d, s, t);
        let active = self.d.active(&self.rows, t);
        let width = C::BLOCKS * hidden;
        let cells = if C::HAS_CELLS { rows * hidden } else { 0 };
        // SAFETY: slots of the buffers hold this part's rows, and those alive at the same time are disjoint.
        unsafe {
            let slice = |p: *mut T, len: usize| std::slice::from_raw_parts(p.cast_const(), len);
            let slice_mut = |p: *mut T, len: usize| std::slice::from_raw_parts_mut(p, len);
            let hidden_at = |slot: usize| buffers.hidden.add(slot * buffers.hidden_step);
            let cells_at = |slot: usize| buffers.cells.add(slot * buffers.cell_step);
            let h_before = slice(hidden_at(before), rows * output);
            let blocks = buffers.blocks.add((t - base) * buffers.block_step);
            let blocks = slice_mut(blocks, rows * width);
            if C::BLOCKS > C::GATES {
                let bias = &self.bias[C::GATES * hidden..];
                for row in blocks.chunks_exact_mut(width).take(active) {
                    row[C::GATES * hidden..].copy_from_slice(bias);
                }
            }
            let h = Mat::new(h_before, active, output);
            let sums = &mut blocks[C::HIDDEN_AT * hidden..];
            let w_hh = self.w_hh.backwards(s % 2 == 1);
            w_hh.multiply(h, sums, width, true);
            let out = self.out.add((self.rows.start * time + t) * self.out_stride);
            let h = slice_mut(hidden_at(after), rows * output);
            let raw = buffers.raw.add(t * buffers.raw_step);
            let projects = self.d.projects();
            dispatch(Step::<C, T> {
                d: self.d,
                first: self.rows.start,
                t,
                blocks,
                h_before,
                c_before: slice(cells_at(before), cells),
                c: slice_mut(cells_at(after), cells),
                tanh_c: slice_mut(buffers.tanh.add(t * buffers.tanh_step), cells),
                h: if projects {
                    slice_mut(raw, rows * hidden)
                } else {
                    &mut *h
                },
                out: if projects { std::ptr::null_mut() } else { out },
                out_row: time * self.out_stride,
                ahead: if s + 1 < time {
                    self.ahead(buffers, s + 1)
                } else {
                    [Ahead::NONE; 6]
                },
                cell: PhantomData,
            });
            if projects {
                let raw = Mat::new(slice(raw, rows * hidden), active, hidden);
                self.w_hr.multiply(raw, h, output, false);
                let rows = h
                    .chunks_exact_mut(output)
                    .zip(h_before.chunks_exact(output));
                for (row, (h, before)) in rows.enumerate() {
                    let out = slice_mut(out.add(row * time * self.out_stride), output);
                    if self.d.reaches(self.rows.start + row, t) {
                        out.copy_from_slice(h);
                    } else {
                        h.copy_from_slice(before);
                        out.fill(T::default());
                    }
                }
            }
        }
    }

    /// What step number `s` reads and writes.
    fn ahead(&self, buffers: &Buffers<T>, s: usize) -> [Ahead<T>; 6] {
        let Dims {
            time,
            input,
            hidden,
            output,
            ..
        } = *self.d;
        let t = self.d.step(s);
        let at = |first: *const T, row: usize, len: usize| Ahead { first, row, len };
        let x_row = self
            .x
            .as_ptr()
            .wrapping_add((self.rows.start * time + t) * input);
        let out = self
            .out
            .wrapping_add((self.rows.start * time + t) * self.out_stride);
        let mut ahead = [
            at(x_row, time * input, input),
            at(out, time * self.out_stride, output),
            Ahead::NONE,
            Ahead::NONE,
            Ahead::NONE,
            Ahead::NONE,
        ];
        if !buffers.rolling {
            let (_, after) = buffers.slots(self.d, s, t);
            let state = buffers.hidden.wrapping_add(after * buffers.hidden_step);
            ahead[2] = at(state, output, output);
            if C::KEEPS_BLOCKS {
                let blocks = buffers.blocks.wrapping_add(t * buffers.block_step);
                ahead[3] = at(blocks, C::BLOCKS * hidden, C::BLOCKS * hidden);
            }
            if C::HAS_CELLS {
                let cells = buffers.cells.wrapping_add(after * buffers.cell_step);
                ahead[4] = at(cells, hidden, hidden);
                let tanh = buffers.tanh.wrapping_add(t * buffers.tanh_step);
                ahead[5] = at(tanh, hidden, hidden);
            }
        }
        ahead
    }

    /// `blocks = x·W_ihᵀ + bias` for the steps `steps`, as far as a later row of the part reaches.
    ///
    /// # Safety
    /// `blocks` points to the blocks of the first of these steps, those of the next are `block_step` further.
    unsafe fn input_products(&self, steps: Range<usize>, blocks: *mut T, block_step: usize) {
        let Dims {
            time,
            input,
            hidden,
            lengths,
            ..
        } = *self.d;
        let width = C::BLOCKS * hidden;
        let bias = Epilogue {
            bias: Some(&self.bias[..C::GATES * hidden]),
            ..Epilogue::default()
        };
        let x_at = |row: usize, t: usize| &self.x[((self.rows.start + row) * time + t) * input..];
        if self.rows.len() >= STEPWISE_ROWS {
            let row = |i: usize, t: usize| &x_at(i, t)[..input];
            let count = steps.len() * self.rows.len();
            let copied = if (time * input * size_of::<T>()).is_multiple_of(PAGE) {
                count * input
            } else {
                0
            };
            with_slice(copied, |copy: &mut [T]| {
                if copied > 0 {
                    let rows = copy.chunks_exact_mut(input);
                    for (i, to) in rows.enumerate() {
                        let (t, i) = (i / self.rows.len(), i % self.rows.len());
                        to.copy_from_slice(row(i, steps.start + t));
                    }
                }
                let band = |i: usize| {
                    let t = steps.start + i;
                    let active = self.d.active(&self.rows, t);
                    let x = if copied > 0 {
                        Mat::new(&copy[i * self.rows.len() * input..], active, input)
                    } else {
                        Mat::strided(x_at(0, t), active, input, time * input, 1)
                    };
                    (x, blocks.wrapping_add(i * block_step))
                };
                // SAFETY: each step's blocks of these rows.
                unsafe { self.w_ih.bands(steps.len(), band, width, bias.bias, false) };
            });
        } else {
            let mut end = 0;
            for row in (0..self.rows.len()).rev() {
                end = lengths.map_or(time, |lengths| end.max(lengths[self.rows.start + row]));
                let count = end.clamp(steps.start, steps.end) - steps.start;
                let x = Mat::new(x_at(row, steps.start), count, input);
                // SAFETY: this row's blocks of all these steps. The blocks of other rows, which other threads may be
                // writing, lie between them.
                unsafe {
                    self.w_ih
                        .multiply_at(x, blocks.add(row * width), block_step, bias);
                };
            }
        }
    }
}

/// Rows of the input that are a multiple of this apart share few places in the first-level cache: they are copied.
const PAGE: usize = 4096;

/// The cells of one step: blocks before their activation in, blocks, cells and hidden states out.
struct Step<'a, C, T> {
    d: &'a Dims<'a>,
    /// The part's first row in the batch.
    first: usize,
    t: usize,
    blocks: &'a mut [T],
    h_before: &'a [T],
    c_before: &'a [T],
    c: &'a mut [T],
    tanh_c: &'a mut [T],
    /// The hidden states, or what is to be projected to them.
    h: &'a mut [T],
    /// Null if a projection follows.
    out: *mut T,
    out_row: usize,
    ahead: [Ahead<T>; 6],
    cell: PhantomData<C>,
}

impl<C: Cell, T: Real> Kernel for Step<'_, C, T> {
    #[inline(always)]
    fn run(self) {
        let n = self.d.hidden;
        let (own, p) = (if C::HAS_CELLS { n } else { 0 }, self.d.output);
        let rows = self.h.chunks_exact_mut(n).enumerate();
        for ((row, h), blocks) in rows.zip(self.blocks.chunks_exact_mut(C::BLOCKS * n)) {
            self.ahead.iter().for_each(|rows| rows.fetch(row));
            let out: &mut [T] = if self.out.is_null() {
                &mut []
            } else {
                // SAFETY: the caller's output row, H elements of this part.
                unsafe { std::slice::from_raw_parts_mut(self.out.add(row * self.out_row), n) }
            };
            let h_before = &self.h_before[row * p..][..p];
            let c_before = &self.c_before[row * own..][..own];
            let c = &mut self.c[row * own..][..own];
            if self.d.reaches(self.first + row, self.t) {
                C::forward(Row {
                    blocks,
                    h_before,
                    c_before,
                    c,
                    tanh_c: &mut self.tanh_c[row * own..][..own],
                    h,
                });
                if !out.is_empty() {
                    out.copy_from_slice(h);
                }
            } else {
                c.copy_from_slice(c_before);
                if out.is_empty() {
                    h.fill(T::default());
                } else {
                    h.copy_from_slice(h_before);
                    out.fill(T::default());
                }
            }
        }
    }
}
