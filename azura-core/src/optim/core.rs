//! What optimisers share: the walk over a store, step counts, moments, groups, state.

use super::groups::{self, Settings};
use super::{Group, Optimizer, positive};
use crate::cpu::math::Num;
use crate::cpu::optim::{self as kernel, Elementwise};
use crate::dtype::for_float;
use crate::param::{Moments, Run};
use crate::tensor::Tensor;
use crate::{Element, Error, Result, Store};

/// An optimiser that treats elements one by one.
pub(super) trait Rule: Send {
    /// The names of the moments that these options need.
    fn moments(&self) -> Vec<&'static str>;
    /// Refuses options out of their ranges.
    fn check(&self) -> Result<()>;
    /// The weight decay of parameters in no group that has one of its own.
    fn weight_decay(&self) -> f64;
    /// Whether the values go up the gradient.
    fn maximize(&self) -> bool {
        false
    }
    /// Whether a step with these options is one that [`At::step`] counts.
    fn counts(&self) -> bool {
        true
    }
    /// One step of a run.
    fn apply<T: Num + Element>(&mut self, at: At, run: Piece<'_, T>);
    /// The shared part.
    fn core(&mut self) -> &mut Core;
    /// The shared part.
    fn core_ref(&self) -> &Core;
}

/// Where a run stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    /// The number of this step among those that count, from 1.
    pub step: u64,
    pub lr: f64,
    pub weight_decay: f64,
}

/// Elements that take the same step.
pub(super) struct Piece<'a, T> {
    values: &'a mut [T],
    grads: &'a [T],
    moments: Vec<&'a mut [T]>,
    maximize: bool,
}

impl<T: Num + Element> Piece<'_, T> {
    /// Takes the step that `rule` says; `K` is the number of moments.
    pub fn each<const K: usize>(self, rule: impl Elementwise<K>) {
        let moments: [&mut [T]; K] = self
            .moments
            .try_into()
            .unwrap_or_else(|_| unreachable!("a rule asks for the moments that it uses"));
        let maximize = self.maximize;
        kernel::step(Signed { rule, maximize }, self.values, self.grads, moments);
    }
}

#[derive(Clone, Copy)]
struct Signed<R> {
    rule: R,
    maximize: bool,
}

impl<R: Elementwise<K>, const K: usize> Elementwise<K> for Signed<R> {
    #[inline(always)]
    fn next<T: Num>(&self, p: T, g: T, moments: [T; K]) -> (T, [T; K]) {
        self.rule
            .next(p, if self.maximize { -g } else { g }, moments)
    }
}

/// Says of a parameter by name and shape whether it is left to somebody else.
pub(super) type Skip = Box<dyn Fn(&str, &[usize]) -> bool + Send>;

/// The shared part of an optimiser.
pub(super) struct Core {
    store: Store,
    steps: Vec<u64>,
    /// By name, made when an option first asks for one.
    moments: Vec<(&'static str, Moments)>,
    groups: Vec<Group>,
    /// Which parameters are left to somebody else, by name and shape.
    pub skip: Option<Skip>,
}

impl Core {
    pub fn new(store: &Store) -> Self {
        Core {
            store: store.clone(),
            steps: Vec::new(),
            moments: Vec::new(),
            groups: Vec::new(),
            skip: None,
        }
    }

    /// With these moments made now, so that no step has to ask for their memory.
    pub fn with_moments(mut self, names: &[&'static str]) -> Result<Self> {
        for &name in names {
            self.moments.push((name, self.store.moments()?));
        }
        Ok(self)
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn set_groups(&mut self, groups: Vec<Group>) -> Result<()> {
        groups::apply(&self.store, &groups)?;
        self.groups = groups;
        Ok(())
    }

    /// One pass over the store: `step` gets each run with its learning rate and weight decay.
    fn walk<T: Element>(
        &mut self,
        names: &[&'static str],
        (lr, weight_decay): (f64, f64),
        counts: bool,
        mut step: impl FnMut(At, Run<'_, T>),
    ) -> Result<()> {
        for &name in names {
            if !self.moments.iter().any(|(known, _)| *known == name) {
                self.moments.push((name, self.store.moments()?));
            }
        }
        // In the order of the names.
        let mut moments: Vec<(usize, &mut Moments)> = self
            .moments
            .iter_mut()
            .filter_map(|(known, m)| Some((names.iter().position(|n| n == known)?, m)))
            .collect();
        moments.sort_by_key(|(place, _)| *place);
        let mut moments: Vec<&mut Moments> = moments.into_iter().map(|(_, m)| m).collect();
        let (groups, skip) = (&self.groups, self.skip.as_ref());
        let mut uncounted = Vec::new();
        self.store.update::<T, _>(
            if counts {
                &mut self.steps
            } else {
                &mut uncounted
            },
            &mut moments,
            true,
            |_, name, shape| {
                let skipped = skip.is_some_and(|skip| skip(name, shape));
                (!skipped).then(|| Settings::of(groups, name))
            },
            |run, settings| {
                let (lr, weight_decay) = settings.at(lr, weight_decay);
                let step_number = run.step;
                let at = At {
                    step: step_number,
                    lr,
                    weight_decay,
                };
                step(at, run);
            },
        )
    }

    fn state(&self, names: &[&'static str]) -> Result<Vec<(String, Tensor)>> {
        let mut state = Vec::new();
        for name in names {
            let known = self.moments.iter().find(|(known, _)| known == name);
            let prefix = format!("{name}/");
            state.extend(match known {
                Some((_, moments)) => moments.state(&self.store, &prefix)?,
                None => self.store.moments()?.state(&self.store, &prefix)?,
            });
        }
        state.push(("steps".to_string(), save_steps(&self.steps)?));
        Ok(state)
    }

    fn load(&mut self, names: &[&'static str], state: &[(String, Tensor)]) -> Result<()> {
        // Nothing is changed before everything was read.
        let steps = load_steps(&self.store, state)?;
        let mut all = Vec::new();
        for &name in names {
            let mut moments = self.store.moments()?;
            moments.load(&self.store, &format!("{name}/"), state)?;
            all.push((name, moments));
        }
        (self.steps, self.moments) = (steps, all);
        Ok(())
    }
}

impl<R: Rule> Optimizer for R {
    fn step(&mut self, lr: f64) -> Result<()> {
        check_lr(lr)?;
        self.check()?;
        let (names, decay, maximize) = (self.moments(), self.weight_decay(), self.maximize());
        let counts = self.counts();
        // The rule and the shared part are used at once; the latter is back before this returns.
        let vacant = Core::new(self.core().store());
        let mut core = std::mem::replace(self.core(), vacant);
        let dtype = core.store.dtype();
        let result = (|| {
            for_float!("optimizer", dtype, T => {
                core.walk::<T>(&names, (lr, decay), counts, |at, run| {
                    self.apply(at, Piece {
                        values: run.values,
                        grads: run.grads,
                        moments: run.moments,
                        maximize,
                    });
                })
            })
        })();
        *self.core() = core;
        result
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        self.core_ref().state(&self.moments())
    }

    fn load(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let names = self.moments();
        self.core().load(&names, state)
    }

    fn set_groups(&mut self, groups: Vec<Group>) -> Result<()> {
        self.core().set_groups(groups)
    }
}

pub(super) fn check_lr(lr: f64) -> Result<()> {
    if positive(&[lr]) {
        Ok(())
    } else {
        Err(Error::argument(
            "optimizer",
            "the learning rate must be finite and not negative",
            format!("{lr}"),
        ))
    }
}

pub(super) fn save_steps(steps: &[u64]) -> Result<Tensor> {
    Tensor::from_vec(
        steps.iter().map(|&step| step as i64).collect(),
        [steps.len()],
    )
}

pub(super) fn load_steps(store: &Store, state: &[(String, Tensor)]) -> Result<Vec<u64>> {
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
