//! `azura resume`: goes on with a run from its last checkpoint, bit for bit.

use azura_learner::{Source, StopFlag};

use super::{Context, Ended, finish, from_command_line, resolved, train};
use crate::args::{Globals, Resume};
use crate::config::layers;
use crate::failure::{Code, Failure, Stop};
use crate::output::say;
use crate::run_dir::{self, Lease, Record, RunDir, Status};

/// Keys that say how long to train, and so may change without changing what was trained so far.
const BUDGET: [&str; 4] = [
    "train.epochs",
    "train.max_steps",
    "train.time_limit",
    "train.checkpoint_every",
];

/// Runs the command.
pub fn run(context: &Context, args: Resume) -> Ended {
    let runs = context.runs();
    let run = match &args.run {
        Some(name) => run_dir::find(&runs, name)?,
        None => run_dir::latest_unfinished(&runs)?,
    };
    let mut plan = plan(context, &run)?;
    plan.require = args.require;
    context.device()?;
    let extended = plan.config.origins.values().any(from_command_line);
    // A finished run is only looked at, and may lie where nothing can be written. One whose model file was removed
    // makes it again.
    let record = Record::read(&run)?;
    if record.status == Status::Finished
        && !extended
        && run.model().is_file()
        && let Some(result) = record.result
    {
        if context.talks() {
            say!("{} is finished; this is its result", run.full_id());
        }
        finish::show(context, &run, &result)?;
        return Ok(0);
    }
    let lease = Lease::take(&run)?;
    // Again: a process that ended in between has made the record stale.
    let mut record = Record::read(&run)?;
    let resume = run.last_checkpoint().exists();
    record.status = Status::Running;
    record.started = run_dir::now();
    record.resumed += 1;
    (record.ended, record.error, record.result) = (None, None, None);
    if context.talks() {
        say!(
            "run    {}   {}",
            run.path().display(),
            if resume {
                "goes on from its last checkpoint"
            } else {
                "had no checkpoint yet and starts again"
            }
        );
    }
    if context.globals.dry_run {
        return Ok(0);
    }
    let stop = StopFlag::new();
    let signals = train::listen(&stop)?;
    record.write(&run)?;
    if extended {
        train::write_config(&run, &plan)?;
    }
    let session = train::Session {
        context,
        plan: &plan,
        run: &run,
        record,
        stop,
        signals,
        resume,
        trial: None,
    };
    let ended = session.train();
    drop(lease);
    ended
}

/// What the run was started with, and the budget from the command line; no other layer is read.
pub fn plan(context: &Context, run: &RunDir) -> Result<train::Plan, Stop> {
    let config = run.file("config.toml");
    let globals = Globals {
        config: Some(config),
        ..Globals::default()
    };
    let layers = layers::gather(&globals, &context.overrides(&[]), None, &Vec::new)
        .map_err(Stop::before_start)?;
    let app = context.app_or_configured(None, &layers)?;
    let resolved = resolved(app, &layers)?;
    let changed = resolved
        .origins
        .iter()
        .filter(|(_, origin)| from_command_line(origin));
    let refused: Vec<_> = changed
        .filter(|(key, _)| !BUDGET.contains(&key.as_str()))
        .map(|(key, origin)| {
            Failure::new(
                Code::OutOfRange,
                format!("`{key}` cannot change in a run that has begun"),
            )
            .at(origin.key_place())
            .help(format!("on resume, these can: {}", BUDGET.join(", ")))
            .help(format!(
                "to train anew with it: azura train -c {} {key}=…",
                run.file("config.toml").display()
            ))
        })
        .collect();
    if !refused.is_empty() {
        return Err(Stop::before_start(refused));
    }
    Ok(train::Plan {
        app,
        config: resolved,
        source: match layers.data {
            Some((path, _)) => Source::File(path),
            None => Source::Bundled,
        },
        group: layers
            .name
            .map_or_else(|| app.name().to_string(), |(name, _)| name),
        why: None,
        require: Vec::new(),
    })
}
