//! The gradients of the weights: sums over batch and time, with K the pairs (t, b) in that order.

use super::{Cell, Dims, Grads, Slot};
use crate::cpu::gemm::pack::with_slice;
use crate::cpu::gemm::{Epilogue, Mat, Real, gemm};
use crate::cpu::reduce::{self, Identity, Sum};
use crate::cpu::threads::for_rows;

/// Writes the wanted gradients of weights and biases from those of the blocks `[T, B, blocks·H]`, which are zero behind
/// the end of a sequence, and of the projections `[T, B, P]`. `x_by_time` has room for the input.
pub(super) fn over_time<C: Cell, T: Real + Sum>(
    d: &Dims<'_>,
    x: &[T],
    saved: &[T],
    dblocks: &[T],
    dprojected: &[T],
    x_by_time: &mut [T],
    grads: Grads<'_, T>,
) {
    let Dims {
        batch,
        time,
        input,
        hidden,
        output,
        reverse,
        ..
    } = *d;
    let (rows, width) = (time * batch, C::BLOCKS * hidden);
    let cells = if C::HAS_CELLS { batch * hidden } else { 0 };
    let kept = if C::KEEPS_BLOCKS { rows * width } else { 0 };
    let product = |a: Mat<'_, T>, b: Mat<'_, T>, to: &mut [T], accumulate: bool, cols: usize| {
        let epilogue = Epilogue {
            accumulate,
            ..Epilogue::default()
        };
        gemm(a.t(), b, to, cols, epilogue);
    };
    let columns = |from: usize, count: usize| {
        let data = dblocks.get(from * hidden..).unwrap_or_default();
        Mat::strided(data, rows, count * hidden, width, 1)
    };
    if let Some(slot) = grads.dw_hh {
        let first = kept + (time + 1) * cells + if reverse { batch * output } else { 0 };
        let before = Mat::new(&saved[first..], rows, output);
        let from_hidden = columns(C::HIDDEN_AT, C::GATES);
        product(from_hidden, before, slot.data, slot.accumulate, output);
    }
    if let Some(slot) = grads.dw_hr {
        let first = kept + (2 * time + 1) * cells + (time + 1) * batch * output;
        let raw = Mat::new(&saved[first..], rows, hidden);
        let dprojected = Mat::new(dprojected, rows, output);
        product(dprojected, raw, slot.data, slot.accumulate, hidden);
    }
    if let Some(slot) = grads.dw_ih {
        let x = if batch == 1 && d.lengths.is_none() {
            x
        } else {
            time_first(d, x, x_by_time)
        };
        let x = Mat::new(x, rows, input);
        // The first blocks are the weights' last gates.
        let (head, tail) = slot
            .data
            .split_at_mut((C::GATES - C::HIDDEN_AT) * hidden * input);
        let own = columns(C::HIDDEN_AT, C::GATES - C::HIDDEN_AT);
        product(own, x, head, slot.accumulate, input);
        if !tail.is_empty() {
            product(columns(0, C::HIDDEN_AT), x, tail, slot.accumulate, input);
        }
    }
    bias_gradients::<C, T>(d, dblocks, grads.db_ih, grads.db_hh);
}

/// Copies `x` `[B, T, I]` to `[T, B, I]`, with zeros behind the end of a sequence: what lies there may not even be a
/// number.
fn time_first<'a, T: Real>(d: &Dims<'_>, x: &[T], to: &'a mut [T]) -> &'a [T] {
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
                        if d.reaches(b, first + t) {
                            row.copy_from_slice(&x[(b * time + first + t) * input..][..input]);
                        } else {
                            row.fill(T::default());
                        }
                    }
                }
            },
        );
    }
    to
}

/// The sums of the columns of `dblocks`, added or written to the biases that they began with.
fn bias_gradients<C: Cell, T: Real + Sum>(
    d: &Dims<'_>,
    dblocks: &[T],
    db_ih: Option<Slot<'_, T>>,
    db_hh: Option<Slot<'_, T>>,
) {
    let width = C::BLOCKS * d.hidden;
    if (db_ih.is_none() && db_hh.is_none()) || width == 0 {
        return;
    }
    let (gates, shift) = (C::GATES * d.hidden, C::HIDDEN_AT * d.hidden);
    with_slice(width, |sums: &mut [T]| {
        let rows = [1, d.time * d.batch, width];
        reduce::sum(dblocks, rows, &Identity, 1.0, false, sums);
        let of_input = sums[shift..gates].iter().chain(&sums[..shift]);
        write(db_ih, of_input);
        write(db_hh, sums[shift..].iter());
    });
}

fn write<'a, T: Real>(slot: Option<Slot<'_, T>>, sums: impl Iterator<Item = &'a T>) {
    if let Some(Slot { data, accumulate }) = slot {
        for (to, &sum) in data.iter_mut().zip(sums) {
            *to = if accumulate { *to + sum } else { sum };
        }
    }
}
