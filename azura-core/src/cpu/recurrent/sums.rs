//! The gradients of the weights: sums over batch and time, with K the pairs (t, b) in that order, some steps at a time.

use super::{Buffers, Cell, Dims, Grads, Slot, gradient_stride};
use crate::cpu::gemm::pack::with_slice;
use crate::cpu::gemm::{Mat, Real, Side, outer};
use crate::cpu::reduce::{self, Identity, Sum};
use std::ops::Range;

/// Steps whose gradients have been made.
pub(super) struct Steps<'a, T> {
    /// Which ones.
    pub(super) t: Range<usize>,
    /// Those of the blocks, `[t, B, gradient_stride]`, zero behind the end of a sequence.
    pub(super) dblocks: &'a [T],
    /// Those of the projections, `[t, B, P]`.
    pub(super) dprojected: &'a [T],
    /// Whether others were added before.
    pub(super) more: bool,
    /// Whether no others follow.
    pub(super) last: bool,
}

/// Adds the part of `steps` to the wanted gradients of weights and biases, or begins them with it. The sums of the
/// biases go on in `totals`, one for each column of the blocks: in f32 each addition of some steps would cost digits.
pub(super) fn add_steps<C: Cell, T: Real + Sum>(
    d: &Dims<'_>,
    x: &[T],
    saved: &Buffers<T>,
    steps: &Steps<'_, T>,
    totals: &mut [f64],
    grads: &mut Grads<'_, T>,
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
    let (first, count) = (steps.t.start, steps.t.len() * batch);
    // What lies behind the end of a sequence may not even be a number.
    let input_row = |k: usize| match (first + k / batch, k % batch) {
        (t, b) if d.reaches(b, t) => &x[(b * time + t) * input..][..input],
        _ => &[],
    };
    let before = first + usize::from(reverse);
    // SAFETY: what forward saved holds these states, and nobody writes to it.
    let (states, raw) = unsafe {
        let rows = |data: *mut T, step: usize, from: usize, width: usize| {
            std::slice::from_raw_parts(data.add(from * step).cast_const(), count * width)
        };
        let raw = if d.projects() {
            rows(saved.raw, saved.raw_step, first, hidden)
        } else {
            &[]
        };
        (rows(saved.hidden, saved.hidden_step, before, output), raw)
    };
    let state_row = |k: usize| &states[k * output..][..output];
    // Blocks that both products reach share their copies; a GRU has some that only one of them does.
    let cuts = [0, C::HIDDEN_AT, C::GATES, C::BLOCKS];
    for blocks in cuts.windows(2) {
        let (from, to) = (blocks[0], blocks[1]);
        let da = steps.dblocks.get(from * hidden..).unwrap_or_default();
        let da = Mat::strided(
            da,
            count,
            (to - from) * hidden,
            gradient_stride::<C>(hidden),
            1,
        );
        // The first blocks are the weights' last gates.
        let gates = (from < C::GATES).then_some((from + C::GATES - C::HIDDEN_AT) % C::GATES);
        let of_input = gates.and_then(|first| {
            let slot = part_of(&mut grads.dw_ih, first, to - from, hidden * input)?;
            Some(side(&input_row, input, slot, steps.more))
        });
        let gates = from.checked_sub(C::HIDDEN_AT);
        let of_state = gates.and_then(|first| {
            let slot = part_of(&mut grads.dw_hh, first, to - from, hidden * output)?;
            Some(side(&state_row, output, slot, steps.more))
        });
        match (of_input, of_state) {
            (Some(a), Some(b)) => outer(da, [a, b]),
            (Some(one), None) | (None, Some(one)) => outer(da, [one]),
            (None, None) => {}
        }
    }
    if let Some(slot) = &mut grads.dw_hr {
        let raw_row = |k: usize| &raw[k * hidden..][..hidden];
        let dprojected = Mat::new(steps.dprojected, count, output);
        let data = (&mut *slot.data, slot.accumulate);
        outer(dprojected, [side(&raw_row, hidden, data, steps.more)]);
    }
    bias_gradients::<C, T>(d, steps, totals, &mut grads.db_ih, &mut grads.db_hh);
}

/// `count` blocks of `size` elements of a gradient from number `first` on, and whether they are added to.
fn part_of<'a, T>(
    slot: &'a mut Option<Slot<'_, T>>,
    first: usize,
    count: usize,
    size: usize,
) -> Option<(&'a mut [T], bool)> {
    let slot = slot.as_mut()?;
    Some((
        &mut slot.data[first * size..][..count * size],
        slot.accumulate,
    ))
}

fn side<'f, 'a, T>(
    row: &'f (dyn Fn(usize) -> &'a [T] + Sync),
    cols: usize,
    (c, accumulate): (&'f mut [T], bool),
    more: bool,
) -> Side<'f, 'a, T> {
    Side {
        row,
        cols,
        c,
        accumulate: accumulate || more,
    }
}

/// Adds the columns of the blocks' gradients to `totals`, and at the end those to the biases that they began with.
fn bias_gradients<C: Cell, T: Real + Sum>(
    d: &Dims<'_>,
    steps: &Steps<'_, T>,
    totals: &mut [f64],
    db_ih: &mut Option<Slot<'_, T>>,
    db_hh: &mut Option<Slot<'_, T>>,
) {
    let (blocks, width) = (C::BLOCKS * d.hidden, gradient_stride::<C>(d.hidden));
    if (db_ih.is_none() && db_hh.is_none()) || blocks == 0 {
        return;
    }
    let totals = &mut totals[..blocks];
    if !steps.more {
        totals.fill(0.0);
    }
    with_slice(width, |sums: &mut [T]| {
        let rows = [1, steps.t.len() * d.batch, width];
        reduce::sum(steps.dblocks, rows, &Identity, 1.0, false, sums);
        for (total, sum) in totals.iter_mut().zip(&*sums) {
            *total += sum.to_f64();
        }
    });
    if steps.last {
        let (gates, shift) = (C::GATES * d.hidden, C::HIDDEN_AT * d.hidden);
        write(db_ih, totals[shift..gates].iter().chain(&totals[..shift]));
        write(db_hh, totals[shift..].iter());
    }
}

fn write<'a, T: Real + Sum>(slot: &mut Option<Slot<'_, T>>, totals: impl Iterator<Item = &'a f64>) {
    if let Some(Slot { data, accumulate }) = slot {
        for (to, &total) in data.iter_mut().zip(totals) {
            let sum = T::from_f64(total);
            *to = if *accumulate { *to + sum } else { sum };
        }
    }
}
