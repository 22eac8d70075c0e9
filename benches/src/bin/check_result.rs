//! Checks the JSON document of `azura train --json`: the fields are there, the files exist, and the
//! model beats persistence on the test rows. Exits 1 and says why if not.

#![forbid(unsafe_code)]

use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: check_result FILE");
        return ExitCode::from(2);
    };
    match check(&path) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{path}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn check(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let document: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let expect = |pointer: &str, value: Value| match document.pointer(pointer) {
        Some(found) if *found == value => Ok(()),
        found => Err(format!("{pointer} must be {value}, but is {found:?}")),
    };
    let number = |pointer: &str| {
        let found = document
            .pointer(pointer)
            .and_then(Value::as_f64)
            .filter(|x| x.is_finite());
        found.ok_or_else(|| format!("{pointer} must be a number"))
    };
    expect("/schema", "azura.train/1".into())?;
    expect("/ok", true.into())?;
    expect("/device", "cpu".into())?;
    for pointer in [
        "/parameters",
        "/epochs",
        "/seconds",
        "/metrics/train/mae",
        "/metrics/val/mae",
    ] {
        number(pointer)?;
    }
    for pointer in ["/run", "/model"] {
        let file = document
            .pointer(pointer)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("{pointer} must be a path"))?;
        if !Path::new(file).exists() {
            return Err(format!("{pointer} names {file}, which does not exist"));
        }
    }
    let model = number("/metrics/test/mae")?;
    for pointer in [
        "/metrics/test/rmse",
        "/metrics/test/r2",
        "/metrics/test/mase",
    ] {
        number(pointer)?;
    }
    let persistence = number("/baselines/persistence/mae")?;
    let seasonal = number("/baselines/seasonal_naive/mae")?;
    if model >= persistence.min(seasonal) {
        return Err(format!(
            "the model's test MAE {model} is not below persistence {persistence} and seasonal naive {seasonal}"
        ));
    }
    Ok(format!(
        "test MAE {model:.4}, persistence {persistence:.4}, seasonal naive {seasonal:.4}: passed"
    ))
}
