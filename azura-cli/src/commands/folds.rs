//! `azura train --folds K`: K runs, each tested on another part of the rows, and what their scores have in common.
//!
//! Each fold is a process of its own with the same words: it is a run like any other, which can be looked at, resumed and served.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use azura_learner::DynApp;
use serde_json::{Map, Value, json};

use super::{Context, Ended};
use crate::failure::{Code, Failure, Stop};
use crate::output::{self, say};
use crate::progress::text;

/// Mean and standard deviation (of a sample, n − 1) of one score over the folds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    mean: f64,
    std: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Spread {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        Spread {
            mean,
            std: (squares / (n - 1.0)).sqrt(),
        }
    }
}

/// Runs all folds, one after the other.
///
/// # Errors
/// [`Code::CommandLine`] if the app's rows cannot be dealt, [`Code::Unexpected`] if a process cannot be started; the exit status of a fold
/// that does not finish is that of the command.
pub fn run(context: &Context, app: &dyn DynApp, folds: u16) -> Ended {
    if app.defaults().pointer("/data/folds").is_none() {
        let message = format!("the rows of `{}` cannot be dealt into folds", app.name());
        return Err(Failure::new(Code::CommandLine, message)
            .at(context.place_of("--folds"))
            .help("train with several seeds instead: train.seed=1, train.seed=2, …")
            .into());
    }
    let mut results = Vec::new();
    for fold in 1..=folds {
        if context.talks() {
            say!("fold {fold} of {folds}");
        }
        results.push(trained(folds, fold)?);
    }
    let document = document(app.name(), &results);
    if context.globals.json {
        output::json(&document)?;
        return Ok(0);
    }
    output::result(format_args!("{}", table(&document)))?;
    Ok(0)
}

/// The result of one fold, as `train --json` prints it.
fn trained(folds: u16, fold: u16) -> Result<Value, Stop> {
    let unexpected = |what: String| Failure::new(Code::Unexpected, what);
    let program = std::env::current_exe()
        .map_err(|error| unexpected(format!("where this program is: {error}")))?;
    let child = Command::new(program)
        .args(words(std::env::args_os().skip(1)))
        .args([
            "--json".to_string(),
            format!("data.folds={folds}"),
            format!("data.fold={fold}"),
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| unexpected(format!("fold {fold} cannot be started: {error}")))?;
    if !child.status.success() {
        // It has said why.
        let code = child.status.code().and_then(|code| u8::try_from(code).ok());
        return Err(Stop::quietly(code.unwrap_or(1)));
    }
    Ok(serde_json::from_slice(&child.stdout)
        .map_err(|error| unexpected(format!("the result of fold {fold}: {error}")))?)
}

/// The words of the command line for one fold: without `--folds`, and without `--json`, which every fold gets.
fn words(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut args = args;
    while let Some(word) = args.next() {
        match word.to_str() {
            Some("--folds") => drop(args.next()),
            Some("--json") => {}
            Some(text) if text.starts_with("--folds=") => {}
            _ => words.push(word),
        }
    }
    words
}

/// Scores of the test rows of all folds, and their mean and spread.
fn document(app: &str, results: &[Value]) -> Value {
    let one = |result: &Value| {
        json!({
            "run": result["run"],
            "epochs": result["epochs"],
            "seconds": result["seconds"],
            "metrics": result["metrics"]["test"],
            "baselines": result["baselines"],
        })
    };
    let spread = |at: &dyn Fn(&Value) -> Value| -> Value {
        let names = at(&results[0]);
        let of = |name: &String| -> Option<Value> {
            let values: Option<Vec<f64>> = results
                .iter()
                .map(|result| at(result)[name].as_f64())
                .collect();
            let Spread { mean, std } = Spread::of(&values?);
            Some(json!({"mean": mean, "std": std}))
        };
        let spreads = names.as_object().into_iter().flatten();
        Value::Object(
            spreads
                .map(|(name, _)| (name.clone(), of(name).unwrap_or(Value::Null)))
                .collect(),
        )
    };
    let baselines = results[0]["baselines"].as_object().into_iter().flatten();
    let baselines: Map<String, Value> = baselines
        .map(|(name, _)| {
            (
                name.clone(),
                spread(&|result| result["baselines"][name].clone()),
            )
        })
        .collect();
    json!({
        "schema": "azura.folds/1",
        "ok": true,
        "app": app,
        "folds": results.iter().map(one).collect::<Vec<_>>(),
        "metrics": spread(&|result| result["metrics"]["test"].clone()),
        "baselines": baselines,
    })
}

/// Mean ± spread of every score, the model beside its baselines.
fn table(document: &Value) -> String {
    let mut columns = vec![("model".to_string(), &document["metrics"])];
    let baselines = document["baselines"].as_object().into_iter().flatten();
    columns.extend(baselines.map(|(name, value)| (name.replace('_', " "), value)));
    let cell = |value: &Value| match (value["mean"].as_f64(), value["std"].as_f64()) {
        (Some(mean), Some(std)) => format!("{} ± {}", text::number(mean), text::number(std)),
        _ => "–".to_string(),
    };
    let metrics: Vec<&String> = document["metrics"]
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .collect();
    let first = metrics.iter().map(|name| name.len()).max().unwrap_or(0);
    let folds = document["folds"].as_array().map_or(0, Vec::len);
    let mut out = format!(
        "  mean and deviation of the test scores of {folds} folds\n  {:<first$}",
        ""
    );
    for (name, _) in &columns {
        out += &format!("  {name:>20}");
    }
    for metric in metrics {
        out += &format!("\n  {metric:<first$}");
        for (_, scores) in &columns {
            out += &format!("  {:>20}", cell(&scores[metric]));
        }
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_folds_have_mean_and_spread() {
        let result = |accuracy: f64| {
            json!({
                "run": "r", "epochs": 1, "seconds": 1.0,
                "metrics": {"test": {"accuracy": accuracy, "auc": null}},
                "baselines": {"majority": {"accuracy": 0.5}},
            })
        };
        let document = document("tabular", &[result(0.8), result(1.0)]);
        let accuracy = &document["metrics"]["accuracy"];
        assert!((accuracy["mean"].as_f64().unwrap() - 0.9).abs() < 1e-12);
        assert!((accuracy["std"].as_f64().unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
        assert_eq!(document["metrics"]["auc"], Value::Null);
        assert_eq!(document["baselines"]["majority"]["accuracy"]["std"], 0.0);
        let table = table(&document);
        assert!(table.contains("0.9000 ± 0.1414"), "{table}");
        assert!(table.contains('–'), "{table}");
    }

    #[test]
    fn a_fold_gets_the_words_without_the_flag() {
        let of = |words_in: &[&str]| words(words_in.iter().map(OsString::from));
        assert_eq!(
            of(&["train", "tabular", "--folds", "5", "--json", "a=1"]),
            ["train", "tabular", "a=1"]
        );
        assert_eq!(of(&["train", "--folds=5", "-C", "x"]), ["train", "-C", "x"]);
    }
}
