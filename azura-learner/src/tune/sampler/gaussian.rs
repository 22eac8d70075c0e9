//! A Gaussian process: a distribution over functions, fitted to some values.

use crate::tune::descent::minimise;
use crate::tune::{Kind, Space};

/// A fitted process with the kernel Matérn 5/2 and a length for each coordinate.
///
/// `k(a, b) = s (1 + √5 r + 5/3 r²) exp(−√5 r)`, `r² = Σ w_j (a_j − b_j)²`; in an unordered coordinate the distance is 0 or 1.
/// Scale `s`, weights `w` and noise are those of the largest marginal likelihood times a prior (Rasmussen & Williams 2006,
/// chapter 5).
pub(super) struct Process {
    kinds: Vec<Kind>,
    points: Vec<Vec<f64>>,
    /// Inverse squared lengths.
    weights: Vec<f64>,
    scale: f64,
    noise: f64,
    /// Lower triangle of the factor of the covariance, by rows.
    factor: Vec<f64>,
    /// The covariance's inverse times the values.
    alpha: Vec<f64>,
    /// What the fit minimised: the negative logarithm of likelihood and prior.
    pub(super) loss: f64,
}

/// Noise below this (in units of the values' variance) is rounding.
const LEAST_NOISE: f64 = 1e-6;

const ROOT_5: f64 = 2.236_067_977_499_79;

impl Process {
    /// The process fitted to `values`, which should have mean 0 and variance 1, at `points`.
    pub(super) fn fit(space: &Space, points: Vec<Vec<f64>>, values: &[f64]) -> Process {
        let kinds = space.kinds();
        let dims = kinds.len();
        let n = points.len();
        // Squared distances of all pairs i > j, one after the other.
        let mut distances = Vec::with_capacity(n * n.saturating_sub(1) / 2 * dims);
        for i in 0..n {
            for j in 0..i {
                distances.extend((0..dims).map(|d| squared(kinds[d], points[i][d], points[j][d])));
            }
        }
        let mut work = Work::new(n);
        let mut loss =
            |theta: &[f64], gradient: &mut [f64]| work.loss(&distances, values, theta, gradient);
        // Logarithms of the weights, the scale and the noise.
        let mut low = vec![-8.0; dims];
        let mut high = vec![8.0; dims];
        low.extend([-5.0, LEAST_NOISE.ln()]);
        high.extend([5.0, 0.0]);
        let mut best: Option<(Vec<f64>, f64)> = None;
        for start in [0.0, 2.5] {
            let mut theta = vec![start; dims];
            theta.extend([0.0, -7.0]);
            let found = minimise(theta, &low, &high, 60, &mut loss);
            if best.as_ref().is_none_or(|b| found.1 < b.1) {
                best = Some(found);
            }
        }
        let (theta, loss) = best.unwrap_or_else(|| (vec![0.0; dims + 2], f64::INFINITY));
        let mut process = Process {
            kinds,
            points,
            weights: theta[..dims].iter().map(|t| t.exp()).collect(),
            scale: theta[dims].exp(),
            noise: theta[dims + 1].exp(),
            factor: Vec::new(),
            alpha: Vec::new(),
            loss,
        };
        process.solve(values);
        process
    }

    /// The same process with more observations, without a new fit.
    pub(super) fn extend(&mut self, points: Vec<Vec<f64>>, values: &[f64]) {
        self.points.extend(points);
        self.solve(values);
    }

    fn solve(&mut self, values: &[f64]) {
        let n = self.points.len();
        let mut k = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..i {
                k[i * n + j] =
                    self.scale * matern(self.distance(&self.points[i], &self.points[j])).0;
            }
            k[i * n + i] = self.scale + self.noise;
        }
        cholesky(&mut k, n);
        self.alpha = values.to_vec();
        forward(&k, n, &mut self.alpha);
        backward(&k, n, &mut self.alpha);
        self.factor = k;
    }

    fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
        (0..self.weights.len())
            .map(|d| self.weights[d] * squared(self.kinds[d], a[d], b[d]))
            .sum()
    }

    /// How many units of length each coordinate has: the inverse of the lengths.
    pub(super) fn inverse_lengths(&self) -> Vec<f64> {
        self.weights.iter().map(|w| w.sqrt()).collect()
    }

    /// The variance of the noise.
    pub(super) fn noise(&self) -> f64 {
        self.noise
    }

    /// Mean and variance of the function at `x`.
    pub(super) fn predict(&self, x: &[f64]) -> (f64, f64) {
        let mut k: Vec<f64> = self
            .points
            .iter()
            .map(|p| self.scale * matern(self.distance(x, p)).0)
            .collect();
        let mean = k.iter().zip(&self.alpha).map(|(k, a)| k * a).sum();
        forward(&self.factor, self.points.len(), &mut k);
        let known: f64 = k.iter().map(|v| v * v).sum();
        (mean, (self.scale - known).max(1e-12))
    }

    /// Mean and variance at `x`, and their gradients; those of unordered coordinates are 0.
    pub(super) fn predict_with_gradient(&self, x: &[f64]) -> ((f64, f64), (Vec<f64>, Vec<f64>)) {
        let n = self.points.len();
        let pairs: Vec<(f64, f64)> = self
            .points
            .iter()
            .map(|p| matern(self.distance(x, p)))
            .collect();
        let mut v: Vec<f64> = pairs.iter().map(|p| self.scale * p.0).collect();
        let mean = v.iter().zip(&self.alpha).map(|(k, a)| k * a).sum();
        forward(&self.factor, n, &mut v);
        let known: f64 = v.iter().map(|v| v * v).sum();
        backward(&self.factor, n, &mut v);
        let dims = x.len();
        let (mut of_mean, mut of_variance) = (vec![0.0; dims], vec![0.0; dims]);
        for (i, p) in self.points.iter().enumerate() {
            let slope = 2.0 * self.scale * pairs[i].1;
            for d in 0..dims {
                if !matches!(self.kinds[d], Kind::Unordered(_)) {
                    let dk = slope * self.weights[d] * (x[d] - p[d]);
                    of_mean[d] += dk * self.alpha[i];
                    of_variance[d] -= 2.0 * dk * v[i];
                }
            }
        }
        (
            (mean, (self.scale - known).max(1e-12)),
            (of_mean, of_variance),
        )
    }
}

fn squared(kind: Kind, a: f64, b: f64) -> f64 {
    match kind {
        Kind::Unordered(_) => f64::from(u8::from(a != b)),
        Kind::Continuous | Kind::Ordered(_) => (a - b) * (a - b),
    }
}

/// The kernel for a squared distance, and its derivative by that.
fn matern(squared: f64) -> (f64, f64) {
    let r = ROOT_5 * squared.sqrt();
    let e = (-r).exp();
    (e * (1.0 + r + r * r / 3.0), -5.0 / 6.0 * (1.0 + r) * e)
}

/// Buffers of the fit.
struct Work {
    n: usize,
    k: Vec<f64>,
    inverse: Vec<f64>,
    slopes: Vec<f64>,
    alpha: Vec<f64>,
}

impl Work {
    fn new(n: usize) -> Self {
        Work {
            n,
            k: vec![0.0; n * n],
            inverse: vec![0.0; n * n],
            slopes: vec![0.0; n * n.saturating_sub(1) / 2],
            alpha: vec![0.0; n],
        }
    }

    /// The negative logarithm of marginal likelihood and prior, and its gradient.
    fn loss(
        &mut self,
        distances: &[f64],
        values: &[f64],
        theta: &[f64],
        gradient: &mut [f64],
    ) -> f64 {
        let n = self.n;
        let dims = theta.len() - 2;
        let weights: Vec<f64> = theta[..dims].iter().map(|t| t.exp()).collect();
        let (scale, noise) = (theta[dims].exp(), theta[dims + 1].exp());
        let mut pair = 0;
        for i in 0..n {
            for j in 0..i {
                let d = &distances[pair * dims..(pair + 1) * dims];
                let squared = d.iter().zip(&weights).map(|(d, w)| d * w).sum();
                let (k, slope) = matern(squared);
                self.k[i * n + j] = scale * k;
                self.slopes[pair] = scale * slope;
                pair += 1;
            }
            self.k[i * n + i] = scale + noise;
        }
        if !cholesky(&mut self.k, n) {
            return f64::INFINITY;
        }
        self.alpha.copy_from_slice(values);
        forward(&self.k, n, &mut self.alpha);
        let fit: f64 = self.alpha.iter().map(|a| a * a).sum();
        backward(&self.k, n, &mut self.alpha);
        let log_det: f64 = (0..n).map(|i| self.k[i * n + i].ln()).sum();
        invert(&self.k, n, &mut self.inverse);
        gradient.fill(0.0);
        let mut pair = 0;
        let mut by_scale = 0.0;
        for i in 0..n {
            for j in 0..i {
                // Twice half: each pair stands on both sides of the diagonal.
                let m = self.inverse[i * n + j] - self.alpha[i] * self.alpha[j];
                let slope = m * self.slopes[pair];
                let d = &distances[pair * dims..(pair + 1) * dims];
                for (g, d) in gradient.iter_mut().zip(d) {
                    *g += slope * d;
                }
                by_scale += m * self.product(i, j);
                pair += 1;
            }
            let m = self.inverse[i * n + i] - self.alpha[i] * self.alpha[i];
            by_scale += 0.5 * m * scale;
            gradient[dims + 1] += 0.5 * m * noise;
        }
        for (g, w) in gradient.iter_mut().zip(&weights) {
            *g *= w;
        }
        gradient[dims] = by_scale;
        log_det + 0.5 * fit + prior(theta, gradient)
    }

    /// The covariance of pair `(i, j)`, `i > j`, without noise: the upper triangle keeps what the factor overwrote.
    fn product(&self, i: usize, j: usize) -> f64 {
        self.k[j * self.n + i]
    }
}

/// Minus the logarithm of the prior; adds its gradient.
///
/// Lengths are log-normal around `√d` (Hvarfner, Hellsten & Nardi 2024, arXiv:2402.02229), so that the process is as simple in
/// ten dimensions as in one; the scale is log-normal around 1, the noise is small.
fn prior(theta: &[f64], gradient: &mut [f64]) -> f64 {
    let dims = theta.len() - 2;
    let mut sum = 0.0;
    // A weight is the length to the power −2.
    let (centre, spread) = (LENGTH_AT + 0.5 * (dims as f64).ln(), LENGTH_SPREAD);
    for (t, g) in theta[..dims].iter().zip(gradient.iter_mut()) {
        let z = (-0.5 * t - centre) / spread;
        sum += 0.5 * z * z;
        *g -= 0.5 * z / spread;
    }
    let scale = theta[dims];
    sum += 0.5 * scale * scale;
    gradient[dims] += scale;
    let z = (theta[dims + 1] + 9.0) / 3.0;
    sum += 0.5 * z * z;
    gradient[dims + 1] += z / 3.0;
    sum
}

/// Logarithm of the middle length in one dimension: a third of the cube.
const LENGTH_AT: f64 = -1.0;
/// A factor of `e` to either side is one deviation.
const LENGTH_SPREAD: f64 = 1.0;

/// The lower factor of a positive definite matrix, in its lower triangle; the strict upper triangle receives the old lower one.
/// False if the matrix is not positive definite.
fn cholesky(a: &mut [f64], n: usize) -> bool {
    for i in 0..n {
        for j in 0..i {
            a[j * n + i] = a[i * n + j];
        }
    }
    for i in 0..n {
        let (above, row) = a.split_at_mut(i * n);
        for j in 0..i {
            let other = &above[j * n..j * n + j + 1];
            let sum = row[j] - dot(&row[..j], &other[..j]);
            row[j] = sum / other[j];
        }
        let rest = row[i] - dot(&row[..i], &row[..i]);
        if rest.is_nan() || rest <= 0.0 {
            return false;
        }
        row[i] = rest.sqrt();
    }
    true
}

/// Solves `L x = b`.
fn forward(l: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        let row = &l[i * n..i * n + i];
        b[i] = (b[i] - dot(row, &b[..i])) / l[i * n + i];
    }
}

/// Solves `Lᵀ x = b`.
fn backward(l: &[f64], n: usize, b: &mut [f64]) {
    for i in (0..n).rev() {
        b[i] /= l[i * n + i];
        let x = b[i];
        for (b, l) in b[..i].iter_mut().zip(&l[i * n..i * n + i]) {
            *b -= l * x;
        }
    }
}

/// The lower triangle of the inverse of `L Lᵀ`.
fn invert(l: &[f64], n: usize, out: &mut [f64]) {
    // Row i of `out` first holds column i of L⁻¹ from place i on, so that the products below run along rows.
    for column in 0..n {
        let x = &mut out[column * n..(column + 1) * n];
        x[..column].fill(0.0);
        x[column] = 1.0 / l[column * n + column];
        for i in column + 1..n {
            let sum = dot(&l[i * n + column..i * n + i], &x[column..i]);
            x[i] = -sum / l[i * n + i];
        }
    }
    // inverse[i][j] = Σ_k≥i L⁻¹[k][i] L⁻¹[k][j] for i ≥ j; row j is needed until all of column j is done, so the result goes
    // to the lower triangle from the top row on, which only earlier rows' zeros held.
    for j in 0..n {
        for i in (j..n).rev() {
            let (a, b) = (&out[i * n + i..(i + 1) * n], &out[j * n + i..(j + 1) * n]);
            let value = dot(a, b);
            if i == j {
                out[j * n + j] = value;
            } else {
                out[i * n + j] = value;
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Four sums, which the compiler keeps in one register: 3x on rows of 100.
    let (mut sums, mut rest) = ([0.0; 4], 0.0);
    let (a4, b4) = (a.chunks_exact(4), b.chunks_exact(4));
    for (a, b) in a4.remainder().iter().zip(b4.remainder()) {
        rest += a * b;
    }
    for (a, b) in a4.zip(b4) {
        for i in 0..4 {
            sums[i] += a[i] * b[i];
        }
    }
    sums[0] + sums[1] + (sums[2] + sums[3]) + rest
}
