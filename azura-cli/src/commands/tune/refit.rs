//! `--refit-best`: trains the best trial anew on training and validation rows together, as a run like any other.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::super::Context;
use crate::failure::{Code, Failure, Stop};
use crate::output::{self, say};
use crate::study::StudyDir;

/// Trains, and returns the document of the training. It is a process of its own, so that its result is one document.
///
/// # Errors
/// [`Code::Unexpected`] if it cannot be started or fails; it has said why.
pub fn run(context: &Context, study: &StudyDir, trial: usize) -> Result<Value, Stop> {
    let fail = |why: String| {
        Failure::new(
            Code::Unexpected,
            format!("training the best trial anew: {why}"),
        )
    };
    let program = std::env::current_exe().map_err(|error| fail(error.to_string()))?;
    let path = std::path::absolute(study.path()).map_err(|error| fail(error.to_string()))?;
    if context.talks() {
        say!("refit  trial {trial} on training and validation rows");
    }
    let mut command = Command::new(program);
    command
        .arg("train")
        .args(["--from-trial", &format!("{}/{trial}", path.display())])
        .args(["--refit", "--json"])
        .stderr(Stdio::inherit());
    if output::events() {
        command.args(["--progress", "json"]);
    } else if !context.talks() {
        command.arg("-q");
    }
    if let Some(runs) = &context.globals.runs {
        command.arg("--runs").arg(runs);
    }
    if let Some(threads) = context.threads()? {
        command.args(["--threads", &threads.to_string()]);
    }
    let output = command.output().map_err(|error| fail(error.to_string()))?;
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    if !output.status.success() {
        return Err(fail(format!("it ended with {}", output.status)).into());
    }
    if let (true, Some(run)) = (context.talks(), document.get("run").and_then(Value::as_str)) {
        say!("       {run}   its test scores: azura runs show {run}");
    }
    Ok(document)
}
