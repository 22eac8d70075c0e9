//! The tree-structured Parzen estimator.

use azura_core::Rng;
use serde::{Deserialize, Serialize};

use super::parzen::Mixture;
use super::{Sampler, Sobol, rng};
use crate::error::Result;
use crate::tune::rank;
use crate::tune::{History, Space};

/// Tree-structured Parzen estimator (Bergstra, Bardenet, Bengio & Kégl 2011; multivariate as in Falkner, Klein & Hutter
/// 2018, BOHB; choices as compared by Watanabe 2023, arXiv:2304.11127).
///
/// The finished trials are split into a few good ones and the rest; a density is laid over each part, `l(x)` and `g(x)`; of
/// points drawn from `l` the one with the largest `l(x)/g(x)` is proposed.
///
/// * The good trials are a tenth, at most 25. The better one of them is, the more it weighs, and their kernels may be narrow.
/// * All coordinates that are active together are one joint density: a kernel spans them all.
/// * A running trial counts as a bad one (a constant liar), so that parallel trials keep apart.
/// * Parameters of a condition are drawn after the one they depend on, from the trials in which they were active, split
///   among themselves.
/// * With several objectives the good ones are the first fronts. A trial that breaks a constraint is behind all that do not;
///   pruned and failed trials are behind those.
///
/// The first trials, 10 by default, are a Sobol sequence.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tpe {
    seed: u64,
    startup: usize,
    candidates: usize,
}

impl Tpe {
    /// The sampler of this seed with the default settings.
    pub fn new(seed: u64) -> Self {
        Tpe {
            seed,
            startup: 10,
            candidates: 24,
        }
    }

    /// How many finished trials there must be before the densities are used.
    #[must_use]
    pub fn startup(self, startup: usize) -> Self {
        Tpe { startup, ..self }
    }

    /// How many points are drawn from the good density, at least 1.
    #[must_use]
    pub fn candidates(self, candidates: usize) -> Self {
        Tpe {
            candidates: candidates.max(1),
            ..self
        }
    }

    /// The coordinates `dims`, which are active together, drawn by the ratio of the densities.
    fn draw(
        &self,
        space: &Space,
        dims: &[usize],
        good: &[&[f64]],
        bad: &[&[f64]],
        rng: &mut Rng,
    ) -> Vec<f64> {
        let l = Mixture::ranked(space, dims, good);
        let g = Mixture::new(space, dims, bad);
        let mut best = (f64::NEG_INFINITY, Vec::new());
        for _ in 0..self.candidates {
            let point = l.sample(rng);
            let ratio = l.log_density(&point) - g.log_density(&point);
            if ratio > best.0 || best.1.is_empty() {
                best = (ratio, point);
            }
        }
        best.1
    }
}

/// How many of `n` trials are good.
fn good_ones(n: usize) -> usize {
    n.div_ceil(10).min(25)
}

impl Sampler for Tpe {
    fn name(&self) -> &'static str {
        "tpe"
    }

    fn ask(&mut self, history: &History) -> Result<Option<Vec<f64>>> {
        let space = &history.space;
        let number = history.trials.len();
        let order = rank::order(history);
        if order.len() < self.startup {
            return Ok(Some(Sobol::new(self.seed).point(number, space.len())));
        }
        let mut rng = rng(self.seed, self.name(), number);
        let running = || history.trials.iter().filter(|t| !t.is_finished());
        let mut point = vec![0.5; space.len()];
        for group in space.groups() {
            if !space.active(&point)[group[0]] {
                continue;
            }
            let active = |t: &usize| space.is_active(group[0], &history.trials[*t].point);
            let ranked: Vec<usize> = order.iter().copied().filter(active).collect();
            let (good, rest) = ranked.split_at(good_ones(ranked.len()));
            let good: Vec<&[f64]> = good.iter().map(|&t| &history.trials[t].point[..]).collect();
            let mut bad: Vec<&[f64]> = rest.iter().map(|&t| &history.trials[t].point[..]).collect();
            bad.extend(
                running()
                    .filter(|t| active(&t.number))
                    .map(|t| &t.point[..]),
            );
            let drawn = self.draw(space, &group, &good, &bad, &mut rng);
            group.iter().zip(drawn).for_each(|(&dim, u)| point[dim] = u);
        }
        Ok(Some(point))
    }
}
