//! Initial values.

use crate::{Element, Rng};

/// The initial values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// All the same.
    Constant(f64),
    /// Uniform in `[-bound, bound)`.
    Uniform {
        /// Half the width of the interval.
        bound: f64,
    },
    /// Normal.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: f64,
    },
}

impl Init {
    pub(super) fn fill<T: Element>(self, values: &mut [T], mut rng: Rng) {
        values.fill_with(|| {
            T::from_f64(match self {
                Init::Zeros => 0.0,
                Init::Ones => 1.0,
                Init::Constant(value) => value,
                Init::Uniform { bound } => (rng.uniform() * 2.0 - 1.0) * bound,
                Init::Normal { mean, std } => f64::mul_add(rng.normal(), std, mean),
            })
        });
    }
}
