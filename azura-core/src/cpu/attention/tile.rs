//! What happens to a tile of scores between the matrix products.

use super::{Call, Mask, PER_BLOCK, ROWS, STRIDE};
use crate::cpu::gemm::Real;
use crate::cpu::lanes;
use crate::cpu::matrices::Matrices;
use crate::cpu::simd::Kernel;

/// Partial maxima and sums that run side by side, whatever the instruction set.
const LANES: usize = 16;

/// Where a tile lies: queries `row..row + rows` of matrix `head`, keys `key..key + keys`.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub head: usize,
    pub row: usize,
    pub rows: usize,
    pub key: usize,
    pub keys: usize,
}

impl Place {
    /// How many of the tile's keys query `i` of the tile may look at.
    #[inline(always)]
    fn visible<T: Real>(&self, call: &Call<'_, T>, i: usize) -> usize {
        call.limit(self.row + i, self.key + self.keys)
            .saturating_sub(self.key)
    }
}

/// Scales and masks one row of products.
#[inline(always)]
fn scores<T: Real>(call: &Call<'_, T>, place: &Place, i: usize, s: &mut [T]) {
    let scale = call.scale;
    match &call.mask {
        Mask::None => {
            for s in s.iter_mut() {
                *s = *s * scale;
            }
        }
        Mask::Add(mask) => {
            let start = mask.starts[place.head] + (place.row + i) * mask.row;
            if mask.col == 1 {
                let mask = &mask.data[start + place.key..][..s.len()];
                for (s, &m) in s.iter_mut().zip(mask) {
                    *s = *s * scale + m;
                }
            } else {
                let m = mask.data[start];
                for s in s.iter_mut() {
                    *s = *s * scale + m;
                }
            }
        }
        Mask::Look(mask) => {
            let start = mask.starts[place.head] + (place.row + i) * mask.row;
            let never = T::lit(f64::NEG_INFINITY);
            if mask.col == 1 {
                let mask = &mask.data[start + place.key..][..s.len()];
                for (s, &look) in s.iter_mut().zip(mask) {
                    *s = if look { *s * scale } else { never };
                }
            } else {
                let look = mask.data[start];
                for s in s.iter_mut() {
                    *s = if look { *s * scale } else { never };
                }
            }
        }
    }
}

/// Multiplies one row of weights by 0 or `1 / (1 - p)`. `first` is the row's place among all rows.
#[inline(always)]
fn drop_some<T: Real>(call: &Call<'_, T>, place: &Place, i: usize, weights: &mut [T]) {
    let Some(dropout) = &call.dropout else {
        return;
    };
    let scale = T::lit(dropout.scale);
    let blocks = call.dims.keys.div_ceil(PER_BLOCK);
    let row = place.head * call.dims.queries + place.row + i;
    let first = (row * blocks + place.key / PER_BLOCK) as u64;
    for (block, weights) in (first..).zip(weights.chunks_mut(PER_BLOCK)) {
        for (weight, bits) in weights.iter_mut().zip(dropout.rng.block(block)) {
            *weight = if u64::from(bits) < dropout.threshold {
                T::lit(0.0)
            } else {
                *weight * scale
            };
        }
    }
}

/// The scaled and masked scores of query `i`, in whole lanes: those behind the last key that it may look at are -∞.
#[inline(always)]
fn whole_scores<'a, T: Real>(
    call: &Call<'_, T>,
    place: &Place,
    i: usize,
    s: &'a mut [T],
) -> &'a mut [[T; LANES]] {
    let row = &mut s[i * STRIDE..][..STRIDE];
    let visible = place.visible(call, i);
    scores(call, place, i, &mut row[..visible]);
    let end = visible.next_multiple_of(LANES);
    row[visible..end].fill(T::lit(f64::NEG_INFINITY));
    row[..end].as_chunks_mut().0
}

#[inline(always)]
fn largest<T: Real>(row: &[[T; LANES]]) -> T {
    let mut lanes = [T::lit(f64::NEG_INFINITY); LANES];
    for x in row {
        for (lane, &x) in lanes.iter_mut().zip(x) {
            *lane = x.gt_select(*lane, x, *lane);
        }
    }
    lanes::join(lanes, |a, b| a.gt_select(b, a, b))
}

/// `row = exp(row - shift)`, and the sum of that.
#[inline(always)]
fn exponentials<T: Real>(row: &mut [[T; LANES]], shift: T) -> T {
    let mut lanes = [T::lit(0.0); LANES];
    for x in row {
        for (lane, x) in lanes.iter_mut().zip(x) {
            *x = (*x - shift).exp();
            *lane = *lane + *x;
        }
    }
    lanes::join(lanes, |a, b| a + b)
}

/// The largest score so far and the sum of exponentials below it, for each query of a tile.
pub(super) type Running<T> = [T; 2];

/// Turns products into exponentials, and brings what was summed before onto the new scale.
///
/// A query that has seen no key yet, or may look at none, has the largest score -∞ and the sum 0.
pub(super) struct Forward<'a, 'b, T> {
    pub call: &'a Call<'b, T>,
    pub place: Place,
    /// `[rows, STRIDE]`.
    pub s: &'a mut [T],
    pub running: &'a mut [Running<T>],
    /// The output so far, `[rows, value_width]`.
    pub out: &'a mut [T],
}

impl<T: Real> Kernel for Forward<'_, '_, T> {
    #[inline(always)]
    fn run(self) {
        let Forward {
            call,
            place,
            s,
            running,
            out,
        } = self;
        let (zero, one) = (T::lit(0.0), T::lit(1.0));
        let never = T::lit(f64::NEG_INFINITY);
        let width = call.dims.value_width;
        let running = &mut running[..place.rows];
        // One step after the other for all queries: the steps of one wait for each other, those of different queries do not.
        let (mut tops, mut shifts, mut fades) = ([zero; ROWS], [zero; ROWS], [zero; ROWS]);
        for (i, top) in tops[..place.rows].iter_mut().enumerate() {
            *top = largest(whole_scores(call, &place, i, s));
        }
        for (i, [before, _]) in running.iter().enumerate() {
            let top = tops[i].gt_select(*before, tops[i], *before);
            // -∞ minus -∞ is no number.
            let shift = top.gt_select(never, top, zero);
            (tops[i], shifts[i], fades[i]) = (top, shift, *before - shift);
        }
        for fade in &mut fades {
            *fade = fade.exp();
        }
        for (i, running) in running.iter_mut().enumerate() {
            let row = &mut s[i * STRIDE..][..STRIDE];
            let visible = place.visible(call, i);
            let whole = &mut row[..visible.next_multiple_of(LANES)];
            let added = exponentials(whole.as_chunks_mut().0, shifts[i]);
            row[visible..place.keys].fill(zero);
            drop_some(call, &place, i, &mut row[..visible]);
            let fade = fades[i];
            *running = [tops[i], running[1] * fade + added];
            if place.key > 0 && fade != one {
                for out in &mut out[i * width..][..width] {
                    *out = *out * fade;
                }
            }
        }
    }
}

/// Makes the weights of a tile again, and from the gradients of the weights those of the scores.
pub(super) struct Backward<'a, 'b, T> {
    pub call: &'a Call<'b, T>,
    pub place: Place,
    /// Products on the way in, weights after dropout on the way out; `[rows, STRIDE]`.
    pub s: &'a mut [T],
    /// The gradients of the weights after dropout on the way in; on the way out those of the scores, times `scale`.
    /// Only if they are wanted.
    pub ds: Option<&'a mut [T]>,
    pub scale: T,
    /// The largest score and one over the sum, for each query of the tile.
    pub stats: &'a [T],
    /// `Σ out · dout`, for each query of the tile.
    pub delta: &'a [T],
}

impl<T: Real> Kernel for Backward<'_, '_, T> {
    #[inline(always)]
    fn run(self) {
        let Backward {
            call,
            place,
            s,
            mut ds,
            scale,
            stats,
            delta,
        } = self;
        let zero = T::lit(0.0);
        for i in 0..place.rows {
            let [top, inverse] = [stats[2 * i], stats[2 * i + 1]];
            let visible = place.visible(call, i);
            let weights = whole_scores(call, &place, i, s);
            for s in weights.as_flattened_mut() {
                *s = (*s - top).exp() * inverse;
            }
            if let Some(ds) = &mut ds {
                let row = &mut ds[i * STRIDE..][..STRIDE];
                drop_some(call, &place, i, &mut row[..visible]);
                let delta = delta[i];
                for (ds, &p) in row.iter_mut().zip(weights.as_flattened()) {
                    *ds = p * (*ds - delta) * scale;
                }
                row[visible..place.keys].fill(zero);
            }
            let row = &mut s[i * STRIDE..][..place.keys];
            row[visible..].fill(zero);
            drop_some(call, &place, i, &mut row[..visible]);
        }
    }
}

/// `Σ out · dout` over each of some rows, 16 sums at a time.
pub(super) struct RowDots<'a, T> {
    pub out: &'a Matrices<'a, T>,
    pub dout: &'a Matrices<'a, T>,
    pub head: usize,
    /// The row of the first sum.
    pub row: usize,
    pub width: usize,
    pub sums: &'a mut [T],
}

impl<T: Real> Kernel for RowDots<'_, T> {
    #[inline(always)]
    fn run(self) {
        for (row, sum) in (self.row..).zip(self.sums) {
            let out = self.out.row(self.head, row, self.width);
            let dout = self.dout.row(self.head, row, self.width);
            let mut lanes = [T::lit(0.0); LANES];
            let (out, out_rest) = out.as_chunks::<LANES>();
            let (dout, dout_rest) = dout.as_chunks::<LANES>();
            for (out, dout) in out.iter().zip(dout) {
                for (lane, (&a, &b)) in lanes.iter_mut().zip(out.iter().zip(dout)) {
                    *lane = a.mul_add(b, *lane);
                }
            }
            for (lane, (&a, &b)) in lanes.iter_mut().zip(out_rest.iter().zip(dout_rest)) {
                *lane = a.mul_add(b, *lane);
            }
            *sum = lanes::join(lanes, |a, b| a + b);
        }
    }
}

/// Divides each row of the output by its sum of exponentials, and leaves in `running` what backward needs.
///
/// A query that may look at nothing gets zeros.
pub(super) struct Finish<'a, T> {
    pub running: &'a mut [Running<T>],
    pub out: &'a mut [T],
    pub width: usize,
}

impl<T: Real> Kernel for Finish<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (zero, one) = (T::lit(0.0), T::lit(1.0));
        let never = T::lit(f64::NEG_INFINITY);
        for (i, running) in self.running.iter_mut().enumerate() {
            let [top, sum] = *running;
            // Anything but a sum of 0: NaN goes on.
            let inverse = if sum == zero { zero } else { one / sum };
            *running = [top.gt_select(never, top, zero), inverse];
            for out in &mut self.out[i * self.width..][..self.width] {
                *out = *out * inverse;
            }
        }
    }
}
