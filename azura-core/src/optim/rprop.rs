//! Resilient propagation.

use super::check;
use super::core::{At, Core, Piece, Rule};
use crate::cpu::math::Num;
use crate::cpu::optim::Elementwise;
use crate::{Element, Result, Store};

/// Resilient propagation (Riedmiller & Braun 1993), PyTorch's form: each value has its own step, which grows while the
/// gradient keeps its sign. For gradients of all data; noise of small batches confuses it.
///
/// ```text
/// s ← s · η₊ if g · g' > 0, s · η₋ and g ← 0 if g · g' < 0, within the limits
/// θ ← θ - sign(g) · s      g' ← g
/// ```
///
/// Steps begin with the learning rate of a parameter's first step; later ones have no effect. PyTorch's default is 0.01.
pub struct Rprop {
    /// Factors of a step after a change of sign and after none. PyTorch's default: (0.5, 1.2).
    pub etas: (f64, f64),
    /// The smallest and the largest step. PyTorch's default: (1e-6, 50).
    pub step_sizes: (f64, f64),
    /// Whether values go up the gradient.
    pub maximize: bool,
    core: Core,
}

impl Rprop {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Rprop {
            etas: (0.5, 1.2),
            step_sizes: (1e-6, 50.0),
            maximize: false,
            core: Core::new(store),
        })
    }
}

impl Rule for Rprop {
    fn moments(&self) -> Vec<&'static str> {
        vec!["g", "s"]
    }

    fn check(&self) -> Result<()> {
        let ((minus, plus), (least, most)) = (self.etas, self.step_sizes);
        check(
            "rprop",
            0.0 < minus && minus < 1.0 && 1.0 < plus && 0.0 <= least && least <= most,
            "etas must lie below and above 1, and step_sizes in order",
            || format!("etas {minus} and {plus}, step_sizes {least} and {most}"),
        )
    }

    fn weight_decay(&self) -> f64 {
        0.0
    }

    fn maximize(&self) -> bool {
        self.maximize
    }

    fn apply<T: Num + Element>(&mut self, at: At, run: Piece<'_, T>) {
        run.each(RpropStep {
            first: (at.step == 1).then_some(at.lr),
            etas: self.etas,
            limits: self.step_sizes,
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
struct RpropStep {
    first: Option<f64>,
    etas: (f64, f64),
    limits: (f64, f64),
}

impl Elementwise<2> for RpropStep {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [before, s]: [T; 2]) -> (T, [T; 2]) {
        let (zero, one) = (T::lit(0.0), T::lit(1.0));
        let (least, most) = (T::lit(self.limits.0), T::lit(self.limits.1));
        let s = self.first.map_or(s, T::lit);
        let turn = g * before;
        let down = zero.gt_select(turn, T::lit(self.etas.0), one);
        let s = s * turn.gt_select(zero, T::lit(self.etas.1), down);
        let s = least.gt_select(s, least, s.gt_select(most, most, s));
        let g = zero.gt_select(turn, zero, g);
        let sign = g.gt_select(zero, one, zero.gt_select(g, -one, g));
        (p - sign * s, [g, s])
    }
}
