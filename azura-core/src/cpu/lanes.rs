//! The end of a reduction in lanes.

use crate::Element;

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
