//! The loop of optimiser steps: every number is read and written once.

pub(crate) mod newton_schulz;

use super::math::Num;
use super::simd::{Kernel, dispatch};
use super::threads::{for_rows, part, split};
use crate::Element;
use std::sync::Mutex;

/// Elements for which a second thread is worth its hand-over.
const GRAIN: usize = super::threads::grain::OPTIMISER;
/// Elements that [`add_scaled`] finishes at a time, so that what it adds to stays in the first-level cache.
const BLOCK: usize = 2048;

/// `factor` times the sum of `sources`, taken in their order, into `out`; with `add` to what is there.
pub(crate) fn add_scaled<T: Num + Element>(sources: &[&[T]], factor: T, add: bool, out: &mut [T]) {
    for_rows(out, 1, GRAIN, |start, out| {
        for (i, out) in out.chunks_mut(BLOCK).enumerate() {
            let at = start + i * BLOCK;
            for (k, source) in sources.iter().enumerate() {
                let from = &source[at..at + out.len()];
                if k == 0 && !add {
                    out.iter_mut().zip(from).for_each(|(y, x)| *y = *x * factor);
                } else {
                    out.iter_mut()
                        .zip(from)
                        .for_each(|(y, x)| *y = *y + *x * factor);
                }
            }
        }
    });
}

/// The rule of an optimiser that looks at one element at a time, with its constants.
pub(crate) trait Elementwise<const K: usize>: Copy + Sync {
    /// The value `p` and the moments after a step along the gradient `g`.
    fn next<T: Num>(&self, p: T, g: T, moments: [T; K]) -> (T, [T; K]);
}

/// Applies `rule` to all elements.
///
/// # Panics
/// If the lengths differ.
pub(crate) fn step<T: Num + Element, const K: usize>(
    rule: impl Elementwise<K>,
    values: &mut [T],
    grads: &[T],
    moments: [&mut [T]; K],
) {
    let n = values.len();
    assert!(
        grads.len() == n && moments.iter().all(|m| m.len() == n),
        "a gradient and all moments for each value"
    );
    in_parts(values, grads, moments, |values, grads, moments| {
        dispatch(Loop {
            rule,
            values,
            grads,
            moments,
        });
    });
}

struct Loop<'a, R, T, const K: usize> {
    rule: R,
    values: &'a mut [T],
    grads: &'a [T],
    moments: [&'a mut [T]; K],
}

impl<R: Elementwise<K>, T: Num + Element, const K: usize> Kernel for Loop<'_, R, T, K> {
    #[inline(always)]
    fn run(self) {
        // A copy of its own: no store into the slices can change the constants, so they stay in registers.
        let rule = self.rule;
        let n = self.values.len();
        let (values, grads) = (self.values, &self.grads[..n]);
        let mut moments = self.moments.map(|m| &mut m[..n]);
        for i in 0..n {
            let before = std::array::from_fn(|k| moments[k][i]);
            let (p, after) = rule.next(values[i], grads[i], before);
            values[i] = p;
            for (m, x) in moments.iter_mut().zip(after) {
                m[i] = x;
            }
        }
    }
}

type Piece<'a, T, const K: usize> = (&'a mut [T], &'a [T], [&'a mut [T]; K]);

/// Cuts the elements in parts for threads.
fn in_parts<T: Element, const K: usize>(
    mut values: &mut [T],
    mut grads: &[T],
    mut moments: [&mut [T]; K],
    step: impl Fn(&mut [T], &[T], [&mut [T]; K]) + Sync,
) {
    let len = values.len();
    let parts = split(len, GRAIN);
    if parts == 1 {
        return step(values, grads, moments);
    }
    let mut pieces: Vec<Mutex<Option<Piece<'_, T, K>>>> = Vec::with_capacity(parts);
    for i in 0..parts {
        let size = part(len, parts, i).len();
        let (head, tail) = std::mem::take(&mut values).split_at_mut(size);
        let (grad, rest) = grads.split_at(size);
        let own = moments.each_mut().map(|m| {
            let (head, tail) = std::mem::take(m).split_at_mut(size);
            *m = tail;
            head
        });
        (values, grads) = (tail, rest);
        pieces.push(Mutex::new(Some((head, grad, own))));
    }
    super::threads::parallel(parts, |i| {
        // Each part is taken once; the lock only hands it over.
        let piece = pieces[i]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some((values, grads, moments)) = piece {
            step(values, grads, moments);
        }
    });
}
