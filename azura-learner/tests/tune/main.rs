//! Hyper-parameter search: spaces, samplers, pruners, importance, argmin, studies.

mod argmin_adapters;
mod importance;
mod pruners;
mod samplers;
mod space;
mod study;

use azura_learner::tune::{History, Objective, Sampler, Space, State};

/// Runs `trials` trials of a function of the point's numbers, one after the other.
fn run(
    sampler: &mut dyn Sampler,
    space: &Space,
    trials: usize,
    f: impl Fn(&[f64]) -> f64,
) -> History {
    let history = History::new(space.clone(), vec![Objective::minimize("cost")]).unwrap();
    go_on(history, sampler, trials, f)
}

/// `trials` more trials of a study.
fn go_on(
    mut history: History,
    sampler: &mut dyn Sampler,
    trials: usize,
    f: impl Fn(&[f64]) -> f64,
) -> History {
    for _ in 0..trials {
        let Some(point) = sampler.ask(&history).unwrap() else {
            break;
        };
        let number = history.start(&point);
        let cost = f(&history.space.numbers(&history.trials[number].point));
        history.trials[number].objectives = vec![cost];
        history.trials[number].state = State::Done;
    }
    history
}
