//! Averaged gradient descent.

use super::core::{At, Core, Piece, Rule};
use super::{check, positive};
use crate::cpu::math::Num;
use crate::cpu::optim::Elementwise;
use crate::{Element, Result, Store};

/// Averaged stochastic gradient descent (Polyak & Juditsky 1992), PyTorch's form. PyTorch: `ASGD`.
///
/// ```text
/// g ← g + weight_decay · θ      η = lr / (1 + λ lr (t-1))^α
/// θ ← (1 - λ η) θ - η g         a ← a + (θ - a) / max(1, t - 1 - t0)
/// ```
///
/// The averages `a` are in the state as `a/NAME`. Of a learning rate that changes PyTorch uses the one before. PyTorch's
/// default learning rate is 0.01.
pub struct Asgd {
    /// How much values shrink, λ. PyTorch's default: 1e-4.
    pub lambd: f64,
    /// The power with which steps become smaller, α. PyTorch's default: 0.75.
    pub alpha: f64,
    /// The step at which averaging begins. PyTorch's default: 1e6.
    pub t0: f64,
    /// Strength of the decay of values. PyTorch's default: 0.
    pub weight_decay: f64,
    /// Whether values go up the gradient.
    pub maximize: bool,
    core: Core,
}

impl Asgd {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Asgd {
            lambd: 1e-4,
            alpha: 0.75,
            t0: 1e6,
            weight_decay: 0.0,
            maximize: false,
            core: Core::new(store),
        })
    }
}

impl Rule for Asgd {
    fn moments(&self) -> Vec<&'static str> {
        vec!["a"]
    }

    fn check(&self) -> Result<()> {
        let options = [self.lambd, self.weight_decay];
        check(
            "asgd",
            positive(&options) && self.alpha.is_finite() && !self.t0.is_nan(),
            "lambd and weight_decay must not be negative, alpha must be finite and t0 a number",
            || format!("{options:?}, alpha {} and t0 {}", self.alpha, self.t0),
        )
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn maximize(&self) -> bool {
        self.maximize
    }

    fn apply<T: Num + Element>(&mut self, at: At, run: Piece<'_, T>) {
        let before = (at.step - 1) as f64;
        // PyTorch keeps these two as f32.
        let rounded = |x: f64| f64::from(x as f32);
        let eta = rounded(at.lr / (1.0 + self.lambd * at.lr * before).powf(self.alpha));
        run.each(AsgdStep {
            eta,
            shrink: 1.0 - self.lambd * eta,
            decay: at.weight_decay,
            share: rounded(1.0 / (before - self.t0).max(1.0)),
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
struct AsgdStep {
    eta: f64,
    shrink: f64,
    decay: f64,
    share: f64,
}

impl Elementwise<1> for AsgdStep {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [a]: [T; 1]) -> (T, [T; 1]) {
        let g = T::lit(self.decay).mul_add(p, g);
        let p = p * T::lit(self.shrink) - T::lit(self.eta) * g;
        let a = if self.share == 1.0 {
            p
        } else {
            T::lit(self.share).mul_add(p - a, a)
        };
        (p, [a])
    }
}
