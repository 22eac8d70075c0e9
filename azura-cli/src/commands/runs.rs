//! `azura runs`: what was trained.

use serde_json::{Value, json};

use super::{Context, Ended, scoreboard};
use crate::args::{Runs, RunsAction};
use crate::failure::{Code, Failure};
use crate::output::{self, say};
use crate::progress::text;
use crate::run_dir::{self, Record, RunDir, Status};
use crate::style::Paint;

/// Runs the command.
pub fn run(context: &Context, args: Runs) -> Ended {
    match args.action {
        None => list(context, None, args.limit),
        Some(RunsAction::List { app }) => list(context, app.as_deref(), args.limit),
        Some(RunsAction::Show { run }) => show(context, run.as_deref()),
    }
}

fn list(context: &Context, group: Option<&str>, limit: usize) -> Ended {
    let runs = context.runs();
    let all = run_dir::list(&runs, group);
    let shown = &all[..all.len().min(limit)];
    if context.globals.json {
        let runs: Vec<Value> = shown
            .iter()
            .map(|(run, record)| {
                let mut value = serde_json::to_value(record).unwrap_or_default();
                value["path"] = json!(run.path());
                value["name"] = json!(run.full_id());
                value
            })
            .collect();
        output::json(&json!({"schema": "azura.runs/1", "ok": true, "runs": runs}))?;
        return Ok(0);
    }
    if all.is_empty() {
        say!(
            "no runs in {}; start one with `azura train APP`",
            runs.display()
        );
        return Ok(0);
    }
    let rows: Vec<[String; 6]> = shown.iter().map(|(run, record)| row(run, record)).collect();
    let heads = ["run", "app", "status", "epochs", "test", "created"].map(str::to_string);
    let width = |i: usize| {
        let cells = rows.iter().map(|row| row[i].chars().count());
        cells.chain([heads[i].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    output::checked(|out| {
        for (n, row) in std::iter::once(&heads).chain(&rows).enumerate() {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            let line = cells.join("  ");
            let line = line.trim_end();
            writeln!(
                out,
                "{}",
                if n == 0 {
                    Paint::Dim.out(line)
                } else {
                    line.to_string()
                }
            )?;
        }
        Ok(())
    })?;
    for (_, record) in shown {
        if let (Status::Damaged, Some(why)) = (record.status, &record.error) {
            say!("{} {why}", Paint::Yellow.err("warning:"));
        }
    }
    if all.len() > shown.len() {
        say!(
            "{} more; --limit {} shows all",
            all.len() - shown.len(),
            all.len()
        );
    }
    Ok(0)
}

fn row(run: &RunDir, record: &Record) -> [String; 6] {
    let result = record.result.as_ref();
    let epochs = result
        .and_then(|r| r.get("epochs"))
        .map_or(String::new(), Value::to_string);
    // The app's first metric in the order of its own: `mae` for series, `accuracy` for classes.
    let metrics = result
        .and_then(|r| r.pointer("/metrics/test"))
        .and_then(Value::as_object);
    let metric = metrics
        .and_then(|m| {
            ["mae", "accuracy"]
                .iter()
                .find_map(|name| m.get_key_value(*name))
                .or_else(|| m.iter().next())
        })
        .and_then(|(name, value)| Some(format!("{name} {}", text::number(value.as_f64()?))));
    [
        run.full_id(),
        record.app.clone(),
        record.status.to_string(),
        epochs,
        metric.unwrap_or_default(),
        record.created.clone(),
    ]
}

fn show(context: &Context, name: Option<&str>) -> Ended {
    let runs = context.runs();
    let run = run_dir::find(&runs, name.unwrap_or("latest")).map_err(|failure| match name {
        Some(_) => failure,
        None => Failure::new(
            Code::NotFound,
            format!("there are no runs in {}", runs.display()),
        )
        .help("start one with `azura train APP`"),
    })?;
    let record = Record::read(&run)?;
    if context.globals.json {
        let mut value = serde_json::to_value(&record).unwrap_or_default();
        value["path"] = json!(run.path());
        output::json(&json!({"schema": "azura.runs/1", "ok": true, "run": value}))?;
        return Ok(0);
    }
    let mut lines = vec![
        ("run", run.path().display().to_string()),
        ("app", record.app.clone()),
        ("status", status(context, &run, &record)),
        ("created", record.created.clone()),
        ("command", record.command.join(" ")),
        ("version", record.version.clone()),
    ];
    lines.extend(record.ended.clone().map(|ended| ("ended", ended)));
    lines.extend(record.error.clone().map(|error| ("error", error)));
    if record.resumed > 0 {
        let times = match record.resumed {
            1 => "once".to_string(),
            n => format!("{n} times"),
        };
        lines.push(("resumed", times));
    }
    if let Some(result) = &record.result {
        let number = |key: &str| result.get(key).and_then(Value::as_f64).unwrap_or(0.0);
        lines.push((
            "trained",
            format!(
                "{} in {}",
                text::counted(number("epochs") as usize, "epoch"),
                text::duration(number("seconds"))
            ),
        ));
        lines.push((
            "model",
            format!(
                "{} parameters",
                text::thousands(number("parameters") as usize)
            ),
        ));
    }
    output::checked(|out| {
        for (name, value) in &lines {
            writeln!(out, "{name:8} {value}")?;
        }
        if let Some(result) = &record.result {
            let at = |path: &str| result.pointer(path).unwrap_or(&Value::Null);
            writeln!(
                out,
                "{}",
                scoreboard::table(at("/metrics/test"), at("/baselines"))
            )?;
        }
        Ok(())
    })?;
    Ok(0)
}

fn status(context: &Context, run: &RunDir, record: &Record) -> String {
    match record.status {
        Status::Lost => format!(
            "lost: its process died; continue with `azura resume {}`",
            context.name_of(run)
        ),
        Status::Interrupted | Status::Failed => {
            format!(
                "{}; continue with `azura resume {}`",
                record.status,
                context.name_of(run)
            )
        }
        other => other.to_string(),
    }
}
