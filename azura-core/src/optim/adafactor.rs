//! Adafactor.

use super::core::{check_lr, load_steps, save_steps};
use super::groups::{self, Settings};
use super::{Group, Optimizer, check, positive};
use crate::dtype::for_float;
use crate::param::Run;
use crate::tensor::Tensor;
use crate::{Element, Error, Result, Store};

/// Adafactor (Shazeer & Stern 2018, arXiv:1804.04235), PyTorch's form: of a matrix's second moment only the means of
/// rows and columns are kept.
///
/// ```text
/// r ← r + t^β (mean over columns of g² - r)      c ← c + t^β (mean over rows of g² - c)
/// v = r cᵀ / mean(r)                             (vectors: v ← v + t^β (g² - v))
/// u = g / max(√v, eps₁)                          u ← u / max(1, rms(u) / d)
/// θ ← (1 - lr · weight_decay) θ - min(lr, 1/√t) max(eps₂, rms(θ)) u
/// ```
///
/// More axes than two are a stack of matrices. PyTorch's default learning rate is 0.01.
pub struct Adafactor {
    /// The power β of the step's number. PyTorch's default: -0.8.
    pub beta2_decay: f64,
    /// The least root of the second moment, `None` for the dtype's epsilon, and the least size of a value. PyTorch's
    /// default: none and 1e-3.
    pub eps: (Option<f64>, f64),
    /// The largest root mean square of an update. PyTorch's default: 1.
    pub d: f64,
    /// Strength of the decay of values. PyTorch's default: 0.
    pub weight_decay: f64,
    /// Whether values go up the gradient.
    pub maximize: bool,
    store: Store,
    steps: Vec<u64>,
    groups: Vec<Group>,
    /// What is kept of each parameter, by its number.
    kept: Vec<Vec<Tensor>>,
}

impl Adafactor {
    /// With PyTorch's defaults.
    ///
    /// # Errors
    /// None today for stores of floats.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Adafactor {
            beta2_decay: -0.8,
            eps: (None, 1e-3),
            d: 1.0,
            weight_decay: 0.0,
            maximize: false,
            store: store.clone(),
            steps: Vec::new(),
            groups: Vec::new(),
            kept: Vec::new(),
        })
    }

    /// The names and shapes of what is kept of a parameter of this shape.
    fn layout(shape: &[usize]) -> Vec<(&'static str, Vec<usize>)> {
        match shape {
            [lead @ .., rows, cols] => vec![
                ("row", [lead, &[*rows, 1]].concat()),
                ("col", [lead, &[1, *cols]].concat()),
            ],
            _ => vec![("v", shape.to_vec())],
        }
    }

    /// Zeros for parameters that joined.
    fn grow(store: &Store, kept: &mut Vec<Vec<Tensor>>) -> Result<()> {
        for param in store.params().iter().skip(kept.len()) {
            let zeros = Self::layout(&param.shape())
                .into_iter()
                .map(|(_, shape)| Tensor::zeros(&shape[..], store.dtype()));
            kept.push(zeros.collect::<Result<_>>()?);
        }
        Ok(())
    }
}

impl Optimizer for Adafactor {
    fn step(&mut self, lr: f64) -> Result<()> {
        check_lr(lr)?;
        let options = [self.eps.0.unwrap_or(0.0), self.eps.1, self.weight_decay];
        check(
            "adafactor",
            positive(&options) && self.d >= 1.0 && self.beta2_decay <= 0.0,
            "eps and weight_decay must not be negative, d be at least 1 and beta2_decay at most 0",
            || {
                format!(
                    "{options:?}, d {} and beta2_decay {}",
                    self.d, self.beta2_decay
                )
            },
        )?;
        Self::grow(&self.store, &mut self.kept)?;
        let (kept, groups) = (&mut self.kept, &self.groups);
        for_float!("adafactor", self.store.dtype(), T => {
            let step = Step {
                beta2_decay: self.beta2_decay,
                least_root: self.eps.0.unwrap_or(T::EPSILON.to_f64()),
                least_size: self.eps.1,
                d: self.d,
                sign: if self.maximize { -1.0 } else { 1.0 },
            };
            let decay = self.weight_decay;
            self.store.update::<T, _>(
                &mut self.steps,
                &mut [],
                false,
                |_, name, _| Some(Settings::of(groups, name)),
                |run, settings| {
                    let (lr, decay) = settings.at(lr, decay);
                    let own = &mut kept[run.first];
                    step.run(lr, decay, run, own);
                },
            )
        })
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut kept = self.kept.clone();
        Self::grow(&self.store, &mut kept)?;
        let mut state = Vec::new();
        for (param, kept) in self.store.params().iter().zip(kept) {
            let names = Self::layout(&param.shape());
            for ((name, _), value) in names.into_iter().zip(kept) {
                state.push((format!("{name}/{}", param.name()), value));
            }
        }
        state.push(("steps".to_string(), save_steps(&self.steps)?));
        Ok(state)
    }

    fn load(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let steps = load_steps(&self.store, state)?;
        let mut all = Vec::new();
        for param in self.store.params() {
            let mut own = Vec::new();
            for (name, shape) in Self::layout(&param.shape()) {
                let name = format!("{name}/{}", param.name());
                let Some((_, value)) = state.iter().find(|(known, _)| *known == name) else {
                    return Err(Error::Store(format!(
                        "`{name}` is missing from the values to load"
                    )));
                };
                if value.shape() != shape || value.dtype() != self.store.dtype() {
                    return Err(Error::Store(format!(
                        "`{name}` must be {} of shape {shape:?}, but got {} of shape {:?}",
                        self.store.dtype(),
                        value.dtype(),
                        value.shape()
                    )));
                }
                own.push(value.contiguous_detached());
            }
            all.push(own);
        }
        (self.steps, self.kept) = (steps, all);
        Ok(())
    }

    fn set_groups(&mut self, groups: Vec<Group>) -> Result<()> {
        groups::apply(&self.store, &groups)?;
        self.groups = groups;
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Step {
    beta2_decay: f64,
    least_root: f64,
    least_size: f64,
    d: f64,
    sign: f64,
}

impl Step {
    /// One parameter; sums are made in f64.
    fn run<T: Element>(self, lr: f64, decay: f64, run: Run<'_, T>, kept: &mut [Tensor]) {
        let n = run.values.len();
        if n == 0 {
            return;
        }
        let t = run.step as f64;
        let share = t.powf(self.beta2_decay);
        let rms = |sum: f64| (sum / n as f64).sqrt();
        let square = |x: &T| x.to_f64() * x.to_f64();
        let size = rms(run.values.iter().map(square).sum());
        let alpha = self.least_size.max(size) * lr.min(1.0 / t.sqrt());
        let floor = self.least_root * self.least_root;
        let towards = |old: &Tensor, new: &[f64]| {
            Tensor::fill_new::<T>(*old.sizes(), |out| {
                for ((out, old), new) in out.iter_mut().zip(old.slice::<T>()).zip(new) {
                    let old = old.to_f64();
                    *out = T::from_f64(old + share * (new - old));
                }
            })
        };
        // The second moment of every element, then the update in its place.
        let mut update = vec![0.0; n];
        if let (&[.., rows, cols], [row, col]) = (run.shape, &mut *kept) {
            let count = n / (rows * cols);
            let (mut of_rows, mut of_cols) = (vec![0.0; count * rows], vec![0.0; count * cols]);
            for (i, line) in run.grads.chunks_exact(cols).enumerate() {
                let of_cols = &mut of_cols[i / rows * cols..][..cols];
                for (sum, g) in of_cols.iter_mut().zip(line) {
                    *sum += square(g) / rows as f64;
                    of_rows[i] += square(g);
                }
                of_rows[i] /= cols as f64;
            }
            (*row, *col) = (towards(row, &of_rows), towards(col, &of_cols));
            let (row, col) = (row.slice::<T>(), col.slice::<T>());
            for (k, matrix) in update.chunks_exact_mut(rows * cols).enumerate() {
                let (row, col) = (&row[k * rows..][..rows], &col[k * cols..][..cols]);
                let mean = row.iter().map(|r| r.to_f64()).sum::<f64>() / rows as f64;
                let mean = mean.max(self.least_root);
                for (r, line) in row.iter().zip(matrix.chunks_exact_mut(cols)) {
                    for (v, c) in line.iter_mut().zip(col) {
                        *v = r.to_f64() * c.to_f64() / mean;
                    }
                }
            }
        } else if let [v] = &mut *kept {
            let squares: Vec<f64> = run.grads.iter().map(square).collect();
            *v = towards(v, &squares);
            for (to, v) in update.iter_mut().zip(v.slice::<T>()) {
                *to = v.to_f64();
            }
        }
        let mut sum = 0.0;
        for (u, g) in update.iter_mut().zip(run.grads) {
            *u = self.sign * g.to_f64() / u.max(floor).sqrt();
            sum += *u * *u;
        }
        let step = alpha / (rms(sum) / self.d).max(1.0);
        for (p, u) in run.values.iter_mut().zip(update) {
            let kept = p.to_f64() * (1.0 - lr * decay);
            *p = T::from_f64(kept - step * u);
        }
    }
}
