//! The walk back.

use super::sums::{Steps, add_steps};
use super::{
    Ahead, Buffers, Cell, Dims, Factor, GradientRow, Grads, STEPWISE_ROWS, Slot, State, Weights,
    check, check_out, gradient_stride, with_rotated,
};
use crate::cpu::gemm::pack::with_slice;
use crate::cpu::gemm::{Epilogue, Mat, Real};
use crate::cpu::reduce::Sum;
use crate::cpu::simd::{Kernel, dispatch};
use crate::cpu::threads::{Shared, parallel, part};
use std::marker::PhantomData;
use std::ops::Range;

/// A gradient that parts write their rows of, and whether they add to it.
type Target<T> = Option<(*mut T, bool)>;

/// Gradients of [`forward()`](super::forward()) from those of its results: `dout` (laid out as `out`), `dhn` `[B, P]` and
/// `dcn` `[B, H]`, zeros where there is none. `saved` is what forward saved; `work` has [`Dims::work_len`] elements and
/// may hold anything.
///
/// # Panics
/// If a slice does not have the size that `d` says.
#[allow(clippy::too_many_arguments)] // One call holds the whole operation.
pub(crate) fn backward<C: Cell, T: Real + Sum>(
    d: &Dims<'_>,
    x: &[T],
    w: &Weights<'_, T>,
    saved: &[T],
    dout: Option<&[T]>,
    out_stride: usize,
    dhn: Option<&[T]>,
    dcn: Option<&[T]>,
    work: &mut [T],
    mut grads: Grads<'_, T>,
) {
    let Dims {
        batch,
        time,
        input,
        hidden,
        output,
        ..
    } = *d;
    check::<C, T>(d, x, w, State { h: dhn, c: dcn });
    if let Some(dout) = dout {
        check_out(d, dout, out_stride);
    }
    assert_eq!(
        saved.len(),
        d.saved_len::<C>(),
        "saved has the size of Dims::saved_len"
    );
    assert_eq!(
        work.len(),
        d.work_len::<C>(),
        "work has the size of Dims::work_len"
    );
    let gates = C::GATES * hidden;
    let sizes = [
        (&grads.dx, batch * time * input),
        (&grads.dh0, batch * output),
        (&grads.dc0, batch * hidden),
        (&grads.dw_ih, w.w_ih.len()),
        (&grads.dw_hh, w.w_hh.len()),
        (&grads.db_ih, gates),
        (&grads.db_hh, gates),
        (&grads.dw_hr, w.w_hr.map_or(0, <[T]>::len)),
    ];
    for (slot, len) in sizes {
        assert!(
            slot.as_ref().is_none_or(|slot| slot.data.len() == len),
            "a gradient has the size of its value"
        );
    }
    let steps = d.gradient_steps();
    let (dblocks, rest) = work.split_at_mut(steps * batch * gradient_stride::<C>(hidden));
    let (running, rest) = rest.split_at_mut(batch * (hidden + output));
    let projected = if d.projects() { batch } else { 0 };
    let (draw, dprojected) = rest.split_at_mut(projected * hidden);
    let everything = Buffers::saved::<C>(
        d,
        saved.as_ptr().cast_mut(),
        std::ptr::NonNull::dangling().as_ptr(),
        &(0..batch),
    );
    with_slice(C::BLOCKS * hidden, |totals: &mut [f64]| {
        if batch * hidden * time == 0 {
            let none = Steps {
                t: 0..0,
                dblocks: &[],
                dprojected: &[],
                more: false,
                last: true,
            };
            add_steps::<C, T>(d, x, &everything, &none, totals, &mut grads);
        }
        let share = |slot: &mut Option<Slot<'_, T>>| {
            slot.as_mut()
                .map(|s| (Shared(s.data.as_mut_ptr()), s.accumulate))
        };
        let (dx, states) = (
            share(&mut grads.dx),
            [share(&mut grads.dh0), share(&mut grads.dc0)],
        );
        if batch * hidden == 0 {
            if let Some(Slot {
                data,
                accumulate: false,
            }) = &mut grads.dx
            {
                data.fill(T::default());
            }
            return;
        }
        let w_hr = match w.w_hr {
            Some(w_hr) => Mat::new(w_hr, output, hidden),
            None => Mat::new(&[], 0, 0),
        };
        let chunks = time.div_ceil(steps).max(1);
        with_rotated::<C, T, _>(d, w.w_ih, |w_ih| {
            let w_ih = if dx.is_some() {
                Mat::new(w_ih, gates, input)
            } else {
                Mat::new(&[], 0, 0)
            };
            let parts = d.parts::<C>();
            let rows = batch.div_ceil(parts);
            let uses = if rows < STEPWISE_ROWS {
                rows * chunks
            } else {
                time
            };
            let w_hh = Mat::new(w.w_hh, gates, output);
            Factor::with_rows(w_hh, rows, time, |w_hh| {
                Factor::with(w_ih, uses, |w_ih| {
                    Factor::with_rows(w_hr, rows, time, |w_hr| {
                        for chunk in (0..chunks).rev() {
                            let walked = part(time, chunks, chunk);
                            let t = if d.reverse {
                                time - walked.end..time - walked.start
                            } else {
                                walked.clone()
                            };
                            let places = [&mut *dblocks, running, draw, dprojected];
                            let places = places.map(|place| Shared(place.as_mut_ptr()));
                            parallel(parts, |i| {
                                let target = |slot: &Option<(Shared<T>, bool)>| {
                                    slot.as_ref().map(|(p, add)| (p.get(), *add))
                                };
                                let [to_blocks, running, draw, projected] =
                                    places.each_ref().map(Shared::get);
                                let rows = part(batch, parts, i);
                                let saved = Buffers::saved::<C>(
                                    d,
                                    saved.as_ptr().cast_mut(),
                                    std::ptr::NonNull::dangling().as_ptr(),
                                    &rows,
                                );
                                let run = Backward::<C, T> {
                                    d,
                                    w_ih,
                                    w_hh,
                                    w_hr,
                                    saved,
                                    dout,
                                    out_stride,
                                    t: t.clone(),
                                    dblocks: to_blocks
                                        .wrapping_add(rows.start * gradient_stride::<C>(hidden)),
                                    dh: running.wrapping_add(rows.start * output),
                                    dc: running.wrapping_add(batch * output + rows.start * hidden),
                                    draw: draw.wrapping_add(rows.start * hidden),
                                    dprojected: projected.wrapping_add(rows.start * output),
                                    dx: target(&dx),
                                    rows,
                                    cell: PhantomData,
                                };
                                let first = states.each_ref().map(target);
                                let last = (chunk + 1 == chunks).then_some([dhn, dcn]);
                                // SAFETY: the sizes were checked above; each part has rows of its own.
                                unsafe { run.walk(walked.clone(), last, first) };
                            });
                            let count = t.len() * batch;
                            let steps = Steps {
                                t,
                                dblocks: &dblocks[..count * gradient_stride::<C>(hidden)],
                                dprojected: dprojected.get(..count * output).unwrap_or_default(),
                                more: chunk + 1 < chunks,
                                last: chunk == 0,
                            };
                            if time > 0 {
                                add_steps::<C, T>(d, x, &everything, &steps, totals, &mut grads);
                            }
                        }
                    });
                });
            });
        });
    });
}

/// One part of the batch on its way back.
struct Backward<'a, C, T> {
    d: &'a Dims<'a>,
    w_ih: Factor<'a, T>,
    w_hh: Factor<'a, T>,
    w_hr: Factor<'a, T>,
    saved: Buffers<T>,
    dout: Option<&'a [T]>,
    out_stride: usize,
    /// The steps that there is room for.
    t: Range<usize>,
    /// This part's rows of the gradients of the first of these steps; those of the next step are B rows further.
    dblocks: *mut T,
    /// The gradient of the state, `[rows, P]`.
    dh: *mut T,
    /// The gradient of the cells, `[rows, H]`.
    dc: *mut T,
    /// The gradient of what a projection reads, `[rows, H]`.
    draw: *mut T,
    /// This part's rows of the gradient of the first step's projection.
    dprojected: *mut T,
    dx: Target<T>,
    rows: Range<usize>,
    cell: PhantomData<C>,
}

impl<C: Cell, T: Real> Backward<'_, C, T> {
    /// Walks back through the steps number `walked`. `last` begins with the gradients of the last state, unless later
    /// steps were walked before; the first step leaves those of the first state in `first`.
    ///
    /// # Safety
    /// All sizes agree with `d`, and no other thread touches this part's rows of anything that is written.
    unsafe fn walk(
        &self,
        walked: Range<usize>,
        last: Option<[Option<&[T]>; 2]>,
        first: [Target<T>; 2],
    ) {
        let Dims { hidden, output, .. } = *self.d;
        let rows = self.rows.len();
        let states = [(self.dh, output), (self.dc, hidden)];
        // SAFETY: these hold this part's rows of one state.
        unsafe {
            for ((to, width), from) in states.into_iter().zip(last.into_iter().flatten()) {
                let to = std::slice::from_raw_parts_mut(to, rows * width);
                match from {
                    Some(from) => to.copy_from_slice(&from[self.rows.start * width..][..to.len()]),
                    None => to.fill(T::default()),
                }
            }
            for s in walked.clone().rev() {
                self.step(s, s > 0 || first[0].is_some());
            }
            self.input_gradients();
            if walked.start > 0 {
                return;
            }
            for ((from, width), slot) in states.into_iter().zip(first) {
                if let Some((to, accumulate)) = slot {
                    for i in 0..rows * width {
                        let (to, x) = (to.add(self.rows.start * width + i), from.add(i).read());
                        to.write(if accumulate { to.read() + x } else { x });
                    }
                }
            }
        }
    }

    /// The gradients of step `t`'s blocks.
    fn dblocks(&self, t: usize) -> *mut T {
        let step = self.d.batch * gradient_stride::<C>(self.d.hidden);
        self.dblocks.wrapping_add((t - self.t.start) * step)
    }

    /// The input's gradients of the steps that were walked.
    ///
    /// # Safety
    /// As for [`Backward::walk`].
    unsafe fn input_gradients(&self) {
        let Dims {
            batch,
            time,
            input,
            hidden,
            ..
        } = *self.d;
        let Some((dx, accumulate)) = self.dx.filter(|_| input > 0) else {
            return;
        };
        let epilogue = Epilogue {
            accumulate,
            ..Epilogue::default()
        };
        let (width, gates) = (gradient_stride::<C>(hidden), C::GATES * hidden);
        let dx_at =
            |row: usize, t: usize| dx.wrapping_add(((self.rows.start + row) * time + t) * input);
        let steps = self.t.len();
        // SAFETY: the gradients of the blocks were written; the input's of one row and all steps are together, those of
        // one step and all rows T rows apart.
        unsafe {
            if self.rows.len() < STEPWISE_ROWS {
                // All steps at once for each row, so that the weights are read once.
                for row in 0..self.rows.len() {
                    let len = ((steps.max(1) - 1) * batch + 1) * width;
                    let of_row = self.dblocks.wrapping_add(row * width);
                    let of_row = std::slice::from_raw_parts(of_row.cast_const(), len);
                    let of_row = Mat::strided(of_row, steps, gates, batch * width, 1);
                    let dx = dx_at(row, self.t.start);
                    self.w_ih.multiply_at(of_row, dx, input, epilogue);
                }
                return;
            }
            let active = |t: usize| self.d.active(&self.rows, t);
            let band = |i: usize| {
                let t = self.t.start + i;
                let step = std::slice::from_raw_parts(
                    self.dblocks(t).cast_const(),
                    self.rows.len() * width,
                );
                (Mat::strided(step, active(t), gates, width, 1), dx_at(0, t))
            };
            self.w_ih.bands(steps, band, time * input, None, accumulate);
            if !accumulate {
                for t in self.t.clone() {
                    for row in active(t)..self.rows.len() {
                        std::slice::from_raw_parts_mut(dx_at(row, t), input).fill(T::default());
                    }
                }
            }
        }
    }

    /// The gradients of step number `s`, and of the state before it if that is wanted.
    ///
    /// # Safety
    /// As for [`Backward::walk`].
    unsafe fn step(&self, s: usize, wants_state: bool) {
        let Dims {
            time,
            hidden,
            output,
            lengths,
            ..
        } = *self.d;
        let rows = self.rows.len();
        let t = self.d.step(s);
        let (before, after) = self.d.slots(t);
        let width = gradient_stride::<C>(hidden);
        let kept = C::BLOCKS * hidden;
        let active = self.d.active(&self.rows, t);
        let cells = if C::HAS_CELLS { rows * hidden } else { 0 };
        // SAFETY: the slices hold this part's rows of one step, and those alive at the same time are disjoint.
        unsafe {
            let slice = |p: *mut T, len: usize| std::slice::from_raw_parts(p.cast_const(), len);
            let slice_mut = |p: *mut T, len: usize| std::slice::from_raw_parts_mut(p, len);
            let dblocks = slice_mut(self.dblocks(t), rows * width);
            let saved = &self.saved;
            let hidden_at = |slot: usize| saved.hidden.add(slot * saved.hidden_step);
            let projects = self.d.projects();
            if projects {
                self.projection_gradient(t, active);
            }
            dispatch(Step::<C, T> {
                d: self.d,
                first: self.rows.start,
                t,
                blocks: if C::KEEPS_BLOCKS {
                    slice(saved.blocks.add(t * saved.block_step), rows * kept)
                } else {
                    &[]
                },
                h_before: slice(hidden_at(before), rows * output),
                h: slice(hidden_at(after), rows * output),
                c_before: slice(saved.cells.add(before * saved.cell_step), cells),
                tanh_c: slice(saved.tanh.add(t * saved.tanh_step), cells),
                dout: self
                    .dout
                    .filter(|_| !projects)
                    .map(|dout| &dout[(self.rows.start * time + t) * self.out_stride..]),
                dout_row: time * self.out_stride,
                dh: slice_mut(if projects { self.draw } else { self.dh }, rows * hidden),
                dc: slice_mut(self.dc, rows * hidden),
                dblocks,
                ahead: if s > 0 {
                    self.ahead(self.d.step(s - 1))
                } else {
                    [Ahead::NONE; 5]
                },
                cell: PhantomData,
            });
            // The step left in dh what reaches the state before without a product, or nothing at all.
            let add = C::CARRIES || lengths.is_some();
            if wants_state {
                let from_hidden = &dblocks[C::HIDDEN_AT * hidden..];
                let step = Mat::strided(from_hidden, active, C::GATES * hidden, width, 1);
                let dh = slice_mut(self.dh, rows * output);
                let w_hh = self.w_hh.backwards(s % 2 == 1);
                w_hh.multiply(step, dh, output, add);
            }
        }
    }

    /// The gradient of what the projection of step `t` read, from `dh` and the output's.
    ///
    /// # Safety
    /// As for [`Backward::walk`].
    unsafe fn projection_gradient(&self, t: usize, active: usize) {
        let Dims {
            batch,
            time,
            hidden,
            output,
            lengths,
            ..
        } = *self.d;
        let rows = self.rows.len();
        // SAFETY: this part's rows of one step, disjoint.
        unsafe {
            let dh = std::slice::from_raw_parts_mut(self.dh, rows * output);
            let draw = std::slice::from_raw_parts_mut(self.draw, rows * hidden);
            let dprojected = self.dprojected.add((t - self.t.start) * batch * output);
            let dprojected = std::slice::from_raw_parts_mut(dprojected, rows * output);
            let both = dh
                .chunks_exact_mut(output)
                .zip(dprojected.chunks_exact_mut(output));
            for (row, (dh, to)) in both.enumerate() {
                if !self.d.reaches(self.rows.start + row, t) {
                    to.fill(T::default());
                    continue;
                }
                match self.dout {
                    Some(dout) => {
                        let at = ((self.rows.start + row) * time + t) * self.out_stride;
                        for ((to, &dh), &dout) in to.iter_mut().zip(&*dh).zip(&dout[at..]) {
                            *to = dh + dout;
                        }
                    }
                    None => to.copy_from_slice(dh),
                }
                if lengths.is_some() {
                    dh.fill(T::default());
                }
            }
            let dprojected = Mat::new(dprojected, active, output);
            self.w_hr.multiply(dprojected, draw, hidden, false);
        }
    }

    /// What the step at `t` reads and writes.
    fn ahead(&self, t: usize) -> [Ahead<T>; 5] {
        let Dims {
            time,
            input,
            hidden,
            output,
            ..
        } = *self.d;
        let at = |first: *const T, row: usize, len: usize| Ahead { first, row, len };
        let saved = &self.saved;
        let (before, _) = self.d.slots(t);
        let row = self.rows.start * time + t;
        let width = C::BLOCKS * hidden;
        let mut ahead = [Ahead::NONE; 5];
        if C::KEEPS_BLOCKS {
            let blocks = saved.blocks.wrapping_add(t * saved.block_step);
            ahead[0] = at(blocks, width, width);
        }
        if C::HAS_CELLS {
            let cells = saved.cells.wrapping_add(before * saved.cell_step);
            ahead[1] = at(cells, hidden, hidden);
            let tanh = saved.tanh.wrapping_add(t * saved.tanh_step);
            ahead[2] = at(tanh, hidden, hidden);
        } else {
            let state = saved.hidden.wrapping_add(before * saved.hidden_step);
            ahead[1] = at(state, output, output);
        }
        if let Some(dout) = self.dout {
            let dout = dout.as_ptr().wrapping_add(row * self.out_stride);
            ahead[3] = at(dout, time * self.out_stride, output);
        }
        if let Some((dx, _)) = self.dx {
            ahead[4] = at(dx.wrapping_add(row * input), time * input, input);
        }
        ahead
    }
}

/// One step back: the gradients of the blocks before their activation, and of the state before the step.
struct Step<'a, C, T> {
    d: &'a Dims<'a>,
    /// The part's first row in the batch.
    first: usize,
    t: usize,
    blocks: &'a [T],
    h_before: &'a [T],
    h: &'a [T],
    c_before: &'a [T],
    tanh_c: &'a [T],
    dout: Option<&'a [T]>,
    dout_row: usize,
    dh: &'a mut [T],
    dc: &'a mut [T],
    dblocks: &'a mut [T],
    ahead: [Ahead<T>; 5],
    cell: PhantomData<C>,
}

impl<C: Cell, T: Real> Kernel for Step<'_, C, T> {
    #[inline(always)]
    fn run(self) {
        let n = self.d.hidden;
        let (own, p) = (if C::HAS_CELLS { n } else { 0 }, self.d.output);
        let kept = if C::KEEPS_BLOCKS { C::BLOCKS * n } else { 0 };
        let rows = self.dh.chunks_exact_mut(n).enumerate();
        let of_rows = self.dblocks.chunks_exact_mut(gradient_stride::<C>(n));
        for ((row, dh), dblocks) in rows.zip(of_rows) {
            let dblocks = &mut dblocks[..C::BLOCKS * n];
            self.ahead.iter().for_each(|rows| rows.fetch(row));
            if !self.d.reaches(self.first + row, self.t) {
                dblocks.fill(T::default());
                continue;
            }
            C::backward(GradientRow {
                blocks: &self.blocks[row * kept..][..kept],
                h_before: &self.h_before[row * p..][..p],
                h: &self.h[row * p..][..p],
                c_before: &self.c_before[row * own..][..own],
                tanh_c: &self.tanh_c[row * own..][..own],
                dout: match self.dout {
                    Some(dout) => &dout[row * self.dout_row..][..n],
                    None => &[],
                },
                dh,
                dc: &mut self.dc[row * n..][..n],
                dblocks,
            });
            if !C::CARRIES && self.d.lengths.is_some() {
                dh.fill(T::default());
            }
        }
    }
}
