//! Adam and AdamW.

use super::core::{At, Core, Piece, Rule};
use super::{check, positive, power, rates};
use crate::cpu::math::Num;
use crate::cpu::optim::Elementwise;
use crate::{Element, Result, Store};

/// Adam (Kingma & Ba 2014, arXiv:1412.6980), or AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101) if
/// the weight decay is decoupled.
///
/// ```text
/// m ← m + (1-β₁)(g - m)      v ← β₂ v + (1-β₂) g²
/// θ ← θ - lr / (1-β₁ᵗ) · m / (√v / √(1-β₂ᵗ) + eps)
/// ```
///
/// Adam adds `weight_decay · θ` to `g`; AdamW first takes `θ ← (1 - lr · weight_decay) θ`. With `amsgrad` (Reddi et al.
/// 2018) the largest `v` so far takes the place of `v`.
pub struct Adam {
    /// Decay rates of both moments. PyTorch's default: (0.9, 0.999).
    pub betas: (f64, f64),
    /// Added to the root of the second moment. PyTorch's default: 1e-8.
    pub eps: f64,
    /// Strength of the decay of values. PyTorch's default: 0 for Adam, 0.01 for AdamW.
    pub weight_decay: f64,
    /// Whether the second moment never falls.
    pub amsgrad: bool,
    /// Whether values go up the gradient.
    pub maximize: bool,
    decoupled: bool,
    core: Core,
}

impl Adam {
    /// Adam with PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Adam {
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            amsgrad: false,
            maximize: false,
            decoupled: false,
            core: Core::new(store).with_moments(&["m", "v"])?,
        })
    }

    /// AdamW with PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn adamw(store: &Store) -> Result<Self> {
        Ok(Adam {
            weight_decay: 0.01,
            decoupled: true,
            ..Adam::new(store)?
        })
    }

    /// Leaves alone what `skip` says.
    pub(super) fn skip(&mut self, skip: impl Fn(&str, &[usize]) -> bool + Send + 'static) {
        self.core.skip = Some(Box::new(skip));
    }
}

impl Rule for Adam {
    fn moments(&self) -> Vec<&'static str> {
        if self.amsgrad {
            vec!["m", "v", "max"]
        } else {
            vec!["m", "v"]
        }
    }

    fn check(&self) -> Result<()> {
        let ((b1, b2), eps, decay) = (self.betas, self.eps, self.weight_decay);
        check(
            "adam",
            rates(&[b1, b2]) && positive(&[eps, decay]),
            "betas must lie in [0, 1), eps and weight_decay must not be negative",
            || format!("betas {b1} and {b2}, eps {eps} and weight_decay {decay}"),
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
        let rule = AdamStep {
            beta1: b1,
            beta2: b2,
            eps: self.eps,
            step_size: at.lr / (1.0 - power(b1, at.step)),
            root_correction: (1.0 - power(b2, at.step)).sqrt(),
            shrink: if self.decoupled {
                1.0 - at.lr * at.weight_decay
            } else {
                1.0
            },
            add_decay: if self.decoupled { 0.0 } else { at.weight_decay },
        };
        if self.amsgrad {
            run.each::<3>(rule);
        } else {
            run.each::<2>(rule);
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
struct AdamStep {
    beta1: f64,
    beta2: f64,
    eps: f64,
    step_size: f64,
    root_correction: f64,
    shrink: f64,
    add_decay: f64,
}

impl AdamStep {
    /// The moments after the step.
    #[inline(always)]
    fn moments<T: Num>(&self, p: T, g: T, [m, v]: [T; 2]) -> [T; 2] {
        let g = T::lit(self.add_decay).mul_add(p, g);
        [
            T::lit(1.0 - self.beta1).mul_add(g - m, m),
            T::lit(self.beta2).mul_add(v, T::lit(1.0 - self.beta2) * g * g),
        ]
    }

    #[inline(always)]
    fn value<T: Num>(&self, p: T, m: T, v: T) -> T {
        // One division an element: the root's is made once.
        let denominator = v
            .sqrt()
            .mul_add(T::lit(1.0 / self.root_correction), T::lit(self.eps));
        p * T::lit(self.shrink) - T::lit(self.step_size) * (m / denominator)
    }
}

impl Elementwise<2> for AdamStep {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, moments: [T; 2]) -> (T, [T; 2]) {
        let [m, v] = self.moments(p, g, moments);
        (self.value(p, m, v), [m, v])
    }
}

impl Elementwise<3> for AdamStep {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, [m, v, largest]: [T; 3]) -> (T, [T; 3]) {
        let [m, v] = self.moments(p, g, [m, v]);
        // NaN stays in either.
        let largest = v.nan_select(v, v.gt_select(largest, v, largest));
        (self.value(p, m, largest), [m, v, largest])
    }
}
