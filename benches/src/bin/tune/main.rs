//! Runs our samplers on the functions and prints one JSON line for each study; benches/tune/compare.py sets them beside
//! Optuna's.
//!
//! ```text
//! tune SAMPLER FUNCTION FIRST_SEED LAST_SEED [TRIALS]
//! tune values FUNCTION FIRST_SEED LAST_SEED [TRIALS]     random points and their costs, to compare the functions
//! ```

mod functions;

use std::time::Instant;

use azura_learner::tune::sampler::{CmaEs, Gp, Random, Sobol, Tpe};
use azura_learner::tune::{History, Objective, Sampler, State};

fn sampler(name: &str, seed: u64) -> Option<Box<dyn Sampler>> {
    Some(match name {
        "random" | "values" => Box::new(Random::new(seed)),
        "sobol" => Box::new(Sobol::new(seed)),
        "tpe" => Box::new(Tpe::new(seed)),
        "cmaes" => Box::new(CmaEs::new(seed)),
        "gp" => Box::new(Gp::new(seed)),
        _ => return None,
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, function, first, last, rest @ ..] = &args[..] else {
        return Err("usage: tune SAMPLER FUNCTION FIRST_SEED LAST_SEED [TRIALS]".into());
    };
    let trials: usize = rest.first().map_or(Ok(100), |t| t.parse())?;
    let function = functions::FUNCTIONS
        .iter()
        .find(|f| f.0 == function)
        .ok_or("no such function")?;
    for seed in first.parse::<u64>()?..=last.parse()? {
        let mut sampler = sampler(name, seed).ok_or("no such sampler")?;
        let mut history = History::new(
            functions::space(function)?,
            vec![Objective::minimize("cost")],
        )?;
        let begin = Instant::now();
        for _ in 0..trials {
            let Some(point) = sampler.ask(&history)? else {
                break;
            };
            let number = history.start(&point);
            let trial = &mut history.trials[number];
            trial.objectives = vec![function.2(&trial.values)];
            trial.state = State::Done;
            if name == "values" {
                println!(
                    "{}",
                    serde_json::json!({"values": trial.values, "cost": trial.objectives[0]})
                );
            }
        }
        if name == "values" {
            continue;
        }
        let seconds = begin.elapsed().as_secs_f64();
        let best = history.best().ok_or("no trial")?.objectives[0];
        println!(
            "{}",
            serde_json::json!({"sampler": name, "function": function.0, "seed": seed, "trials": trials, "best": best, "seconds": seconds})
        );
    }
    Ok(())
}
