//! `azura forecast`: the steps that come after a history.

use azura_learner::data::Table;
use azura_learner::{Predictor, Source};
use serde_json::json;
use std::path::Path;

use super::{Context, Ended, finish, input};
use crate::args::Forecast;
use crate::failure::{Code, Failure, Stop};
use crate::output::{self, say};

/// Runs the command.
pub fn run(context: &Context, args: Forecast) -> Ended {
    let (path, model) = input::model(context, &args.model)?;
    if !model.signature().forecast {
        return Err(Failure::new(
            Code::CommandLine,
            format!("the app `{}` does not forecast", model.info().app),
        )
        .help("use predict")
        .into());
    }
    let history_file = args.history.as_deref().unwrap_or(Path::new("-"));
    input::check_output(args.output.as_deref(), &[history_file, &path])?;
    let history = match &args.history {
        Some(file) => input::table(&*model, file)?,
        None => known(&*model, &path)?,
    };
    let steps = args.steps as usize;
    let forecast = context.with_threads(|| model.forecast(&history, steps))??;
    if context.globals.dry_run {
        say!("{} rows would be written (--dry-run)", forecast.len());
        return Ok(0);
    }
    if context.globals.json && args.output.is_none() {
        output::json(&json!({
            "schema": "azura.forecast/1",
            "ok": true,
            "app": model.info().app,
            "model": path,
            "steps": steps,
            "forecast": forecast.to_json_rows(),
        }))?;
        return Ok(0);
    }
    finish::write_table(&forecast, args.output.as_deref())?;
    finish::written(
        context,
        "azura.forecast/1",
        args.output.as_deref(),
        forecast.len(),
    )?;
    Ok(0)
}

/// The data that the model was trained on.
fn known(model: &dyn Predictor, path: &Path) -> Result<Table, Stop> {
    let source = input::source_of(path, model)?;
    match &source {
        Source::File(file) => input::table(model, file),
        Source::Bundled => Ok(model.table(&source)?),
    }
}
