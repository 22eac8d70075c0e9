//! Lion.

use super::core::{At, Core, Piece, Rule};
use super::{check, positive, rates};
use crate::cpu::math::Num;
use crate::cpu::optim::Elementwise;
use crate::{Element, Result, Store};

/// Lion (Chen et al. 2023, arXiv:2302.06675): only the sign of the direction counts.
///
/// ```text
/// θ ← (1 - lr · weight_decay) θ - lr · sign(β₁ m + (1-β₁) g)
/// m ← β₂ m + (1-β₂) g
/// ```
///
/// The paper's learning rates are 3 to 10 times smaller than AdamW's, its weight decays as much larger.
pub struct Lion {
    /// Decay rates of the direction and of the moment. The paper's: (0.9, 0.99).
    pub betas: (f64, f64),
    /// Strength of the decay of values; 0 if not given.
    pub weight_decay: f64,
    /// Whether values go up the gradient.
    pub maximize: bool,
    core: Core,
}

impl Lion {
    /// With the paper's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Lion {
            betas: (0.9, 0.99),
            weight_decay: 0.0,
            maximize: false,
            core: Core::new(store),
        })
    }
}

impl Rule for Lion {
    fn moments(&self) -> Vec<&'static str> {
        vec!["m"]
    }

    fn check(&self) -> Result<()> {
        let ((b1, b2), decay) = (self.betas, self.weight_decay);
        check(
            "lion",
            rates(&[b1, b2]) && positive(&[decay]),
            "betas must lie in [0, 1), weight_decay must not be negative",
            || format!("betas {b1} and {b2} and weight_decay {decay}"),
        )
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn maximize(&self) -> bool {
        self.maximize
    }

    fn apply<T: Num + Element>(&mut self, at: At, run: Piece<'_, T>) {
        run.each(LionStep {
            lr: at.lr,
            betas: self.betas,
            shrink: 1.0 - at.lr * at.weight_decay,
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
struct LionStep {
    lr: f64,
    betas: (f64, f64),
    shrink: f64,
}

impl Elementwise<1> for LionStep {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [m]: [T; 1]) -> (T, [T; 1]) {
        let (zero, one) = (T::lit(0.0), T::lit(1.0));
        let between = |beta: f64| T::lit(beta).mul_add(m, T::lit(1.0 - beta) * g);
        let direction = between(self.betas.0);
        // 0 and NaN are their own signs.
        let sign = direction.gt_select(zero, one, zero.gt_select(direction, -one, direction));
        let p = p * T::lit(self.shrink) - T::lit(self.lr) * sign;
        (p, [between(self.betas.1)])
    }
}
