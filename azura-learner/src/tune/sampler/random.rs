//! Random search.

use serde::{Deserialize, Serialize};

use super::{Sampler, rng, uniform};
use crate::error::Result;
use crate::tune::History;

/// Independent uniform points (Bergstra & Bengio 2012, "Random search for hyper-parameter optimization", JMLR 13).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Random {
    seed: u64,
}

impl Random {
    /// The sampler of this seed.
    pub fn new(seed: u64) -> Self {
        Random { seed }
    }
}

impl Sampler for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn ask(&mut self, history: &History) -> Result<Option<Vec<f64>>> {
        let mut rng = rng(self.seed, self.name(), history.trials.len());
        Ok(Some(uniform(&mut rng, history.space.len())))
    }
}
