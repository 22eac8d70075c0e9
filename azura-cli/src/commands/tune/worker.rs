//! Works on a study until there is nothing to do, and says how it stands.

use std::time::Instant;

use azura_learner::StopFlag;
use azura_learner::tune::Values;

use super::super::{Context, Ended, train};
use super::{best, name_of, plan_of, refit, report, table, watch::Show};
use crate::failure::{Code, Failure, Stop};
use crate::output::say;
use crate::run_dir::Record;
use crate::signals::Signals;
use crate::study::{Engine, Journal, Limits, Over, Setup, StudyDir};

/// Works on a study.
pub fn run(
    context: &Context,
    study: &StudyDir,
    setup: &Setup,
    journal: Journal,
    refit: bool,
) -> Ended {
    let stop = StopFlag::new();
    let flag = stop.clone();
    let signals = Signals::listen(move || {
        flag.raise();
        say!("trials under way save a checkpoint … (once more to quit at once)");
    })?;
    let parallel = setup.tune.parallel;
    let all = context.threads()?.unwrap_or_else(azura_core::threads);
    let time = setup.tune.time_limit;
    let began = Instant::now();
    let limits = Limits {
        trials: setup.tune.trials,
        until: (!time.is_zero()).then(|| began + time.duration()),
        parallel,
        threads: (all / parallel).max(1),
    };
    let prepare = |trial: usize, values: &Values| prepare(study, setup, trial, values);
    let mut show = Show::new(context, study, setup, &limits);
    show.begin(journal.state());
    let engine = Engine {
        study,
        journal,
        sampler: setup.sampler()?,
        pruner: setup.pruner()?,
        constraints: setup.constraints.clone(),
        limits,
        prepare: &prepare,
        watch: &mut show,
    };
    let worked = engine.run(&stop);
    show.finish();
    let (over, journal) = worked?;
    let state = journal.state();
    let written = report::write(study, setup, state, None);
    let mut result = table::result(study, setup, state, over.name(), began.elapsed());
    let best = state
        .history
        .best()
        .filter(|_| refit && over != Over::Interrupted);
    if let Some(best) = best {
        result["refit"] = refit::run(context, study, best.number)?;
    }
    table::print(context, study, setup, state, &result)?;
    match written {
        Ok(_) if context.talks() => say!("  {}", study.file("report.html").display()),
        Ok(_) => {}
        Err(failure) => say!(
            "warning: report.html was not written: {}",
            failure.message()
        ),
    }
    let name = name_of(context, study);
    if over == Over::Interrupted {
        say!("interrupted; go on with:  azura tune resume {name}");
        return Err(Stop::quietly(signals.exit().unwrap_or(130)));
    }
    if let (true, Some(text)) = (context.talks(), best::next(study, setup, state, &name)) {
        say!("{text}");
    }
    let counts = state.counts();
    if counts.done == 0 && counts.ended() > 0 && over != Over::Stopped {
        return Err(none(study, setup, &journal, context.globals.json));
    }
    Ok(0)
}

/// The failure of a study in which no trial has a value.
fn none(study: &StudyDir, setup: &Setup, journal: &Journal, json: bool) -> Stop {
    let state = journal.state();
    let counts = state.counts();
    let message = format!(
        "none of the {} trials of {} gave a value",
        counts.ended(),
        study.name()
    );
    let mut failure = Failure::new(Code::NoTrial, message);
    for (reason, number) in table::reasons(&state.history).into_iter().take(3) {
        failure = failure.fact(format!("{number} ×"), reason);
    }
    let stop = Stop::from(failure.help(format!(
        "`azura tune show {}` shows every trial; narrow the space of {} if the values are too wild",
        study.name(),
        table::keys(setup).join(", ")
    )));
    if !json {
        return stop;
    }
    // The document is written already.
    stop.report("", false);
    Stop::quietly(stop.exit())
}

/// Makes a trial's run directory, or makes it whole if a worker died while it did.
fn prepare(study: &StudyDir, setup: &Setup, trial: usize, values: &Values) -> Result<(), Failure> {
    let run = study.trial(trial);
    if Record::read(&run).is_ok() {
        return Ok(());
    }
    let plan = plan_of(setup, values);
    train::write_config(&run, &plan)?;
    Record::begin(&run, setup.app.name()).write(&run)
}
