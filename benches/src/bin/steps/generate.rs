//! Greedy generation with a key and value cache: milliseconds a token.

use super::gpt::{Gpt, Size};
use azura_benches::{Arguments, time_steps};
use azura_core::{DType, Rng, Store, Tensor, no_grad};
use azura_learner::{Ctx, Result};

const TOKENS: usize = 64;

pub fn run(arguments: &Arguments, store: &Store) -> Result<String> {
    let gpt = Gpt::new(Size::of(&arguments.workload), &store.root(Rng::new(0)))?;
    time_steps(arguments, 1, TOKENS, || {
        no_grad(|| {
            let (mut ctx, mut caches) = (Ctx::eval(), gpt.caches()?);
            let mut token = Tensor::zeros([1, 1], DType::I64)?;
            for position in 0..TOKENS {
                let scores = gpt.scores(&token, position, Some(&mut caches), &mut ctx)?;
                token = scores.argmax(-1, false)?;
            }
            Ok(0.0)
        })
    })
}
