//! What every sampler promises, and what each one does.

use azura_learner::tune::sampler::{
    Annealing, CmaEs, Gp, Grid, NAMES, NelderMead, Nsga2, Pso, Random, Sobol, Tpe, named,
};
use azura_learner::tune::{History, Objective, Sampler, Space, State, Value};

use super::{go_on, run};

fn samplers(seed: u64) -> Vec<Box<dyn Sampler>> {
    vec![
        Box::new(Random::new(seed)),
        Box::new(Sobol::new(seed)),
        Box::new(Grid::new(9)),
        Box::new(Tpe::new(seed)),
        Box::new(CmaEs::new(seed)),
        Box::new(Gp::new(seed)),
        Box::new(Nsga2::new(seed).population(10)),
        Box::new(Pso::new(seed)),
        Box::new(NelderMead::new(seed)),
        Box::new(Annealing::new(seed)),
    ]
}

fn bowl_space() -> Space {
    Space::parse([("x", "-3..5"), ("y", "-4..4")]).unwrap()
}

/// The minimum 0 at (1, -1).
fn bowl(x: &[f64]) -> f64 {
    (x[0] - 1.0).powi(2) + 2.0 * (x[1] + 1.0).powi(2)
}

fn mixed_space() -> Space {
    Space::parse([
        ("kind", "a|b|c"),
        ("width", "8|16|32|64"),
        ("layers", "int:1..6"),
        ("units", "logint:4..256 if kind=b"),
        ("lr", "log:1e-5..1e-1"),
        ("flag", "true|false"),
    ])
    .unwrap()
}

/// The minimum 0 at kind b, width 32, 4 layers, 32 units, rate 1e-3, flag true.
fn mixed(x: &[f64]) -> f64 {
    let kind = if x[0] == 1.0 {
        (x[3].log2() - 5.0).powi(2) * 0.2
    } else {
        1.5
    };
    kind + (x[1] - 2.0).powi(2) * 0.3
        + (x[2] - 4.0).powi(2) * 0.1
        + (x[4].log10() + 3.0).powi(2) * 0.5
        + if x[5] == 1.0 { 0.0 } else { 0.4 }
}

#[test]
fn the_optimum_of_a_bowl_is_found() {
    for mut sampler in samplers(1) {
        let history = run(&mut *sampler, &bowl_space(), 80, bowl);
        let best = history.best().unwrap().objectives[0];
        // 80 random points of this box have a median best of 0.5.
        let bar = match sampler.name() {
            "random" | "sobol" | "grid" => 2.0,
            "gp" => 1e-3,
            _ => 0.25,
        };
        assert!(best < bar, "{}: {best}", sampler.name());
    }
}

#[test]
fn a_mixed_space_with_a_condition_is_searched() {
    let mut beaten = Vec::new();
    let random = run(&mut Random::new(2), &mixed_space(), 100, mixed)
        .best()
        .unwrap()
        .objectives[0];
    for mut sampler in samplers(2) {
        let history = run(&mut *sampler, &mixed_space(), 100, mixed);
        for trial in &history.trials {
            assert_eq!(
                history.space.snap(&trial.point),
                trial.point,
                "{}",
                sampler.name()
            );
            assert_eq!(
                trial.values.contains_key("units"),
                trial.values["kind"] == Value::Text("b".into())
            );
        }
        let best = history.best().unwrap().objectives[0];
        if ["tpe", "cmaes", "gp", "nsga2"].contains(&sampler.name()) && best < random {
            beaten.push(sampler.name());
        }
    }
    assert_eq!(
        beaten,
        ["tpe", "cmaes", "gp", "nsga2"],
        "better than random search, which found {random}"
    );
}

#[test]
fn a_study_that_is_interrupted_goes_on_with_the_same_bits() {
    for (i, mut whole) in samplers(3).into_iter().enumerate() {
        let trials = if whole.name() == "gp" { 24 } else { 60 };
        let full = run(&mut *whole, &mixed_space(), trials, mixed);
        let half = run(&mut *samplers(3)[i], &mixed_space(), trials / 2, mixed);
        // Through the journal's text, with a new sampler that has seen nothing.
        let half: History = serde_json::from_str(&serde_json::to_string(&half).unwrap()).unwrap();
        let resumed = go_on(half, &mut *samplers(3)[i], trials - trials / 2, mixed);
        assert_eq!(resumed, full, "{}", whole.name());
    }
}

/// A sampler that has a cache is asked about another study in between.
#[test]
fn a_cache_never_shows() {
    for (i, mut sampler) in samplers(4).into_iter().enumerate() {
        let a = run(&mut *sampler, &bowl_space(), 30, bowl);
        let b = run(&mut *sampler, &bowl_space(), 30, |x| -bowl(x));
        assert_eq!(
            b,
            run(&mut *samplers(4)[i], &bowl_space(), 30, |x| -bowl(x)),
            "{}",
            sampler.name()
        );
        assert_eq!(
            a,
            run(&mut *sampler, &bowl_space(), 30, bowl),
            "{}",
            sampler.name()
        );
    }
}

#[test]
fn another_seed_is_another_study() {
    for (mut a, mut b) in samplers(5).into_iter().zip(samplers(6)) {
        let (one, two) = (
            run(&mut *a, &bowl_space(), 12, bowl),
            run(&mut *b, &bowl_space(), 12, bowl),
        );
        assert_eq!(one == two, a.name() == "grid", "{}", a.name());
    }
}

#[test]
fn parallel_trials_keep_apart() {
    for mut sampler in samplers(7) {
        let history = run(&mut *sampler, &bowl_space(), 30, bowl);
        let points = sampler.ask_many(&history, 4).unwrap();
        assert_eq!(points.len(), 4);
        for i in 1..4 {
            assert!(
                !points[..i].contains(&points[i]),
                "{}: {points:?}",
                sampler.name()
            );
        }
        assert_eq!(
            points[0],
            history.space.snap(&sampler.ask(&history).unwrap().unwrap())
        );
    }
}

#[test]
fn failed_pruned_and_infinite_trials_are_survived() {
    for mut sampler in samplers(8) {
        let mut history = History::new(bowl_space(), vec![Objective::maximize("score")]).unwrap();
        for i in 0..50 {
            let Some(point) = sampler.ask(&history).unwrap() else {
                break;
            };
            let number = history.start(&point);
            let value = -bowl(&history.space.numbers(&point));
            let trial = &mut history.trials[number];
            trial.state = match i % 5 {
                0 => State::Failed("out of memory".into()),
                1 => State::Pruned("slow".into()),
                _ => State::Done,
            };
            match i % 5 {
                0 => {}
                1 => trial.intermediate = vec![(1, f64::NAN), (2, value - 1.0)],
                2 => trial.objectives = vec![f64::NEG_INFINITY],
                _ => trial.objectives = vec![value],
            }
        }
        assert!(
            history.best().unwrap().objectives[0] > -8.0,
            "{}",
            sampler.name()
        );
    }
}

#[test]
fn a_grid_is_every_combination_once() {
    let space = Space::parse([("k", "x|y"), ("a", "0..1"), ("b", "int:1..3 if k=y")]).unwrap();
    let history = run(&mut Grid::new(3), &space, 100, |x| x[1]);
    let texts: Vec<String> = history
        .trials
        .iter()
        .map(|t| {
            t.values
                .values()
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(
        texts,
        [
            "0.0 x", "0.5 x", "1.0 x", "0.0 1 y", "0.0 2 y", "0.0 3 y", "0.5 1 y", "0.5 2 y",
            "0.5 3 y", "1.0 1 y", "1.0 2 y", "1.0 3 y",
        ]
    );
}

/// Costs (x², (x − 2)²) with y as noise: the front is x between 0 and 2.
#[test]
fn several_objectives() {
    for name in ["nsga2", "tpe", "gp"] {
        let objectives = vec![Objective::minimize("a"), Objective::maximize("b")];
        let mut history = History::new(bowl_space(), objectives).unwrap();
        let mut sampler = named(name, 0, &history, None).unwrap().sampler;
        for _ in 0..60 {
            let point = sampler.ask(&history).unwrap().unwrap();
            let number = history.start(&point);
            let x = history.space.numbers(&history.trials[number].point);
            history.trials[number].objectives = vec![
                x[0].powi(2) + x[1].powi(2),
                -(x[0] - 2.0).powi(2) - x[1].powi(2),
            ];
            history.trials[number].state = State::Done;
        }
        let front = history.pareto_front();
        assert!(front.len() >= 5, "{name}: {}", front.len());
        // The last third is nearer to the front than the first.
        let off = |t: &azura_learner::tune::Trial| {
            let x = history.space.numbers(&t.point);
            x[1].abs() + (-x[0]).max(x[0] - 2.0).max(0.0)
        };
        let mean = |part: &[azura_learner::tune::Trial]| {
            part.iter().map(off).sum::<f64>() / part.len() as f64
        };
        assert!(
            mean(&history.trials[40..]) < 0.6 * mean(&history.trials[..20]),
            "{name}"
        );
    }
    let history = History::new(
        bowl_space(),
        vec![Objective::minimize("a"), Objective::minimize("b")],
    )
    .unwrap();
    let error = CmaEs::new(0).ask(&history).unwrap_err().to_string();
    assert!(
        error.contains("optimises one objective, but the study has 2"),
        "{error}"
    );
}

/// The bowl's minimum is forbidden: x must be at least 2.
#[test]
fn constraints_hold() {
    for name in ["tpe", "gp", "nsga2", "cmaes"] {
        let mut history = History::new(bowl_space(), vec![Objective::minimize("cost")]).unwrap();
        let mut sampler = named(name, 3, &history, None).unwrap().sampler;
        // A genetic algorithm needs generations.
        let trials = if name == "nsga2" { 240 } else { 70 };
        for _ in 0..trials {
            let point = sampler.ask(&history).unwrap().unwrap();
            let number = history.start(&point);
            let x = history.space.numbers(&history.trials[number].point);
            history.trials[number].objectives = vec![bowl(&x)];
            history.trials[number].constraints = vec![2.0 - x[0]];
            history.trials[number].state = State::Done;
        }
        let best = history.best().unwrap();
        assert!(
            best.violation() == 0.0 && best.objectives[0] < 2.0,
            "{name}: {:?}",
            best.objectives
        );
        let held = history.trials[trials - 30..]
            .iter()
            .filter(|t| t.violation() == 0.0)
            .count();
        assert!(held > 12, "{name}: {held} of 30");
    }
}

#[test]
fn auto_says_what_and_why() {
    let choice = |entries: &[(&str, &str)], objectives: usize, budget: Option<usize>| {
        let objectives = (0..objectives)
            .map(|i| Objective::minimize(i.to_string()))
            .collect();
        let history =
            History::new(Space::parse(entries.iter().copied()).unwrap(), objectives).unwrap();
        let choice = named("auto", 0, &history, budget).unwrap();
        assert!(choice.reason.len() > 10);
        choice.sampler.name()
    };
    let lr = ("lr", "log:1e-4..1e-2");
    assert_eq!(
        choice(&[("a", "1|2|3"), ("b", "true|false")], 1, Some(10)),
        "grid"
    );
    assert_eq!(choice(&[lr], 1, Some(40)), "gp");
    assert_eq!(choice(&[lr], 1, Some(1000)), "cmaes");
    assert_eq!(choice(&[lr, ("o", "adam|sgd")], 1, Some(1000)), "tpe");
    assert_eq!(choice(&[lr], 1, None), "tpe");
    assert_eq!(
        choice(
            &[lr, ("o", "adam|sgd"), ("m", "0..1 if o=sgd")],
            1,
            Some(40)
        ),
        "tpe"
    );
    assert_eq!(choice(&[lr], 2, Some(40)), "tpe");
    assert_eq!(choice(&[lr], 2, Some(400)), "nsga2");
    let history = History::new(bowl_space(), vec![Objective::minimize("a")]).unwrap();
    for name in NAMES {
        named(name, 0, &history, Some(30))
            .unwrap()
            .sampler
            .ask(&history)
            .unwrap()
            .unwrap();
    }
    let error = named("tpee", 0, &history, None).err().unwrap().to_string();
    assert_eq!(
        error,
        "`sampler`: there is no sampler `tpee`; did you mean `tpe`?"
    );
}
