//! The walk back, the gradients of a step's cells, and the sums over the whole sequence.

use super::{
    Ahead, Buffers, Dims, Grads, STEPWISE_ROWS, Slot, State, Weights, check, check_out, with_zeros,
};
use crate::cpu::gemm::{Epilogue, Mat, PackedB, Real, gemm, gemm_packed};
use crate::cpu::simd::{Kernel, dispatch};
use crate::cpu::threads::{Shared, for_rows, parallel, part};
use std::ops::Range;

/// Gradients of [`forward()`](super::forward()) from those of its results: `dout` (laid out as `out`), `dhn` and `dcn` `[B, H]`, zeros where
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
                    ahead: if s > 0 {
                        self.ahead(&saved, dgates, dx, self.d.step(s - 1))
                    } else {
                        [Ahead::NONE; 6]
                    },
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

impl<T: Real> Backward<'_, T> {
    /// What the step at `t` reads and writes.
    fn ahead(
        &self,
        saved: &Buffers<T>,
        dgates: *const T,
        dx: Option<(*mut T, bool)>,
        t: usize,
    ) -> [Ahead<T>; 6] {
        let Dims {
            batch,
            time,
            input,
            hidden,
            ..
        } = *self.d;
        let at = |first: *const T, row: usize, len: usize| Ahead { first, row, len };
        let (before, _) = self.d.slots(t);
        let row = self.rows.start * time + t;
        [
            at(
                saved.gates.wrapping_add(t * saved.gate_step),
                4 * hidden,
                4 * hidden,
            ),
            at(
                dgates.wrapping_add(t * 4 * batch * hidden),
                4 * hidden,
                4 * hidden,
            ),
            at(
                saved.cells.wrapping_add(before * saved.state_step),
                hidden,
                hidden,
            ),
            at(saved.tanh.wrapping_add(t * saved.tanh_step), hidden, hidden),
            self.dout.map_or(Ahead::NONE, |dout| {
                at(
                    dout.as_ptr().wrapping_add(row * self.out_stride),
                    time * self.out_stride,
                    hidden,
                )
            }),
            dx.map_or(Ahead::NONE, |(dx, _)| {
                at(dx.wrapping_add(row * input), time * input, input)
            }),
        ]
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
    ahead: [Ahead<T>; 6],
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
            self.ahead.iter().for_each(|rows| rows.fetch(row));
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
