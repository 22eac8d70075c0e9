//! CMA-ES: a normal distribution that learns where good points lie and how the coordinates go together.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::cma_state::Distribution;
use super::{Sampler, one_objective, penalised, rng, uniform};
use crate::error::Result;
use crate::tune::History;

/// Covariance matrix adaptation (Hansen 2016, "The CMA evolution strategy: a tutorial", arXiv:1604.00772), with negative
/// weights, and restarts with twice the population (Auger & Hansen 2005, IPOP).
///
/// * Ordered coordinates are numbers whose deviation never gets so small that the neighbouring values are out of reach
///   (Hamano, Saito, Nomura & Shirakawa 2022, CMA-ES with margin).
/// * Unordered ones have a probability for each value, moved towards those of the good points, with a least one (Hamano,
///   Saito, Nomura, Uchida & Shirakawa 2024, CatCMA).
/// * A generation ends when all its points have ended. Whoever asks before that gets a random point.
///
/// The state is computed anew from the history: the points of a generation follow from the seed and the values of those before,
/// and are found again in the history by their coordinates. What was computed is kept as long as the history agrees with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CmaEs {
    seed: u64,
    #[serde(skip)]
    cache: Option<Cache>,
}

#[derive(Clone, Debug)]
struct Cache {
    distribution: Distribution,
    /// The trials that led here: number, point and cost.
    consumed: Vec<(usize, Vec<f64>, f64)>,
}

/// Generations in a row that find all their points in the history: then the distribution has shrunk to a few values.
const REPEATS: usize = 20;

impl CmaEs {
    /// The sampler of this seed with the default settings.
    pub fn new(seed: u64) -> Self {
        CmaEs { seed, cache: None }
    }
}

impl Sampler for CmaEs {
    fn name(&self) -> &'static str {
        "cmaes"
    }

    fn ask(&mut self, history: &History) -> Result<Option<Vec<f64>>> {
        one_objective(history, self.name())?;
        let space = &history.space;
        let mut cache = match self.cache.take().filter(|cache| cache.agrees(history)) {
            Some(cache) => cache,
            None => Cache {
                distribution: Distribution::new(space),
                consumed: Vec::new(),
            },
        };
        let mut trials: HashMap<Vec<u64>, usize> = HashMap::new();
        for trial in history.trials.iter().rev() {
            trials.insert(bits(&trial.point), trial.number);
        }
        let mut repeats = 0;
        let asked = loop {
            let distribution = &cache.distribution;
            let points: Vec<_> = (0..distribution.population)
                .map(|k| distribution.sample(space, self.seed, k))
                .collect();
            let snapped: Vec<Vec<f64>> = points.iter().map(|p| space.snap(p.point())).collect();
            let found: Vec<Option<usize>> = snapped
                .iter()
                .map(|p| trials.get(&bits(p)).copied())
                .collect();
            if let Some(k) = found.iter().position(Option::is_none) {
                break snapped[k].clone();
            }
            let numbers: Vec<usize> = found.into_iter().flatten().collect();
            let costs: Option<Vec<f64>> = numbers
                .iter()
                .map(|&t| penalised(history, &history.trials[t]))
                .collect();
            let random = || {
                uniform(
                    &mut rng(self.seed, "cmaes-filler", history.trials.len()),
                    space.len(),
                )
            };
            let Some(costs) = costs else {
                break random();
            };
            let new = numbers
                .iter()
                .any(|&t| cache.consumed.iter().all(|(seen, ..)| *seen != t));
            repeats = if new { 0 } else { repeats + 1 };
            if repeats == REPEATS {
                break random();
            }
            for (&t, &cost) in numbers.iter().zip(&costs) {
                cache
                    .consumed
                    .push((t, history.trials[t].point.clone(), cost));
            }
            cache.distribution.tell(space, self.seed, &points, &costs);
        };
        // Generations that only repeat are not kept: the list of them would grow with every question.
        self.cache = (repeats == 0).then_some(cache);
        Ok(Some(asked))
    }
}

impl Cache {
    /// Whether this history would lead to the same state.
    fn agrees(&self, history: &History) -> bool {
        self.consumed.iter().all(|(number, point, cost)| {
            history
                .trials
                .get(*number)
                .is_some_and(|t| t.point == *point && penalised(history, t) == Some(*cost))
        })
    }
}

fn bits(point: &[f64]) -> Vec<u64> {
    point.iter().map(|u| u.to_bits()).collect()
}
