//! The walk forward, and the cells of a step.

use super::{
    Ahead, Buffers, CHUNK, Dims, STEPWISE_ROWS, State, Weights, check, check_out, with_zeros,
};
use crate::cpu::gemm::pack::with_scratch;
use crate::cpu::gemm::{Epilogue, Mat, PackedB, Real, gemm_packed, gemm_packed_at};
use crate::cpu::simd::{Kernel, dispatch};
use crate::cpu::threads::{Shared, parallel, part};
use std::ops::Range;

/// Runs the layer over `x` `[B, T, I]`.
///
/// The output of row `b` at step `t` goes to `out[(b·T + t)·out_stride..][..H]`: `out_stride` is H for one direction,
/// 2H for two that share the output (the reverse one is given `&mut out[H..]`). `hn` and `cn` `[B, H]` take the state
/// after the last step walked. `saved` holds [`Dims::saved_len`] elements; `None` if no gradient is wanted.
///
/// # Panics
/// If a slice does not have the size that `d` says.
#[allow(clippy::too_many_arguments)] // One call holds the whole operation.
pub(crate) fn forward<T: Real>(
    d: &Dims,
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
        input,
        hidden,
        ..
    } = *d;
    check(d, x, w, init);
    check_out(d, out, out_stride);
    assert!(
        hn.len() == batch * hidden && cn.len() == batch * hidden,
        "hn and cn are [B, H]"
    );
    assert!(
        saved.as_ref().is_none_or(|s| s.len() == d.saved_len()),
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
    let w_ih = Mat::new(w.w_ih, 4 * hidden, input).t();
    let w_hh = Mat::new(w.w_hh, 4 * hidden, hidden).t();
    with_zeros(4 * hidden, |bias: &mut [T]| {
        for b in [w.b_ih, w.b_hh].into_iter().flatten() {
            bias.iter_mut().zip(b).for_each(|(sum, &b)| *sum = *sum + b);
        }
        let bias = &*bias;
        PackedB::with(w_ih, |w_ih| {
            PackedB::with(w_hh, |w_hh| {
                let parts = d.parts();
                parallel(parts, |i| {
                    let rows = part(batch, parts, i);
                    let walk = |buffers: Buffers<T>| {
                        let run = Forward {
                            d,
                            x,
                            w_ih,
                            w_hh,
                            bias,
                            init,
                            out: out.get(),
                            out_stride,
                            rows: rows.clone(),
                        };
                        // SAFETY: the sizes were checked above; each part has rows of its own.
                        unsafe { run.walk(&buffers, hn.get(), cn.get()) };
                    };
                    match &saved {
                        Some(saved) => walk(Buffers::saved(d, saved.get(), rows.start)),
                        None => with_scratch(Buffers::<T>::rolling_len(d, rows.len()), |p| {
                            walk(Buffers::rolling(d, p, rows.len()));
                        }),
                    }
                });
            });
        });
    });
}

/// One part of the batch on its way forward.
struct Forward<'a, T> {
    d: &'a Dims,
    x: &'a [T],
    w_ih: PackedB<'a, T>,
    w_hh: PackedB<'a, T>,
    bias: &'a [T],
    init: State<'a, T>,
    out: *mut T,
    out_stride: usize,
    rows: Range<usize>,
}

impl<T: Real> Forward<'_, T> {
    /// # Safety
    /// All sizes agree with `d`, and no other thread touches this part's rows of `out`, `hn`, `cn` and the buffers.
    unsafe fn walk(&self, buffers: &Buffers<T>, hn: *mut T, cn: *mut T) {
        let Dims {
            time,
            hidden,
            reverse,
            ..
        } = *self.d;
        let rows = self.rows.len();
        let state = rows * hidden;
        let first = if buffers.rolling || !reverse { 0 } else { time };
        // SAFETY: slots of the buffers hold `rows · H` elements; the slices that are alive at the same time are disjoint.
        unsafe {
            for (to, from) in [(buffers.hidden, self.init.h), (buffers.cells, self.init.c)] {
                let to = to.add(first * buffers.state_step);
                match from {
                    Some(from) => to.copy_from_nonoverlapping(
                        from.as_ptr().add(self.rows.start * hidden),
                        state,
                    ),
                    None => (0..state).for_each(|i| to.add(i).write(T::default())),
                }
            }
            let chunk = if rows >= STEPWISE_ROWS { 1 } else { CHUNK };
            for s0 in (0..time).step_by(chunk) {
                let s1 = (s0 + chunk).min(time);
                let t0 = if reverse { time - s1 } else { s0 };
                let base = if buffers.rolling { t0 } else { 0 };
                let gates_at = |t: usize| buffers.gates.add((t - base) * buffers.gate_step);
                self.input_products(t0..t0 + (s1 - s0), gates_at(t0), buffers.gate_step);
                for s in s0..s1 {
                    let t = self.d.step(s);
                    let (before, after) = buffers.slots(self.d, s, t);
                    let h_before = std::slice::from_raw_parts(
                        buffers.hidden.add(before * buffers.state_step),
                        state,
                    );
                    let gates = std::slice::from_raw_parts_mut(gates_at(t), 4 * state);
                    let add = Epilogue {
                        accumulate: true,
                        ..Epilogue::default()
                    };
                    gemm_packed(
                        Mat::new(h_before, rows, hidden),
                        self.w_hh,
                        gates,
                        4 * hidden,
                        add,
                    );
                    dispatch(Cells {
                        hidden,
                        gates,
                        before: std::slice::from_raw_parts(
                            buffers.cells.add(before * buffers.state_step),
                            state,
                        ),
                        cells: std::slice::from_raw_parts_mut(
                            buffers.cells.add(after * buffers.state_step),
                            state,
                        ),
                        tanh: std::slice::from_raw_parts_mut(
                            buffers.tanh.add(t * buffers.tanh_step),
                            state,
                        ),
                        h: std::slice::from_raw_parts_mut(
                            buffers.hidden.add(after * buffers.state_step),
                            state,
                        ),
                        out: self.out.add((self.rows.start * time + t) * self.out_stride),
                        out_row: time * self.out_stride,
                        ahead: if s + 1 < time {
                            self.ahead(buffers, s + 1)
                        } else {
                            [Ahead::NONE; 6]
                        },
                    });
                }
            }
            let last = match (buffers.rolling, reverse) {
                (true, _) => time % 2,
                (false, true) => 0,
                (false, false) => time,
            };
            for (to, from) in [(hn, buffers.hidden), (cn, buffers.cells)] {
                to.add(self.rows.start * hidden)
                    .copy_from_nonoverlapping(from.add(last * buffers.state_step), state);
            }
        }
    }

    /// What step number `s` reads and writes.
    fn ahead(&self, buffers: &Buffers<T>, s: usize) -> [Ahead<T>; 6] {
        let Dims {
            time,
            input,
            hidden,
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
            at(out, time * self.out_stride, hidden),
            Ahead::NONE,
            Ahead::NONE,
            Ahead::NONE,
            Ahead::NONE,
        ];
        if !buffers.rolling {
            let (_, after) = buffers.slots(self.d, s, t);
            let state = after * buffers.state_step;
            ahead[2] = at(
                buffers.gates.wrapping_add(t * buffers.gate_step),
                4 * hidden,
                4 * hidden,
            );
            ahead[3] = at(buffers.cells.wrapping_add(state), hidden, hidden);
            ahead[4] = at(buffers.hidden.wrapping_add(state), hidden, hidden);
            ahead[5] = at(
                buffers.tanh.wrapping_add(t * buffers.tanh_step),
                hidden,
                hidden,
            );
        }
        ahead
    }

    /// `gates = x·W_ihᵀ + bias` for the steps `steps`.
    ///
    /// # Safety
    /// `gates` points to the gates of the first of these steps, those of the next are `gate_step` further.
    unsafe fn input_products(&self, steps: Range<usize>, gates: *mut T, gate_step: usize) {
        let Dims {
            time,
            input,
            hidden,
            ..
        } = *self.d;
        let rows = self.rows.len();
        let bias = Epilogue {
            bias: Some(self.bias),
            ..Epilogue::default()
        };
        let x_at = |row: usize, t: usize| &self.x[((self.rows.start + row) * time + t) * input..];
        if rows >= STEPWISE_ROWS {
            for t in steps.clone() {
                let x = Mat::strided(x_at(0, t), rows, input, time * input, 1);
                // SAFETY: one step's gates of these rows.
                let gates = unsafe {
                    std::slice::from_raw_parts_mut(
                        gates.add((t - steps.start) * gate_step),
                        rows * 4 * hidden,
                    )
                };
                gemm_packed(x, self.w_ih, gates, 4 * hidden, bias);
            }
        } else {
            for row in 0..rows {
                let x = Mat::new(x_at(row, steps.start), steps.len(), input);
                // SAFETY: this row's gates of all these steps. The gates of other rows, which other threads may be
                // writing, lie between them.
                unsafe {
                    gemm_packed_at(x, self.w_ih, gates.add(row * 4 * hidden), gate_step, bias);
                };
            }
        }
    }
}

/// The cells of one step: gates before their activation in, gates, cells and hidden states out.
struct Cells<'a, T> {
    hidden: usize,
    gates: &'a mut [T],
    before: &'a [T],
    cells: &'a mut [T],
    tanh: &'a mut [T],
    h: &'a mut [T],
    out: *mut T,
    out_row: usize,
    ahead: [Ahead<T>; 6],
}

impl<T: Real> Kernel for Cells<'_, T> {
    #[inline(always)]
    fn run(self) {
        let n = self.hidden;
        let rows = self
            .gates
            .chunks_exact_mut(4 * n)
            .zip(self.before.chunks_exact(n));
        let states = self
            .cells
            .chunks_exact_mut(n)
            .zip(self.tanh.chunks_exact_mut(n))
            .zip(self.h.chunks_exact_mut(n));
        for (row, ((gates, before), ((cells, tanh), h))) in rows.zip(states).enumerate() {
            self.ahead.iter().for_each(|rows| rows.fetch(row));
            // SAFETY: the caller's output row, H elements of this part.
            let out =
                unsafe { std::slice::from_raw_parts_mut(self.out.add(row * self.out_row), n) };
            let (i, rest) = gates.split_at_mut(n);
            let (f, rest) = rest.split_at_mut(n);
            let (g, o) = rest.split_at_mut(n);
            cell_row(i, f, g, o, before, cells, tanh, h, out);
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)] // As separate slices the compiler knows that they do not overlap.
fn cell_row<T: Real>(
    i: &mut [T],
    f: &mut [T],
    g: &mut [T],
    o: &mut [T],
    before: &[T],
    cells: &mut [T],
    tanh: &mut [T],
    h: &mut [T],
    out: &mut [T],
) {
    let n = i.len();
    let (f, g, o, before) = (&mut f[..n], &mut g[..n], &mut o[..n], &before[..n]);
    let (cells, tanh, h, out) = (&mut cells[..n], &mut tanh[..n], &mut h[..n], &mut out[..n]);
    for j in 0..n {
        let (gi, gf, gg, go) = (i[j].sigmoid(), f[j].sigmoid(), g[j].tanh(), o[j].sigmoid());
        let c = gf.mul_add(before[j], gi * gg);
        let tc = c.tanh();
        let y = go * tc;
        (i[j], f[j], g[j], o[j]) = (gi, gf, gg, go);
        (cells[j], tanh[j], h[j], out[j]) = (c, tc, y, y);
    }
}
