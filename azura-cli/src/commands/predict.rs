//! `azura predict`: a CSV file in, or files of the app's own kind; a CSV file out.

use std::path::{Path, PathBuf};

use azura_learner::Predictor;
use serde_json::json;

use super::{Context, Ended, finish, input};
use crate::args::Predict;
use crate::failure::{Code, Failure};
use crate::output::{self, say};
use crate::progress::text;
use crate::style::Paint;

/// Runs the command.
pub fn run(context: &Context, args: Predict) -> Ended {
    let (path, model) = input::model(context, &args.model)?;
    let mut read: Vec<&Path> = args.input.iter().map(PathBuf::as_path).collect();
    read.push(&path);
    input::check_output(args.output.as_deref(), &read)?;
    if input::are_files(&*model, &args.input) {
        return files(context, &args, &path, &*model);
    }
    let [file] = args.input.as_slice() else {
        return Err(one_table(&*model).into());
    };
    if args.top_k.is_some() {
        let message = "--top-k is for images; of a table every class is given";
        return Err(Failure::new(Code::CommandLine, message)
            .at(context.place_of("--top-k"))
            .help("leave it out")
            .into());
    }
    let table = input::table(&*model, file)?;
    let predictions = context.with_threads(|| model.predict(&table))??;
    if context.globals.dry_run {
        say!("{} rows would be written (--dry-run)", predictions.len());
        return Ok(0);
    }
    if context.globals.json && args.output.is_none() {
        output::json(&json!({
            "schema": "azura.predict/1",
            "ok": true,
            "app": model.info().app,
            "model": path,
            "rows": predictions.len(),
            "predictions": predictions.to_json_rows(),
        }))?;
        return Ok(0);
    }
    finish::write_table(&predictions, args.output.as_deref())?;
    finish::written(
        context,
        "azura.predict/1",
        args.output.as_deref(),
        predictions.len(),
    )?;
    if predictions.len() < table.len() && !context.globals.quiet {
        say!(
            "note: {} rows have no prediction: each needs {} rows without a break, itself included",
            text::thousands(table.len() - predictions.len()),
            model.signature().rows
        );
    }
    Ok(0)
}

fn one_table(model: &dyn Predictor) -> Failure {
    let failure = Failure::new(Code::CommandLine, "one table at a time can be predicted");
    match model.files() {
        [] => failure.help("run the command once for each file"),
        endings => failure.help(format!(
            "several inputs must all be folders or end in {}",
            endings.join(", ")
        )),
    }
}

/// Predicts from files of the app's kind, and says which of them could not be read.
fn files(context: &Context, args: &Predict, path: &Path, model: &dyn Predictor) -> Ended {
    let files = input::files(model, &args.input)?;
    let top = args.top_k.map_or(1, |k| k as usize);
    let made = context.with_threads(|| model.predict_files(&files, top))??;
    for (file, why) in &made.bad {
        let warning = Paint::Yellow.err("warning:");
        say!("{warning} {}: {why}; left out", file.display());
    }
    if let (true, Some((file, why))) = (made.rows.is_empty(), made.bad.first()) {
        let message = match made.bad.len() {
            1 => why.clone(),
            n => format!("none of {n} files can be read: {why}"),
        };
        return Err(Failure::new(Code::Data, message)
            .at(crate::failure::Place::File(file.clone()))
            .help("give PNG or JPEG files that an image viewer shows")
            .into());
    }
    if context.globals.dry_run {
        say!("{} rows would be written (--dry-run)", made.rows.len());
        return Ok(0);
    }
    if context.globals.json && args.output.is_none() {
        let bad = made
            .bad
            .iter()
            .map(|(file, why)| json!({"file": file, "reason": why}));
        output::json(&json!({
            "schema": "azura.predict/1",
            "ok": true,
            "app": model.info().app,
            "model": path,
            "rows": made.rows.len(),
            "predictions": made.rows.to_json_rows(),
            "bad": bad.collect::<Vec<_>>(),
        }))?;
        return Ok(0);
    }
    finish::write_table(&made.rows, args.output.as_deref())?;
    finish::written(
        context,
        "azura.predict/1",
        args.output.as_deref(),
        made.rows.len(),
    )?;
    Ok(0)
}
