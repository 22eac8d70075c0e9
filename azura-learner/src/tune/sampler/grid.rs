//! Grid search.

use serde::{Deserialize, Serialize};

use super::Sampler;
use crate::error::Result;
use crate::tune::{History, Kind, Space};

/// Every combination once, the last parameter fastest.
///
/// A discrete parameter has all its values, at most `levels` of them if it is ordered; a continuous one has `levels` values
/// from the lower to the upper bound. Combinations that differ only in parameters that are not active are one. When all were
/// tried, there is no further point.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grid {
    levels: usize,
}

impl Grid {
    /// A grid with this many values of a continuous parameter, at least 2.
    pub fn new(levels: usize) -> Self {
        Grid {
            levels: levels.max(2),
        }
    }

    /// The coordinates of each parameter's values.
    fn axes(&self, space: &Space) -> Vec<Vec<f64>> {
        let axis = |parameter: &crate::tune::Parameter| {
            let domain = &parameter.domain;
            let even = |i: usize, of: usize| i as f64 / (of - 1) as f64;
            match domain.kind() {
                Kind::Continuous => (0..self.levels).map(|i| even(i, self.levels)).collect(),
                Kind::Ordered(n) if n > self.levels && !is_choice(domain) => {
                    let cell = |i| (even(i, self.levels) * (n - 1) as f64).round() as usize;
                    let mut cells: Vec<usize> = (0..self.levels).map(cell).collect();
                    cells.dedup();
                    cells.into_iter().map(|cell| domain.centre(cell)).collect()
                }
                Kind::Ordered(n) | Kind::Unordered(n) => {
                    (0..n).map(|cell| domain.centre(cell)).collect()
                }
            }
        };
        space.parameters().iter().map(axis).collect()
    }
}

/// Values that somebody listed are all meant.
fn is_choice(domain: &crate::tune::Domain) -> bool {
    matches!(domain, crate::tune::Domain::Categories(_))
}

impl Sampler for Grid {
    fn name(&self) -> &'static str {
        "grid"
    }

    fn ask(&mut self, history: &History) -> Result<Option<Vec<f64>>> {
        let space = &history.space;
        let axes = self.axes(space);
        let bits = |point: &[f64]| -> Vec<u64> { point.iter().map(|u| u.to_bits()).collect() };
        let tried: std::collections::HashSet<Vec<u64>> =
            history.trials.iter().map(|t| bits(&t.point)).collect();
        let mut at = vec![0; axes.len()];
        loop {
            let raw: Vec<f64> = axes.iter().zip(&at).map(|(axis, &i)| axis[i]).collect();
            let point = space.snap(&raw);
            if !tried.contains(&bits(&point)) {
                return Ok(Some(point));
            }
            // The next combination; a parameter that is not active stays where it is.
            let active = space.active(&raw);
            let Some(dim) = (0..at.len())
                .rev()
                .find(|&d| active[d] && at[d] + 1 < axes[d].len())
            else {
                return Ok(None);
            };
            at[dim] += 1;
            at[dim + 1..].iter_mut().for_each(|i| *i = 0);
        }
    }
}
