//! The loops of optimiser steps: each reads and writes every number once.

use super::math::Num;
use super::simd::{Kernel, dispatch};
use super::threads::{part, split};
use crate::Element;
use crate::param::Run;
use std::sync::Mutex;

/// Elements for which a second thread is worth its hand-over.
const GRAIN: usize = 32 * 1024;

/// The constants of one Adam or AdamW step.
pub(crate) struct AdamStep {
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub step_size: f64,
    pub root_correction: f64,
    pub shrink: f64,
    pub add_decay: f64,
}

struct AdamLoop<'a, 'b, T> {
    constants: &'a AdamStep,
    run: Run<'b, T, 2>,
}

impl<T: Num + Element> Kernel for AdamLoop<'_, '_, T> {
    #[inline(always)]
    fn run(self) {
        let AdamStep {
            beta1,
            beta2,
            eps,
            step_size,
            root_correction,
            shrink,
            add_decay,
        } = *self.constants;
        let (rest1, beta2, rest2) = (T::lit(1.0 - beta1), T::lit(beta2), T::lit(1.0 - beta2));
        let (eps, step_size, root) = (T::lit(eps), T::lit(step_size), T::lit(root_correction));
        let (shrink, add_decay) = (T::lit(shrink), T::lit(add_decay));
        let [m, v] = self.run.moments;
        for (((p, &g), m), v) in self.run.values.iter_mut().zip(self.run.grads).zip(m).zip(v) {
            let g = add_decay.mul_add(*p, g);
            let decayed = *p * shrink;
            let first = rest1.mul_add(g - *m, *m);
            let second = beta2.mul_add(*v, rest2 * g * g);
            *m = first;
            *v = second;
            *p = decayed - step_size * (first / (second.sqrt() / root + eps));
        }
    }
}

impl AdamStep {
    pub fn run<T: Num + Element>(&self, run: Run<'_, T, 2>) {
        in_parts(run, |run| {
            dispatch(AdamLoop {
                constants: self,
                run,
            });
        });
    }
}

/// The constants of one step of gradient descent.
pub(crate) struct SgdStep {
    pub lr: f64,
    pub momentum: f64,
    pub keep: f64,
    pub decay: f64,
    pub nesterov: bool,
}

struct SgdLoop<'a, 'b, T> {
    constants: &'a SgdStep,
    run: Run<'b, T, 1>,
}

impl<T: Num + Element> Kernel for SgdLoop<'_, '_, T> {
    #[inline(always)]
    fn run(self) {
        let SgdStep {
            lr,
            momentum,
            keep,
            decay,
            nesterov,
        } = *self.constants;
        let (lr, momentum, keep, decay) =
            (T::lit(lr), T::lit(momentum), T::lit(keep), T::lit(decay));
        let ahead = if nesterov { momentum } else { T::lit(1.0) };
        let own = if nesterov { T::lit(1.0) } else { T::lit(0.0) };
        let [b] = self.run.moments;
        for ((p, &g), b) in self.run.values.iter_mut().zip(self.run.grads).zip(b) {
            let g = decay.mul_add(*p, g);
            let direction = momentum.mul_add(*b, keep * g);
            *b = direction;
            *p = *p - lr * own.mul_add(g, ahead * direction);
        }
    }
}

impl SgdStep {
    pub fn run<T: Num + Element>(&self, run: Run<'_, T, 1>) {
        in_parts(run, |run| {
            dispatch(SgdLoop {
                constants: self,
                run,
            });
        });
    }
}

/// Cuts a run in parts for threads.
fn in_parts<T: Element, const K: usize>(run: Run<'_, T, K>, step: impl Fn(Run<'_, T, K>) + Sync) {
    let len = run.values.len();
    let parts = split(len, GRAIN);
    if parts == 1 {
        return step(run);
    }
    let Run {
        step: number,
        mut values,
        mut grads,
        mut moments,
    } = run;
    let mut pieces = Vec::with_capacity(parts);
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
        pieces.push(Mutex::new(Some(Run {
            step: number,
            values: head,
            grads: grad,
            moments: own,
        })));
    }
    super::threads::parallel(parts, |i| {
        // Each part is taken once; the lock only hands it over.
        let piece = pieces[i]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(piece) = piece {
            step(piece);
        }
    });
}
