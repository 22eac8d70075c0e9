//! Studies of a Rust function.

use azura_learner::tune::pruner::{Asha, Percentile};
use azura_learner::tune::sampler::{Grid, Random, Tpe};
use azura_learner::tune::{Objective, Space, State, Stop, Study, Suggestion, Value};

fn space() -> Space {
    Space::parse([
        ("x", "-5..5"),
        ("n", "int:1..8"),
        ("k", "a|b"),
        ("f", "true|false"),
    ])
    .unwrap()
}

fn study() -> Study {
    Study::new(space(), vec![Objective::minimize("cost")]).unwrap()
}

fn cost(trial: &mut Suggestion<'_>) -> Result<f64, Stop> {
    let flag = if trial.flag("f") { 0.0 } else { 0.5 };
    let kind = if trial.text("k") == "b" { 0.0 } else { 1.0 };
    Ok(trial.float("x").powi(2) + (trial.int("n") - 4).pow(2) as f64 + kind + flag)
}

#[test]
fn a_study_goes_on_with_the_same_bits() {
    let mut whole = study().sampler(Tpe::new(4));
    whole.optimize(60, cost).unwrap();
    assert!(whole.history().best().unwrap().objectives[0] < 0.5);
    let mut half = study().sampler(Tpe::new(4));
    half.optimize(35, cost).unwrap();
    // Killed in the middle of the next trial.
    let mut history = half.history().clone();
    let point = azura_learner::tune::Sampler::ask(&mut Tpe::new(4), &history)
        .unwrap()
        .unwrap();
    history.start(&point);
    let text = serde_json::to_string(&history).unwrap();
    let mut resumed =
        Study::from_history(serde_json::from_str(&text).unwrap()).sampler(Tpe::new(4));
    resumed.optimize(25, cost).unwrap();
    assert_eq!(resumed.history(), whole.history());
}

#[test]
fn what_is_enqueued_comes_first_with_all_its_digits() {
    let mut study = study();
    let values = [
        ("x".to_string(), Value::Float(0.1 + 0.2)),
        ("n".to_string(), Value::Int(4)),
        ("k".to_string(), Value::Text("b".into())),
        ("f".to_string(), Value::Bool(true)),
    ];
    study.enqueue(values.clone().into()).unwrap();
    let mut wrong = values.clone();
    wrong[1].1 = Value::Int(9);
    let error = study.enqueue(wrong.into()).unwrap_err().to_string();
    assert!(error.contains("`n`: 9 is not one of `int:1..8`"), "{error}");
    study.optimize(3, cost).unwrap();
    assert_eq!(study.history().trials.len(), 3);
    assert_eq!(study.history().trials[0].values, values.into());
}

#[test]
fn errors_prunings_and_wrong_values_end_a_trial_and_not_the_study() {
    let mut study = study()
        .sampler(Random::new(0))
        .pruner(Percentile::median().startup(1));
    study
        .optimize(5, |trial: &mut Suggestion<'_>| -> Result<Vec<f64>, Stop> {
            trial.attribute("seen", true);
            match trial.trial().number {
                0 => {
                    trial.report(1, 1.0)?;
                    trial.constraints([0.5, -1.0]);
                    Ok(vec![1.0])
                }
                1 => {
                    trial.report(1, 2.0)?;
                    Ok(vec![2.0])
                }
                2 => {
                    "x".parse::<f64>()?;
                    Ok(vec![])
                }
                3 => Ok(vec![1.0, 2.0]),
                _ => {
                    trial.report(3, 0.5)?;
                    trial.report(3, 0.5)?;
                    Ok(vec![f64::NAN])
                }
            }
        })
        .unwrap();
    let trials = &study.history().trials;
    assert_eq!(trials[0].state, State::Done);
    assert_eq!(trials[0].violation(), 0.5);
    assert!(
        matches!(&trials[1].state, State::Pruned(why) if why.contains("step 1")),
        "{:?}",
        trials[1]
    );
    assert_eq!(
        trials[2].state,
        State::Failed("invalid float literal".into())
    );
    assert_eq!(
        trials[3].state,
        State::Failed("2 values for 1 objectives".into())
    );
    assert!(matches!(&trials[4].state, State::Failed(why) if why.contains("steps must rise")));
    assert!(trials.iter().all(|t| t.attributes["seen"] == true));
    // The only trial that is done breaks a constraint.
    assert!(study.history().best().is_none());
}

#[test]
fn pruning_saves_steps_and_keeps_the_optimum() {
    let mut steps = 0;
    let mut study = study().pruner(Asha::new(1, 3));
    study
        .optimize(60, |trial: &mut Suggestion<'_>| {
            let end = cost(trial)?;
            for step in 1..=27 {
                steps += 1;
                trial.report(step, end + 10.0 / step as f64)?;
            }
            Ok(end)
        })
        .unwrap();
    assert!(steps < 60 * 27 / 2, "{steps} steps");
    assert!(study.history().best().unwrap().objectives[0] < 2.0);
}

#[test]
fn two_objectives_have_a_front_and_a_grid_ends() {
    let objectives = vec![Objective::minimize("a"), Objective::minimize("b")];
    let space = Space::parse([("x", "int:0..4")]).unwrap();
    let mut study = Study::new(space, objectives).unwrap().sampler(Grid::new(9));
    study
        .optimize(99, |trial: &mut Suggestion<'_>| -> Result<[f64; 2], Stop> {
            let x = trial.float("x");
            Ok([(x - 1.0).powi(2), (x - 3.0).powi(2)])
        })
        .unwrap();
    let history = study.history();
    assert_eq!(history.trials.len(), 5);
    let front: Vec<f64> = history
        .pareto_front()
        .iter()
        .map(|t| t.values["x"].number().unwrap())
        .collect();
    assert_eq!(front, [1.0, 2.0, 3.0]);
}

#[test]
#[should_panic(expected = "parameter `y` is not active in this trial, and not a number")]
fn a_key_that_is_not_there_is_a_mistake_of_the_program() {
    study()
        .optimize(1, |trial: &mut Suggestion<'_>| -> Result<f64, Stop> {
            Ok(trial.float("y"))
        })
        .unwrap();
}
