//! `azura predict`: a CSV file in, a CSV file out.

use serde_json::json;

use super::{Context, Ended, finish, input};
use crate::args::Predict;
use crate::output::{self, say};
use crate::progress::text;

/// Runs the command.
pub fn run(context: &Context, args: Predict) -> Ended {
    let (path, model) = input::model(context, &args.model)?;
    input::check_output(args.output.as_deref(), &[&args.input, &path])?;
    let table = input::table(&*model, &args.input)?;
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
