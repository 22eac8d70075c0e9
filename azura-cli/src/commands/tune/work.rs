//! `azura tune work STUDY N`: trains one trial as the child of a worker. Hidden: people have no use for it.

use std::time::{Duration, Instant};

use azura_learner::StopFlag;

use super::super::{Context, Ended, resume, train};
use crate::failure::{Code, Failure};
use crate::output;
use crate::run_dir::{self, Lease, Record, Status};
use crate::study::{Control, StudyDir};

/// A child whose worker died saves a checkpoint before it ends; whoever takes its trial over waits so long for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the command.
pub fn run(context: &Context, study: &StudyDir, trial: usize) -> Ended {
    output::set_events(true);
    let run = study.trial(trial);
    let plan = resume::plan(context, &run).inspect_err(|stop| {
        // Values that do not fit each other. What is wrong with the record is no news beside that.
        if let Ok(mut record) = Record::read(&run) {
            record.status = Status::Failed;
            record.ended = Some(run_dir::now());
            record.error = stop.failures().first().map(|f| f.message().to_string());
            let _ = record.write(&run);
        }
    })?;
    let stop = StopFlag::new();
    let control = Control::listen(&stop).map_err(|error| {
        Failure::new(
            Code::Unexpected,
            format!("cannot listen to the worker: {error}"),
        )
    })?;
    let began = Instant::now();
    while run_dir::is_held(&run) && !stop.raised() && began.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(50));
    }
    let lease = Lease::take(&run)?;
    let mut record = Record::read(&run)?;
    let resume = run.last_checkpoint().exists();
    record.resumed += u32::from(resume);
    record.status = Status::Running;
    record.started = run_dir::now();
    (record.ended, record.error, record.result) = (None, None, None);
    let signals = train::listen(&stop)?;
    record.write(&run)?;
    let session = train::Session {
        context,
        plan: &plan,
        run: &run,
        record,
        stop,
        signals,
        resume,
        trial: Some(control),
    };
    let ended = session.train();
    drop(lease);
    ended
}
