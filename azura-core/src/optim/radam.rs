//! Rectified Adam.

use super::core::{At, Core, Piece, Rule};
use super::{check, positive, power, rates};
use crate::cpu::math::Num;
use crate::cpu::optim::Elementwise;
use crate::{Element, Result, Store};

/// Rectified Adam (Liu et al. 2019, arXiv:1908.03265): as long as too few gradients were seen to know their variance,
/// steps are those of momentum.
///
/// ```text
/// m ← m + (1-β₁)(g - m)      v ← β₂ v + (1-β₂) g²      m̂ = m / (1-β₁ᵗ)
/// ρ∞ = 2/(1-β₂) - 1          ρ = ρ∞ - 2t β₂ᵗ/(1-β₂ᵗ)
/// θ ← θ - lr · m̂ · r √(1-β₂ᵗ) / (√v + eps)      if ρ > 5, with r² = (ρ-4)(ρ-2)ρ∞ / ((ρ∞-4)(ρ∞-2)ρ)
/// θ ← θ - lr · m̂                                else
/// ```
pub struct RAdam {
    /// Decay rates of both moments. PyTorch's default: (0.9, 0.999).
    pub betas: (f64, f64),
    /// Added to the root. PyTorch's default: 1e-8.
    pub eps: f64,
    /// Strength of the decay of values. PyTorch's default: 0.
    pub weight_decay: f64,
    /// Whether the decay acts on the values and not through the gradient, as in AdamW.
    pub decoupled_weight_decay: bool,
    /// Whether values go up the gradient.
    pub maximize: bool,
    core: Core,
}

impl RAdam {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(RAdam {
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled_weight_decay: false,
            maximize: false,
            core: Core::new(store),
        })
    }
}

impl Rule for RAdam {
    fn moments(&self) -> Vec<&'static str> {
        vec!["m", "v"]
    }

    fn check(&self) -> Result<()> {
        let ((b1, b2), others) = (self.betas, [self.eps, self.weight_decay]);
        check(
            "radam",
            rates(&[b1, b2]) && positive(&others),
            "betas must lie in [0, 1), eps and weight_decay must not be negative",
            || format!("betas {b1} and {b2} and {others:?}"),
        )
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn maximize(&self) -> bool {
        self.maximize
    }

    fn apply<T: Num + Element>(&mut self, at: At, run: Piece<'_, T>) {
        let (b1, b2) = self.betas;
        let correction = 1.0 - power(b2, at.step);
        let most = 2.0 / (1.0 - b2) - 1.0;
        let seen = most - 2.0 * at.step as f64 * power(b2, at.step) / correction;
        let rectified = seen > 5.0;
        let decoupled = self.decoupled_weight_decay;
        let step_size = at.lr / (1.0 - power(b1, at.step));
        run.each(RAdamStep {
            rest1: 1.0 - b1,
            beta2: b2,
            eps: self.eps,
            rectified,
            step_size: if rectified {
                let of = (seen - 4.0) * (seen - 2.0) * most;
                let by = (most - 4.0) * (most - 2.0) * seen;
                step_size * (of / by).sqrt() * correction.sqrt()
            } else {
                step_size
            },
            shrink: if decoupled {
                1.0 - at.lr * at.weight_decay
            } else {
                1.0
            },
            add_decay: if decoupled { 0.0 } else { at.weight_decay },
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
struct RAdamStep {
    rest1: f64,
    beta2: f64,
    eps: f64,
    rectified: bool,
    step_size: f64,
    shrink: f64,
    add_decay: f64,
}

impl Elementwise<2> for RAdamStep {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
        let g = T::lit(self.add_decay).mul_add(p, g);
        let m = T::lit(self.rest1).mul_add(g - m, m);
        let v = T::lit(self.beta2).mul_add(v, T::lit(1.0 - self.beta2) * g * g);
        let direction = if self.rectified {
            m / (v.sqrt() + T::lit(self.eps))
        } else {
            m
        };
        (
            p * T::lit(self.shrink) - T::lit(self.step_size) * direction,
            [m, v],
        )
    }
}
