//! Searches the best parameters of any Rust function.

use azura_learner::tune::pruner::Asha;
use azura_learner::tune::{Objective, Space, Stop, Study, Suggestion};

// A function that gets better with every step, as training does.
fn search(trials: usize) -> azura_learner::Result<Study> {
    let space = Space::parse([
        ("rate", "log:1e-5..1e-1"),
        ("kind", "plain|momentum"),
        ("beta", "0.5..0.99 if kind=momentum"),
    ])?;
    let mut study = Study::new(space, vec![Objective::minimize("loss")])?.pruner(Asha::new(1, 3));
    study.optimize(trials, |trial: &mut Suggestion<'_>| -> Result<f64, Stop> {
        let speed = match trial.text("kind") {
            "momentum" => 1.0 - (trial.float("beta") - 0.9).abs(),
            _ => 0.5,
        };
        let mut loss = 1.0;
        for epoch in 1..=27 {
            loss *= 1.0 - 0.2 * speed / (1.0 + (trial.float("rate").log10() + 3.0).powi(2));
            trial.report(epoch, loss)?;
        }
        Ok(loss)
    })?;
    Ok(study)
}

fn main() -> azura_learner::Result<()> {
    let study = search(60)?;
    if let Some(best) = study.history().best() {
        println!(
            "trial {}: loss {:.4} with {:?}",
            best.number, best.objectives[0], best.values
        );
    }
    Ok(())
}

#[test]
fn finds_the_optimum() {
    let study = search(60).unwrap();
    let best = study.history().best().unwrap();
    // The optimum is 0.8^27 = 0.0024; the plain kind reaches 0.9^27 = 0.058 at best.
    assert!(best.objectives[0] < 0.01, "{best:?}");
}
