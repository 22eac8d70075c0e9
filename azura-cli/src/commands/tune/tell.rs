//! `azura tune tell STUDY N NAME=NUMBER …`: how a trial of `ask` went, or how it goes.

use azura_learner::tune::{self, Verdict};
use serde_json::{Map, Value, json};

use super::super::{Context, Ended};
use super::open;
use crate::failure::{Code, Failure, Place, Stop};
use crate::output;
use crate::study::{Entry, Setup, StudyDir, now, report};

/// Runs the command.
pub fn run(
    context: &Context,
    study: &StudyDir,
    trial: usize,
    step: Option<u64>,
    failed: Option<String>,
) -> Ended {
    let (setup, mut journal) = open(context, study)?;
    let state = journal.state();
    let known = state.history.trials.get(trial);
    let by_hand = state
        .notes
        .get(trial)
        .is_some_and(|note| note.worker.is_none());
    let refuse = |code, message: String, help: &str| -> Ended {
        Err(Failure::new(code, message)
            .at(context.place_of(&trial.to_string()))
            .help(help)
            .into())
    };
    match known {
        None => {
            let message = format!("{} has no trial {trial}", study.name());
            return refuse(Code::NotFound, message, "`azura tune ask` hands one out");
        }
        Some(known) if known.is_finished() => {
            let message = format!("trial {trial} of {} has ended already", study.name());
            return refuse(Code::Exists, message, "`azura tune show` shows how");
        }
        Some(_) if !by_hand => {
            let message = format!("trial {trial} of {} is trained by a worker", study.name());
            return refuse(
                Code::RunInUse,
                message,
                "only trials of `azura tune ask` are told about",
            );
        }
        Some(_) => {}
    }
    let measured = numbers(context)?;
    let ours = |written: bool| match written {
        true => Ok(()),
        false => Err(Failure::new(
            Code::Exists,
            format!("trial {trial} of {} has just ended", study.name()),
        )),
    };
    let mut document =
        json!({"schema": "azura.tune/1", "ok": true, "study": study.path(), "trial": trial});
    if let Some(step) = step {
        let value = number(&setup, &measured, 0)?;
        let pruner = setup.pruner()?;
        let verdict = report(&mut journal, &*pruner, trial, None, step, value)?;
        ours(verdict.is_some())?;
        let reason = match verdict {
            Some(Verdict::Prune(reason)) => Some(reason),
            _ => None,
        };
        if let Some(reason) = &reason {
            let state = tune::State::Pruned(reason.clone());
            ours(end(
                &mut journal,
                trial,
                state,
                Vec::new(),
                Vec::new(),
                Map::new(),
            )?)?;
        }
        document["go_on"] = reason.is_none().into();
        document["reason"] = json!(reason);
        if context.globals.json {
            output::json(&document)?;
        } else {
            output::result(format_args!(
                "{}\n",
                reason.map_or_else(|| "go on".to_string(), |reason| format!("stop: {reason}"))
            ))?;
        }
        return Ok(0);
    }
    let (state, objectives, constraints) = match failed {
        Some(reason) => (tune::State::Failed(reason), Vec::new(), Vec::new()),
        None => {
            let count = setup.objectives.len();
            let objectives = (0..count).map(|i| number(&setup, &measured, i));
            let objectives = objectives.collect::<Result<Vec<f64>, Stop>>()?;
            let mut constraints = Vec::new();
            for constraint in &setup.constraints {
                let value = measured
                    .get(&constraint.name)
                    .ok_or_else(|| missing(&constraint.name))?;
                constraints.push(Some(constraint.violation(*value)).filter(|far| far.is_finite()));
            }
            (tune::State::Done, objectives, constraints)
        }
    };
    let kept: Map<String, Value> = measured
        .iter()
        .map(|(k, v)| (k.clone(), json!(v)))
        .collect();
    ours(end(
        &mut journal,
        trial,
        state,
        objectives,
        constraints,
        kept,
    )?)?;
    if context.globals.json {
        output::json(&document)?;
    }
    Ok(0)
}

fn end(
    journal: &mut crate::study::Journal,
    trial: usize,
    state: tune::State,
    objectives: Vec<f64>,
    constraints: Vec<Option<f64>>,
    measured: Map<String, Value>,
) -> Result<bool, Failure> {
    journal.locked(|writer| {
        let open = writer.state().is_of(trial, None);
        if open {
            writer.append(Entry::End {
                trial,
                state,
                objectives,
                constraints,
                measured,
                time: now(),
            })?;
        }
        Ok(open)
    })
}

type Numbers = std::collections::BTreeMap<String, f64>;

/// `NAME=NUMBER` on the command line.
fn numbers(context: &Context) -> Result<Numbers, Stop> {
    let mut found = Numbers::new();
    for token in &context.line.overrides {
        let text = token.value.as_deref().unwrap_or_default();
        let value = text.parse().ok().filter(|value: &f64| value.is_finite());
        let Some(value) = value else {
            let message = format!("`{}={text}` is no finite number", token.key);
            return Err(Failure::new(Code::CommandLine, message)
                .at(Place::Argument(token.argument))
                .help("a trial without a value failed: --failed REASON")
                .into());
        };
        found.insert(token.key.clone(), value);
    }
    Ok(found)
}

fn number(setup: &Setup, measured: &Numbers, objective: usize) -> Result<f64, Stop> {
    let name = &setup.objectives[objective].name;
    measured.get(name).copied().ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Stop {
    Failure::new(Code::CommandLine, format!("`{name}` is missing"))
        .help(format!("add {name}=NUMBER, or --failed REASON"))
        .into()
}
