//! RMSprop.

use super::core::{At, Core, Piece, Rule};
use super::{check, positive};
use crate::cpu::math::Num;
use crate::cpu::optim::Elementwise;
use crate::{Element, Result, Store};

/// RMSprop (Hinton 2012, lecture notes), PyTorch's form. PyTorch: `RMSprop`.
///
/// ```text
/// g ← g + weight_decay · θ      v ← α v + (1-α) g²
/// centered: a ← a + (1-α)(g - a), and v - a² takes the place of v under the root (Graves 2013)
/// d = g / (√v + eps)            momentum: b ← momentum · b + d, and b takes the place of d
/// θ ← θ - lr · d
/// ```
///
/// PyTorch's default learning rate is 0.01.
pub struct RmsProp {
    /// Decay rate of the mean square. PyTorch's default: 0.99.
    pub alpha: f64,
    /// Added to the root. PyTorch's default: 1e-8.
    pub eps: f64,
    /// Strength of the decay of values. PyTorch's default: 0.
    pub weight_decay: f64,
    /// How much of the last direction stays; 0 keeps none.
    pub momentum: f64,
    /// Whether the mean of the gradients is taken from the mean square.
    pub centered: bool,
    /// Whether values go up the gradient.
    pub maximize: bool,
    core: Core,
}

impl RmsProp {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(RmsProp {
            alpha: 0.99,
            eps: 1e-8,
            weight_decay: 0.0,
            momentum: 0.0,
            centered: false,
            maximize: false,
            core: Core::new(store),
        })
    }
}

impl Rule for RmsProp {
    fn moments(&self) -> Vec<&'static str> {
        let mut names = vec!["v"];
        if self.centered {
            names.push("a");
        }
        if self.momentum > 0.0 {
            names.push("b");
        }
        names
    }

    fn check(&self) -> Result<()> {
        let options = [self.alpha, self.eps, self.weight_decay, self.momentum];
        check(
            "rmsprop",
            positive(&options),
            "alpha, eps, weight_decay and momentum must not be negative",
            || format!("{options:?}"),
        )
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn maximize(&self) -> bool {
        self.maximize
    }

    fn apply<T: Num + Element>(&mut self, at: At, run: Piece<'_, T>) {
        let rule = RmsPropStep {
            lr: at.lr,
            alpha: self.alpha,
            eps: self.eps,
            decay: at.weight_decay,
            momentum: self.momentum,
        };
        match (self.centered, self.momentum > 0.0) {
            (false, false) => run.each(Plain(rule)),
            (true, false) => run.each(Centered(rule)),
            (false, true) => run.each(WithMomentum(rule)),
            (true, true) => run.each(Both(rule)),
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
struct RmsPropStep {
    lr: f64,
    alpha: f64,
    eps: f64,
    decay: f64,
    momentum: f64,
}

impl RmsPropStep {
    /// The gradient with decay, and the mean square after the step.
    #[inline(always)]
    fn square<T: Num>(&self, p: T, g: T, v: T) -> (T, T) {
        let g = T::lit(self.decay).mul_add(p, g);
        (
            g,
            T::lit(self.alpha).mul_add(v, T::lit(1.0 - self.alpha) * g * g),
        )
    }

    #[inline(always)]
    fn mean<T: Num>(&self, g: T, a: T) -> T {
        T::lit(1.0 - self.alpha).mul_add(g - a, a)
    }

    #[inline(always)]
    fn direction<T: Num>(&self, g: T, v: T) -> T {
        g / (v.sqrt() + T::lit(self.eps))
    }

    #[inline(always)]
    fn moved<T: Num>(&self, p: T, direction: T) -> T {
        p - T::lit(self.lr) * direction
    }
}

#[derive(Clone, Copy)]
struct Plain(RmsPropStep);
#[derive(Clone, Copy)]
struct Centered(RmsPropStep);
#[derive(Clone, Copy)]
struct WithMomentum(RmsPropStep);
#[derive(Clone, Copy)]
struct Both(RmsPropStep);

impl Elementwise<1> for Plain {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [v]: [T; 1]) -> (T, [T; 1]) {
        let (g, v) = self.0.square(p, g, v);
        (self.0.moved(p, self.0.direction(g, v)), [v])
    }
}

impl Elementwise<2> for Centered {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [v, a]: [T; 2]) -> (T, [T; 2]) {
        let (g, v) = self.0.square(p, g, v);
        let a = self.0.mean(g, a);
        let direction = self.0.direction(g, (-a).mul_add(a, v));
        (self.0.moved(p, direction), [v, a])
    }
}

impl Elementwise<2> for WithMomentum {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [v, b]: [T; 2]) -> (T, [T; 2]) {
        let (g, v) = self.0.square(p, g, v);
        let b = T::lit(self.0.momentum).mul_add(b, self.0.direction(g, v));
        (self.0.moved(p, b), [v, b])
    }
}

impl Elementwise<3> for Both {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [v, a, b]: [T; 3]) -> (T, [T; 3]) {
        let (g, v) = self.0.square(p, g, v);
        let a = self.0.mean(g, a);
        let direction = self.0.direction(g, (-a).mul_add(a, v));
        let b = T::lit(self.0.momentum).mul_add(b, direction);
        (self.0.moved(p, b), [v, a, b])
    }
}
