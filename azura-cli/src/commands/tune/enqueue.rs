//! `azura tune enqueue STUDY KEY=VALUE …`: has values tried next.

use azura_learner::tune::{Value as Tried, Values};
use serde_json::{Value, json};

use super::super::{Context, Ended};
use super::{name_of, open};
use crate::config::file;
use crate::failure::{Code, Failure, Place, Stop};
use crate::output::{self, say};
use crate::study::{Entry, Setup, StudyDir};

/// Runs the command.
pub fn run(context: &Context, study: &StudyDir) -> Ended {
    let (setup, mut journal) = open(context, study)?;
    let values = values(context, &setup)?;
    let waiting = journal.locked(|writer| {
        writer.append(Entry::Enqueue {
            values: values.clone(),
        })?;
        Ok(writer.state().queue.len())
    })?;
    if context.globals.json {
        output::json(&json!({
            "schema": "azura.tune/1", "ok": true, "study": study.path(), "values": values, "waiting": waiting,
        }))?;
    } else if context.talks() {
        let place = match waiting {
            1 => "the next trial tries it".to_string(),
            n => format!("{} wait before it", n - 1),
        };
        say!(
            "{}: {place};  azura tune resume {}",
            study.name(),
            name_of(context, study)
        );
    }
    Ok(0)
}

/// The values on the command line. A searched key that is left out has the value of the study's own configuration, if the
/// space has that.
fn values(context: &Context, setup: &Setup) -> Result<Values, Stop> {
    let mut values = Values::new();
    for token in &context.line.overrides {
        let text = token.value.as_deref().unwrap_or_default();
        let read = match file::inline(text) {
            Ok(Some(value)) => tried(&value),
            _ => None,
        };
        values.insert(
            token.key.clone(),
            read.unwrap_or_else(|| Tried::Text(text.to_string())),
        );
    }
    let given = values.clone();
    for parameter in setup.space.parameters() {
        if !values.contains_key(&parameter.key)
            && let Some(value) = setup.base.get(&parameter.key).and_then(tried)
            && parameter.domain.encode(&value).is_some()
            && parameter.condition.is_none()
        {
            values.insert(parameter.key.clone(), value);
        }
    }
    let place = |key: &str| {
        let token = context.line.overrides.iter().find(|token| token.key == key);
        token.map(|token| Place::Argument(token.argument))
    };
    setup.space.point(&values).map_err(|error| match error {
        azura_learner::Error::Config(problems) => {
            let failures = problems.iter().map(|problem| {
                let code = match given.contains_key(&problem.key) {
                    true => Code::OutOfRange,
                    false => Code::CommandLine,
                };
                let failure = Failure::new(code, format!("`{}` {}", problem.key, problem.message))
                    .at(place(&problem.key));
                match &problem.help {
                    Some(help) => failure.help(help.clone()),
                    None => failure,
                }
            });
            Stop::before_start(failures.collect())
        }
        other => other.into(),
    })?;
    Ok(values)
}

fn tried(value: &Value) -> Option<Tried> {
    match value {
        Value::Bool(flag) => Some(Tried::Bool(*flag)),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if !number.is_f64() => Some(Tried::Int(whole)),
            _ => number.as_f64().map(Tried::Float),
        },
        Value::String(text) => Some(Tried::Text(text.clone())),
        _ => None,
    }
}
