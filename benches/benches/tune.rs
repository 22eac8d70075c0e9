//! What a question to a sampler costs, with 1,000 finished trials of 8 parameters.
//!
//! `cargo bench -p azura-benches --bench tune`. The target is 1 ms for TPE.

use azura_learner::tune::sampler::{CmaEs, Nsga2, Pso, Random, Sobol, Tpe};
use azura_learner::tune::{History, Objective, Sampler, Space, State};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

/// A study that `sampler` made.
fn history(sampler: &mut dyn Sampler, trials: usize) -> azura_learner::Result<History> {
    let space = Space::parse([
        ("lr", "log:1e-5..1e-1"),
        ("decay", "log:1e-6..1e-2"),
        ("dropout", "0..0.6"),
        ("momentum", "0.5..0.99"),
        ("layers", "int:1..8"),
        ("hidden", "logint:8..1024"),
        ("optimizer", "adam|sgd|lion"),
        ("norm", "true|false"),
    ])?;
    let mut history = History::new(space, vec![Objective::minimize("loss")])?;
    for _ in 0..trials {
        let Some(point) = sampler.ask(&history)? else {
            break;
        };
        let number = history.start(&point);
        let trial = &mut history.trials[number];
        trial.objectives = vec![trial.point.iter().map(|u| (u - 0.3) * (u - 0.3)).sum()];
        trial.state = State::Done;
    }
    Ok(history)
}

fn ask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ask_1000");
    let samplers: [Box<dyn Sampler>; 6] = [
        Box::new(Random::new(0)),
        Box::new(Sobol::new(0)),
        Box::new(Tpe::new(0)),
        Box::new(CmaEs::new(0)),
        Box::new(Nsga2::new(0)),
        Box::new(Pso::new(0)),
    ];
    for mut sampler in samplers {
        let history = history(&mut *sampler, 1000).expect("a valid space");
        group.bench_function(sampler.name(), |bencher| {
            bencher.iter(|| sampler.ask(black_box(&history)));
        });
    }
    group.finish();
}

criterion_group!(benches, ask);
criterion_main!(benches);
