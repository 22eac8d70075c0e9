//! Finding the operation in which a NaN or an infinity was born.

use super::{Watching, watched};
use crate::dtype::for_dtype;
use crate::tensor::Tensor;
use crate::{Element, Error, Result};
use std::cell::RefCell;

#[derive(Default)]
struct State {
    /// How many [`detect_anomaly`] are running.
    depth: usize,
    /// How many backward passes are running, whose own operations are not looked at.
    muted: usize,
    /// Whether an input of the operation that runs was not finite already.
    inherited: bool,
    found: Option<Error>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Operations that place a number the caller gave: an infinity of theirs is meant, as in masks.
const PLACES: &[&str] = &["where", "masked_fill", "pad"];

/// Runs `f` and fails with [`Error::Anomaly`] if an operation in it, on this thread, made a NaN or an
/// infinity of finite inputs; the error names the first. A backward pass inside `f` is watched too, and stops there.
///
/// Looking at every result costs time: for finding a fault, not for training.
///
/// PyTorch: `torch.autograd.detect_anomaly`, which looks at backward passes only.
///
/// # Errors
/// [`Error::Anomaly`], or what `f` returns.
///
/// ```
/// use azura_core::{Tensor, detect_anomaly};
/// let x = Tensor::from_slice(&[1.0f32, 0.0], [2])?;
/// let error = detect_anomaly(|| x.clone().log()?.exp()?.add(1.0)).unwrap_err();
/// assert!(error.to_string().starts_with("[log] "));
/// # Ok::<(), azura_core::Error>(())
/// ```
pub fn detect_anomaly<R>(f: impl FnOnce() -> Result<R>) -> Result<R> {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            STATE.with_borrow_mut(|state| {
                state.depth -= 1;
                if state.depth == 0 {
                    state.found = None;
                }
            });
        }
    }
    STATE.with_borrow_mut(|state| state.depth += 1);
    let (_leave, _watching) = (Leave, Watching::begin());
    let result = f();
    match STATE.with_borrow_mut(|state| state.found.take()) {
        // The first one explains whatever failed later.
        Some(anomaly) => Err(anomaly),
        None => result,
    }
}

pub(super) fn watching() -> bool {
    watched() && STATE.with_borrow(|state| state.depth > 0)
}

/// Notes what goes into an operation.
pub(super) fn look_at_inputs(inputs: &[&Tensor]) {
    if looking() {
        let inherited = inputs.iter().any(|x| birth(x).is_some());
        STATE.with_borrow_mut(|state| state.inherited = inherited);
    }
}

/// Notes what came out of an operation.
pub(super) fn look_at_output(op: &'static str, y: &Tensor) {
    if !looking() || PLACES.contains(&op) {
        return;
    }
    STATE.with_borrow_mut(|state| {
        if !state.inherited
            && state.found.is_none()
            && let Some(what) = birth(y)
        {
            state.found = Some(Error::Anomaly {
                op,
                pass: "",
                what,
                shape: y.shape().to_vec(),
            });
        }
    });
}

/// Refuses a gradient with a NaN or an infinity that the rule of `op` made.
pub(super) fn check_gradient(op: &'static str, gradient: &Tensor) -> Result<()> {
    if !watching() {
        return Ok(());
    }
    match birth(gradient) {
        Some(what) => Err(Error::Anomaly {
            op,
            pass: "the gradient of ",
            what,
            shape: gradient.shape().to_vec(),
        }),
        None => Ok(()),
    }
}

/// Runs a backward pass, whose operations are not looked at one by one: their gradients are.
pub(super) fn unwatched<R>(f: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            STATE.with_borrow_mut(|state| state.muted -= 1);
        }
    }
    STATE.with_borrow_mut(|state| state.muted += 1);
    let _leave = Leave;
    f()
}

/// Whether the operations that run now are looked at.
fn looking() -> bool {
    watched() && STATE.with_borrow(|state| state.depth > 0 && state.muted == 0)
}

/// What is wrong with the elements, if they are floats.
fn birth(x: &Tensor) -> Option<&'static str> {
    if !x.dtype().is_float() {
        return None;
    }
    let x = x.contiguous_detached();
    for_dtype!(x.dtype(), T => {
        let values = || x.slice::<T>().iter().map(|x| x.to_f64());
        if values().any(f64::is_nan) {
            Some("NaN")
        } else if values().any(f64::is_infinite) {
            Some("an infinity")
        } else {
            None
        }
    })
}
