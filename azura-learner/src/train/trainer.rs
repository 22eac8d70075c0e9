//! The trainer: its options, and what happens around the steps (`running.rs` makes those).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Training;
use super::checkpoint::{LAST, TrainState};
use super::observer::{Event, Observer, Outcome, Stop};
use super::running::Running;
use crate::error::{Error, Result};

/// Asks a training to stop at the next step. Clones share the flag; raising it is safe in a signal
/// handler's thread.
///
/// ```
/// use azura_learner::StopFlag;
/// let stop = StopFlag::new();
/// let elsewhere = stop.clone();
/// elsewhere.raise();
/// assert!(stop.raised());
/// ```
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// A flag that is not raised.
    pub fn new() -> Self {
        StopFlag::default()
    }

    /// Asks to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True once someone asked to stop.
    pub fn raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Trains anything that is a [`Training`]: loss, backward, clip, step, once for each batch; validation,
/// early stopping and checkpoints at the end of each epoch.
///
/// It prints nothing; [`Observer`]s are told. When it returns, the store holds the weights of the best
/// epoch. The same configuration gives the same bits, whether or not the training was interrupted and
/// resumed.
#[derive(Default)]
pub struct Trainer<'o> {
    pub(super) observers: Vec<Box<dyn Observer + 'o>>,
    pub(super) folder: Option<PathBuf>,
    pub(super) stop: StopFlag,
}

impl<'o> Trainer<'o> {
    /// A trainer without observers and without checkpoints.
    pub fn new() -> Self {
        Trainer::default()
    }

    /// The same trainer, which also tells `observer`.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'o) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// The same trainer, which keeps `last.safetensors` and `best.safetensors` in `folder`.
    #[must_use]
    pub fn checkpoints(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_path_buf());
        self
    }

    /// The same trainer, which stops at the next step when `stop` is raised.
    #[must_use]
    pub fn stop(mut self, stop: StopFlag) -> Self {
        self.stop = stop;
        self
    }

    /// Trains from the weights that the store has.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the folder has a checkpoint already, [`Error::Config`] for a wrong
    /// configuration, [`Error::NoGradient`] if the loss does not reach a trainable parameter, [`Error::Usage`] if it
    /// reaches one of another store,
    /// [`Error::Diverged`] if a number stops being finite, and what data, model and system return.
    pub fn run(self, training: &mut dyn Training) -> Result<Outcome> {
        if let Some(path) = self.last().filter(|path| path.exists()) {
            return Err(Error::Conflict(format!(
                "{} exists already; resume it or choose another folder",
                path.display()
            )));
        }
        let running = Running::new(self, training)?;
        running.drive(None)
    }

    /// Goes on from `last.safetensors`, as if training had never stopped.
    ///
    /// A finished training returns its recorded outcome at once, unless its budget was raised. Where the
    /// schedule follows the budget (cosine, warm-up), a raised budget stretches the rest of its curve.
    ///
    /// # Errors
    /// As [`run`](Trainer::run), and [`Error::NotFound`] or [`Error::Checkpoint`] if there is no
    /// checkpoint that fits.
    pub fn resume(mut self, training: &mut dyn Training) -> Result<Outcome> {
        let Some(path) = self.last() else {
            return Err(Error::Usage(
                "a trainer without a checkpoint folder cannot resume".into(),
            ));
        };
        if let Some(folder) = &self.folder {
            crate::fs::sweep(folder)?;
        }
        let state = TrainState::load(&path)?;
        let mismatch = |reason: &str| Error::Checkpoint {
            path: path.clone(),
            reason: reason.to_string(),
        };
        if state.scalars.fingerprint != training.fingerprint() {
            return Err(mismatch(
                "it belongs to another configuration, model, data or version of azura; resume with the run's own, of which \
                 only the budget (epochs, max_steps, time_limit) may change",
            ));
        }
        let here = crate::model::instruction_set();
        if state.scalars.instruction_set != here {
            let text = format!(
                "the run was started on another instruction set ({}, here {here}): its result will not \
                 be bit-identical to an uninterrupted run",
                state.scalars.instruction_set
            );
            self.tell(&Event::Warning(&text));
        }
        let running = Running::new(self, training)?;
        running.drive(Some(state))
    }

    pub(super) fn tell(&mut self, event: &Event<'_>) {
        for observer in &mut self.observers {
            observer.on(event);
        }
    }

    fn last(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(LAST))
    }
}

/// True if a finished training has budget again.
pub(super) fn can_go_on(state: &TrainState, config: &super::TrainConfig) -> bool {
    let at = state.scalars.position;
    match state.scalars.finished {
        None | Some(Stop::Interrupted) => true,
        Some(Stop::EarlyStop) => false,
        Some(Stop::Epochs | Stop::MaxSteps | Stop::TimeLimit) => {
            let limit = config.time_limit;
            at.epoch < config.epochs
                && (config.max_steps == 0 || at.step < config.max_steps)
                && (limit.is_zero() || state.scalars.seconds < limit.seconds())
        }
    }
}
