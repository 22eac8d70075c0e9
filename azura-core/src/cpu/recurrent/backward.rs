//! The walk back.

use super::{
    Ahead, Buffers, Cell, Dims, GradientRow, Grads, STEPWISE_ROWS, Slot, State, Weights, check,
    check_out, sums, with_rotated,
};
use crate::cpu::gemm::{Epilogue, Mat, PackedB, Real, gemm_packed};
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
    let (dblocks, rest) = work.split_at_mut(time * batch * C::BLOCKS * hidden);
    let (running, rest) = rest.split_at_mut(batch * (hidden + output));
    let projected = if d.projects() { batch } else { 0 };
    let (draw, rest) = rest.split_at_mut(projected * hidden);
    let (dprojected, x_by_time) = rest.split_at_mut(projected * time * output);
    if batch * hidden == 0 {
        if let Some(Slot {
            data,
            accumulate: false,
        }) = &mut grads.dx
        {
            data.fill(T::default());
        }
    } else {
        let share = |slot: &mut Option<Slot<'_, T>>| {
            slot.as_mut()
                .map(|s| (Shared(s.data.as_mut_ptr()), s.accumulate))
        };
        let dx = share(&mut grads.dx);
        let states = [share(&mut grads.dh0), share(&mut grads.dc0)];
        let places = [
            dblocks.as_mut_ptr(),
            running.as_mut_ptr(),
            draw.as_mut_ptr(),
            dprojected.as_mut_ptr(),
        ]
        .map(Shared);
        let w_hr = match w.w_hr {
            Some(w_hr) => Mat::new(w_hr, output, hidden),
            None => Mat::new(&[], 0, 0),
        };
        with_rotated::<C, T, _>(d, w.w_ih, |w_ih| {
            let w_ih = if dx.is_some() {
                Mat::new(w_ih, gates, input)
            } else {
                Mat::new(&[], 0, 0)
            };
            PackedB::with(Mat::new(w.w_hh, gates, output), |w_hh| {
                PackedB::with(w_ih, |w_ih| {
                    PackedB::with(w_hr, |w_hr| {
                        let parts = d.parts::<C>();
                        parallel(parts, |i| {
                            let target = |slot: &Option<(Shared<T>, bool)>| {
                                slot.as_ref().map(|(p, add)| (p.get(), *add))
                            };
                            let [to_blocks, running, draw, projected] =
                                places.each_ref().map(Shared::get);
                            let rows = part(batch, parts, i);
                            // SAFETY: the places hold what Dims::work_len says, in the order of split_at_mut.
                            let run = unsafe {
                                Backward::<C, T> {
                                    d,
                                    w_ih,
                                    w_hh,
                                    w_hr,
                                    saved: Buffers::saved::<C>(
                                        d,
                                        saved.as_ptr().cast_mut(),
                                        std::ptr::NonNull::dangling().as_ptr(),
                                        &rows,
                                    ),
                                    dout,
                                    out_stride,
                                    dblocks: to_blocks.add(rows.start * C::BLOCKS * hidden),
                                    dh: running.add(rows.start * output),
                                    dc: running.add(batch * output + rows.start * hidden),
                                    draw: draw.wrapping_add(rows.start * hidden),
                                    dprojected: projected.wrapping_add(rows.start * output),
                                    dx: target(&dx),
                                    rows,
                                    cell: PhantomData,
                                }
                            };
                            // SAFETY: the sizes were checked above; each part has rows of its own.
                            unsafe { run.walk([dhn, dcn], states.each_ref().map(target)) };
                        });
                        if let Some((dx, accumulate)) = &dx {
                            input_gradients::<C, T>(d, w_ih, dblocks, dx, *accumulate);
                        }
                    });
                });
            });
        });
    }
    sums::over_time::<C, T>(d, x, saved, dblocks, dprojected, x_by_time, grads);
}

/// The input's gradients of parts with few rows: all steps at once for each row, so that the weights are read once.
fn input_gradients<C: Cell, T: Real>(
    d: &Dims<'_>,
    w_ih: PackedB<'_, T>,
    dblocks: &[T],
    dx: &Shared<T>,
    accumulate: bool,
) {
    let Dims {
        batch,
        time,
        input,
        hidden,
        ..
    } = *d;
    let (parts, width) = (d.parts::<C>(), C::BLOCKS * hidden);
    if batch / parts >= STEPWISE_ROWS || time * input == 0 {
        return;
    }
    parallel(parts, |i| {
        let rows = part(batch, parts, i);
        if rows.len() >= STEPWISE_ROWS {
            return;
        }
        for row in rows {
            let steps = &dblocks[row * width..];
            let steps = Mat::strided(steps, time, C::GATES * hidden, batch * width, 1);
            // SAFETY: the input's gradients of one row are together, and each row is in one part.
            let dx = unsafe {
                std::slice::from_raw_parts_mut(dx.get().add(row * time * input), time * input)
            };
            let epilogue = Epilogue {
                accumulate,
                ..Epilogue::default()
            };
            gemm_packed(steps, w_ih, dx, input, epilogue);
        }
    });
}

/// One part of the batch on its way back.
struct Backward<'a, C, T> {
    d: &'a Dims<'a>,
    w_ih: PackedB<'a, T>,
    w_hh: PackedB<'a, T>,
    w_hr: PackedB<'a, T>,
    saved: Buffers<T>,
    dout: Option<&'a [T]>,
    out_stride: usize,
    /// This part's rows of the first step's gradients; those of the next step are B rows further.
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
    /// # Safety
    /// All sizes agree with `d`, and no other thread touches this part's rows of anything that is written.
    unsafe fn walk(&self, last: [Option<&[T]>; 2], first: [Target<T>; 2]) {
        let Dims {
            time,
            hidden,
            output,
            ..
        } = *self.d;
        let rows = self.rows.len();
        let states = [(self.dh, output), (self.dc, hidden)];
        // SAFETY: these hold this part's rows of one state.
        unsafe {
            for ((to, width), from) in states.into_iter().zip(last) {
                let to = std::slice::from_raw_parts_mut(to, rows * width);
                match from {
                    Some(from) => to.copy_from_slice(&from[self.rows.start * width..][..to.len()]),
                    None => to.fill(T::default()),
                }
            }
            for s in (0..time).rev() {
                self.step(s, s > 0 || first[0].is_some());
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

    /// The gradients of step number `s`, and of the state before it if that is wanted.
    ///
    /// # Safety
    /// As for [`Backward::walk`].
    unsafe fn step(&self, s: usize, wants_state: bool) {
        let Dims {
            batch,
            time,
            input,
            hidden,
            output,
            lengths,
            ..
        } = *self.d;
        let rows = self.rows.len();
        let t = self.d.step(s);
        let (before, after) = self.d.slots(t);
        let width = C::BLOCKS * hidden;
        let active = self.d.active(&self.rows, t);
        let cells = if C::HAS_CELLS { rows * hidden } else { 0 };
        // SAFETY: the slices hold this part's rows of one step, and those alive at the same time are disjoint.
        unsafe {
            let slice = |p: *mut T, len: usize| std::slice::from_raw_parts(p.cast_const(), len);
            let slice_mut = |p: *mut T, len: usize| std::slice::from_raw_parts_mut(p, len);
            let dblocks = slice_mut(self.dblocks.add(t * batch * width), rows * width);
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
                    slice(saved.blocks.add(t * saved.block_step), rows * width)
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
                    [Ahead::NONE; 6]
                },
                cell: PhantomData,
            });
            // The step left in dh what reaches the state before without a product, or nothing at all.
            let add = C::CARRIES || lengths.is_some();
            if wants_state {
                let from_hidden = &dblocks[C::HIDDEN_AT * hidden..];
                let step = Mat::strided(from_hidden, active, C::GATES * hidden, width, 1);
                let dh = slice_mut(self.dh, rows * output);
                let accumulate = Epilogue {
                    accumulate: add,
                    ..Epilogue::default()
                };
                gemm_packed(step, self.w_hh, dh, output, accumulate);
            }
            if let Some((dx, accumulate)) = self.dx
                && rows >= STEPWISE_ROWS
                && input > 0
            {
                let step = Mat::strided(dblocks, active, C::GATES * hidden, width, 1);
                let room = (rows - 1) * time * input + input;
                let dx = dx.add((self.rows.start * time + t) * input);
                let dx = slice_mut(dx, room);
                let epilogue = Epilogue {
                    accumulate,
                    ..Epilogue::default()
                };
                gemm_packed(step, self.w_ih, dx, time * input, epilogue);
                if !accumulate {
                    for row in active..rows {
                        dx[row * time * input..][..input].fill(T::default());
                    }
                }
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
            let dprojected = self.dprojected.add(t * batch * output);
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
            gemm_packed(dprojected, self.w_hr, draw, hidden, Epilogue::default());
        }
    }

    /// What the step at `t` reads and writes.
    fn ahead(&self, t: usize) -> [Ahead<T>; 6] {
        let Dims {
            batch,
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
        let mut ahead = [Ahead::NONE; 6];
        ahead[0] = at(self.dblocks.wrapping_add(t * batch * width), width, width);
        if C::KEEPS_BLOCKS {
            let blocks = saved.blocks.wrapping_add(t * saved.block_step);
            ahead[1] = at(blocks, width, width);
        }
        if C::HAS_CELLS {
            let cells = saved.cells.wrapping_add(before * saved.cell_step);
            ahead[2] = at(cells, hidden, hidden);
            let tanh = saved.tanh.wrapping_add(t * saved.tanh_step);
            ahead[3] = at(tanh, hidden, hidden);
        } else {
            let state = saved.hidden.wrapping_add(before * saved.hidden_step);
            ahead[2] = at(state, output, output);
        }
        if let Some(dout) = self.dout {
            let dout = dout.as_ptr().wrapping_add(row * self.out_stride);
            ahead[4] = at(dout, time * self.out_stride, output);
        }
        if let Some((dx, _)) = self.dx {
            ahead[5] = at(dx.wrapping_add(row * input), time * input, input);
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
    ahead: [Ahead<T>; 6],
    cell: PhantomData<C>,
}

impl<C: Cell, T: Real> Kernel for Step<'_, C, T> {
    #[inline(always)]
    fn run(self) {
        let n = self.d.hidden;
        let (own, p) = (if C::HAS_CELLS { n } else { 0 }, self.d.output);
        let kept = if C::KEEPS_BLOCKS { C::BLOCKS * n } else { 0 };
        let rows = self.dh.chunks_exact_mut(n).enumerate();
        for ((row, dh), dblocks) in rows.zip(self.dblocks.chunks_exact_mut(C::BLOCKS * n)) {
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
