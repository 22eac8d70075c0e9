//! A worker: asks the sampler, starts trials in children, judges what they report, and writes the journal.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use azura_learner::StopFlag;
use azura_learner::data::{Values as Cells, read_csv_all};
use azura_learner::tune::{self, Pruner, Sampler, Values, Verdict};
use serde_json::{Map, Value};

use super::child::{Child, Exit, Order, Told};
use super::entry::{Entry, From};
use super::journal::{Journal, Writer};
use super::measure::{Constraint, Measured};
use super::state::State;
use super::{StudyDir, now};
use crate::failure::{Code, Failure};
use crate::run_dir::{self, Lease, RunDir};

/// A worker that waits for something looks around this often: a person does not notice, a disk neither.
const LOOK: Duration = Duration::from_millis(200);
/// A child that is killed is started again so often; then its trial failed.
const TRIES: u32 = 3;
/// After so many trials that all failed, somebody should look.
const ALL_FAILED: usize = 3;

/// When a worker has done enough.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Trials of the whole study.
    pub trials: usize,
    /// Begin nothing after this moment, and interrupt what is under way.
    pub until: Option<Instant>,
    /// Children at the same time.
    pub parallel: usize,
    /// Threads of each child.
    pub threads: usize,
}

/// Why a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// All trials have ended.
    Trials,
    /// There is nothing left to try.
    Exhausted,
    /// Somebody asked the study to stop.
    Stopped,
    /// The time is over.
    Time,
    /// Somebody asked this worker to stop.
    Interrupted,
}

impl Over {
    /// `trials`, `exhausted`, `stopped`, `time_limit` or `interrupted`.
    pub fn name(self) -> &'static str {
        match self {
            Over::Trials => "trials",
            Over::Exhausted => "exhausted",
            Over::Stopped => "stopped",
            Over::Time => "time_limit",
            Over::Interrupted => "interrupted",
        }
    }
}

/// A trial under way in a child of this worker.
#[derive(Debug)]
pub struct Live {
    /// Epochs that ended.
    pub epoch: u64,
    /// Epochs at most; 0 before that is known.
    pub epochs: u64,
    /// When it was started here.
    pub since: Instant,
    /// The last value of the first objective.
    pub value: f64,
}

/// Somebody who is told what a worker does.
pub trait Watch {
    /// A trial began, or goes on (`again`).
    fn began(&mut self, state: &State, trial: usize, again: bool);
    /// Something moved; called often.
    fn moved(&mut self, state: &State, live: &BTreeMap<usize, &Live>);
    /// A trial ended.
    fn ended(&mut self, state: &State, trial: usize);
    /// Something a person should know.
    fn note(&mut self, text: &str);
}

/// A worker of a study.
pub struct Engine<'a> {
    /// Where.
    pub study: &'a StudyDir,
    /// Its journal.
    pub journal: Journal,
    /// Proposes values.
    pub sampler: Box<dyn Sampler>,
    /// Judges reports.
    pub pruner: Box<dyn Pruner>,
    /// Bounds that trials must keep.
    pub constraints: Vec<Constraint>,
    /// When it is enough.
    pub limits: Limits,
    /// Makes the run directory of a trial, so that a child can train in it.
    pub prepare: &'a dyn Fn(usize, &Values) -> Result<(), Failure>,
    /// Who is told.
    pub watch: &'a mut dyn Watch,
}

/// What a worker holds while it works.
struct Work {
    id: String,
    children: BTreeMap<usize, Mine>,
    tell: Sender<(usize, Told)>,
    told: Receiver<(usize, Told)>,
    warned: bool,
}

struct Mine {
    child: Child,
    live: Live,
    tries: u32,
    best: Map<String, Value>,
    parameters: f64,
    /// Why it was told to stop.
    pruned: Option<Pruned>,
}

struct Pruned {
    reason: String,
    constraints: Vec<Option<f64>>,
}

/// What a worker does next.
enum Next {
    Begin(usize, Values),
    GoOn(usize, Values),
    /// Trials of other workers are under way.
    Wait,
    Nothing(Over),
}

impl Engine<'_> {
    /// Works until there is nothing to do.
    ///
    /// # Errors
    /// What the journal, the sampler and the system say. Trials that fail are no error.
    pub fn run(mut self, stop: &StopFlag) -> Result<(Over, Journal), Failure> {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |time| time.subsec_nanos());
        let id = format!(
            "{}-{}-{nanos:09}",
            plain(&run_dir::host()),
            std::process::id()
        );
        let path = self.study.worker(&id);
        let lease = Lease::of(&path)?.map_err(|_| {
            Failure::new(
                Code::Unexpected,
                format!("{} is held by another process", path.display()),
            )
        })?;
        let (tell, told) = channel();
        let mut work = Work {
            id,
            children: BTreeMap::new(),
            tell,
            told,
            warned: false,
        };
        let over = self.work(&mut work, stop);
        // Before the lease goes: no other worker may take over a trial whose child still writes.
        for mine in work.children.values_mut() {
            mine.child.order(Order::Stop);
        }
        while !work.children.is_empty() {
            if let Ok((trial, Told::Ended(_))) = work.told.recv() {
                work.children.remove(&trial);
            }
        }
        drop(lease);
        // Only this process has used it; if it cannot be removed, nobody holds it.
        let _ = std::fs::remove_file(path);
        let over = over?;
        self.journal.refresh()?;
        Ok((over, self.journal))
    }

    fn work(&mut self, work: &mut Work, stop: &StopFlag) -> Result<Over, Failure> {
        let mut ending = None;
        loop {
            let late = self
                .limits
                .until
                .is_some_and(|until| Instant::now() >= until);
            if ending.is_none() && (stop.raised() || late) {
                ending = Some(if late { Over::Time } else { Over::Interrupted });
                for mine in work.children.values_mut() {
                    mine.child.order(Order::Stop);
                }
            }
            while ending.is_none() && work.children.len() < self.limits.parallel {
                match self.next(&work.id)? {
                    Next::Begin(trial, values) => self.start(work, trial, &values, false)?,
                    Next::GoOn(trial, values) => self.start(work, trial, &values, true)?,
                    Next::Wait => break,
                    Next::Nothing(over) if work.children.is_empty() => return Ok(over),
                    Next::Nothing(_) => break,
                }
            }
            if let (Some(over), true) = (ending, work.children.is_empty()) {
                return Ok(over);
            }
            match work.told.recv_timeout(LOOK) {
                Ok((trial, told)) => self.hear(work, trial, told, ending.is_some())?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    self.journal.refresh()?;
                }
            }
            let live = work
                .children
                .iter()
                .map(|(trial, mine)| (*trial, &mine.live));
            self.watch.moved(self.journal.state(), &live.collect());
        }
    }

    /// Takes the next trial: one whose worker died, one from the queue, or one of the sampler's.
    fn next(&mut self, me: &str) -> Result<Next, Failure> {
        let (study, sampler, limits) = (self.study, &mut self.sampler, &self.limits);
        let before = self.journal.torn;
        let next = self.journal.locked(|writer| {
            let state = writer.state();
            let mut others = false;
            let mut dead = None;
            for (trial, note) in state.history.trials.iter().zip(&state.notes) {
                let Some(worker) = &note.worker else { continue };
                if trial.is_finished() || worker == me {
                    continue;
                }
                if run_dir::held(&study.worker(worker)) {
                    others = true;
                } else {
                    dead = dead.or(Some(trial.number));
                }
            }
            if state.stopped {
                return Ok(Next::Nothing(Over::Stopped));
            }
            if let Some(trial) = dead {
                let values = state.history.trials[trial].values.clone();
                writer.append(Entry::Claim {
                    trial,
                    worker: me.to_string(),
                    time: now(),
                })?;
                return Ok(Next::GoOn(trial, values));
            }
            let idle = |over| {
                if others {
                    Next::Wait
                } else {
                    Next::Nothing(over)
                }
            };
            if state.history.trials.len() >= limits.trials {
                return Ok(idle(Over::Trials));
            }
            match begin(writer, &mut **sampler, Some(me))? {
                Some((trial, values)) => Ok(Next::Begin(trial, values)),
                None => Ok(idle(Over::Exhausted)),
            }
        })?;
        if self.journal.torn > before {
            let text =
                "the last line of the journal was cut short when a process died; it was left out";
            self.watch.note(text);
        }
        Ok(next)
    }

    fn start(
        &mut self,
        work: &mut Work,
        trial: usize,
        values: &Values,
        again: bool,
    ) -> Result<(), Failure> {
        (self.prepare)(trial, values)?;
        self.spawn(work, trial, 1)?;
        self.watch.began(self.journal.state(), trial, again);
        Ok(())
    }

    fn spawn(&mut self, work: &mut Work, trial: usize, tries: u32) -> Result<(), Failure> {
        let tell = work.tell.clone();
        let child =
            Child::start(self.study.path(), trial, self.limits.threads, tell).map_err(|error| {
                Failure::new(Code::Unexpected, format!("cannot start a trial: {error}"))
            })?;
        let live = Live {
            epoch: 0,
            epochs: 0,
            since: Instant::now(),
            value: f64::NAN,
        };
        let mine = Mine {
            child,
            live,
            tries,
            best: Map::new(),
            parameters: f64::NAN,
            pruned: None,
        };
        work.children.insert(trial, mine);
        Ok(())
    }

    fn hear(
        &mut self,
        work: &mut Work,
        trial: usize,
        told: Told,
        ending: bool,
    ) -> Result<(), Failure> {
        let Some(mine) = work.children.get_mut(&trial) else {
            return Ok(());
        };
        match told {
            Told::Began { epochs, parameters } => {
                (mine.live.epochs, mine.parameters) = (epochs, parameters);
                let far = |constraint: &Constraint| match constraint.name.as_str() {
                    "parameters" => constraint.violation(parameters),
                    _ => 0.0,
                };
                if let Some(broken) = self.constraints.iter().find(|c| far(c) > 0.0) {
                    mine.pruned = Some(Pruned {
                        reason: format!("{broken} does not hold: {parameters} parameters"),
                        constraints: self.constraints.iter().map(|c| Some(far(c))).collect(),
                    });
                    mine.child.order(Order::Stop);
                }
            }
            Told::Epoch {
                epoch,
                metrics,
                best,
            } => {
                if mine.pruned.is_some() {
                    return Ok(());
                }
                mine.live.epoch = epoch;
                match self.catch_up(work, trial, epoch)? {
                    Some(Verdict::Continue) => {}
                    verdict => return self.decide(work, trial, epoch, verdict, ending),
                }
                let Some(mine) = work.children.get_mut(&trial) else {
                    return Ok(());
                };
                let name = &self.journal.state().history.objectives[0].name;
                let value = metrics
                    .get(name)
                    .map(|value| value.as_f64().unwrap_or(f64::NAN));
                if best {
                    mine.best = metrics;
                }
                let Some(value) = value else {
                    mine.child.order(Order::Go);
                    return Ok(());
                };
                mine.live.value = value;
                let verdict = report(
                    &mut self.journal,
                    &*self.pruner,
                    trial,
                    Some(&work.id),
                    epoch,
                    value,
                )?;
                self.decide(work, trial, epoch, verdict, ending)?;
            }
            Told::Ended(exit) => {
                if exit.document.get("ok") == Some(&Value::Bool(true)) {
                    self.catch_up(work, trial, u64::MAX)?;
                }
                let Some(mine) = work.children.remove(&trial) else {
                    return Ok(());
                };
                match self.judge(&mine, trial, exit, ending) {
                    Some(end) => self.end(work, trial, end)?,
                    None if ending => {}
                    None => self.spawn(work, trial, mine.tries + 1)?,
                }
            }
        }
        Ok(())
    }

    /// Lets the child of a trial go on, or stops it.
    fn decide(
        &self,
        work: &mut Work,
        trial: usize,
        epoch: u64,
        verdict: Option<Verdict>,
        ending: bool,
    ) -> Result<(), Failure> {
        let Some(mine) = work.children.get_mut(&trial) else {
            return Ok(());
        };
        match verdict {
            None => mine.child.order(Order::Stop),
            // The last epoch costs nothing more.
            Some(Verdict::Prune(reason)) if epoch < mine.live.epochs => {
                mine.pruned = Some(Pruned {
                    reason,
                    constraints: Vec::new(),
                });
                mine.child.order(Order::Stop);
            }
            Some(_) if ending => mine.child.order(Order::Stop),
            Some(_) => mine.child.order(Order::Go),
        }
        Ok(())
    }

    /// Reports the epochs before `epoch` that a trial has measured and nobody has reported: the worker before this one died between
    /// the checkpoint and the journal. The verdict of the last, or to go on if there is none.
    fn catch_up(
        &mut self,
        work: &Work,
        trial: usize,
        epoch: u64,
    ) -> Result<Option<Verdict>, Failure> {
        let history = &self.journal.state().history;
        let name = history.objectives[0].name.clone();
        let known = history.trials[trial].intermediate.last();
        let known = known.map_or(0, |(step, _)| *step);
        let mut verdict = Some(Verdict::Continue);
        for (step, value) in measured(&self.study.trial(trial), &name) {
            if known < step && step < epoch {
                let (journal, pruner) = (&mut self.journal, &*self.pruner);
                verdict = report(journal, pruner, trial, Some(&work.id), step, value)?;
            }
        }
        Ok(verdict)
    }

    /// How a trial ended; `None` if it has to go on from its checkpoint.
    fn judge(&self, mine: &Mine, trial: usize, exit: Exit, ending: bool) -> Option<End> {
        if let Some(Pruned {
            reason,
            constraints,
        }) = &mine.pruned
        {
            let mut measured = mine.best.clone();
            measured.insert("epochs".to_string(), mine.live.epoch.into());
            if mine.parameters.is_finite() {
                measured.insert("parameters".to_string(), (mine.parameters as u64).into());
            }
            return Some(End {
                state: tune::State::Pruned(reason.clone()),
                objectives: Vec::new(),
                constraints: constraints.clone(),
                measured,
            });
        }
        let document = exit.document;
        if document.get("ok") == Some(&Value::Bool(true)) {
            let bytes = std::fs::metadata(self.study.trial(trial).model()).map_or(0, |m| m.len());
            let measured = Measured {
                best: best_epoch(&self.study.trial(trial), &document).unwrap_or_default(),
                result: document,
                bytes,
            };
            return Some(self.measure(&measured));
        }
        let error = document.pointer("/errors/0");
        let text = |name: &str| {
            error
                .and_then(|error| error.get(name))
                .and_then(Value::as_str)
        };
        if let Some(message) = text("message") {
            let code = text("code").unwrap_or_default();
            return Some(End::failed(format!("{message} ({code})")));
        }
        if exit.code == Some(101) {
            let words = exit.words.unwrap_or_default();
            return Some(End::failed(format!("a bug ended it: {words}")));
        }
        if mine.tries < TRIES || ending {
            return None;
        }
        let how = match exit.code {
            None => "was killed".to_string(),
            Some(code) => format!("ended with status {code}"),
        };
        Some(End::failed(format!(
            "its process {how} {TRIES} times; perhaps there is too little memory"
        )))
    }

    fn measure(&self, measured: &Measured) -> End {
        let mut objectives = Vec::new();
        for objective in &self.journal.state().history.objectives {
            match measured.number(&objective.name) {
                Ok(value) if value.is_finite() => objectives.push(value),
                Ok(value) => return End::failed(format!("{} is {value}", objective.name)),
                Err(why) => return End::failed(why),
            }
        }
        let mut constraints = Vec::new();
        for constraint in &self.constraints {
            match measured.number(&constraint.name) {
                Ok(value) => {
                    let far = constraint.violation(value);
                    constraints.push(far.is_finite().then_some(far));
                }
                Err(why) => return End::failed(why),
            }
        }
        End {
            state: tune::State::Done,
            objectives,
            constraints,
            measured: measured.kept(),
        }
    }

    fn end(&mut self, work: &mut Work, trial: usize, end: End) -> Result<(), Failure> {
        let End {
            state,
            objectives,
            constraints,
            measured,
        } = end;
        let me = Some(work.id.as_str());
        let ours = self.journal.locked(|writer| {
            let ours = writer.state().is_of(trial, me);
            if ours {
                writer.append(Entry::End {
                    trial,
                    state,
                    objectives,
                    constraints,
                    measured,
                    time: now(),
                })?;
            }
            Ok(ours)
        })?;
        if !ours {
            self.watch.note(&format!(
                "trial {trial} was taken over by another worker while this one was silent"
            ));
            return Ok(());
        }
        self.watch.ended(self.journal.state(), trial);
        let counts = self.journal.state().counts();
        if !work.warned && counts.failed == counts.ended() && counts.failed >= ALL_FAILED {
            work.warned = true;
            self.watch.note(&format!(
                "all of the first {} trials failed; the study goes on, but look at their reasons",
                counts.failed
            ));
        }
        Ok(())
    }
}

/// The end of a trial.
struct End {
    state: tune::State,
    objectives: Vec<f64>,
    constraints: Vec<Option<f64>>,
    measured: Map<String, Value>,
}

impl End {
    fn failed(reason: String) -> End {
        End {
            state: tune::State::Failed(reason),
            objectives: Vec::new(),
            constraints: Vec::new(),
            measured: Map::new(),
        }
    }
}

/// Hands out the next trial: the first of the queue, or what the sampler proposes. `None` if that has nothing left.
///
/// # Errors
/// What the sampler and the journal say.
pub fn begin(
    writer: &mut Writer<'_>,
    sampler: &mut dyn Sampler,
    worker: Option<&str>,
) -> Result<Option<(usize, Values)>, Failure> {
    let state = writer.state();
    let history = &state.history;
    let trial = history.trials.len();
    let (point, values, from) = match state.queue.front() {
        Some(values) => (history.space.point(values)?, values.clone(), From::Queue),
        None => match sampler.ask(history)? {
            Some(point) => {
                let point = history.space.snap(&point);
                let values = history.space.values(&point);
                (point, values, From::Sampler)
            }
            None => return Ok(None),
        },
    };
    writer.append(Entry::Start {
        trial,
        point,
        values: values.clone(),
        from,
        worker: worker.map(str::to_string),
        time: now(),
    })?;
    Ok(Some((trial, values)))
}

/// Writes a report down and judges it; `None` if the trial is no longer the worker's. A step that was reported before is
/// judged again if it was the last: its worker may have died before it could act.
///
/// # Errors
/// What the journal says.
pub fn report(
    journal: &mut Journal,
    pruner: &dyn Pruner,
    trial: usize,
    worker: Option<&str>,
    step: u64,
    value: f64,
) -> Result<Option<Verdict>, Failure> {
    journal.locked(|writer| {
        if !writer.state().is_of(trial, worker) {
            return Ok(None);
        }
        let last = writer.state().history.trials[trial]
            .intermediate
            .last()
            .map(|(step, _)| *step);
        if last.is_none_or(|last| last < step) {
            writer.append(Entry::Report {
                trial,
                step,
                value: value.is_finite().then_some(value),
            })?;
        } else if last > Some(step) {
            return Ok(Some(Verdict::Continue));
        }
        Ok(Some(pruner.judge(&writer.state().history, trial)))
    })
}

/// A host's name as part of a file's.
fn plain(host: &str) -> String {
    let kept = host.chars().take(40);
    let kept = kept.map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    kept.collect()
}

/// Epochs of a run and a number that was measured after each.
fn measured(run: &RunDir, name: &str) -> Vec<(u64, f64)> {
    let Ok(table) = read_csv_all(run.file("metrics.csv")) else {
        return Vec::new();
    };
    match (table.numbers("epoch"), table.numbers(name)) {
        (Ok(epochs), Ok(values)) => {
            let epochs = epochs.iter().map(|&epoch| epoch as u64);
            epochs.zip(values.iter().copied()).collect()
        }
        _ => Vec::new(),
    }
}

/// What a run measured in the epoch whose weights it kept. From its file: a worker that took the trial over has not heard of epochs
/// before.
fn best_epoch(run: &RunDir, document: &Value) -> Option<Map<String, Value>> {
    let best = document.pointer("/best/epoch")?.as_f64()?;
    let table = read_csv_all(run.file("metrics.csv")).ok()?;
    let row = table
        .numbers("epoch")
        .ok()?
        .iter()
        .position(|&e| e == best)?;
    let numbers = table.columns().filter_map(|(name, values)| match values {
        Cells::Number(numbers) => Some((name.to_string(), Value::from(numbers[row]))),
        _ => None,
    });
    Some(numbers.filter(|(name, _)| name.contains('.')).collect())
}
