//! Our samplers under argmin's executor, with observers and checkpoints.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use argmin::core::observers::{Observe, ObserverMode};
use argmin::core::{CostFunction, Error, Executor, KV, State as _, TerminationReason};
use azura_learner::tune::sampler::{CmaEs, Gp, Grid, NelderMead, Random, Tpe};
use azura_learner::tune::{CheckpointFile, Sampler, SamplerSolver, SolverState, Space};

/// `(x − 1)² + (n − 3)² + [k is not b]`, NaN for x below −4; counts its calls.
#[derive(Clone, Default)]
struct Problem {
    calls: Cell<usize>,
}

impl CostFunction for Problem {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, x: &Vec<f64>) -> Result<f64, Error> {
        self.calls.set(self.calls.get() + 1);
        if x[0] < -4.0 {
            return Ok(f64::NAN);
        }
        Ok((x[0] - 1.0).powi(2) + (x[1] - 3.0).powi(2) + if x[2] == 1.0 { 0.0 } else { 1.0 })
    }
}

fn space() -> Space {
    Space::parse([("x", "-5..5"), ("n", "int:1..8"), ("k", "a|b|c")]).unwrap()
}

fn solve<S: Sampler>(
    sampler: S,
    iterations: u64,
    batch: usize,
) -> (SamplerSolver<S>, SolverState, usize) {
    let solver = SamplerSolver::new(sampler, space()).unwrap().batch(batch);
    let result = Executor::new(Problem::default(), solver)
        .configure(|state: SolverState| state.max_iters(iterations))
        .run()
        .unwrap();
    let calls = result.problem.problem.as_ref().unwrap().calls.get();
    (result.solver, result.state, calls)
}

#[test]
fn samplers_run_under_the_executor() {
    let rows: [(Box<dyn Sampler>, f64); 5] = [
        (Box::new(Tpe::new(0)), 0.5),
        (Box::new(CmaEs::new(0)), 0.5),
        (Box::new(Gp::new(0)), 0.1),
        (Box::new(Random::new(0)), 6.0),
        (Box::new(NelderMead::new(0)), 3.0),
    ];
    for (sampler, bar) in rows {
        let name = sampler.name();
        let (solver, state, calls) = solve(sampler, 60, 1);
        assert_eq!(calls, 60, "{name}");
        assert_eq!(solver.history().trials.len(), 60, "{name}");
        assert!(state.best_cost < bar, "{name}: {}", state.best_cost);
        let best = solver.history().best().unwrap();
        assert_eq!(best.objectives[0], state.best_cost, "{name}");
        assert_eq!(
            state.best_param.unwrap(),
            space().numbers(&best.point),
            "{name}"
        );
    }
}

#[test]
fn a_batch_is_one_iteration_and_a_grid_ends() {
    let (solver, state, calls) = solve(Tpe::new(0), 10, 4);
    assert_eq!(
        (calls, state.get_iter(), solver.history().trials.len()),
        (40, 10, 40)
    );
    let (solver, state, _) = solve(Grid::new(2), 1000, 5);
    assert_eq!(solver.history().trials.len(), 2 * 2 * 3);
    assert_eq!(
        state.get_termination_reason(),
        Some(&TerminationReason::SolverConverged)
    );
}

#[derive(Clone)]
struct Seen(Arc<Mutex<Vec<f64>>>);

impl Observe<SolverState> for Seen {
    fn observe_iter(&mut self, state: &SolverState, _kv: &KV) -> Result<(), Error> {
        self.0.lock().unwrap().push(state.get_best_cost());
        Ok(())
    }
}

#[test]
fn observers_see_every_iteration() {
    let seen = Seen(Arc::default());
    let solver = SamplerSolver::new(Tpe::new(1), space()).unwrap();
    Executor::new(Problem::default(), solver)
        .configure(|state: SolverState| state.max_iters(20))
        .add_observer(seen.clone(), ObserverMode::Always)
        .run()
        .unwrap();
    let costs = seen.0.lock().unwrap();
    assert_eq!(costs.len(), 20);
    assert!(costs.is_sorted_by(|a, b| a >= b));
}

#[test]
fn a_checkpoint_goes_on_as_if_nothing_had_happened() {
    let folder = std::env::temp_dir().join(format!("azura-tune-checkpoint-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("solver.bin");
    let part = |max_iters: u64, checkpoint: bool| {
        let solver = SamplerSolver::new(CmaEs::new(5), space()).unwrap();
        let mut executor = Executor::new(Problem::default(), solver)
            .configure(|state: SolverState| state.max_iters(max_iters));
        if checkpoint {
            executor = executor.checkpointing(CheckpointFile::new(&path, 1, max_iters));
        }
        executor.run().unwrap()
    };
    let whole = part(40, false);
    part(25, true);
    let resumed = part(40, true);
    assert_eq!(resumed.problem.problem.unwrap().calls.get(), 15);
    assert_eq!(resumed.state.get_iter(), 40);
    assert_eq!(resumed.solver.history().trials.len(), 40);
    // NaN costs are in it, so the texts are compared.
    let text = |s: &SamplerSolver<CmaEs>| format!("{:?}", s.history());
    assert_eq!(text(&resumed.solver), text(&whole.solver));
    assert_eq!(resumed.state.best_cost, whole.state.best_cost);
    std::fs::write(&path, b"nonsense").unwrap();
    let solver = SamplerSolver::new(CmaEs::new(5), space()).unwrap();
    let error = Executor::new(Problem::default(), solver)
        .checkpointing(CheckpointFile::new(&path, 1, 5))
        .run()
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("solver.bin") && error.contains("remove it to begin anew"),
        "{error}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
