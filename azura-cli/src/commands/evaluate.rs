//! `azura evaluate`: a model's scores on data, beside naive baselines.

use azura_learner::Source;
use serde_json::json;

use super::{Context, Ended, finish, input};
use crate::args::Evaluate;
use crate::failure::{Code, Failure, Place};
use crate::output::{self, say};

/// Runs the command.
pub fn run(context: &Context, args: Evaluate) -> Ended {
    let (path, model) = input::model(context, &args.model)?;
    let source = match args.data {
        Some(file) if !file.is_file() => {
            return Err(Failure::new(
                Code::Data,
                format!("the data file {} is not there", file.display()),
            )
            .at(context
                .place_of(&file.to_string_lossy())
                .or(Some(Place::File(file))))
            .into());
        }
        Some(file) => Source::File(file),
        None => input::source_of(&path),
    };
    let scores = context.with_threads(|| model.evaluate(&source))??;
    if let (Some(output), Some(rows), false) = (&args.output, &scores.rows, context.globals.dry_run)
    {
        finish::write_table(rows, Some(output))?;
        if !context.globals.quiet {
            say!("wrote {}   {} rows", output.display(), rows.len());
        }
    }
    let (metrics, baselines) = finish::scores(&scores);
    if context.globals.json {
        output::json(&json!({
            "schema": "azura.evaluate/1",
            "ok": true,
            "app": model.info().app,
            "model": path,
            "data": source.to_string(),
            "rows": scores.rows.as_ref().map(|rows| rows.len()),
            "metrics": metrics,
            "baselines": baselines,
        }))?;
    } else {
        if !context.globals.quiet {
            say!("{}   {}", path.display(), source);
        }
        output::result(format_args!("{}\n", finish::table(&metrics, &baselines)))?;
    }
    Ok(0)
}
