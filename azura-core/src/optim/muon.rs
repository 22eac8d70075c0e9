//! Orthogonalised momentum.

use super::core::{check_lr, load_steps, save_steps};
use super::groups::Settings;
use super::{Adam, Group, Optimizer, check, positive};
use crate::buffer::Buffer;
use crate::cpu::optim::newton_schulz::{self, Iteration};
use crate::dtype::for_float;
use crate::param::Moments;
use crate::tensor::Tensor;
use crate::{Element, Result, Store};

/// Momentum whose direction is made orthogonal, for matrices (Jordan et al. 2024, "Muon"), with AdamW for all other
/// parameters.
///
/// ```text
/// b ← b + (1-momentum)(g - b)        d = orthogonal(g + momentum (b - g))      (without Nesterov: of b)
/// θ ← (1 - lr · weight_decay) θ - lr · scale · d
/// ```
///
/// `orthogonal` is five Newton–Schulz iterations on bf16, as PyTorch's, whose `Muon` takes matrices only. Embeddings and
/// the last layer are better left to AdamW, see [`Muon::leave_to_adamw`].
pub struct Muon {
    /// How much of the last direction stays. PyTorch's default: 0.95.
    pub momentum: f64,
    /// Whether the step looks ahead along the new direction. PyTorch's default: true.
    pub nesterov: bool,
    /// Strength of the decay of values. PyTorch's default: 0.1.
    pub weight_decay: f64,
    /// The quintic's coefficients. PyTorch's default: 3.4445, -4.775, 2.0315.
    pub ns_coefficients: [f64; 3],
    /// Iterations. PyTorch's default: 5.
    pub ns_steps: usize,
    /// The least norm that is divided by. PyTorch's default: 1e-7.
    pub eps: f64,
    /// How the step depends on the matrix's size. PyTorch: `adjust_lr_fn`.
    pub scale: MuonScale,
    /// The optimiser of all other parameters; AdamW, with the same learning rate.
    pub others: Adam,
    store: Store,
    steps: Vec<u64>,
    momenta: Moments,
    groups: Vec<Group>,
    left: Vec<Group>,
}

/// How a step of [`Muon`] depends on the size `A × B` of the matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MuonScale {
    /// `√max(1, A/B)`.
    #[default]
    Original,
    /// `0.2 √max(A, B)`: steps as large as AdamW's, so that its learning rates can be used.
    MatchRmsAdamw,
    /// `√(A/B)`.
    SpectralUnclamped,
}

impl MuonScale {
    fn of(self, rows: usize, cols: usize) -> f64 {
        let (a, b) = (rows as f64, cols as f64);
        match self {
            MuonScale::Original => (a / b).max(1.0).sqrt(),
            MuonScale::MatchRmsAdamw => 0.2 * a.max(b).sqrt(),
            MuonScale::SpectralUnclamped => (a / b).sqrt(),
        }
    }
}

impl Muon {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        let mut muon = Muon {
            momentum: 0.95,
            nesterov: true,
            weight_decay: 0.1,
            ns_coefficients: [3.4445, -4.775, 2.0315],
            ns_steps: 5,
            eps: 1e-7,
            scale: MuonScale::default(),
            others: Adam::adamw(store)?,
            store: store.clone(),
            steps: Vec::new(),
            momenta: store.moments()?,
            groups: Vec::new(),
            left: Vec::new(),
        };
        muon.leave_to_adamw(&[]);
        Ok(muon)
    }

    /// Leaves matrices of these names to AdamW as well; `*` stands for any characters.
    pub fn leave_to_adamw(&mut self, patterns: &[&str]) {
        self.left = patterns.iter().map(|&p| Group::new(p)).collect();
        let left = self.left.clone();
        self.others
            .skip(move |name, shape| takes(&left, name, shape));
    }
}

/// Whether a parameter is a matrix that is not left to AdamW.
fn takes(left: &[Group], name: &str, shape: &[usize]) -> bool {
    shape.len() == 2 && !left.iter().any(|group| group.fits(name))
}

impl Optimizer for Muon {
    fn step(&mut self, lr: f64) -> Result<()> {
        check_lr(lr)?;
        let (momentum, decay) = (self.momentum, self.weight_decay);
        check(
            "muon",
            positive(&[momentum, decay, self.eps]) && self.ns_steps < 100,
            "momentum, weight_decay and eps must not be negative and ns_steps be below 100",
            || {
                format!(
                    "momentum {momentum}, weight_decay {decay}, eps {} and ns_steps {}",
                    self.eps, self.ns_steps
                )
            },
        )?;
        let of = Iteration {
            coefficients: self.ns_coefficients,
            steps: self.ns_steps,
            eps: self.eps,
        };
        let (nesterov, scale) = (self.nesterov, self.scale);
        let (left, groups) = (&self.left, &self.groups);
        for_float!("muon", self.store.dtype(), T => {
            self.store.update::<T, _>(
                &mut self.steps,
                &mut [&mut self.momenta],
                false,
                |_, name, shape| takes(left, name, shape).then(|| Settings::of(groups, name)),
                |run, settings| {
                    let (lr, decay) = settings.at(lr, decay);
                    let &[rows, cols] = run.shape else { return };
                    let [b] = &mut run.moments.into_iter().collect::<Vec<_>>()[..] else { return };
                    let mut direction = Buffer::uninit(b.len() * 4);
                    let mut work = Buffer::uninit(newton_schulz::work_len(rows, cols) * 4);
                    let direction = direction.as_mut_slice::<f32>();
                    for ((b, &g), d) in b.iter_mut().zip(run.grads).zip(&mut *direction) {
                        *b += (1.0 - momentum) as T * (g - *b);
                        let ahead = if nesterov { g + momentum as T * (*b - g) } else { *b };
                        *d = ahead.to_f64() as f32;
                    }
                    newton_schulz::orthogonalise(of, direction, rows, cols, work.as_mut_slice());
                    let (shrink, step) = (1.0 - lr * decay, lr * scale.of(rows, cols));
                    for (p, &d) in run.values.iter_mut().zip(&*direction) {
                        *p = *p * shrink as T - step as T * T::from(d);
                    }
                },
            )
        })?;
        self.others.step(lr)
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = self.momenta.state(&self.store, "b/")?;
        state.push(("steps".to_string(), save_steps(&self.steps)?));
        let others = self.others.state()?.into_iter();
        state.extend(others.map(|(name, value)| (format!("adamw/{name}"), value)));
        Ok(state)
    }

    fn load(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let steps = load_steps(&self.store, state)?;
        let mut momenta = self.store.moments()?;
        momenta.load(&self.store, "b/", state)?;
        let others: Vec<(String, Tensor)> = state
            .iter()
            .filter_map(|(name, x)| Some((name.strip_prefix("adamw/")?.to_string(), x.clone())))
            .collect();
        self.others.load(&others)?;
        (self.steps, self.momenta) = (steps, momenta);
        Ok(())
    }

    fn set_groups(&mut self, groups: Vec<Group>) -> Result<()> {
        self.others.set_groups(groups.clone())?;
        self.groups = groups;
        Ok(())
    }
}
