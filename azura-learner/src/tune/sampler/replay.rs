//! argmin's own solvers as samplers.
//!
//! A solver calls its cost function and waits; a sampler is asked and forgets. So the solver is run anew at each question: its
//! cost function answers from the history, and at the first point that the history does not know it stops the run, and that
//! point is the answer. The solver's random numbers come from the seed, so it asks for the same points in the same order
//! each time.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use argmin::core::{CostFunction, Error, Executor, IterState, PopulationState};
use argmin::solver::neldermead::NelderMead as ArgminNelderMead;
use argmin::solver::particleswarm::{Particle, ParticleSwarm};
use argmin::solver::simulatedannealing::{Anneal, SATempFunc, SimulatedAnnealing};
use azura_core::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use super::{Sampler, one_objective, penalised, rng, uniform};
use crate::error::Result;
use crate::tune::{History, Space};

/// Restarts that find all their points in the history, after which a random point is proposed.
const RESTARTS: usize = 20;
/// Iterations of a solver that finds all its points in the history: in a space of few points it may walk in a circle.
const ITERATIONS: u64 = 2_000;

/// Nelder and Mead's simplex (1965), as argmin has it.
///
/// The first simplex is a random point and one beside it in each coordinate. When the simplex has shrunk to one value, a
/// new one begins elsewhere. Points outside of the cube count as their nearest points in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NelderMead {
    seed: u64,
}

/// Particle swarm (Kennedy & Eberhart 1995; Zambrano-Bigiarini et al. 2013), as argmin has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pso {
    seed: u64,
    particles: usize,
}

/// Simulated annealing (Kirkpatrick, Gelatt & Vecchi 1983), as argmin has it, with the temperature `t₀/k`.
///
/// A step is normal with a deviation of 0.3 at first, which falls with the root of the temperature. Costs are measured in
/// units of the deviation of the first ten.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Annealing {
    seed: u64,
}

impl NelderMead {
    /// The sampler of this seed.
    pub fn new(seed: u64) -> Self {
        NelderMead { seed }
    }
}

impl Pso {
    /// The sampler of this seed with 10 particles.
    pub fn new(seed: u64) -> Self {
        Pso {
            seed,
            particles: 10,
        }
    }

    /// The number of particles, at least 2.
    #[must_use]
    pub fn particles(self, particles: usize) -> Self {
        Pso {
            particles: particles.max(2),
            ..self
        }
    }
}

impl Annealing {
    /// The sampler of this seed.
    pub fn new(seed: u64) -> Self {
        Annealing { seed }
    }
}

impl Sampler for NelderMead {
    fn name(&self) -> &'static str {
        "nelder-mead"
    }

    fn ask(&mut self, history: &History) -> Result<Option<Vec<f64>>> {
        let dims = history.space.len();
        ask(history, self.name(), self.seed, |known, rng| {
            let first = uniform(rng, dims);
            let mut simplex = vec![first.clone()];
            for d in 0..dims {
                let mut beside = first.clone();
                beside[d] += if first[d] < 0.5 { 0.25 } else { -0.25 };
                simplex.push(beside);
            }
            // argmin cannot be stopped while it looks at the first simplex.
            if !known.all(&simplex) {
                return Ok(());
            }
            let solver = ArgminNelderMead::new(simplex).with_sd_tolerance(1e-9)?;
            let start =
                |state: IterState<Vec<f64>, (), (), (), (), f64>| state.max_iters(ITERATIONS);
            Executor::new(known, solver)
                .configure(start)
                .run()
                .map(|_| ())
        })
    }
}

impl Sampler for Pso {
    fn name(&self) -> &'static str {
        "pso"
    }

    fn ask(&mut self, history: &History) -> Result<Option<Vec<f64>>> {
        let dims = history.space.len();
        ask(history, self.name(), self.seed, |known, rng| {
            let positions: Vec<Vec<f64>> =
                (0..self.particles).map(|_| uniform(rng, dims)).collect();
            if !known.all(&positions) {
                return Ok(());
            }
            let swarm: Result<Vec<_>, Error> = positions
                .into_iter()
                .map(|position| {
                    let velocity = position.iter().map(|x| 0.5 * (rng.uniform() - x)).collect();
                    let cost = known.cost(&position)?;
                    Ok(Particle::new(position, cost, velocity))
                })
                .collect();
            let swarm = swarm?;
            let bounds = (vec![0.0; dims], vec![1.0; dims]);
            let solver = ParticleSwarm::new(bounds, self.particles)
                .with_rng_generator(Xoshiro256PlusPlus::seed_from_u64(rng.next_u64()));
            let start = |state: PopulationState<Particle<Vec<f64>, f64>, f64>| {
                state.population(swarm).max_iters(ITERATIONS)
            };
            Executor::new(known, solver)
                .configure(start)
                .run()
                .map(|_| ())
        })
    }
}

impl Sampler for Annealing {
    fn name(&self) -> &'static str {
        "annealing"
    }

    fn ask(&mut self, history: &History) -> Result<Option<Vec<f64>>> {
        let dims = history.space.len();
        ask(history, self.name(), self.seed, |known, rng| {
            let first: Vec<Vec<f64>> = (0..10).map(|_| uniform(rng, dims)).collect();
            if !known.all(&first) {
                return Ok(());
            }
            let costs: Result<Vec<f64>, Error> = first.iter().map(|x| known.cost(x)).collect();
            let costs = costs?;
            let start = (0..costs.len())
                .min_by(|&a, &b| costs[a].total_cmp(&costs[b]))
                .unwrap_or(0);
            let mean = costs.iter().sum::<f64>() / costs.len() as f64;
            let variance =
                costs.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / costs.len() as f64;
            let unit = variance.sqrt();
            let problem = Annealed {
                known,
                moves: RefCell::new(rng.clone()),
                unit: if unit > 0.0 && unit.is_finite() {
                    unit
                } else {
                    1.0
                },
            };
            let noise = Xoshiro256PlusPlus::seed_from_u64(rng.next_u64());
            let solver = SimulatedAnnealing::new_with_rng(1.0, noise)?
                .with_temp_func(SATempFunc::TemperatureFast)
                .with_stall_best(200);
            let first = first[start].clone();
            let start = |state: IterState<Vec<f64>, (), (), (), (), f64>| {
                state.param(first).max_iters(ITERATIONS)
            };
            Executor::new(problem, solver)
                .configure(start)
                .run()
                .map(|_| ())
        })
    }
}

/// Runs `solver` on what is known until it asks for something that is not.
fn ask(
    history: &History,
    name: &'static str,
    seed: u64,
    solver: impl Fn(&Known<'_>, &mut Rng) -> Result<(), Error>,
) -> Result<Option<Vec<f64>>> {
    one_objective(history, name)?;
    let known = Known::new(history);
    for restart in 0..RESTARTS {
        // An error is how the cost function stops the solver; without a missing point it is one of argmin's own, after
        // which only another start can help.
        let _stopped = solver(&known, &mut rng(seed, name, restart));
        if let Some(point) = known.missing.take() {
            return Ok(Some(point));
        }
        if known.waits.get() {
            break;
        }
    }
    let number = history.trials.len();
    let filler = rng(seed, "replay-filler", number);
    Ok(Some(uniform(&mut { filler }, history.space.len())))
}

/// A cost function that knows the points of the history.
struct Known<'a> {
    space: &'a Space,
    /// The cost of each point; `None` while its trial runs.
    costs: HashMap<Vec<u64>, Option<f64>>,
    /// The first point that was asked for and is not in the history.
    missing: RefCell<Option<Vec<f64>>>,
    /// Whether a point was asked for whose trial runs.
    waits: Cell<bool>,
}

impl<'a> Known<'a> {
    fn new(history: &'a History) -> Self {
        let mut costs = HashMap::new();
        for trial in history.trials.iter().rev() {
            costs.insert(bits(&trial.point), penalised(history, trial));
        }
        Known {
            space: &history.space,
            costs,
            missing: RefCell::new(None),
            waits: Cell::new(false),
        }
    }

    /// Whether all these points have costs; if not, the first that is not in the history is noted.
    fn all(&self, points: &[Vec<f64>]) -> bool {
        self.look(points).is_ok()
    }

    fn look<P: std::borrow::Borrow<Vec<f64>>>(&self, points: &[P]) -> Result<Vec<f64>, Error> {
        let mut costs = Vec::with_capacity(points.len());
        for point in points {
            let point = self.space.snap(point.borrow());
            match self.costs.get(&bits(&point)) {
                Some(Some(cost)) => costs.push(*cost),
                Some(None) => self.waits.set(true),
                None => {
                    self.missing.borrow_mut().get_or_insert(point);
                }
            }
        }
        match costs.len() == points.len() {
            true => Ok(costs),
            false => Err(Error::msg("not all points are known")),
        }
    }
}

impl CostFunction for &Known<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, point: &Vec<f64>) -> Result<f64, Error> {
        Ok(self.look(&[point])?[0])
    }

    fn bulk_cost<P: std::borrow::Borrow<Vec<f64>>>(&self, points: &[P]) -> Result<Vec<f64>, Error> {
        self.look(points)
    }
}

/// The known costs in units of their deviation, and the steps of annealing.
struct Annealed<'a, 'b> {
    known: &'b Known<'a>,
    moves: RefCell<Rng>,
    unit: f64,
}

impl CostFunction for Annealed<'_, '_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, point: &Vec<f64>) -> Result<f64, Error> {
        Ok(self.known.cost(point)? / self.unit)
    }
}

impl Anneal for Annealed<'_, '_> {
    type Param = Vec<f64>;
    type Output = Vec<f64>;
    type Float = f64;

    fn anneal(&self, point: &Vec<f64>, temperature: f64) -> Result<Vec<f64>, Error> {
        let mut rng = self.moves.borrow_mut();
        let reach = 0.3 * temperature.sqrt();
        Ok(point
            .iter()
            .map(|x| reflected(x + reach * rng.normal()))
            .collect())
    }
}

/// A coordinate beyond a border, mirrored at it.
fn reflected(x: f64) -> f64 {
    let x = x.rem_euclid(2.0);
    if x > 1.0 { 2.0 - x } else { x }
}

fn bits(point: &[f64]) -> Vec<u64> {
    point.iter().map(|u| u.to_bits()).collect()
}
