//! Population-based training: the decision, without the checkpoints.

use azura_core::Rng;

use crate::tune::{Direction, Kind, Space};

/// A member of the population at the moment of a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its point on the unit cube.
    pub point: Vec<f64>,
    /// The value it has reached.
    pub value: f64,
}

/// What a member does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// It goes on as it is.
    Continue,
    /// It takes over the checkpoint of another member and goes on with this point.
    Fork {
        /// The member whose checkpoint it takes.
        from: usize,
        /// Its new point, snapped.
        point: Vec<f64>,
    },
}

/// Population-based training (Jaderberg et al. 2017, arXiv:1711.09846): truncation selection and perturbation.
///
/// A member of the worst `part` of the population takes over the checkpoint of one of the best `part`, drawn at random, and
/// explores: each coordinate is with probability `resample` drawn anew, else moved by a tenth of the cube's side up or down
/// (a discrete one by one value, an unordered one stays).
///
/// This is the decision alone, a function of the seed, the round and the members; whoever calls it keeps the checkpoints.
#[derive(Clone, Copy, Debug)]
pub struct PopulationTraining {
    seed: u64,
    part: f64,
    resample: f64,
}

impl PopulationTraining {
    /// The rule of this seed with a fifth of the population and a resampling probability of a quarter.
    pub fn new(seed: u64) -> Self {
        PopulationTraining {
            seed,
            part: 0.2,
            resample: 0.25,
        }
    }

    /// What each member does after round `round`.
    pub fn turns(
        &self,
        space: &Space,
        direction: Direction,
        members: &[Member],
        round: u64,
    ) -> Vec<Turn> {
        let mut order: Vec<usize> = (0..members.len()).collect();
        let cost = |i: &usize| {
            let cost = direction.cost(members[*i].value);
            if cost.is_nan() { f64::INFINITY } else { cost }
        };
        order.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
        let count =
            ((members.len() as f64 * self.part) as usize).max(usize::from(members.len() > 1));
        let count = count.min(members.len() / 2);
        let mut turns = vec![Turn::Continue; members.len()];
        for &worst in &order[members.len() - count..] {
            let mut rng = Rng::new(self.seed).fork(&format!("tune/population/{round}/{worst}"));
            let from = order[rng.below(count as u64) as usize];
            let point = self.explore(space, &members[from].point, &mut rng);
            turns[worst] = Turn::Fork { from, point };
        }
        turns
    }

    fn explore(&self, space: &Space, point: &[f64], rng: &mut Rng) -> Vec<f64> {
        let moved: Vec<f64> = space
            .kinds()
            .iter()
            .zip(point)
            .map(|(kind, &u)| {
                let (anew, up, fresh) = (
                    rng.uniform() < self.resample,
                    rng.uniform() < 0.5,
                    rng.uniform(),
                );
                let step = match kind {
                    _ if anew => return fresh,
                    Kind::Unordered(_) => 0.0,
                    Kind::Ordered(n) => 1.0 / *n as f64,
                    Kind::Continuous => 0.1,
                };
                (if up { u + step } else { u - step }).clamp(0.0, 1.0)
            })
            .collect();
        space.snap(&moved)
    }
}
