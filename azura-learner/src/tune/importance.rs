//! How much each parameter matters.

use azura_core::Rng;

use super::Kind;
use super::history::{History, Trial};
use super::sampler::parzen::Mixture;
use super::space::Space;
use crate::error::{Error, Result};

/// Fewer finished trials than this say nothing.
const LEAST: usize = 8;

/// Shares of the variance that each parameter explains alone: functional ANOVA on a random forest (Hutter, Hoos &
/// Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance").
///
/// A forest of 64 trees is fitted to the costs of all trials that are done. A tree is constant on boxes, so the mean over all
/// other parameters, as a function of one, is known exactly, and so is its variance `V_j`. The shares are `V_j / Σ V`, the
/// mean over the trees, and sum to 1; what parameters do only together is not counted. The largest share comes first. A
/// parameter that is not active counts as 0.5.
///
/// # Errors
/// [`Error::Usage`] if less than 8 trials are done or there is no such objective.
pub fn fanova(history: &History, objective: usize, seed: u64) -> Result<Vec<(String, f64)>> {
    let (trials, costs) = done(history, objective)?;
    let points: Vec<&[f64]> = trials.iter().map(|t| &t.point[..]).collect();
    let dims = history.space.len();
    let mut shares = vec![0.0; dims];
    for tree in 0..64 {
        let mut rng = Rng::new(seed).fork(&format!("tune/fanova/{tree}"));
        let sample: Vec<usize> = points
            .iter()
            .map(|_| rng.below(points.len() as u64) as usize)
            .collect();
        let mut leaves = Vec::new();
        grow(
            &points,
            &costs,
            sample,
            vec![(0.0, 1.0); dims],
            &mut rng,
            &mut leaves,
        );
        let variances: Vec<f64> = (0..dims).map(|d| variance_of(&leaves, d)).collect();
        let total: f64 = variances.iter().sum();
        if total > 0.0 {
            shares
                .iter_mut()
                .zip(&variances)
                .for_each(|(s, v)| *s += v / total);
        }
    }
    Ok(named(&history.space, shares))
}

/// How differently the good trials are spread from all: PED-ANOVA (Watanabe, Bansal & Hutter 2023, arXiv:2304.10255).
///
/// `v_j = ∫ p(x_j) (p(x_j | best tenth) / p(x_j) − 1)² dx_j`, with Parzen densities of each parameter alone, taken at the cells
/// of a discrete parameter or at 64 points; the shares are `v_j / Σ v` and sum to 1. It tells what matters for being good
/// rather than what matters anywhere. The largest share comes first. A conditional parameter is judged by the trials in which it was
/// active, weighted by how many these are.
///
/// # Errors
/// As [`fanova`].
pub fn ped_anova(history: &History, objective: usize) -> Result<Vec<(String, f64)>> {
    let (mut trials, costs) = done(history, objective)?;
    let space = &history.space;
    let mut order: Vec<usize> = (0..trials.len()).collect();
    order.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]));
    trials = order.into_iter().map(|i| trials[i]).collect();
    let best = trials.len().div_ceil(10).max(4);
    let shares = (0..space.len())
        .map(|d| {
            let active = |t: &&&Trial| space.is_active(d, &t.point);
            let points = |some: &[&'_ Trial]| -> Vec<Vec<f64>> {
                some.iter()
                    .filter(active)
                    .map(|t| t.point.clone())
                    .collect()
            };
            let (good, all) = (points(&trials[..best.min(trials.len())]), points(&trials));
            if good.is_empty() {
                return 0.0;
            }
            let weight = all.len() as f64 / trials.len() as f64;
            let good: Vec<&[f64]> = good.iter().map(|p| &p[..]).collect();
            let all: Vec<&[f64]> = all.iter().map(|p| &p[..]).collect();
            weight * divergence(space, d, &good, &all)
        })
        .collect();
    Ok(named(space, shares))
}

/// The Pearson divergence of the density of `good` from that of `all` in coordinate `d`.
fn divergence(space: &Space, d: usize, good: &[&[f64]], all: &[&[f64]]) -> f64 {
    let domain = &space.parameters()[d].domain;
    let places: Vec<f64> = match domain.kind() {
        Kind::Ordered(n) | Kind::Unordered(n) if n <= 64 => {
            (0..n).map(|i| domain.centre(i)).collect()
        }
        _ => (0..64).map(|i| (f64::from(i) + 0.5) / 64.0).collect(),
    };
    let densities = |points: &[&[f64]]| -> Vec<f64> {
        let mixture = Mixture::new(space, &[d], points);
        let raw: Vec<f64> = places
            .iter()
            .map(|&u| mixture.log_density(&[u]).exp())
            .collect();
        let sum: f64 = raw.iter().sum();
        raw.into_iter().map(|p| p / sum).collect()
    };
    let (p, q) = (densities(good), densities(all));
    p.iter()
        .zip(&q)
        .map(|(p, q)| q * (p / q - 1.0).powi(2))
        .sum()
}

/// The trials that are done and their costs.
fn done(history: &History, objective: usize) -> Result<(Vec<&Trial>, Vec<f64>)> {
    if objective >= history.objectives.len() {
        let count = history.objectives.len();
        return Err(Error::Usage(format!(
            "there is no objective number {objective}; there are {count}, counted from 0"
        )));
    }
    let trials: Vec<&Trial> = history.done().collect();
    if trials.len() < LEAST {
        return Err(Error::Usage(format!(
            "importance needs at least {LEAST} trials that are done, but there are {}; run more trials",
            trials.len()
        )));
    }
    let costs = trials.iter().map(|t| history.costs(t)[objective]).collect();
    Ok((trials, costs))
}

/// Shares with their keys, summing to 1, the largest first.
fn named(space: &Space, shares: Vec<f64>) -> Vec<(String, f64)> {
    let total: f64 = shares.iter().sum();
    let even = 1.0 / space.len() as f64;
    let share = |s: f64| if total > 0.0 { s / total } else { even };
    let keys = space.parameters().iter().map(|p| p.key.clone());
    let mut named: Vec<(String, f64)> = keys.zip(shares.into_iter().map(share)).collect();
    named.sort_by(|a, b| b.1.total_cmp(&a.1));
    named
}

/// A box of the cube on which a tree is constant.
struct Leaf {
    sides: Vec<(f64, f64)>,
    value: f64,
}

/// Splits the sample at the place that lowers the squared error most, until a part has less than six of it.
fn grow(
    points: &[&[f64]],
    costs: &[f64],
    sample: Vec<usize>,
    sides: Vec<(f64, f64)>,
    rng: &mut Rng,
    leaves: &mut Vec<Leaf>,
) {
    let mut work = vec![(sample, sides)];
    while let Some((sample, sides)) = work.pop() {
        let Some((dim, at)) = split(points, costs, &sample, rng) else {
            let value = sample.iter().map(|&i| costs[i]).sum::<f64>() / sample.len() as f64;
            leaves.push(Leaf { sides, value });
            continue;
        };
        let (left, right): (Vec<usize>, Vec<usize>) =
            sample.into_iter().partition(|&i| points[i][dim] <= at);
        let (mut low, mut high) = (sides.clone(), sides);
        low[dim].1 = at;
        high[dim].0 = at;
        work.push((left, low));
        work.push((right, high));
    }
}

/// The best split of a sample in most of the coordinates, drawn at random; none if it is small or all alike.
fn split(
    points: &[&[f64]],
    costs: &[f64],
    sample: &[usize],
    rng: &mut Rng,
) -> Option<(usize, f64)> {
    if sample.len() < 6 {
        return None;
    }
    let dims = points[0].len();
    let mut order: Vec<usize> = (0..dims).collect();
    rng.shuffle(&mut order);
    let mut best: Option<(f64, usize, f64)> = None;
    // Five of six, as in the paper; all of a few.
    for &dim in &order[..(dims * 5).div_ceil(6)] {
        let mut sorted = sample.to_vec();
        sorted.sort_by(|&a, &b| points[a][dim].total_cmp(&points[b][dim]));
        let total: f64 = sorted.iter().map(|&i| costs[i]).sum();
        let mut sum = 0.0;
        for (n, pair) in sorted.windows(2).enumerate() {
            sum += costs[pair[0]];
            let (a, b) = (points[pair[0]][dim], points[pair[1]][dim]);
            if a == b {
                continue;
            }
            let (left, right) = ((n + 1) as f64, (sorted.len() - n - 1) as f64);
            let gain = sum * sum / left + (total - sum) * (total - sum) / right;
            if best.is_none_or(|(g, ..)| gain > g) {
                best = Some((gain, dim, 0.5 * (a + b)));
            }
        }
    }
    let (first, rest) = sample.split_first()?;
    let alike = rest.iter().all(|&i| costs[i] == costs[*first]);
    best.filter(|_| !alike).map(|(_, dim, at)| (dim, at))
}

/// The variance of a tree's mean over all coordinates but `d`, as a function of that one.
fn variance_of(leaves: &[Leaf], d: usize) -> f64 {
    let mut ends: Vec<f64> = leaves
        .iter()
        .flat_map(|l| [l.sides[d].0, l.sides[d].1])
        .collect();
    ends.sort_by(f64::total_cmp);
    ends.dedup();
    let others = |leaf: &Leaf| -> f64 {
        leaf.sides
            .iter()
            .enumerate()
            .filter(|(k, _)| *k != d)
            .map(|(_, (a, b))| b - a)
            .product()
    };
    let pieces: Vec<(f64, f64)> = ends
        .windows(2)
        .map(|w| {
            let inside = |l: &&Leaf| l.sides[d].0 <= w[0] && w[1] <= l.sides[d].1;
            let mean = leaves
                .iter()
                .filter(inside)
                .map(|l| l.value * others(l))
                .sum();
            (w[1] - w[0], mean)
        })
        .collect();
    let mean: f64 = pieces.iter().map(|(width, m)| width * m).sum();
    pieces
        .iter()
        .map(|(width, m)| width * (m - mean).powi(2))
        .sum()
}
