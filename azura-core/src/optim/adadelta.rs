//! Adadelta.

use super::core::{At, Core, Piece, Rule};
use super::{check, positive};
use crate::cpu::math::Num;
use crate::cpu::optim::Elementwise;
use crate::{Element, Result, Store};

/// Adadelta (Zeiler 2012, arXiv:1212.5701), PyTorch's form.
///
/// ```text
/// g ← g + weight_decay · θ      v ← ρ v + (1-ρ) g²
/// d = √(u + eps) / √(v + eps) · g      u ← ρ u + (1-ρ) d²
/// θ ← θ - lr · d
/// ```
///
/// PyTorch's default learning rate is 1.
pub struct Adadelta {
    /// Decay rate of both mean squares. PyTorch's default: 0.9.
    pub rho: f64,
    /// Added under both roots. PyTorch's default: 1e-6.
    pub eps: f64,
    /// Strength of the decay of values. PyTorch's default: 0.
    pub weight_decay: f64,
    /// Whether values go up the gradient.
    pub maximize: bool,
    core: Core,
}

impl Adadelta {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Adadelta {
            rho: 0.9,
            eps: 1e-6,
            weight_decay: 0.0,
            maximize: false,
            core: Core::new(store),
        })
    }
}

impl Rule for Adadelta {
    fn moments(&self) -> Vec<&'static str> {
        vec!["v", "u"]
    }

    fn check(&self) -> Result<()> {
        let (rho, others) = (self.rho, [self.eps, self.weight_decay]);
        check(
            "adadelta",
            (0.0..=1.0).contains(&rho) && positive(&others),
            "rho must lie in [0, 1], eps and weight_decay must not be negative",
            || format!("rho {rho} and {others:?}"),
        )
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn maximize(&self) -> bool {
        self.maximize
    }

    fn apply<T: Num + Element>(&mut self, at: At, run: Piece<'_, T>) {
        run.each(AdadeltaStep {
            lr: at.lr,
            rho: self.rho,
            eps: self.eps,
            decay: at.weight_decay,
        });
    }

    fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    fn core_ref(&self) -> &Core {
        &self.core
    }
}

#[derive(Clone, Copy)]
struct AdadeltaStep {
    lr: f64,
    rho: f64,
    eps: f64,
    decay: f64,
}

impl Elementwise<2> for AdadeltaStep {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [v, u]: [T; 2]) -> (T, [T; 2]) {
        let (rho, rest, eps) = (T::lit(self.rho), T::lit(1.0 - self.rho), T::lit(self.eps));
        let g = T::lit(self.decay).mul_add(p, g);
        let v = rho.mul_add(v, rest * g * g);
        let d = (u + eps).sqrt() / (v + eps).sqrt() * g;
        (p - T::lit(self.lr) * d, [v, rho.mul_add(u, rest * d * d)])
    }
}
