//! The state of CMA-ES between two generations.

use super::{rng, uniform};
use crate::tune::{Domain, Kind, Space, normal};

/// A normal distribution over the ordered and continuous coordinates, and probabilities of the unordered ones.
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    /// How many points a generation has.
    pub(super) population: usize,
    generation: usize,
    restart: usize,
    /// The coordinates of the space that are numbers.
    numbers: Vec<usize>,
    mean: Vec<f64>,
    sigma: f64,
    covariance: Matrix,
    /// Eigenvectors as columns, and the roots of the eigenvalues.
    axes: Matrix,
    lengths: Vec<f64>,
    path_sigma: Vec<f64>,
    path_covariance: Vec<f64>,
    /// Coordinate and probabilities of each unordered parameter.
    choices: Vec<(usize, Vec<f64>)>,
    /// The best cost of each generation since the restart.
    bests: Vec<f64>,
}

/// A square matrix by rows.
#[derive(Clone, Debug)]
struct Matrix {
    n: usize,
    at: Vec<f64>,
}

/// One point of a generation before it is snapped.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    numbers: Vec<f64>,
    cells: Vec<usize>,
    /// The whole point.
    whole: Vec<f64>,
}

impl Sample {
    /// The point on the unit cube.
    pub(super) fn point(&self) -> &[f64] {
        &self.whole
    }
}

/// The first deviation, in units of the cube's side. A search of hyper-parameters is short: with 0.15 and a population of
/// `4 + 1.5 ln d` the median of 100 trials is lower on five of the six functions of benches/tune than with the tutorial's 0.3
/// and `4 + 3 ln d`.
const SIGMA: f64 = 0.15;
/// The first deviation of a restart, which begins anywhere.
const SIGMA_AGAIN: f64 = 0.3;

impl Distribution {
    pub(super) fn new(space: &Space) -> Self {
        let kinds = space.kinds();
        let numbers: Vec<usize> = (0..kinds.len())
            .filter(|&d| !matches!(kinds[d], Kind::Unordered(_)))
            .collect();
        let choices = (0..kinds.len())
            .filter_map(|d| match kinds[d] {
                Kind::Unordered(n) => Some((d, vec![1.0 / n as f64; n])),
                Kind::Continuous | Kind::Ordered(_) => None,
            })
            .collect();
        let n = numbers.len();
        Distribution {
            population: 4 + (1.5 * (kinds.len() as f64).ln()) as usize,
            generation: 0,
            restart: 0,
            mean: vec![0.5; n],
            sigma: SIGMA,
            covariance: Matrix::identity(n),
            axes: Matrix::identity(n),
            lengths: vec![1.0; n],
            path_sigma: vec![0.0; n],
            path_covariance: vec![0.0; n],
            numbers,
            choices,
            bests: Vec::new(),
        }
    }

    /// Point `k` of the current generation.
    pub(super) fn sample(&self, space: &Space, seed: u64, k: usize) -> Sample {
        let mut rng = rng(
            seed,
            &format!("cmaes/{}/{}", self.restart, self.generation),
            k,
        );
        let n = self.mean.len();
        let margins = self.margins(space);
        let mut numbers = Vec::new();
        // A point outside of the cube is drawn anew; after many tries it is moved to the border.
        for _ in 0..10 * n.max(1) {
            let z: Vec<f64> = (0..n).map(|i| self.lengths[i] * rng.normal()).collect();
            let y = self.axes.times(&z);
            numbers = (0..n)
                .map(|i| self.mean[i] + self.sigma * margins[i] * y[i])
                .collect();
            if numbers.iter().all(|x| (0.0..=1.0).contains(x)) {
                break;
            }
        }
        numbers.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
        let cells: Vec<usize> = self
            .choices
            .iter()
            .map(|(_, probabilities)| {
                let mut u = rng.uniform();
                let cell = probabilities.iter().position(|p| {
                    u -= p;
                    u < 0.0
                });
                cell.unwrap_or(probabilities.len() - 1)
            })
            .collect();
        let mut whole = vec![0.5; space.len()];
        self.numbers
            .iter()
            .zip(&numbers)
            .for_each(|(&d, &x)| whole[d] = x);
        for ((d, _), &cell) in self.choices.iter().zip(&cells) {
            whole[*d] = space.parameters()[*d].domain.centre(cell);
        }
        Sample {
            numbers,
            cells,
            whole,
        }
    }

    /// Factors that widen the ordered coordinates so that a neighbouring value has a probability of at least
    /// `1 / (population · dimensions)`.
    fn margins(&self, space: &Space) -> Vec<f64> {
        let n = self.mean.len();
        let reach = quantile(1.0 - 1.0 / (self.population * n.max(2)) as f64);
        (0..n)
            .map(|i| {
                let domain: &Domain = &space.parameters()[self.numbers[i]].domain;
                let (low, high) = domain.cell(self.mean[i]);
                let mut border = f64::INFINITY;
                if low > 0.0 {
                    border = border.min(self.mean[i] - low);
                }
                if high < 1.0 {
                    border = border.min(high - self.mean[i]);
                }
                let deviation = self.sigma * self.covariance.get(i, i).sqrt();
                match border.is_finite() {
                    true => (border / reach / deviation).max(1.0),
                    false => 1.0,
                }
            })
            .collect()
    }

    /// Moves the distribution to the good ones of the generation's points.
    pub(super) fn tell(&mut self, space: &Space, seed: u64, points: &[Sample], costs: &[f64]) {
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]));
        let weights = Weights::new(self.population, self.mean.len());
        self.tell_choices(&weights, points, &order);
        let margins = self.margins(space);
        let n = self.mean.len();
        if n > 0 {
            self.tell_numbers(&weights, points, &order, &margins);
        }
        self.generation += 1;
        self.bests.push(costs[order[0]]);
        if self.is_stuck() {
            self.begin_again(space, seed);
        }
    }

    fn tell_choices(&mut self, weights: &Weights, points: &[Sample], order: &[usize]) {
        let count = self.choices.len();
        for (c, (_, probabilities)) in self.choices.iter_mut().enumerate() {
            let cells = probabilities.len();
            let mut target = vec![0.0; cells];
            for (&w, &i) in weights.good.iter().zip(order) {
                target[points[i].cells[c]] += w;
            }
            let rate = CHOICE_RATE;
            for (p, t) in probabilities.iter_mut().zip(&target) {
                *p += rate * (t - *p);
            }
            let least = (1.0 - 0.73f64.powf(1.0 / count as f64)) / (cells - 1) as f64;
            let least = least.min(0.5 / cells as f64);
            probabilities.iter_mut().for_each(|p| *p = p.max(least));
            let sum: f64 = probabilities.iter().sum();
            probabilities.iter_mut().for_each(|p| *p /= sum);
        }
    }

    fn tell_numbers(
        &mut self,
        weights: &Weights,
        points: &[Sample],
        order: &[usize],
        margins: &[f64],
    ) {
        let n = self.mean.len();
        let step = |i: usize| -> Vec<f64> {
            let x = &points[order[i]].numbers;
            (0..n)
                .map(|d| (x[d] - self.mean[d]) / (self.sigma * margins[d]))
                .collect()
        };
        let steps: Vec<Vec<f64>> = (0..order.len()).map(step).collect();
        let mut mean_step = vec![0.0; n];
        for (w, y) in weights.good.iter().zip(&steps) {
            add(&mut mean_step, *w, y);
        }
        for d in 0..n {
            self.mean[d] = (self.mean[d] + self.sigma * margins[d] * mean_step[d]).clamp(0.0, 1.0);
        }
        // C^(−1/2) of a vector, by the axes.
        let whiten = |y: &[f64]| -> Vec<f64> {
            let mut z = self.axes.transposed_times(y);
            z.iter_mut().zip(&self.lengths).for_each(|(z, l)| *z /= l);
            z
        };
        let white = self.axes.times(&whiten(&mean_step));
        let w = weights;
        scale(&mut self.path_sigma, 1.0 - w.c_sigma);
        add(
            &mut self.path_sigma,
            (w.c_sigma * (2.0 - w.c_sigma) * w.effective).sqrt(),
            &white,
        );
        let norm = dot(&self.path_sigma, &self.path_sigma).sqrt();
        let dims = n as f64;
        let expected = dims.sqrt() * (1.0 - 1.0 / (4.0 * dims) + 1.0 / (21.0 * dims * dims));
        let settled = (1.0 - (1.0 - w.c_sigma).powi(2 * (self.generation as i32 + 1))).sqrt();
        let moving = norm / settled < (1.4 + 2.0 / (dims + 1.0)) * expected;
        scale(&mut self.path_covariance, 1.0 - w.c_path);
        if moving {
            let factor = (w.c_path * (2.0 - w.c_path) * w.effective).sqrt();
            add(&mut self.path_covariance, factor, &mean_step);
        }
        let lost = if moving {
            0.0
        } else {
            w.c_path * (2.0 - w.c_path)
        };
        let all: Vec<f64> = w.good.iter().chain(&w.bad).copied().collect();
        let sum: f64 = all.iter().sum();
        let keep = 1.0 - w.c_one - w.c_mu * sum + w.c_one * lost;
        scale(&mut self.covariance.at, keep);
        self.covariance.add_outer(w.c_one, &self.path_covariance);
        for (weight, y) in all.iter().zip(&steps) {
            // A bad step may not take away more than the matrix has in its direction.
            let weight = match *weight < 0.0 {
                true => weight * dims / dot(&whiten(y), &whiten(y)).max(1e-8),
                false => *weight,
            };
            self.covariance.add_outer(w.c_mu * weight, y);
        }
        self.sigma *= ((w.c_sigma / w.d_sigma) * (norm / expected - 1.0))
            .min(1.0)
            .exp();
        let (values, axes) = self.covariance.eigen();
        self.axes = axes;
        self.lengths = values.iter().map(|v| v.max(1e-20).sqrt()).collect();
    }

    /// Whether more generations would not find anything better.
    fn is_stuck(&self) -> bool {
        let longest = self.lengths.iter().copied().fold(0.0, f64::max);
        let shortest = self.lengths.iter().copied().fold(f64::INFINITY, f64::min);
        let small = !self.mean.is_empty() && self.sigma * longest < 1e-7;
        let thin = !self.mean.is_empty() && longest > 1e7 * shortest;
        let window = 10 + 30 * self.mean.len().max(1) / self.population;
        let flat = self.bests.len() >= window && {
            let last = &self.bests[self.bests.len() - window..];
            let (low, high) = last
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| {
                    (a.min(x), b.max(x))
                });
            high - low <= 1e-12 * high.abs().max(1e-12)
        };
        small || thin || flat || !self.sigma.is_finite()
    }

    fn begin_again(&mut self, space: &Space, seed: u64) {
        let restart = self.restart + 1;
        let population = self.population * 2;
        let at = uniform(&mut rng(seed, "cmaes-restart", restart), space.len());
        *self = Distribution {
            restart,
            population,
            sigma: SIGMA_AGAIN,
            ..Distribution::new(space)
        };
        self.mean = self.numbers.iter().map(|&d| at[d]).collect();
    }
}

/// How far probabilities move towards the values of a generation's good points.
const CHOICE_RATE: f64 = 0.3;

/// Weights and learning rates, all from the tutorial's table 1.
struct Weights {
    good: Vec<f64>,
    bad: Vec<f64>,
    effective: f64,
    c_sigma: f64,
    d_sigma: f64,
    c_path: f64,
    c_one: f64,
    c_mu: f64,
}

impl Weights {
    fn new(population: usize, dims: usize) -> Self {
        let n = dims.max(1) as f64;
        let half = population / 2;
        let raw: Vec<f64> = (1..=population)
            .map(|i| ((population as f64 + 1.0) / 2.0).ln() - (i as f64).ln())
            .collect();
        let (good, bad) = raw.split_at(half);
        let sum: f64 = good.iter().sum();
        let squares: f64 = good.iter().map(|w| w * w).sum();
        let effective = sum * sum / squares;
        let sum_bad: f64 = bad.iter().sum();
        let squares_bad: f64 = bad.iter().map(|w| w * w).sum();
        let effective_bad = sum_bad * sum_bad / squares_bad.max(f64::MIN_POSITIVE);
        let c_sigma = (effective + 2.0) / (n + effective + 5.0);
        let c_one = 2.0 / ((n + 1.3).powi(2) + effective);
        let c_mu = (1.0 - c_one).min(
            2.0 * (0.25 + effective + 1.0 / effective - 2.0) / ((n + 2.0).powi(2) + effective),
        );
        let least = (1.0 + c_one / c_mu)
            .min(1.0 + 2.0 * effective_bad / (effective + 2.0))
            .min((1.0 - c_one - c_mu) / (n * c_mu));
        Weights {
            good: good.iter().map(|w| w / sum).collect(),
            bad: bad
                .iter()
                .map(|w| -least * w / sum_bad.min(-f64::MIN_POSITIVE))
                .collect(),
            effective,
            c_sigma,
            d_sigma: 1.0 + 2.0 * (((effective - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma,
            c_path: (4.0 + effective / n) / (n + 4.0 + 2.0 * effective / n),
            c_one,
            c_mu,
        }
    }
}

impl Matrix {
    fn identity(n: usize) -> Self {
        let mut at = vec![0.0; n * n];
        (0..n).for_each(|i| at[i * n + i] = 1.0);
        Matrix { n, at }
    }

    fn get(&self, i: usize, j: usize) -> f64 {
        self.at[i * self.n + j]
    }

    fn times(&self, x: &[f64]) -> Vec<f64> {
        (0..self.n)
            .map(|i| dot(&self.at[i * self.n..(i + 1) * self.n], x))
            .collect()
    }

    fn transposed_times(&self, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; self.n];
        for (i, x) in x.iter().enumerate() {
            add(&mut y, *x, &self.at[i * self.n..(i + 1) * self.n]);
        }
        y
    }

    fn add_outer(&mut self, factor: f64, x: &[f64]) {
        for i in 0..self.n {
            let row = &mut self.at[i * self.n..(i + 1) * self.n];
            add(row, factor * x[i], x);
        }
    }

    /// Eigenvalues and eigenvectors (as columns) of a symmetric matrix, by Jacobi's rotations.
    fn eigen(&self) -> (Vec<f64>, Matrix) {
        let n = self.n;
        let mut a = self.clone();
        let mut v = Matrix::identity(n);
        for _ in 0..50 {
            let off: f64 = (0..n)
                .flat_map(|i| (0..i).map(move |j| (i, j)))
                .map(|(i, j)| a.get(i, j).powi(2))
                .sum();
            let on: f64 = (0..n).map(|i| a.get(i, i).powi(2)).sum();
            if off <= 1e-28 * on {
                break;
            }
            for p in 0..n {
                for q in p + 1..n {
                    a.rotate(&mut v, p, q);
                }
            }
        }
        ((0..n).map(|i| a.get(i, i)).collect(), v)
    }

    /// Makes element `(p, q)` 0 by a rotation, which is applied to `v` too.
    fn rotate(&mut self, v: &mut Matrix, p: usize, q: usize) {
        let n = self.n;
        let (app, aqq, apq) = (self.get(p, p), self.get(q, q), self.get(p, q));
        if apq == 0.0 {
            return;
        }
        let theta = (aqq - app) / (2.0 * apq);
        let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
        let t = if theta == 0.0 { 1.0 } else { t };
        let c = 1.0 / (t * t + 1.0).sqrt();
        let s = t * c;
        for k in 0..n {
            let (x, y) = (self.at[k * n + p], self.at[k * n + q]);
            self.at[k * n + p] = c * x - s * y;
            self.at[k * n + q] = s * x + c * y;
        }
        for k in 0..n {
            let (x, y) = (self.at[p * n + k], self.at[q * n + k]);
            self.at[p * n + k] = c * x - s * y;
            self.at[q * n + k] = s * x + c * y;
            let (x, y) = (v.at[k * n + p], v.at[k * n + q]);
            v.at[k * n + p] = c * x - s * y;
            v.at[k * n + q] = s * x + c * y;
        }
    }
}

/// The number below which a standard normal value lies with probability `p`, by halving.
fn quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        match normal::below(middle) < p {
            true => low = middle,
            false => high = middle,
        }
    }
    0.5 * (low + high)
}

fn scale(x: &mut [f64], factor: f64) {
    x.iter_mut().for_each(|x| *x *= factor);
}

fn add(to: &mut [f64], factor: f64, x: &[f64]) {
    to.iter_mut().zip(x).for_each(|(to, x)| *to += factor * x);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_give_the_matrix_back() {
        let a = Matrix {
            n: 3,
            at: vec![4.0, 1.0, -2.0, 1.0, 3.0, 0.5, -2.0, 0.5, 5.0],
        };
        let (values, v) = a.eigen();
        for i in 0..3 {
            for j in 0..3 {
                let sum: f64 = (0..3).map(|k| v.get(i, k) * values[k] * v.get(j, k)).sum();
                assert!((sum - a.get(i, j)).abs() < 1e-12);
            }
        }
        assert!((values.iter().sum::<f64>() - 12.0).abs() < 1e-12);
    }

    #[test]
    fn quantiles() {
        assert!((quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-10);
    }
}
