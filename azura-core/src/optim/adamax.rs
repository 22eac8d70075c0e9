//! Adam with the largest gradient.

use super::core::{At, Core, Piece, Rule};
use super::{check, positive, power, rates};
use crate::cpu::math::Num;
use crate::cpu::optim::Elementwise;
use crate::{Element, Result, Store};

/// Adamax (Kingma & Ba 2014, arXiv:1412.6980, section 7.1), PyTorch's form.
///
/// ```text
/// g ← g + weight_decay · θ      m ← m + (1-β₁)(g - m)      u ← max(β₂ u, |g| + eps)
/// θ ← θ - lr / (1-β₁ᵗ) · m / u
/// ```
///
/// PyTorch's default learning rate is 0.002.
pub struct Adamax {
    /// Decay rates of the moment and of the largest gradient. PyTorch's default: (0.9, 0.999).
    pub betas: (f64, f64),
    /// Added to the gradient's size. PyTorch's default: 1e-8.
    pub eps: f64,
    /// Strength of the decay of values. PyTorch's default: 0.
    pub weight_decay: f64,
    /// Whether values go up the gradient.
    pub maximize: bool,
    core: Core,
}

impl Adamax {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Adamax {
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            maximize: false,
            core: Core::new(store),
        })
    }
}

impl Rule for Adamax {
    fn moments(&self) -> Vec<&'static str> {
        vec!["m", "u"]
    }

    fn check(&self) -> Result<()> {
        let ((b1, b2), others) = (self.betas, [self.eps, self.weight_decay]);
        check(
            "adamax",
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
        run.each(AdamaxStep {
            step_size: at.lr / (1.0 - power(self.betas.0, at.step)),
            betas: self.betas,
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
struct AdamaxStep {
    step_size: f64,
    betas: (f64, f64),
    eps: f64,
    decay: f64,
}

impl Elementwise<2> for AdamaxStep {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [m, u]: [T; 2]) -> (T, [T; 2]) {
        let g = T::lit(self.decay).mul_add(p, g);
        let m = T::lit(1.0 - self.betas.0).mul_add(g - m, m);
        let (old, size) = (T::lit(self.betas.1) * u, g.abs() + T::lit(self.eps));
        // NaN stays, whichever of the two it is.
        let u = size.nan_select(size, size.gt_select(old, size, old));
        (p - T::lit(self.step_size) * m / u, [m, u])
    }
}
