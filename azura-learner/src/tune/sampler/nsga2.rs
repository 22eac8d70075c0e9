//! A genetic algorithm for several objectives.

use azura_core::Rng;
use serde::{Deserialize, Serialize};

use super::{Sampler, Sobol, rng};
use crate::error::Result;
use crate::tune::{History, Kind, Space, Trial, rank};

/// NSGA-II (Deb, Pratap, Agarwal & Meyarivan 2002, "A fast and elitist multiobjective genetic algorithm").
///
/// Trials come in generations of one size. The parents of a generation are the best of the parents before it and of the
/// generation between, by fronts and crowding; a trial that breaks a constraint is behind all that do not. A child takes its
/// coordinates from two parents by simulated binary crossover (Deb & Agrawal 1995) and mutates each with probability `1/d`.
/// The first generation is a Sobol sequence. It also works with one objective.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Nsga2 {
    seed: u64,
    population: usize,
}

/// How near children stay to their parents: the index of the distribution of crossover and mutation.
const CROSSOVER_INDEX: f64 = 10.0;
const MUTATION_INDEX: f64 = 20.0;
/// How often a child has two parents.
const CROSSOVER: f64 = 0.9;

impl Nsga2 {
    /// The sampler of this seed with a population of 20.
    pub fn new(seed: u64) -> Self {
        Nsga2 {
            seed,
            population: 20,
        }
    }

    /// The size of a generation, at least 4.
    #[must_use]
    pub fn population(self, population: usize) -> Self {
        Nsga2 {
            population: population.max(4),
            ..self
        }
    }

    /// The parents of the generation that begins with trial `end`, the best first.
    fn parents<'a>(&self, history: &'a History, end: usize) -> Vec<&'a Trial> {
        let mut parents: Vec<&Trial> = Vec::new();
        for generation in history.trials[..end].chunks(self.population) {
            parents.extend(generation.iter().filter(|t| t.is_done()));
            let costs: Vec<Vec<f64>> = parents.iter().map(|t| history.costs(t)).collect();
            let violations: Vec<f64> = parents.iter().map(|t| t.violation()).collect();
            let order = rank::by_quality(&costs, &violations);
            parents = order
                .into_iter()
                .take(self.population)
                .map(|i| parents[i])
                .collect();
        }
        parents
    }
}

impl Sampler for Nsga2 {
    fn name(&self) -> &'static str {
        "nsga2"
    }

    fn ask(&mut self, history: &History) -> Result<Option<Vec<f64>>> {
        let space = &history.space;
        let number = history.trials.len();
        let mut rng = rng(self.seed, self.name(), number);
        let parents = self.parents(history, number - number % self.population);
        if parents.len() < 2 {
            return Ok(Some(Sobol::new(self.seed).point(number, space.len())));
        }
        // The parents stand in order: of two drawn at random the earlier one wins.
        let mut winner = || {
            let draw = |rng: &mut Rng| rng.below(parents.len() as u64) as usize;
            parents[draw(&mut rng).min(draw(&mut rng))]
        };
        let (a, b) = (winner(), winner());
        Ok(Some(child(space, &a.point, &b.point, &mut rng)))
    }
}

fn child(space: &Space, a: &[f64], b: &[f64], rng: &mut Rng) -> Vec<f64> {
    let kinds = space.kinds();
    let crosses = rng.uniform() < CROSSOVER;
    let rate = 1.0 / space.len() as f64;
    (0..space.len())
        .map(|d| {
            let numeric = !matches!(kinds[d], Kind::Unordered(_));
            let (mut x, y) = if crosses && rng.uniform() < 0.5 {
                (b[d], a[d])
            } else {
                (a[d], b[d])
            };
            if crosses && numeric {
                let u = rng.uniform();
                let power = 1.0 / (CROSSOVER_INDEX + 1.0);
                let spread = match u < 0.5 {
                    true => (2.0 * u).powf(power),
                    false => (1.0 / (2.0 - 2.0 * u)).powf(power),
                };
                x = (0.5 * ((1.0 + spread) * x + (1.0 - spread) * y)).clamp(0.0, 1.0);
            }
            if rng.uniform() < rate {
                let u = rng.uniform();
                let power = 1.0 / (MUTATION_INDEX + 1.0);
                x = match numeric {
                    false => u,
                    true if u < 0.5 => x + ((2.0 * u).powf(power) - 1.0) * x,
                    true => x + (1.0 - (2.0 - 2.0 * u).powf(power)) * (1.0 - x),
                };
            }
            x
        })
        .collect()
}
