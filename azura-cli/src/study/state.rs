//! A study as its journal tells it: the history that samplers see, and who works on what.

use std::collections::VecDeque;

use azura_learner::tune::{self, History, Values};
use serde_json::{Map, Value};

use super::entry::{Entry, From};

/// Everything that the journal has said so far.
#[derive(Clone, Debug)]
pub struct State {
    /// Space, objectives and trials.
    pub history: History,
    /// What the history does not hold, one for each trial.
    pub notes: Vec<Note>,
    /// Values that somebody wants tried next, the first one first.
    pub queue: VecDeque<Values>,
    /// Whether somebody asked the study to stop.
    pub stopped: bool,
}

/// What is known about a trial besides its history.
#[derive(Clone, Debug)]
pub struct Note {
    /// Who chose the values.
    pub from: From,
    /// The worker that trains it; `None` if somebody asked for it and will tell.
    pub worker: Option<String>,
    /// When it started, in seconds since 1970.
    pub started: f64,
    /// When it ended.
    pub ended: Option<f64>,
    /// How often another worker took it over.
    pub taken_over: u32,
    /// What was measured at its end.
    pub measured: Map<String, Value>,
}

impl Note {
    /// A measured number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.measured.get(name).and_then(Value::as_f64)
    }

    /// Seconds of training, if it ended.
    pub fn seconds(&self) -> Option<f64> {
        self.number("seconds")
            .or_else(|| Some(self.ended? - self.started))
    }
}

/// How many trials stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed out.
    pub all: usize,
    /// Under way.
    pub running: usize,
    /// With values.
    pub done: usize,
    /// Stopped early.
    pub pruned: usize,
    /// Without values.
    pub failed: usize,
}

impl State {
    /// A study without trials.
    pub fn new(history: History) -> State {
        State {
            history,
            notes: Vec::new(),
            queue: VecDeque::new(),
            stopped: false,
        }
    }

    /// Takes an entry in.
    ///
    /// # Errors
    /// Why it cannot follow on those before it.
    pub fn apply(&mut self, entry: Entry) -> Result<(), String> {
        match entry {
            Entry::Start {
                trial,
                point,
                values,
                from,
                worker,
                time,
            } => {
                let next = self.history.trials.len();
                if trial != next {
                    return Err(format!("trial {trial} begins where {next} is the next"));
                }
                if point.len() != self.history.space.len() {
                    return Err(format!("trial {trial} has a point of another space"));
                }
                self.history.start(&point);
                self.history.trials[trial].values = values;
                if from == From::Queue {
                    self.queue.pop_front();
                }
                self.notes.push(Note {
                    from,
                    worker,
                    started: time,
                    ended: None,
                    taken_over: 0,
                    measured: Map::new(),
                });
            }
            Entry::Claim { trial, worker, .. } => {
                self.open(trial)?;
                let note = &mut self.notes[trial];
                note.worker = Some(worker);
                note.taken_over += 1;
            }
            Entry::Report { trial, step, value } => {
                let trial = self.open(trial)?;
                let value = value.unwrap_or(f64::NAN);
                if trial
                    .intermediate
                    .last()
                    .is_none_or(|(last, _)| *last < step)
                {
                    trial.intermediate.push((step, value));
                }
            }
            Entry::End {
                trial,
                state,
                objectives,
                constraints,
                measured,
                time,
            } => {
                let open = self.open(trial)?;
                if state == tune::State::Running {
                    return Err(format!("trial {trial} ends without an end"));
                }
                open.state = state;
                open.objectives = objectives;
                open.constraints = constraints
                    .into_iter()
                    .map(|far| far.unwrap_or(f64::NAN))
                    .collect();
                self.notes[trial].ended = Some(time);
                self.notes[trial].measured = measured;
            }
            Entry::Enqueue { values } => self.queue.push_back(values),
            Entry::Stop { .. } => self.stopped = true,
            Entry::Go { .. } => self.stopped = false,
        }
        Ok(())
    }

    fn open(&mut self, trial: usize) -> Result<&mut tune::Trial, String> {
        match self.history.trials.get_mut(trial) {
            None => Err(format!("there is no trial {trial}")),
            Some(found) if found.is_finished() => Err(format!("trial {trial} has ended already")),
            Some(found) => Ok(found),
        }
    }

    /// Whether `worker` may still speak for the trial: nobody took it over, and it has not ended.
    pub fn is_of(&self, trial: usize, worker: Option<&str>) -> bool {
        let open = self
            .history
            .trials
            .get(trial)
            .is_some_and(|t| !t.is_finished());
        open && self.notes[trial].worker.as_deref() == worker
    }

    /// How many trials stand how.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for trial in &self.history.trials {
            counts.all += 1;
            match trial.state {
                tune::State::Running => counts.running += 1,
                tune::State::Done => counts.done += 1,
                tune::State::Pruned(_) => counts.pruned += 1,
                tune::State::Failed(_) => counts.failed += 1,
            }
        }
        counts
    }
}

impl Counts {
    /// Trials that have ended.
    pub fn ended(&self) -> usize {
        self.all - self.running
    }
}
