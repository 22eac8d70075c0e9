//! Adam with Nesterov momentum.

use super::core::{At, Core, Piece, Rule};
use super::{check, positive, power, rates};
use crate::cpu::math::Num;
use crate::cpu::optim::Elementwise;
use crate::{Element, Result, Store};

/// Adam with Nesterov momentum (Dozat 2016), PyTorch's form.
///
/// ```text
/// μₜ = β₁ (1 - ½ · 0.96^(t · momentum_decay))
/// m ← m + (1-β₁)(g - m)      v ← β₂ v + (1-β₂) g²
/// θ ← θ - lr ((1-μₜ) / (1 - μ₁…μₜ) · g + μₜ₊₁ / (1 - μ₁…μₜ₊₁) · m) / (√(v / (1-β₂ᵗ)) + eps)
/// ```
pub struct NAdam {
    /// Decay rates of both moments. PyTorch's default: (0.9, 0.999).
    pub betas: (f64, f64),
    /// Added to the root. PyTorch's default: 1e-8.
    pub eps: f64,
    /// Strength of the decay of values. PyTorch's default: 0.
    pub weight_decay: f64,
    /// How fast the momentum rises to its full strength. PyTorch's default: 0.004.
    pub momentum_decay: f64,
    /// Whether the decay acts on the values and not through the gradient, as in AdamW.
    pub decoupled_weight_decay: bool,
    /// Whether values go up the gradient.
    pub maximize: bool,
    /// Step number and the product of the momenta up to it, an f32 as in PyTorch; parameters that joined late have
    /// their own.
    products: Vec<(u64, f32)>,
    core: Core,
}

impl NAdam {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(NAdam {
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            momentum_decay: 4e-3,
            decoupled_weight_decay: false,
            maximize: false,
            products: Vec::new(),
            core: Core::new(store),
        })
    }

    /// The momentum of step `t`.
    fn momentum(&self, t: u64) -> f64 {
        self.betas.0 * (1.0 - 0.5 * 0.96f64.powf(t as f64 * self.momentum_decay))
    }

    /// The product of the momenta of all steps up to `t`, continued from the step before where that is known.
    fn product(&mut self, t: u64) -> f64 {
        let mu = |t| self.momentum(t) as f32;
        let before = self.products.iter().position(|&(step, _)| step + 1 == t);
        if let Some((_, product)) = self.products.iter().find(|(step, _)| *step == t) {
            return f64::from(*product);
        }
        let product = match before {
            Some(at) => self.products[at].1 * mu(t),
            // Long before this many steps the product is 0.
            None => (1..=t.min(1 << 20)).map(mu).product(),
        };
        // Those far behind belong to parameters that get no gradient any more.
        self.products.retain(|(step, _)| step + 64 > t);
        self.products.push((t, product));
        f64::from(product)
    }
}

impl Rule for NAdam {
    fn moments(&self) -> Vec<&'static str> {
        vec!["m", "v"]
    }

    fn check(&self) -> Result<()> {
        let ((b1, b2), others) = (
            self.betas,
            [self.eps, self.weight_decay, self.momentum_decay],
        );
        check(
            "nadam",
            rates(&[b1, b2]) && positive(&others),
            "betas must lie in [0, 1), eps, weight_decay and momentum_decay must not be negative",
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
        let (mu, next) = (self.momentum(at.step), self.momentum(at.step + 1));
        let product = self.product(at.step);
        let decoupled = self.decoupled_weight_decay;
        run.each(NAdamStep {
            rest1: 1.0 - b1,
            beta2: b2,
            correction: 1.0 - power(b2, at.step),
            eps: self.eps,
            of_gradient: at.lr * (1.0 - mu) / (1.0 - product),
            of_moment: at.lr * next / (1.0 - product * next),
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
struct NAdamStep {
    rest1: f64,
    beta2: f64,
    correction: f64,
    eps: f64,
    of_gradient: f64,
    of_moment: f64,
    shrink: f64,
    add_decay: f64,
}

impl Elementwise<2> for NAdamStep {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
        let g = T::lit(self.add_decay).mul_add(p, g);
        let m = T::lit(self.rest1).mul_add(g - m, m);
        let v = T::lit(self.beta2).mul_add(v, T::lit(1.0 - self.beta2) * g * g);
        let denominator = (v / T::lit(self.correction)).sqrt() + T::lit(self.eps);
        let direction = T::lit(self.of_moment).mul_add(m, T::lit(self.of_gradient) * g);
        (p * T::lit(self.shrink) - direction / denominator, [m, v])
    }
}
