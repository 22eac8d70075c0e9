//! Adagrad.

use super::core::{At, Core, Piece, Rule};
use super::{check, positive};
use crate::cpu::math::Num;
use crate::cpu::optim::Elementwise;
use crate::{Element, Result, Store};

/// Adagrad (Duchi, Hazan & Singer 2011), PyTorch's form.
///
/// ```text
/// g ← g + weight_decay · θ      s ← s + g²
/// θ ← θ - lr / (1 + (t-1) lr_decay) · g / (√s + eps)
/// ```
///
/// PyTorch's default learning rate is 0.01.
pub struct Adagrad {
    /// How fast the learning rate falls with the steps. PyTorch's default: 0.
    pub lr_decay: f64,
    /// Strength of the decay of values. PyTorch's default: 0.
    pub weight_decay: f64,
    /// What the sums of squares begin with. PyTorch's default: 0.
    pub initial_accumulator_value: f64,
    /// Added to the root. PyTorch's default: 1e-10.
    pub eps: f64,
    /// Whether values go up the gradient.
    pub maximize: bool,
    core: Core,
}

impl Adagrad {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Adagrad {
            lr_decay: 0.0,
            weight_decay: 0.0,
            initial_accumulator_value: 0.0,
            eps: 1e-10,
            maximize: false,
            core: Core::new(store),
        })
    }
}

impl Rule for Adagrad {
    fn moments(&self) -> Vec<&'static str> {
        vec!["s"]
    }

    fn check(&self) -> Result<()> {
        let options = [
            self.lr_decay,
            self.weight_decay,
            self.initial_accumulator_value,
            self.eps,
        ];
        check(
            "adagrad",
            positive(&options),
            "lr_decay, weight_decay, initial_accumulator_value and eps must not be negative",
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
        run.each(AdagradStep {
            lr: at.lr / (1.0 + (at.step - 1) as f64 * self.lr_decay),
            decay: at.weight_decay,
            first: if at.step == 1 {
                self.initial_accumulator_value
            } else {
                0.0
            },
            eps: self.eps,
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
struct AdagradStep {
    lr: f64,
    decay: f64,
    first: f64,
    eps: f64,
}

impl Elementwise<1> for AdagradStep {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [s]: [T; 1]) -> (T, [T; 1]) {
        let g = T::lit(self.decay).mul_add(p, g);
        let s = g.mul_add(g, s + T::lit(self.first));
        (p - T::lit(self.lr) * g / (s.sqrt() + T::lit(self.eps)), [s])
    }
}
