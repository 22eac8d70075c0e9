//! Samplers by name, and the choice of one for a study.

use super::{Annealing, CmaEs, Gp, Grid, NelderMead, Nsga2, Pso, Random, Sampler, Sobol, Tpe};
use crate::data::nearest;
use crate::error::{Error, Problem, Result};
use crate::tune::{History, Kind};

/// The names that [`named`] knows.
pub const NAMES: [&str; 11] = [
    "auto",
    "tpe",
    "gp",
    "cmaes",
    "random",
    "sobol",
    "grid",
    "nsga2",
    "pso",
    "nelder-mead",
    "annealing",
];

/// A sampler, and why it is this one.
pub struct Choice {
    /// The sampler.
    pub sampler: Box<dyn Sampler>,
    /// Why, in words; for a sampler chosen by its own name nothing but that.
    pub reason: String,
}

/// The sampler of this name for a study of `history`'s space and objectives.
///
/// `auto` decides by the space, the objectives and the `budget`, which is the number of trials if there is a limit:
///
/// | study                                              | sampler |
/// |----------------------------------------------------|---------|
/// | no more combinations than trials                   | `grid`  |
/// | several objectives, 200 trials or more             | `nsga2` |
/// | several objectives                                 | `tpe`   |
/// | parameters that depend on others                   | `tpe`   |
/// | at most 20 parameters, at most 150 trials          | `gp`    |
/// | continuous or ordered parameters, 500 trials or more | `cmaes` |
/// | everything else                                    | `tpe`   |
///
/// # Errors
/// [`Error::Config`] for a name that is none.
pub fn named(name: &str, seed: u64, history: &History, budget: Option<usize>) -> Result<Choice> {
    let (name, reason) = match name {
        "auto" => automatic(history, budget),
        other => (other, "chosen by name".to_string()),
    };
    let sampler: Box<dyn Sampler> = match name {
        "tpe" => Box::new(Tpe::new(seed)),
        "gp" => Box::new(Gp::new(seed)),
        "cmaes" => Box::new(CmaEs::new(seed)),
        "random" => Box::new(Random::new(seed)),
        "sobol" => Box::new(Sobol::new(seed)),
        "grid" => Box::new(Grid::new(levels(history, budget))),
        "nsga2" => Box::new(Nsga2::new(seed)),
        "pso" => Box::new(Pso::new(seed)),
        "nelder-mead" => Box::new(NelderMead::new(seed)),
        "annealing" => Box::new(Annealing::new(seed)),
        _ => {
            let help = match nearest(name, NAMES) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the samplers are {}", NAMES.join(", ")),
            };
            let problem = Problem::new("sampler", format!("there is no sampler `{name}`"));
            return Err(Error::Config(vec![problem.help(help)]));
        }
    };
    Ok(Choice { sampler, reason })
}

/// As many values of a continuous parameter as the budget allows, 5 without one.
fn levels(history: &History, budget: Option<usize>) -> usize {
    let Some(budget) = budget else {
        return 5;
    };
    let kinds = history.space.kinds();
    let discrete: f64 = kinds
        .iter()
        .map(|k| match k {
            Kind::Continuous => 1.0,
            Kind::Ordered(n) | Kind::Unordered(n) => *n as f64,
        })
        .product();
    let continuous = kinds
        .iter()
        .filter(|k| **k == Kind::Continuous)
        .count()
        .max(1);
    ((budget as f64 / discrete).powf(1.0 / continuous as f64) + 1e-9).clamp(2.0, 1000.0) as usize
}

fn automatic(history: &History, budget: Option<usize>) -> (&'static str, String) {
    let space = &history.space;
    let kinds = space.kinds();
    let (dims, objectives) = (space.len(), history.objectives.len());
    if let (Some(count), Some(budget)) = (space.count(), budget)
        && count <= budget as u64
    {
        return (
            "grid",
            format!("all {count} combinations fit into {budget} trials"),
        );
    }
    if objectives > 1 {
        return match budget {
            Some(n) if n >= 200 => ("nsga2", format!("{objectives} objectives and {n} trials")),
            _ => (
                "tpe",
                format!("{objectives} objectives and less than 200 trials, or no limit"),
            ),
        };
    }
    if space.is_conditional() {
        return ("tpe", "some parameters depend on others".to_string());
    }
    match budget {
        Some(n) if n <= 150 && dims <= 20 => (
            "gp",
            format!("{dims} parameters and {n} trials: few enough for a Gaussian process"),
        ),
        Some(n) if n >= 500 && !kinds.iter().any(|k| matches!(k, Kind::Unordered(_))) => {
            ("cmaes", format!("{dims} ordered parameters and {n} trials"))
        }
        _ => (
            "tpe",
            "neither few trials nor many with ordered parameters".to_string(),
        ),
    }
}
