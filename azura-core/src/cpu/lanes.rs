//! Reductions of a row in lanes.

use crate::Element;

/// Partial results that run side by side, whatever the instruction set.
const LANES: usize = 16;

/// Joins the second half of the lanes to the first, again and again: each join waits for log₂ L others and not for L, which
/// for a short row is most of its time.
#[inline(always)]
pub(super) fn join<T: Copy, const L: usize>(mut lanes: [T; L], join: impl Fn(T, T) -> T) -> T {
    const { assert!(L.is_power_of_two()) };
    let mut half = L / 2;
    while half > 0 {
        let (first, second) = lanes.split_at_mut(half);
        for (a, b) in first.iter_mut().zip(second) {
            *a = join(*a, *b);
        }
        half /= 2;
    }
    lanes[0]
}

/// The sum of the lanes, in f64.
#[inline(always)]
pub(super) fn total<T: Element, const L: usize>(lanes: &[T; L]) -> f64 {
    let mut wide = [0.0; L];
    for (wide, lane) in wide.iter_mut().zip(lanes) {
        *wide = lane.to_f64();
    }
    join(wide, |a, b| a + b)
}

/// All terms of a row joined: those of lane `i` are `i`, `i + LANES`, ..., eight at a time by twos while there are that many, so
/// that no join waits for the one before.
#[inline(always)]
pub(super) fn fold<T: Copy>(
    row: &[T],
    start: T,
    term: impl Fn(usize, T) -> T,
    join: impl Fn(T, T) -> T,
) -> T {
    const EIGHT: usize = 8 * LANES;
    let mut lanes = [start; LANES];
    let mut blocks = row.chunks_exact(EIGHT);
    for (base, block) in (0..).step_by(EIGHT).zip(&mut blocks) {
        for (lane, acc) in lanes.iter_mut().enumerate() {
            let x = |r: usize| term(base + r * LANES + lane, block[r * LANES + lane]);
            let two = |r: usize| join(x(r), x(r + 1));
            let four = |r: usize| join(two(r), two(r + 2));
            *acc = join(*acc, join(four(0), four(4)));
        }
    }
    let rest = blocks.remainder();
    for (base, piece) in (row.len() - rest.len()..)
        .step_by(LANES)
        .zip(rest.chunks(LANES))
    {
        for (i, (lane, &x)) in lanes.iter_mut().zip(piece).enumerate() {
            *lane = join(*lane, term(base + i, x));
        }
    }
    self::join(lanes, join)
}
