//! `azura evaluate`: a model's scores on data, beside naive baselines.

use azura_learner::app::Part;
use azura_learner::data::{Table, Values, sha256_file};
use azura_learner::{Predictor, Source};
use serde_json::json;

use super::{Context, Ended, finish, input, scoreboard};
use crate::args::Evaluate;
use crate::failure::{Code, Failure, Place};
use crate::output::{self, say};
use crate::require;
use crate::style::Paint;

/// Runs the command.
pub fn run(context: &Context, args: Evaluate) -> Ended {
    let (path, model) = input::model(context, &args.model)?;
    let source = match args.data {
        Some(file) if !file.exists() => {
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
        None => input::source_of(&path, &*model)?,
    };
    let read = match &source {
        Source::File(file) => vec![path.as_path(), file],
        Source::Bundled => vec![path.as_path()],
    };
    input::check_output(args.output.as_deref(), &read)?;
    let scores = context.with_threads(|| model.evaluate(&source))??;
    if let (Some(output), Some(rows), false) = (&args.output, &scores.rows, context.globals.dry_run)
    {
        finish::write_table(rows, Some(output))?;
        if !context.globals.quiet {
            say!("wrote {}   {} rows", output.display(), rows.len());
        }
    }
    let seen = seen(&*model, &source, scores.rows.as_ref());
    if let Some(seen) = &seen {
        say!("{} {seen}", Paint::Yellow.err("warning:"));
    }
    let failures = require::failures(&args.require, |part| {
        (part == Part::Test).then_some(&scores.metrics)
    });
    let (metrics, baselines) = finish::scores(&scores);
    if context.globals.json {
        let document = json!({
            "schema": "azura.evaluate/1",
            "ok": true,
            "app": model.info().app,
            "model": path,
            "data": source.to_string(),
            "rows": scores.rows.as_ref().map(|rows| rows.len()),
            "metrics": metrics,
            "baselines": baselines,
            "warning": seen,
        });
        output::json(&require::marked(document, &failures))?;
    } else {
        if !context.globals.quiet {
            say!("{}   {}", path.display(), source);
        }
        output::result(format_args!(
            "{}\n",
            scoreboard::table(&metrics, &baselines)
        ))?;
    }
    require::ended(failures, context.globals.json)
}

/// Whether the scored rows lie in the time that the model was trained on: then they are no proof of anything. The model's own
/// data is no such case, for of that only the test rows are scored.
fn seen(model: &dyn Predictor, source: &Source, rows: Option<&Table>) -> Option<String> {
    let Source::File(file) = source else {
        return None;
    };
    let data = &model.info().data;
    let (first, last) = data.span.as_ref()?;
    if sha256_file(file).is_ok_and(|sha256| sha256 == data.sha256) {
        return None;
    }
    let times = rows?.columns().find_map(|(_, values)| match values {
        Values::Time(times) => Some(times),
        _ => None,
    })?;
    let inside = times
        .iter()
        .map(|time| time.iso())
        .filter(|time| first <= time && time <= last)
        .count();
    (inside > 0).then(|| {
        format!(
            "{inside} of {} rows lie between {first} and {last}, the time of the data that the model was trained on: \
             what it has seen is no test",
            times.len()
        )
    })
}
