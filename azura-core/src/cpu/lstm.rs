//! One layer of an LSTM in one direction, over the whole sequence, forward and backward.
//!
//! `[i f g o] = x_t·W_ihᵀ + b_ih + b_hh + h_{t-1}·W_hhᵀ`, `c_t = σ(f)·c_{t-1} + σ(i)·tanh(g)`, `h_t = σ(o)·tanh(c_t)`:
//! PyTorch's gate order and weights. Threads split the rows of the batch and each walks through all of time without
//! meeting the others; the gradients of the weights, which sum over batch and time, are whole-sequence products at the
//! end, split over their elements. So a result's bits depend neither on the number of threads nor on the batch size.

use super::gemm::pack::with_scratch;
use super::gemm::{Epilogue, Mat, PackedB, Real, gemm, gemm_packed};
use super::simd::{Kernel, dispatch};
use super::threads::{Shared, for_rows, parallel, part, split};
use std::ops::Range;

/// The sizes of one layer, and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dims {
    /// Sequences, B.
    pub(crate) batch: usize,
    /// Steps of each, T.
    pub(crate) time: usize,
    /// Input features, I.
    pub(crate) input: usize,
    /// Hidden features, H.
    pub(crate) hidden: usize,
    /// Walks from the last step to the first.
    pub(crate) reverse: bool,
}

impl Dims {
    /// Elements that [`forward`] saves for [`backward`]: the gates `[T, B, 4H]`, the cells and the hidden states
    /// `[T+1, B, H]` with the initial ones, and the tanh of the cells `[T, B, H]`.
    pub(crate) fn saved_len(&self) -> usize {
        let Dims {
            batch,
            time,
            hidden,
            ..
        } = *self;
        batch * hidden * (5 * time + 2 * (time + 1))
    }

    /// Elements of workspace that [`backward`] takes: the gradients of the gates `[T, B, 4H]`, of the running state
    /// `2·[B, H]`, and the input with time first `[T, B, I]`.
    pub(crate) fn work_len(&self) -> usize {
        let Dims {
            batch,
            time,
            input,
            hidden,
            ..
        } = *self;
        batch * (time * (4 * hidden + input) + 2 * hidden)
    }

    /// Where the state before step `t` and the state after it are among the `T + 1` saved ones.
    fn slots(&self, t: usize) -> (usize, usize) {
        if self.reverse { (t + 1, t) } else { (t, t + 1) }
    }

    /// The step that is walked as number `s`.
    fn step(&self, s: usize) -> usize {
        if self.reverse { self.time - 1 - s } else { s }
    }

    /// Parts of the batch for the threads: a part is worth at least some 20 µs.
    fn parts(&self) -> usize {
        let row = self.time * 4 * self.hidden * (self.input + self.hidden + 64);
        split(self.batch, (1 << 20) / row.max(1) + 1)
    }
}

/// The weights of one layer in one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights<'a, T> {
    /// `[4H, I]`
    pub(crate) w_ih: &'a [T],
    /// `[4H, H]`
    pub(crate) w_hh: &'a [T],
    /// `[4H]`
    pub(crate) b_ih: Option<&'a [T]>,
    /// `[4H]`
    pub(crate) b_hh: Option<&'a [T]>,
}

/// The state before the first step, each `[B, H]`; zeros where there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State<'a, T> {
    /// The hidden state.
    pub(crate) h: Option<&'a [T]>,
    /// The cell.
    pub(crate) c: Option<&'a [T]>,
}

/// Where a gradient goes.
#[derive(Debug)]
pub(crate) struct Slot<'a, T> {
    /// The elements of the gradient.
    pub(crate) data: &'a mut [T],
    /// Adds to them instead of overwriting them.
    pub(crate) accumulate: bool,
}

/// The gradients that are wanted.
#[derive(Debug)]
pub(crate) struct Grads<'a, T> {
    /// `[B, T, I]`
    pub(crate) dx: Option<Slot<'a, T>>,
    /// `[B, H]`
    pub(crate) dh0: Option<Slot<'a, T>>,
    /// `[B, H]`
    pub(crate) dc0: Option<Slot<'a, T>>,
    /// `[4H, I]`
    pub(crate) dw_ih: Option<Slot<'a, T>>,
    /// `[4H, H]`
    pub(crate) dw_hh: Option<Slot<'a, T>>,
    /// `[4H]`
    pub(crate) db_ih: Option<Slot<'a, T>>,
    /// `[4H]`
    pub(crate) db_hh: Option<Slot<'a, T>>,
}

impl<T> Default for Grads<'_, T> {
    fn default() -> Self {
        Grads {
            dx: None,
            dh0: None,
            dc0: None,
            dw_ih: None,
            dw_hh: None,
            db_ih: None,
            db_hh: None,
        }
    }
}

/// From this many rows on, the input's product is made step by step, while the gates are in the cache; with fewer rows
/// the products of many steps are made at once, so that the weights are read once for all of them.
const STEPWISE_ROWS: usize = 8;

/// Steps whose input products are made at once for few rows.
const CHUNK: usize = 64;

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

fn check<T>(d: &Dims, x: &[T], w: &Weights<'_, T>, init: State<'_, T>) {
    let Dims {
        batch,
        time,
        input,
        hidden,
        ..
    } = *d;
    assert_eq!(x.len(), batch * time * input, "x is [B, T, I]");
    assert_eq!(w.w_ih.len(), 4 * hidden * input, "w_ih is [4H, I]");
    assert_eq!(w.w_hh.len(), 4 * hidden * hidden, "w_hh is [4H, H]");
    assert!(
        [w.b_ih, w.b_hh]
            .into_iter()
            .flatten()
            .all(|b| b.len() == 4 * hidden),
        "a bias is [4H]"
    );
    assert!(
        [init.h, init.c]
            .into_iter()
            .flatten()
            .all(|s| s.len() == batch * hidden),
        "a state is [B, H]"
    );
}

fn check_out<T>(d: &Dims, out: &[T], stride: usize) {
    let rows = d.batch * d.time;
    let room = rows == 0 || (stride >= d.hidden && (rows - 1) * stride + d.hidden <= out.len());
    assert!(room, "the output has room for [B, T, H] with its stride");
}

fn with_zeros<T: Real, R>(len: usize, f: impl FnOnce(&mut [T]) -> R) -> R {
    with_scratch(len, |p: *mut T| {
        for i in 0..len {
            // SAFETY: the scratch memory has room for `len` elements.
            unsafe { p.add(i).write(T::default()) };
        }
        // SAFETY: `len` elements, just written, that nobody else knows of.
        f(unsafe { std::slice::from_raw_parts_mut(p, len) })
    })
}

/// Where the rows of one part keep gates and states: among what is saved, or in memory that only holds a few steps.
struct Buffers<T> {
    gates: *mut T,
    /// From one step's gates to the next one's.
    gate_step: usize,
    cells: *mut T,
    hidden: *mut T,
    /// From one state to the next one.
    state_step: usize,
    tanh: *mut T,
    /// From the tanh of one step's cells to the next one's; 0 if it is not kept.
    tanh_step: usize,
    rolling: bool,
}

impl<T> Buffers<T> {
    fn saved(d: &Dims, saved: *mut T, row: usize) -> Self {
        let state = d.batch * d.hidden;
        let gates = d.time * 4 * state;
        let states = (d.time + 1) * state;
        Buffers {
            gates: saved.wrapping_add(row * 4 * d.hidden),
            gate_step: 4 * state,
            cells: saved.wrapping_add(gates + row * d.hidden),
            hidden: saved.wrapping_add(gates + states + row * d.hidden),
            state_step: state,
            tanh: saved.wrapping_add(gates + 2 * states + row * d.hidden),
            tanh_step: state,
            rolling: false,
        }
    }

    fn rolling_steps(d: &Dims, rows: usize) -> usize {
        if rows >= STEPWISE_ROWS {
            1
        } else {
            CHUNK.min(d.time.max(1))
        }
    }

    fn rolling_len(d: &Dims, rows: usize) -> usize {
        rows * d.hidden * (4 * Self::rolling_steps(d, rows) + 5)
    }

    fn rolling(d: &Dims, p: *mut T, rows: usize) -> Self {
        let state = rows * d.hidden;
        let gates = 4 * Self::rolling_steps(d, rows) * state;
        Buffers {
            gates: p,
            gate_step: 4 * state,
            cells: p.wrapping_add(gates),
            hidden: p.wrapping_add(gates + 2 * state),
            state_step: state,
            tanh: p.wrapping_add(gates + 4 * state),
            tanh_step: 0,
            rolling: true,
        }
    }

    /// The states before and after step `t`, walked as number `s`.
    fn slots(&self, d: &Dims, s: usize, t: usize) -> (usize, usize) {
        if self.rolling {
            (s % 2, (s + 1) % 2)
        } else {
            d.slots(t)
        }
    }
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
                let room = (steps.len() - 1) * gate_step + 4 * hidden;
                // SAFETY: this row's gates of all these steps; what lies between is not touched.
                let gates =
                    unsafe { std::slice::from_raw_parts_mut(gates.add(row * 4 * hidden), room) };
                gemm_packed(x, self.w_ih, gates, gate_step, bias);
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

/// Gradients of [`forward`] from those of its results: `dout` (laid out as `out`), `dhn` and `dcn` `[B, H]`, zeros where
/// there is none. `saved` is what forward saved; `work` has [`Dims::work_len`] elements and may hold anything.
///
/// # Panics
/// If a slice does not have the size that `d` says.
#[allow(clippy::too_many_arguments)] // One call holds the whole operation.
pub(crate) fn backward<T: Real>(
    d: &Dims,
    x: &[T],
    w: &Weights<'_, T>,
    saved: &[T],
    dout: Option<&[T]>,
    out_stride: usize,
    dhn: Option<&[T]>,
    dcn: Option<&[T]>,
    work: &mut [T],
    grads: Grads<'_, T>,
) {
    let Dims {
        batch,
        time,
        input,
        hidden,
        reverse,
    } = *d;
    check(d, x, w, State { h: dhn, c: dcn });
    if let Some(dout) = dout {
        check_out(d, dout, out_stride);
    }
    assert_eq!(
        saved.len(),
        d.saved_len(),
        "saved has the size of Dims::saved_len"
    );
    assert_eq!(
        work.len(),
        d.work_len(),
        "work has the size of Dims::work_len"
    );
    let Grads {
        mut dx,
        mut dh0,
        mut dc0,
        dw_ih,
        dw_hh,
        db_ih,
        db_hh,
    } = grads;
    let sizes = [
        (&dx, batch * time * input),
        (&dh0, batch * hidden),
        (&dc0, batch * hidden),
        (&dw_ih, w.w_ih.len()),
        (&dw_hh, w.w_hh.len()),
        (&db_ih, 4 * hidden),
        (&db_hh, 4 * hidden),
    ];
    for (slot, len) in sizes {
        assert!(
            slot.as_ref().is_none_or(|slot| slot.data.len() == len),
            "a gradient has the size of its value"
        );
    }
    let state = batch * hidden;
    let (dgates, rest) = work.split_at_mut(time * 4 * state);
    let (running, x_by_time) = rest.split_at_mut(2 * state);
    let w_hh = Mat::new(w.w_hh, 4 * hidden, hidden);
    let w_ih = Mat::new(w.w_ih, 4 * hidden, input);
    if state == 0 {
        if let Some(Slot {
            data,
            accumulate: false,
        }) = dx
        {
            data.fill(T::default());
        }
    } else {
        let share = |slot: &mut Option<Slot<'_, T>>| {
            slot.as_mut()
                .map(|s| (Shared(s.data.as_mut_ptr()), s.accumulate))
        };
        let (dx, dh0, dc0) = (share(&mut dx), share(&mut dh0), share(&mut dc0));
        let (dgates, running) = (Shared(dgates.as_mut_ptr()), Shared(running.as_mut_ptr()));
        PackedB::with(w_hh, |w_hh| {
            PackedB::with(
                if dx.is_some() {
                    w_ih
                } else {
                    Mat::new(&[], 0, 0)
                },
                |w_ih| {
                    let parts = d.parts();
                    parallel(parts, |i| {
                        let rows = part(batch, parts, i);
                        let run = Backward {
                            d,
                            w_ih,
                            w_hh,
                            saved,
                            dout,
                            out_stride,
                            rows,
                        };
                        let out = |slot: &Option<(Shared<T>, bool)>| {
                            slot.as_ref().map(|(p, add)| (p.get(), *add))
                        };
                        // SAFETY: the sizes were checked above; each part has rows of its own.
                        unsafe {
                            run.walk(
                                [dhn, dcn],
                                dgates.get(),
                                running.get(),
                                out(&dx),
                                [out(&dh0), out(&dc0)],
                            );
                        }
                    });
                },
            );
        });
    }
    // Sums over batch and time: K is (t, b) in that order.
    let dgates = Mat::new(dgates, time * batch, 4 * hidden);
    if let Some(slot) = dw_hh {
        let hidden_at = time * 4 * state + (time + 1) * state + if reverse { state } else { 0 };
        let before = Mat::new(&saved[hidden_at..], time * batch, hidden);
        gemm(
            dgates.t(),
            before,
            slot.data,
            hidden,
            Epilogue {
                accumulate: slot.accumulate,
                ..Epilogue::default()
            },
        );
    }
    if let Some(slot) = dw_ih {
        let x = if batch == 1 {
            x
        } else {
            time_first(d, x, x_by_time)
        };
        let x = Mat::new(x, time * batch, input);
        gemm(
            dgates.t(),
            x,
            slot.data,
            input,
            Epilogue {
                accumulate: slot.accumulate,
                ..Epilogue::default()
            },
        );
    }
    bias_gradients(d, dgates, db_ih, db_hh);
}

/// Copies `x` `[B, T, I]` to `[T, B, I]`.
fn time_first<'a, T: Real>(d: &Dims, x: &[T], to: &'a mut [T]) -> &'a [T] {
    let Dims {
        batch, time, input, ..
    } = *d;
    if !to.is_empty() {
        for_rows(
            to,
            batch * input,
            (1 << 16) / (batch * input) + 1,
            |first, block| {
                for (t, step) in block.chunks_exact_mut(batch * input).enumerate() {
                    for (b, row) in step.chunks_exact_mut(input).enumerate() {
                        row.copy_from_slice(&x[(b * time + first + t) * input..][..input]);
                    }
                }
            },
        );
    }
    to
}

/// The sums of the columns of `dgates`, added or written to both biases.
fn bias_gradients<T: Real>(
    d: &Dims,
    dgates: Mat<'_, T>,
    db_ih: Option<Slot<'_, T>>,
    db_hh: Option<Slot<'_, T>>,
) {
    let width = 4 * d.hidden;
    if (db_ih.is_none() && db_hh.is_none()) || width == 0 {
        return;
    }
    with_zeros(width, |sums: &mut [T]| {
        for_rows(
            sums,
            1,
            (1 << 17) / (d.time * d.batch).max(1) + 64,
            |first, sums| {
                dispatch(ColumnSums {
                    rows: dgates.data(),
                    width,
                    first,
                    sums,
                });
            },
        );
        for slot in [db_ih, db_hh].into_iter().flatten() {
            for (to, &sum) in slot.data.iter_mut().zip(&*sums) {
                *to = if slot.accumulate { *to + sum } else { sum };
            }
        }
    });
}

struct ColumnSums<'a, T> {
    rows: &'a [T],
    width: usize,
    first: usize,
    sums: &'a mut [T],
}

impl<T: Real> Kernel for ColumnSums<'_, T> {
    #[inline(always)]
    fn run(self) {
        let last = self.first + self.sums.len();
        for row in self.rows.chunks_exact(self.width) {
            for (sum, &x) in self.sums.iter_mut().zip(&row[self.first..last]) {
                *sum = *sum + x;
            }
        }
    }
}

/// One part of the batch on its way back.
struct Backward<'a, T> {
    d: &'a Dims,
    w_ih: PackedB<'a, T>,
    w_hh: PackedB<'a, T>,
    saved: &'a [T],
    dout: Option<&'a [T]>,
    out_stride: usize,
    rows: Range<usize>,
}

impl<T: Real> Backward<'_, T> {
    /// # Safety
    /// All sizes agree with `d`, and no other thread touches this part's rows of anything that is written.
    unsafe fn walk(
        &self,
        last: [Option<&[T]>; 2],
        dgates: *mut T,
        running: *mut T,
        dx: Option<(*mut T, bool)>,
        first: [Option<(*mut T, bool)>; 2],
    ) {
        let Dims {
            batch,
            time,
            input,
            hidden,
            ..
        } = *self.d;
        let rows = self.rows.len();
        let (start, state) = (self.rows.start * hidden, rows * hidden);
        let saved = Buffers::saved(self.d, self.saved.as_ptr().cast_mut(), self.rows.start);
        // SAFETY: the slices hold this part's rows of one step, and those alive at the same time are disjoint.
        unsafe {
            let dgates = dgates.add(4 * start);
            let dh = std::slice::from_raw_parts_mut(running.add(start), state);
            let dc = std::slice::from_raw_parts_mut(running.add(batch * hidden + start), state);
            for (to, from) in [(&mut *dh, last[0]), (&mut *dc, last[1])] {
                match from {
                    Some(from) => to.copy_from_slice(&from[start..start + state]),
                    None => to.fill(T::default()),
                }
            }
            for s in (0..time).rev() {
                let t = self.d.step(s);
                let (before, _) = self.d.slots(t);
                let step =
                    std::slice::from_raw_parts_mut(dgates.add(t * 4 * batch * hidden), 4 * state);
                dispatch(CellGradients {
                    hidden,
                    gates: std::slice::from_raw_parts(
                        saved.gates.add(t * saved.gate_step),
                        4 * state,
                    ),
                    before: std::slice::from_raw_parts(
                        saved.cells.add(before * saved.state_step),
                        state,
                    ),
                    tanh: std::slice::from_raw_parts(saved.tanh.add(t * saved.tanh_step), state),
                    dout: self
                        .dout
                        .map(|dout| &dout[(self.rows.start * time + t) * self.out_stride..]),
                    dout_row: time * self.out_stride,
                    dh,
                    dc,
                    dgates: step,
                });
                let step = Mat::new(step, rows, 4 * hidden);
                if s > 0 || first[0].is_some() {
                    gemm_packed(step, self.w_hh, dh, hidden, Epilogue::default());
                }
                if let Some((dx, accumulate)) = dx
                    && rows >= STEPWISE_ROWS
                    && input > 0
                {
                    let room = (rows - 1) * time * input + input;
                    let dx = std::slice::from_raw_parts_mut(
                        dx.add((self.rows.start * time + t) * input),
                        room,
                    );
                    gemm_packed(
                        step,
                        self.w_ih,
                        dx,
                        time * input,
                        Epilogue {
                            accumulate,
                            ..Epilogue::default()
                        },
                    );
                }
            }
            if let Some((dx, accumulate)) = dx
                && rows < STEPWISE_ROWS
                && time * input > 0
            {
                // Few rows: all steps at once for each, so that the weights are read once.
                for row in 0..rows {
                    let room = (time - 1) * 4 * batch * hidden + 4 * hidden;
                    let steps = std::slice::from_raw_parts(dgates.add(row * 4 * hidden), room);
                    let steps = Mat::strided(steps, time, 4 * hidden, 4 * batch * hidden, 1);
                    let dx = std::slice::from_raw_parts_mut(
                        dx.add((self.rows.start + row) * time * input),
                        time * input,
                    );
                    gemm_packed(
                        steps,
                        self.w_ih,
                        dx,
                        input,
                        Epilogue {
                            accumulate,
                            ..Epilogue::default()
                        },
                    );
                }
            }
            for (slot, from) in first.into_iter().zip([&*dh, &*dc]) {
                if let Some((to, accumulate)) = slot {
                    for (i, &x) in from.iter().enumerate() {
                        let to = to.add(start + i);
                        to.write(if accumulate { to.read() + x } else { x });
                    }
                }
            }
        }
    }
}

/// One step back: the gradients of the gates before their activation, and of the cells before the step.
struct CellGradients<'a, T> {
    hidden: usize,
    gates: &'a [T],
    before: &'a [T],
    tanh: &'a [T],
    dout: Option<&'a [T]>,
    dout_row: usize,
    dh: &'a [T],
    dc: &'a mut [T],
    dgates: &'a mut [T],
}

impl<T: Real> Kernel for CellGradients<'_, T> {
    #[inline(always)]
    fn run(self) {
        let n = self.hidden;
        let values = self
            .gates
            .chunks_exact(4 * n)
            .zip(self.before.chunks_exact(n))
            .zip(self.tanh.chunks_exact(n));
        let slopes = self
            .dh
            .chunks_exact(n)
            .zip(self.dc.chunks_exact_mut(n))
            .zip(self.dgates.chunks_exact_mut(4 * n));
        for (row, (((gates, before), tanh), ((dh, dc), dgates))) in values.zip(slopes).enumerate() {
            let (di, rest) = dgates.split_at_mut(n);
            let (df, rest) = rest.split_at_mut(n);
            let (dg, d_o) = rest.split_at_mut(n);
            let gates = [
                &gates[..n],
                &gates[n..2 * n],
                &gates[2 * n..3 * n],
                &gates[3 * n..],
            ];
            match self.dout {
                Some(dout) => {
                    let dout = &dout[row * self.dout_row..][..n];
                    gradient_row(
                        gates,
                        before,
                        tanh,
                        |j| dh[j] + dout[j],
                        dc,
                        di,
                        df,
                        dg,
                        d_o,
                    );
                }
                None => gradient_row(gates, before, tanh, |j| dh[j], dc, di, df, dg, d_o),
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)] // As separate slices the compiler knows that they do not overlap.
fn gradient_row<T: Real>(
    [i, f, g, o]: [&[T]; 4],
    before: &[T],
    tanh: &[T],
    dh: impl Fn(usize) -> T,
    dc: &mut [T],
    di: &mut [T],
    df: &mut [T],
    dg: &mut [T],
    d_o: &mut [T],
) {
    let n = dc.len();
    let (i, f, g, o) = (&i[..n], &f[..n], &g[..n], &o[..n]);
    let (before, tanh) = (&before[..n], &tanh[..n]);
    let (di, df, dg, d_o) = (&mut di[..n], &mut df[..n], &mut dg[..n], &mut d_o[..n]);
    let one = T::lit(1.0);
    for j in 0..n {
        let (dh, tc) = (dh(j), tanh[j]);
        let slope = (dh * o[j]).mul_add((-tc).mul_add(tc, one), dc[j]);
        di[j] = slope * g[j] * (i[j] * (one - i[j]));
        df[j] = slope * before[j] * (f[j] * (one - f[j]));
        dg[j] = slope * i[j] * (-g[j]).mul_add(g[j], one);
        d_o[j] = dh * tc * (o[j] * (one - o[j]));
        dc[j] = slope * f[j];
    }
}

#[cfg(test)]
mod tests;
