//! Samplers and pruners by the names that people give them.

use azura_learner::error::Problem;
use azura_learner::tune::{History, Pruner, Sampler, pruner, sampler};

use super::setup::TuneConfig;
use crate::failure::{Code, Failure};

/// The sampler of a study without trials (`empty`), and why it is this one.
///
/// # Errors
/// If there is none of this name.
pub fn sampler(
    tune: &TuneConfig,
    seed: u64,
    empty: &History,
) -> Result<(Box<dyn Sampler>, String), Failure> {
    let choice = sampler::named(&tune.sampler, seed, empty, Some(tune.trials)).map_err(wrong)?;
    Ok((choice.sampler, choice.reason))
}

/// The pruner that a name means: `auto` is the successive halving of ASHA where a trial reports what is searched for
/// several times, and nothing else is searched for.
pub fn pruner_name<'a>(name: &'a str, epochs: u64, empty: &History) -> &'a str {
    const FEWEST: u64 = 4;
    let reported = empty.objectives[0].name.contains('.');
    match name {
        "auto" if reported && empty.objectives.len() == 1 && epochs >= FEWEST => "asha",
        "auto" => "none",
        other => other,
    }
}

/// The pruner of this name.
///
/// # Errors
/// If there is none.
pub fn pruner(name: &str) -> Result<Box<dyn Pruner>, Failure> {
    pruner::named(name).map_err(wrong)
}

fn wrong(error: azura_learner::Error) -> Failure {
    let azura_learner::Error::Config(problems) = &error else {
        return error.into();
    };
    let failure = |problem: &Problem| {
        let failure = Failure::new(Code::OutOfRange, &problem.message);
        match &problem.help {
            Some(help) => failure.help(help.clone()),
            None => failure,
        }
    };
    match problems.first() {
        Some(problem) => failure(problem),
        None => error.into(),
    }
}
