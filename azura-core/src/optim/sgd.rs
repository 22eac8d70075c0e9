//! Stochastic gradient descent.

use super::core::{At, Core, Piece, Rule};
use super::{check, positive};
use crate::cpu::math::Num;
use crate::cpu::optim::Elementwise;
use crate::{Element, Result, Store};

/// Stochastic gradient descent with momentum (Sutskever et al. 2013), PyTorch's form.
///
/// ```text
/// g ← g + weight_decay · θ
/// b ← momentum · b + (1 - dampening) g      (first step with momentum, and without: b ← g)
/// θ ← θ - lr · b                            (Nesterov: θ ← θ - lr (g + momentum · b))
/// ```
pub struct Sgd {
    /// How much of the last direction stays; 0 keeps none.
    pub momentum: f64,
    /// How much of the gradient is left out of the direction.
    pub dampening: f64,
    /// Strength of the decay of values.
    pub weight_decay: f64,
    /// Whether the step looks ahead along the new direction.
    pub nesterov: bool,
    /// Whether values go up the gradient.
    pub maximize: bool,
    core: Core,
}

impl Sgd {
    /// Plain gradient descent; set the public fields for more.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Sgd {
            momentum: 0.0,
            dampening: 0.0,
            weight_decay: 0.0,
            nesterov: false,
            maximize: false,
            core: Core::new(store),
        })
    }
}

impl Rule for Sgd {
    fn moments(&self) -> Vec<&'static str> {
        if self.momentum == 0.0 {
            vec![]
        } else {
            vec!["b"]
        }
    }

    fn check(&self) -> Result<()> {
        let (momentum, dampening) = (self.momentum, self.dampening);
        check(
            "sgd",
            !self.nesterov || (momentum > 0.0 && dampening == 0.0),
            "Nesterov needs a momentum above 0 and no dampening",
            || format!("momentum {momentum} and dampening {dampening}"),
        )?;
        let decay = self.weight_decay;
        check(
            "sgd",
            positive(&[momentum, decay]) && dampening.is_finite(),
            "momentum and weight_decay must be finite and not negative",
            || format!("momentum {momentum}, dampening {dampening} and weight_decay {decay}"),
        )
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn maximize(&self) -> bool {
        self.maximize
    }

    /// The first step with momentum is the first that has a direction to keep.
    fn counts(&self) -> bool {
        self.momentum != 0.0
    }

    fn apply<T: Num + Element>(&mut self, at: At, run: Piece<'_, T>) {
        let rule = SgdStep {
            lr: at.lr,
            momentum: self.momentum,
            keep: if at.step == 1 {
                1.0
            } else {
                1.0 - self.dampening
            },
            decay: at.weight_decay,
            nesterov: self.nesterov,
        };
        if self.momentum == 0.0 {
            run.each::<0>(rule);
        } else {
            run.each::<1>(rule);
        }
    }

    fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    fn core_ref(&self) -> &Core {
        &self.core
    }
}

#[derive(Clone, Copy)]
struct SgdStep {
    lr: f64,
    momentum: f64,
    keep: f64,
    decay: f64,
    nesterov: bool,
}

impl Elementwise<0> for SgdStep {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, _: [T; 0]) -> (T, [T; 0]) {
        let g = T::lit(self.decay).mul_add(p, g);
        (p - T::lit(self.lr) * g, [])
    }
}

impl Elementwise<1> for SgdStep {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [b]: [T; 1]) -> (T, [T; 1]) {
        let g = T::lit(self.decay).mul_add(p, g);
        let b = T::lit(self.momentum).mul_add(b, T::lit(self.keep) * g);
        let direction = if self.nesterov {
            T::lit(self.momentum).mul_add(b, g)
        } else {
            b
        };
        (p - T::lit(self.lr) * direction, [b])
    }
}
