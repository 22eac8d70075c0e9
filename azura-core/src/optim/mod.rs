//! Optimisers: a step is one pass over the arenas of a [`Store`](crate::Store).
//!
//! Values follow PyTorch's optimisers of the same names. A parameter that got no gradient since the
//! last `zero_grad` is left alone, its moments and its step count too, as PyTorch skips `grad = None`.
//!
//! An optimiser is a file: its documentation, its options, and its rule for one element. What they share is in `core`,
//! groups of parameters in `groups`, averages of weights in `average`. PyTorch's `LBFGS` is not here, since it calls the
//! model several times a step, and neither is `SparseAdam`: gradients are dense.

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod asgd;
mod average;
mod core;
mod groups;
mod lion;
mod muon;
mod nadam;
mod radam;
mod rmsprop;
mod rprop;
mod sgd;

pub use adadelta::Adadelta;
pub use adafactor::Adafactor;
pub use adagrad::Adagrad;
pub use adam::Adam;
pub use adamax::Adamax;
pub use asgd::Asgd;
pub use average::Average;
pub use groups::Group;
pub use lion::Lion;
pub use muon::{Muon, MuonScale};
pub use nadam::NAdam;
pub use radam::RAdam;
pub use rmsprop::RmsProp;
pub use rprop::Rprop;
pub use sgd::Sgd;

use crate::tensor::Tensor;
use crate::{Error, Result};

/// Changes a store's parameters along their gradients.
pub trait Optimizer: Send {
    /// One step with learning rate `lr`.
    ///
    /// # Errors
    /// [`Error::Argument`] if `lr` is negative or not finite, or an option is out of its range.
    fn step(&mut self, lr: f64) -> Result<()>;

    /// Everything that must be saved to go on later exactly as if never stopped: the moments, each
    /// named `MOMENT/PARAMETER`, and the step counts as `steps`.
    ///
    /// # Errors
    /// None today for stores of floats.
    fn state(&self) -> Result<Vec<(String, Tensor)>>;

    /// Takes what [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// [`Error::Store`] if names, shapes or dtypes are not those of this optimiser's store.
    fn load(&mut self, state: &[(String, Tensor)]) -> Result<()>;

    /// Treats parameters by their names: of each setting the first [`Group`] counts whose pattern fits and that says
    /// something about it. Parameters in a frozen group are frozen in the store.
    ///
    /// # Errors
    /// [`Error::Argument`] if a pattern fits no parameter, a factor or a decay is negative or not finite, or this
    /// optimiser knows no groups.
    fn set_groups(&mut self, groups: Vec<Group>) -> Result<()> {
        if groups.is_empty() {
            return Ok(());
        }
        Err(Error::argument(
            "optimizer",
            "this optimiser knows no groups",
            format!("{} groups", groups.len()),
        ))
    }
}

/// Refuses an option out of its range: `rule` says the range, `facts` the values.
fn check(op: &'static str, holds: bool, rule: &str, facts: impl FnOnce() -> String) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::argument(op, rule, facts()))
    }
}

/// Whether decay rates lie in `[0, 1)`.
fn rates(rates: &[f64]) -> bool {
    rates.iter().all(|rate| (0.0..1.0).contains(rate))
}

/// Whether numbers are finite and not negative.
fn positive(numbers: &[f64]) -> bool {
    numbers.iter().all(|x| x.is_finite() && *x >= 0.0)
}

/// `rate` to the power of a step's number. A count from a file may be anything; long before the largest exponent the
/// power is 0.
fn power(rate: f64, step: u64) -> f64 {
    rate.powi(i32::try_from(step).unwrap_or(i32::MAX))
}
