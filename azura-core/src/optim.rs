//! Optimisers: a step is one pass over the arenas of a [`Store`].
//!
//! Values follow PyTorch's optimisers of the same names. A parameter that got no gradient since the
//! last `zero_grad` is left alone, its moments and its step count too, as PyTorch skips `grad = None`.

use crate::cpu::optim::{AdamStep, SgdStep};
use crate::dtype::for_float;
use crate::param::Moments;
use crate::tensor::Tensor;
use crate::{Error, Result, Store};

/// Changes a store's parameters along their gradients.
pub trait Optimizer: Send {
    /// One step with learning rate `lr`.
    ///
    /// # Errors
    /// [`Error::Argument`] if `lr` is negative or not finite, or an option is out of its range.
    fn step(&mut self, lr: f64) -> Result<()>;

    /// Everything that must be saved to go on later exactly as if never stopped: the moments, each
    /// named `MOMENT/PARAMETER`, and the step counts as `steps`.
    ///
    /// # Errors
    /// None today for stores of floats.
    fn state(&self) -> Result<Vec<(String, Tensor)>>;

    /// Takes what [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// [`Error::Store`] if names, shapes or dtypes are not those of this optimiser's store.
    fn load(&mut self, state: &[(String, Tensor)]) -> Result<()>;
}

/// Adam (Kingma & Ba 2014, arXiv:1412.6980), or AdamW (Loshchilov & Hutter 2017, arXiv:1711.05101) if
/// the weight decay is decoupled.
///
/// ```text
/// m ← m + (1-β₁)(g - m)      v ← β₂ v + (1-β₂) g²
/// θ ← θ - lr / (1-β₁ᵗ) · m / (√v / √(1-β₂ᵗ) + eps)
/// ```
///
/// Adam adds `weight_decay · θ` to `g`; AdamW first takes `θ ← (1 - lr · weight_decay) θ`.
pub struct Adam {
    store: Store,
    /// Decay rates of both moments. PyTorch's default: (0.9, 0.999).
    pub betas: (f64, f64),
    /// Added to the root of the second moment. PyTorch's default: 1e-8.
    pub eps: f64,
    /// Strength of the decay of values. PyTorch's default: 0 for Adam, 0.01 for AdamW.
    pub weight_decay: f64,
    decoupled: bool,
    steps: Vec<u64>,
    moments: [Moments; 2],
}

impl Adam {
    /// Adam with PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Adam {
            store: store.clone(),
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            decoupled: false,
            steps: Vec::new(),
            moments: [store.moments()?, store.moments()?],
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
}

impl Optimizer for Adam {
    fn step(&mut self, lr: f64) -> Result<()> {
        check_lr(lr)?;
        let ((b1, b2), decay) = (self.betas, self.weight_decay);
        if !((0.0..1.0).contains(&b1)
            && (0.0..1.0).contains(&b2)
            && self.eps >= 0.0
            && decay >= 0.0)
        {
            return Err(Error::argument(
                "adam",
                "betas must lie in [0, 1), eps and weight_decay must not be negative",
                format!(
                    "betas {b1} and {b2}, eps {} and weight_decay {decay}",
                    self.eps
                ),
            ));
        }
        for_float!("adam", self.store.dtype(), T => {
            self.store.update::<T, 2>(&mut self.steps, &mut self.moments, |run| {
                // A count from a file may be anything; long before this one the corrections are 1.
                let t = i32::try_from(run.step).unwrap_or(i32::MAX);
                AdamStep {
                    beta1: b1,
                    beta2: b2,
                    eps: self.eps,
                    step_size: lr / (1.0 - b1.powi(t)),
                    root_correction: (1.0 - b2.powi(t)).sqrt(),
                    shrink: if self.decoupled { 1.0 - lr * decay } else { 1.0 },
                    add_decay: if self.decoupled { 0.0 } else { decay },
                }
                .run(run);
            })
        })
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = self.moments[0].state(&self.store, "m/")?;
        state.extend(self.moments[1].state(&self.store, "v/")?);
        state.push(("steps".to_string(), save_steps(&self.steps)?));
        Ok(state)
    }

    fn load(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        // Nothing is changed before everything was read.
        let steps = load_steps(&self.store, state)?;
        let mut moments = [self.store.moments()?, self.store.moments()?];
        moments[0].load(&self.store, "m/", state)?;
        moments[1].load(&self.store, "v/", state)?;
        (self.steps, self.moments) = (steps, moments);
        Ok(())
    }
}

/// Stochastic gradient descent with momentum (Sutskever et al. 2013), PyTorch's form.
///
/// ```text
/// g ← g + weight_decay · θ
/// b ← momentum · b + (1 - dampening) g      (first step, and always without momentum: b ← g)
/// θ ← θ - lr · b                            (Nesterov: θ ← θ - lr (g + momentum · b))
/// ```
pub struct Sgd {
    store: Store,
    /// How much of the last direction stays; 0 keeps none.
    pub momentum: f64,
    /// How much of the gradient is left out of the direction.
    pub dampening: f64,
    /// Strength of the decay of values.
    pub weight_decay: f64,
    /// Whether the step looks ahead along the new direction.
    pub nesterov: bool,
    steps: Vec<u64>,
    moments: [Moments; 1],
}

impl Sgd {
    /// Plain gradient descent; set the public fields for more.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Sgd {
            store: store.clone(),
            momentum: 0.0,
            dampening: 0.0,
            weight_decay: 0.0,
            nesterov: false,
            steps: Vec::new(),
            moments: [store.moments()?],
        })
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, lr: f64) -> Result<()> {
        check_lr(lr)?;
        if self.nesterov && (self.momentum <= 0.0 || self.dampening != 0.0) {
            return Err(Error::argument(
                "sgd",
                "Nesterov needs a momentum above 0 and no dampening",
                format!(
                    "momentum {} and dampening {}",
                    self.momentum, self.dampening
                ),
            ));
        }
        for_float!("sgd", self.store.dtype(), T => {
            self.store.update::<T, 1>(&mut self.steps, &mut self.moments, |run| {
                SgdStep {
                    lr,
                    momentum: self.momentum,
                    keep: if run.step == 1 || self.momentum == 0.0 { 1.0 } else { 1.0 - self.dampening },
                    decay: self.weight_decay,
                    nesterov: self.nesterov,
                }
                .run(run);
            })
        })
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = self.moments[0].state(&self.store, "b/")?;
        state.push(("steps".to_string(), save_steps(&self.steps)?));
        Ok(state)
    }

    fn load(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let steps = load_steps(&self.store, state)?;
        let mut moments = [self.store.moments()?];
        moments[0].load(&self.store, "b/", state)?;
        (self.steps, self.moments) = (steps, moments);
        Ok(())
    }
}

fn check_lr(lr: f64) -> Result<()> {
    if lr.is_finite() && lr >= 0.0 {
        Ok(())
    } else {
        Err(Error::argument(
            "optimizer",
            "the learning rate must be finite and not negative",
            format!("{lr}"),
        ))
    }
}

fn save_steps(steps: &[u64]) -> Result<Tensor> {
    Tensor::from_vec(
        steps.iter().map(|&step| step as i64).collect(),
        [steps.len()],
    )
}

fn load_steps(store: &Store, state: &[(String, Tensor)]) -> Result<Vec<u64>> {
    let (_, steps) = state
        .iter()
        .find(|(name, _)| name == "steps")
        .ok_or_else(|| Error::Store("the optimiser's state lacks `steps`".to_string()))?;
    let parameters = store.params().len();
    // Parameters that were registered after the last step have no count yet.
    if steps.rank() != 1 || steps.numel() > parameters {
        return Err(Error::Store(format!(
            "`steps` must hold a count for each of {parameters} parameters, but got shape {:?}",
            steps.shape()
        )));
    }
    Ok(steps
        .to_vec::<i64>()?
        .into_iter()
        .map(|step| step.max(0) as u64)
        .collect())
}
