//! What the trainer tells: events, rows of metrics, the outcome.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::app::{DataSummary, Metrics};

/// Someone who is told what training does: a progress bar, a metrics file, a web page, a tuner.
///
/// To end training, keep a clone of its [`StopFlag`](super::StopFlag).
pub trait Observer: Send {
    /// Called in the training thread; training waits for it.
    fn on(&mut self, event: &Event<'_>);
}

/// A closure as an [`Observer`].
///
/// ```
/// use azura_learner::train::{Event, On};
/// let mut epochs = 0;
/// let observer = On(|event: &Event<'_>| epochs += u32::from(matches!(event, Event::Epoch(_))));
/// # drop(observer);
/// ```
pub struct On<F>(pub F);

impl<F: FnMut(&Event<'_>) + Send> Observer for On<F> {
    fn on(&mut self, event: &Event<'_>) {
        (self.0)(event);
    }
}

impl Observer for Box<dyn Observer + '_> {
    fn on(&mut self, event: &Event<'_>) {
        (**self).on(event);
    }
}

/// Something that happened in training.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The data is read and split; nothing is trained yet. Only [`run`](crate::run) tells this.
    Data(&'a DataSummary),
    /// Training starts or goes on.
    Started {
        /// Epochs at most.
        epochs: u64,
        /// Optimiser steps in an epoch.
        steps_per_epoch: u64,
        /// Optimiser steps at most.
        total_steps: u64,
        /// Numbers in all parameters.
        parameters: usize,
        /// Where the checkpoint stood, if training goes on from one.
        resumed: Option<Position>,
        /// All epochs so far: whoever keeps a metrics file writes it anew from here.
        history: &'a [EpochRow],
    },
    /// One optimiser step was made.
    Step {
        /// The epoch it belongs to, from 1.
        epoch: u64,
        /// The last of its batches in the epoch, from 1.
        batch: u64,
        /// The optimiser step, from 1.
        step: u64,
        /// Mean loss of its batches before the step.
        loss: f64,
        /// Learning rate of the step.
        lr: f64,
        /// Norm of all gradients before clipping.
        grad_norm: f64,
        /// Rows in its batches.
        rows: usize,
        /// Seconds that training waited for its batches.
        waited: f64,
    },
    /// An epoch ended and its validation rows were scored.
    Epoch(&'a EpochRow),
    /// A checkpoint was written and is safe on disk.
    Checkpoint {
        /// Which one.
        kind: CheckpointKind,
        /// The file.
        path: &'a Path,
        /// The optimiser step it holds.
        step: u64,
    },
    /// Something a person should know.
    Warning(&'a str),
    /// Training ended.
    Finished(&'a Outcome),
}

/// A place between two optimiser steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Epochs that are complete.
    pub epoch: u64,
    /// Batches that are done in the epoch after those.
    pub batch: u64,
    /// Optimiser steps made.
    pub step: u64,
}

/// Which checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointKind {
    /// The newest state: what a resumed run goes on from.
    Last,
    /// The state at the end of the best complete epoch.
    Best,
}

/// What one epoch gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Optimiser steps made by its end.
    pub step: u64,
    /// Learning rate of its last step.
    pub lr: f64,
    /// `train.loss`, `val.loss` and `val.` with each score.
    #[serde(with = "super::numbers")]
    pub metrics: Metrics,
    /// True if this is the best epoch so far.
    pub best: bool,
    /// Seconds of training by its end, over all resumed parts. The only value here that differs between
    /// two runs of the same seed.
    pub seconds: f64,
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stop {
    /// All epochs are done.
    Epochs,
    /// `max_steps` steps are done.
    MaxSteps,
    /// The time limit is reached.
    TimeLimit,
    /// The monitored value has not improved for `patience` epochs.
    EarlyStop,
    /// Someone raised the stop flag; the run can be resumed.
    Interrupted,
}

impl Stop {
    /// `epochs`, `max_steps`, `time_limit`, `early_stop` or `interrupted`.
    pub fn name(self) -> &'static str {
        match self {
            Stop::Epochs => "epochs",
            Stop::MaxSteps => "max_steps",
            Stop::TimeLimit => "time_limit",
            Stop::EarlyStop => "early_stop",
            Stop::Interrupted => "interrupted",
        }
    }
}

/// How training ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Why.
    pub stop: Stop,
    /// Epochs that were scored, the last one also if the budget ended inside of it.
    pub epochs: u64,
    /// Optimiser steps.
    pub steps: u64,
    /// Seconds of training, over all resumed parts.
    pub seconds: f64,
    /// The best epoch, whose weights the store holds; `None` if no epoch was completed.
    pub best: Option<Best>,
    /// Every completed epoch.
    pub history: Vec<EpochRow>,
}

impl Outcome {
    /// False if the run was interrupted and can be resumed.
    pub fn finished(&self) -> bool {
        self.stop != Stop::Interrupted
    }
}

/// The best epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Optimiser steps made by its end.
    pub step: u64,
    /// The monitored key.
    pub key: String,
    /// Its value.
    pub value: f64,
}
