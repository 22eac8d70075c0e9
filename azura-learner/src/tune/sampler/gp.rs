//! Bayesian optimisation with a Gaussian process.

use azura_core::Rng;
use serde::{Deserialize, Serialize};

use super::gaussian::Process;
use super::{Sampler, Sobol, rng, uniform};
use crate::error::Result;
use crate::tune::descent::minimise;
use crate::tune::{History, Kind, Space, Trial, WORST};
use crate::tune::{normal, rank};

/// Gaussian process with expected improvement (Jones, Schonlau & Welch 1998, EGO; Snoek, Larochelle & Adams 2012).
///
/// A Matérn 5/2 process with a length for each coordinate is fitted to all trials by marginal likelihood; the point of the
/// largest expected improvement is proposed. The logarithm of the improvement is what is maximised (Ament et al. 2023).
///
/// * A running trial counts as if it had ended with what the process expects there (Ginsbourger, Le Riche & Carraro 2010,
///   "Kriging is well-suited to parallelize optimization").
/// * Each constraint has its own process; the improvement is multiplied by the probability that all hold (Gardner et al. 2014).
///   Until a trial is feasible that probability alone counts.
/// * Several objectives become one by a random weighting for each trial, the augmented Tchebycheff function (Knowles 2006,
///   ParEGO).
/// * A failed trial counts as the worst one; a coordinate that is not active stands at 0.5.
///
/// The first trials, 10 by default, are a Sobol sequence. The cost of a proposal grows with the cube of the number of
/// trials: beyond 200 only the best half of that and the latest ones are used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gp {
    seed: u64,
    startup: usize,
}

/// Trials beyond which the process sees a selection.
const MOST: usize = 200;
/// Points of the first look at the improvement.
const LOOKS: usize = 1024;
/// Points that are followed to the nearest maximum.
const CLIMBS: usize = 6;

impl Gp {
    /// The sampler of this seed with the default settings.
    pub fn new(seed: u64) -> Self {
        Gp { seed, startup: 10 }
    }

    /// How many finished trials there must be before the process is used, at least 2.
    #[must_use]
    pub fn startup(self, startup: usize) -> Self {
        Gp {
            startup: startup.max(2),
            ..self
        }
    }
}

impl Sampler for Gp {
    fn name(&self) -> &'static str {
        "gp"
    }

    fn ask(&mut self, history: &History) -> Result<Option<Vec<f64>>> {
        let space = &history.space;
        let number = history.trials.len();
        let mut order = rank::order(history);
        if order.len() < self.startup {
            return Ok(Some(Sobol::new(self.seed).point(number, space.len())));
        }
        let mut rng = rng(self.seed, self.name(), number);
        if order.len() > MOST {
            let mut rest = order.split_off(MOST / 2);
            rest.sort_unstable_by_key(|&t| std::cmp::Reverse(t));
            order.extend(rest.into_iter().take(MOST - MOST / 2));
        }
        let trials: Vec<&Trial> = order.iter().map(|&t| &history.trials[t]).collect();
        let goal = Goal::new(history, &trials, &mut rng);
        let mut point = goal.best_point(space, self.seed ^ number as u64, &mut rng);
        // A trial that was made already tells nothing new, if the objective has no noise.
        let known = |point: &[f64]| history.trials.iter().any(|t| t.point == space.snap(point));
        for _ in 0..32 {
            if !known(&point) {
                break;
            }
            point = uniform(&mut rng, space.len());
        }
        Ok(Some(point))
    }
}

/// What is maximised over the cube.
struct Goal {
    cost: Process,
    /// The lowest cost of a feasible trial, in the units of the process.
    lowest: Option<f64>,
    /// A process of each constraint, and the value at which it holds just so.
    constraints: Vec<(Process, f64)>,
    /// Points around which to look, the best first.
    anchors: Vec<Vec<f64>>,
}

impl Goal {
    fn new(history: &History, trials: &[&Trial], rng: &mut Rng) -> Goal {
        let space = &history.space;
        let points: Vec<Vec<f64>> = trials.iter().map(|t| t.point.clone()).collect();
        let costs = scalars(history, trials, rng);
        let feasible: Vec<usize> = (0..trials.len())
            .filter(|&i| trials[i].is_done() && trials[i].violation() == 0.0)
            .collect();
        let (cost, mut values) = fit(space, &points, &costs);
        let lowest = feasible.iter().map(|&i| values[i]).min_by(f64::total_cmp);
        let count = trials
            .iter()
            .map(|t| t.constraints.len())
            .max()
            .unwrap_or(0);
        let constraints = (0..count)
            .map(|c| {
                let with: Vec<&&Trial> =
                    trials.iter().filter(|t| t.constraints.len() > c).collect();
                let raw: Vec<f64> = with
                    .iter()
                    .map(|t| {
                        if t.constraints[c].is_nan() {
                            WORST
                        } else {
                            t.constraints[c].clamp(-WORST, WORST)
                        }
                    })
                    .collect();
                let points: Vec<Vec<f64>> = with.iter().map(|t| t.point.clone()).collect();
                let (mean, deviation) = moments(&raw);
                let values: Vec<f64> = raw.iter().map(|x| (x - mean) / deviation).collect();
                let process = Process::fit(space, points, &values);
                // The best trial often lies where a constraint holds just so. There half of the proposals, or all of
                // them, would break it by less than the process can tell; so they keep two deviations of the noise off.
                let limit = -mean / deviation - 2.0 * process.noise().sqrt();
                (process, limit)
            })
            .collect();
        let mut goal = Goal {
            cost,
            lowest,
            constraints,
            anchors: points.into_iter().take(4).collect(),
        };
        for trial in history.trials.iter().filter(|t| !t.is_finished()) {
            values.push(goal.cost.predict(&trial.point).0);
            goal.cost.extend(vec![trial.point.clone()], &values);
        }
        goal
    }

    /// The logarithm of improvement and feasibility at `x`.
    fn value(&self, x: &[f64]) -> f64 {
        let mut sum = 0.0;
        if let Some(lowest) = self.lowest {
            let (mean, variance) = self.cost.predict(x);
            let deviation = variance.sqrt();
            sum += deviation.ln() + normal::log_improvement((lowest - mean) / deviation).0;
        }
        for (process, limit) in &self.constraints {
            let (mean, variance) = process.predict(x);
            sum += normal::log_below((limit - mean) / variance.sqrt()).0;
        }
        sum
    }

    /// The same with its gradient, which is written to `out`.
    fn value_with_gradient(&self, x: &[f64], out: &mut [f64]) -> f64 {
        out.fill(0.0);
        let mut sum = 0.0;
        // A sum of functions of z = (limit − mean) / deviation: dz = −(dmean + z ddeviation) / deviation.
        let mut add = |process: &Process, limit: f64, with_deviation: bool| {
            let ((mean, variance), (of_mean, of_variance)) = process.predict_with_gradient(x);
            let deviation = variance.sqrt();
            let z = (limit - mean) / deviation;
            let (log, slope) = match with_deviation {
                true => normal::log_improvement(z),
                false => normal::log_below(z),
            };
            sum += log + if with_deviation { deviation.ln() } else { 0.0 };
            for d in 0..out.len() {
                let of_deviation = of_variance[d] / (2.0 * deviation);
                out[d] -= slope * (of_mean[d] + z * of_deviation) / deviation;
                if with_deviation {
                    out[d] += of_deviation / deviation;
                }
            }
        };
        if let Some(lowest) = self.lowest {
            add(&self.cost, lowest, true);
        }
        for (process, limit) in &self.constraints {
            add(process, *limit, false);
        }
        sum
    }

    /// The point of the largest value that was found.
    fn best_point(&self, space: &Space, seed: u64, rng: &mut Rng) -> Vec<f64> {
        let kinds = space.kinds();
        let sobol = Sobol::new(seed);
        let mut looks: Vec<Vec<f64>> = (0..LOOKS)
            .map(|i| space.snap(&sobol.point(i, space.len())))
            .collect();
        // The neighbourhood of the best trials, at several distances.
        for anchor in &self.anchors {
            for i in 0..64 {
                let reach = 0.3 * 0.8f64.powi(i % 32);
                let near: Vec<f64> = (0..space.len())
                    .map(|d| match kinds[d] {
                        Kind::Unordered(_) if rng.uniform() < 0.2 => rng.uniform(),
                        Kind::Unordered(_) => anchor[d],
                        Kind::Continuous | Kind::Ordered(_) => {
                            (anchor[d] + reach * rng.normal()).clamp(0.0, 1.0)
                        }
                    })
                    .collect();
                looks.push(space.snap(&near));
            }
            looks.push(anchor.clone());
        }
        let values: Vec<f64> = looks.iter().map(|x| self.value(x)).collect();
        let mut places: Vec<usize> = (0..looks.len()).collect();
        places.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        let mut starts: Vec<usize> = Vec::new();
        for &place in &places {
            // Starts that lie together lead to the same maximum.
            let far = |&other: &usize| {
                let far2: f64 = looks[place]
                    .iter()
                    .zip(&looks[other])
                    .map(|(a, b)| (a - b) * (a - b))
                    .sum();
                far2 > 1e-3 * space.len() as f64
            };
            if starts.iter().all(far) {
                starts.push(place);
            }
            if starts.len() == CLIMBS {
                break;
            }
        }
        let mut best = (f64::NEG_INFINITY, looks[places[0]].clone());
        for start in starts {
            let (value, point) = self.climb(space, &kinds, looks[start].clone());
            if value > best.0 {
                best = (value, point);
            }
        }
        best.1
    }

    /// Goes up from `x`: continuous coordinates by their gradient, discrete ones by trying their values, in turns.
    fn climb(&self, space: &Space, kinds: &[Kind], x: Vec<f64>) -> (f64, Vec<f64>) {
        let active = space.active(&x);
        let moves = |d: usize| kinds[d] == Kind::Continuous && active[d];
        let units = self.cost.inverse_lengths();
        let mut x = x;
        let mut value = self.value(&x);
        for _ in 0..4 {
            let before = value;
            if (0..x.len()).any(moves) {
                // In units of length the function is equally curved in all coordinates.
                let scaled: Vec<f64> = x.iter().zip(&units).map(|(x, u)| x * u).collect();
                let low: Vec<f64> = (0..x.len())
                    .map(|d| if moves(d) { 0.0 } else { scaled[d] })
                    .collect();
                let high: Vec<f64> = (0..x.len())
                    .map(|d| if moves(d) { units[d] } else { scaled[d] })
                    .collect();
                let fixed = x.clone();
                let to_x = |z: &[f64]| -> Vec<f64> {
                    (0..z.len())
                        .map(|d| if moves(d) { z[d] / units[d] } else { fixed[d] })
                        .collect()
                };
                let (z, negative) = minimise(scaled, &low, &high, 50, |z, gradient| {
                    let value = self.value_with_gradient(&to_x(z), gradient);
                    for d in 0..z.len() {
                        gradient[d] = if moves(d) {
                            -gradient[d] / units[d]
                        } else {
                            0.0
                        };
                    }
                    -value
                });
                if -negative > value {
                    (x, value) = (to_x(&z), -negative);
                }
            }
            for d in (0..x.len()).filter(|&d| active[d]) {
                let domain = &space.parameters()[d].domain;
                let own = domain.index(x[d]);
                let cells: Vec<usize> = match kinds[d] {
                    Kind::Continuous => continue,
                    Kind::Ordered(n) if n > 16 => [1, 2, 4, 8]
                        .iter()
                        .flat_map(|s| [own.checked_sub(*s), Some(own + s)])
                        .flatten()
                        .filter(|c| *c < n)
                        .collect(),
                    Kind::Ordered(n) | Kind::Unordered(n) => (0..n).filter(|c| *c != own).collect(),
                };
                for cell in cells {
                    let mut other = x.clone();
                    other[d] = domain.centre(cell);
                    // Other parameters may stop or begin to be active.
                    let other = space.snap(&other);
                    let there = self.value(&other);
                    if there > value && space.active(&other) == active {
                        (x, value) = (other, there);
                    }
                }
            }
            if value - before < 1e-6 {
                break;
            }
        }
        (value, x)
    }
}

/// One cost for each trial, those without a value as high as the highest.
fn scalars(history: &History, trials: &[&Trial], rng: &mut Rng) -> Vec<f64> {
    let count = history.objectives.len();
    let raw: Vec<Option<Vec<f64>>> = trials
        .iter()
        .map(|t| match count {
            1 => history.cost(t).filter(|c| c.abs() < WORST).map(|c| vec![c]),
            _ => t.is_done().then(|| history.costs(t)),
        })
        .collect();
    let mut weights: Vec<f64> = (0..count).map(|_| -(1.0 - rng.uniform()).ln()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w /= total);
    let ranges: Vec<(f64, f64)> = (0..count)
        .map(|o| {
            let known = raw.iter().flatten().map(|c| c[o]);
            known.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), c| {
                (a.min(c), b.max(c))
            })
        })
        .collect();
    let scalar = |costs: &Vec<f64>| match count {
        1 => costs[0],
        _ => {
            let parts = (0..count).map(|o| {
                let (low, high) = ranges[o];
                weights[o] * (costs[o] - low) / (high - low).max(f64::MIN_POSITIVE)
            });
            let parts: Vec<f64> = parts.collect();
            parts.iter().copied().fold(0.0, f64::max) + 0.05 * parts.iter().sum::<f64>()
        }
    };
    let known: Vec<Option<f64>> = raw.iter().map(|c| c.as_ref().map(scalar)).collect();
    let highest = known
        .iter()
        .flatten()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let highest = if highest.is_finite() { highest } else { 0.0 };
    known.into_iter().map(|c| c.unwrap_or(highest)).collect()
}

/// The process of these costs, and the costs as it sees them.
///
/// Costs often span orders of magnitude, and then the few high ones would decide the fit. So two processes are fitted, one to
/// the costs and one to the logarithm of their distance to the lowest, and the more likely one is kept; the logarithm's
/// likelihood is multiplied by its derivative, as a change of variables wants it.
fn fit(space: &Space, points: &[Vec<f64>], costs: &[f64]) -> (Process, Vec<f64>) {
    let standard = |values: Vec<f64>| -> (Vec<f64>, f64) {
        let (mean, deviation) = moments(&values);
        (
            values.iter().map(|v| (v - mean) / deviation).collect(),
            deviation,
        )
    };
    let n = costs.len() as f64;
    let (plain, unit) = standard(costs.to_vec());
    let process = Process::fit(space, points.to_vec(), &plain);
    let mut sorted = costs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let lowest = sorted[0];
    let offset = OFFSET * (sorted[sorted.len() / 2] - lowest);
    if offset <= 0.0 {
        return (process, plain);
    }
    let (bent, bent_unit) = standard(costs.iter().map(|c| (c - lowest + offset).ln()).collect());
    let other = Process::fit(space, points.to_vec(), &bent);
    // −ln of |d bent / d plain| for all values.
    let jacobian: f64 = costs
        .iter()
        .map(|c| (c - lowest + offset).ln())
        .sum::<f64>()
        + n * (bent_unit / unit).ln();
    match other.loss + jacobian < process.loss {
        true => (other, bent),
        false => (process, plain),
    }
}

/// How far below the lowest cost the logarithm has its pole, in units of the distance from the lowest to the median.
const OFFSET: f64 = 0.1;

/// Mean and deviation; a deviation of 0 counts as 1.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
}
