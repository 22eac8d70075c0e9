//! A training under way: steps, epochs, checkpoints.

use std::path::Path;
use std::time::Instant;

use azura_core::Rng;
use azura_core::optim::Optimizer;

use super::checkpoint::{BEST, BeforeEnd, LAST, Named, Scalars, TrainState};
use super::early_stop::EarlyStop;
use super::finite::{bad_gradient, not_finite};
use super::observer::{Best, CheckpointKind, EpochRow, Event, Outcome, Position, Stop};
use super::span::Every;
use super::trainer::{Trainer, can_go_on};
use super::{TrainConfig, Training, monitor};
use crate::app::{Metrics, Part};
use crate::data::{Batch, DataError, DataErrorKind, Loader, LoaderConfig};
use crate::error::{Culprit, Error, Result};
use crate::layers::Ctx;
use crate::schedule::Schedule;

pub(super) struct Running<'t, 'o> {
    trainer: Trainer<'o>,
    training: &'t dyn Training,
    config: TrainConfig,
    loader: Loader,
    optimizer: Box<dyn Optimizer>,
    schedule: Schedule,
    rng: Rng,
    /// Of the state, what is not a tensor; plateau and seconds are brought up to date by `state`.
    scalars: Scalars,
    best_values: Option<Named>,
    /// The best values before the budget ended inside an epoch, if it did.
    earlier_values: Option<Named>,
    total_steps: u64,
    /// True once a step of this process has shown that every parameter gets a gradient.
    reached: bool,
    /// True once it was said that a batch has no weight.
    weightless: bool,
    clock: Instant,
    seconds_before: f64,
    saved_at: Instant,
}

impl<'t, 'o> Running<'t, 'o> {
    pub fn new(trainer: Trainer<'o>, training: &'t dyn Training) -> Result<Self> {
        let config = training.config().clone();
        let problems = config.check();
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        let data = training
            .data(Part::Train)
            .ok_or_else(|| DataError::new(DataErrorKind::Size, "there are no training rows"))?;
        let loader = Loader::new(
            data,
            LoaderConfig {
                batch: config.batch,
                shuffle: config.shuffle,
                seed: config.seed,
                ..LoaderConfig::default()
            },
        )?;
        let steps = config.epochs.saturating_mul(loader.batches() as u64);
        let total_steps = match config.max_steps {
            0 => steps,
            most => steps.min(most),
        };
        let schedule = Schedule::new(&config, total_steps);
        let rng = Rng::new(config.seed).fork("step");
        let scalars = Scalars {
            fingerprint: training.fingerprint(),
            instruction_set: crate::model::instruction_set(),
            position: Position::default(),
            loss_sum: 0.0,
            loss_weight: 0.0,
            total_steps,
            rng: rng.state(),
            plateau: schedule.state(),
            early_stop: EarlyStop::new(config.patience, config.higher_is_better()),
            best: None,
            before_end: None,
            history: Vec::new(),
            seconds: 0.0,
            finished: None,
        };
        let now = Instant::now();
        Ok(Running {
            trainer,
            optimizer: crate::optim::optimizer(&config, training.store())?,
            training,
            config,
            loader,
            schedule,
            rng,
            scalars,
            best_values: None,
            earlier_values: None,
            total_steps,
            reached: false,
            weightless: false,
            clock: now,
            seconds_before: 0.0,
            saved_at: now,
        })
    }

    /// Trains to the end, from the beginning or from a checkpoint.
    pub fn drive(mut self, from: Option<TrainState>) -> Result<Outcome> {
        let resumed = from.as_ref().map(|state| state.scalars.position);
        let mut planned = self.total_steps;
        if let Some(state) = from {
            planned = state.scalars.total_steps;
            let going_on = can_go_on(&state, &self.config);
            self.restore(state)?;
            if !going_on && let Some(stop) = self.scalars.finished {
                return self.finish(stop);
            }
            self.forget_the_end();
        }
        self.trainer.tell(&Event::Started {
            epochs: self.config.epochs,
            steps_per_epoch: self.loader.batches() as u64,
            total_steps: self.total_steps,
            parameters: self.training.store().numel(),
            resumed,
            history: &self.scalars.history,
        });
        if self.training.data(Part::Val).is_none() && self.config.monitor.starts_with("val.") {
            let text = "there are no validation rows: the training loss decides the best epoch";
            self.trainer.tell(&Event::Warning(text));
        }
        self.say_stretched(planned);
        self.save(LAST)?;
        loop {
            if let Some(stop) = self.finished_epoch().or_else(|| self.stopped()) {
                return self.end(stop);
            }
            if let Some(stop) = self.epoch()? {
                return self.end(stop);
            }
        }
    }

    /// Says so if the steps so far had other rates than they would have in a training of as many steps as now.
    fn say_stretched(&mut self, planned: u64) {
        let before = Schedule::new(&self.config, planned);
        let now = Schedule::new(&self.config, self.total_steps);
        let differs = |step| before.lr(step) != now.lr(step);
        if planned != self.total_steps && (0..self.scalars.position.step).any(differs) {
            let text = format!(
                "the learning rate follows the budget, now {} steps instead of {planned}: the rest of its curve is \
                 stretched over what is left, and the result is not that of a training with this budget from the start",
                self.total_steps
            );
            self.trainer.tell(&Event::Warning(&text));
        }
    }

    /// Why no further epoch begins, if so.
    fn finished_epoch(&self) -> Option<Stop> {
        if self.scalars.position.batch > 0 {
            None
        } else if self.scalars.early_stop.exhausted() {
            Some(Stop::EarlyStop)
        } else {
            (self.scalars.position.epoch >= self.config.epochs).then_some(Stop::Epochs)
        }
    }

    /// Why no further step is made, if so.
    fn stopped(&self) -> Option<Stop> {
        let limit = self.config.time_limit;
        let most = self.config.max_steps;
        if most > 0 && self.scalars.position.step >= most {
            Some(Stop::MaxSteps)
        } else if !limit.is_zero() && self.seconds() >= limit.seconds() {
            Some(Stop::TimeLimit)
        } else {
            self.trainer.stop.raised().then_some(Stop::Interrupted)
        }
    }

    /// The rest of the epoch that the position is in; `Some` if training stops inside of it.
    fn epoch(&mut self) -> Result<Option<Stop>> {
        let Position { epoch, batch, .. } = self.scalars.position;
        let batches = self.loader.epoch(epoch, batch as usize);
        for batch in batches {
            if let Some(stop) = self.stopped() {
                return Ok(Some(stop));
            }
            self.step(&batch?)?;
            if self.is_due() && self.scalars.position.batch < self.loader.batches() as u64 {
                self.save(LAST)?;
            }
        }
        let row = self.row(epoch + 1)?;
        let monitored = self.monitored(&row.metrics)?;
        self.schedule.record(monitored);
        self.scalars.position.epoch += 1;
        self.scalars.position.batch = 0;
        (self.scalars.loss_sum, self.scalars.loss_weight) = (0.0, 0.0);
        if self.close(row, monitored)? {
            self.save(BEST)?;
        }
        self.save(LAST)?;
        Ok(None)
    }

    /// One optimiser step.
    fn step(&mut self, batch: &Batch) -> Result<()> {
        let store = self.training.store();
        let model = self.training.model();
        let number = self.scalars.position.step;
        let mut ctx = Ctx::train(self.rng.fork(&number.to_string()));
        let output = model.forward(batch, &mut ctx)?;
        let loss = model.loss(&output, batch)?;
        let sum = loss.value()?;
        let weight = loss.weight;
        if !sum.is_finite() {
            return Err(self.diverged(Culprit::Loss, sum));
        }
        if !(weight.is_finite() && weight >= 0.0) {
            let rule = "the weight of a loss must be a number of at least 0";
            return Err(Error::Usage(format!("{rule}, but the model gave {weight}")));
        }
        if weight == 0.0 {
            self.pass_over();
            return Ok(());
        }
        loss.mean()?.backward()?;
        // A step copies an arena that is still looked at; nothing of this pass is needed any more.
        drop((output, loss));
        if !self.reached {
            let untouched = store.untouched();
            if !untouched.is_empty() {
                return Err(Error::NoGradient(untouched));
            }
            self.reached = true;
        }
        if self.config.clip_value > 0.0 {
            store.clip_grad_value(self.config.clip_value)?;
        }
        let norm = match self.config.clip {
            0.0 => store.grad_norm()?,
            most => store.clip_grad_norm(most)?,
        };
        if !norm.is_finite() {
            let (culprit, value) = bad_gradient(store, norm)?;
            return Err(self.diverged(culprit, value));
        }
        let lr = self.schedule.lr(number);
        self.optimizer.step(lr)?;
        ctx.update_statistics()?;
        store.zero_grad();
        self.scalars.loss_sum += sum;
        self.scalars.loss_weight += weight;
        self.scalars.position.step += 1;
        self.scalars.position.batch += 1;
        self.trainer.tell(&Event::Step {
            epoch: self.scalars.position.epoch + 1,
            batch: self.scalars.position.batch,
            step: self.scalars.position.step,
            loss: sum / weight,
            lr,
            grad_norm: norm,
            rows: batch.rows.len(),
        });
        Ok(())
    }

    /// Counts a batch without a target that counts: no mean of it exists, and the weights stay as they are.
    fn pass_over(&mut self) {
        self.scalars.position.step += 1;
        self.scalars.position.batch += 1;
        if !std::mem::replace(&mut self.weightless, true) {
            let at = self.scalars.position;
            let text = format!(
                "batch {} of epoch {} has no target that counts (its loss has the weight 0): such batches change nothing",
                at.batch,
                at.epoch + 1
            );
            self.trainer.tell(&Event::Warning(&text));
        }
    }

    /// Scores the validation rows and sums up the epoch so far.
    fn row(&mut self, epoch: u64) -> Result<EpochRow> {
        let step = self.scalars.position.step;
        let mut metrics = Metrics::new();
        let loss = self.scalars.loss_sum / self.scalars.loss_weight;
        metrics.insert("train.loss".to_string(), loss);
        if let Some(evaluation) = monitor::validate(self.training, &mut metrics)?
            && !evaluation.loss.is_finite()
            && evaluation.weight != 0.0
        {
            // A weight that is not finite explains it better than the loss does.
            self.values()?;
            return Err(self.diverged(Culprit::Validation, evaluation.loss));
        }
        Ok(EpochRow {
            epoch,
            step,
            lr: self.schedule.lr(step.saturating_sub(1)),
            metrics,
            best: false,
            seconds: self.seconds(),
        })
    }

    fn monitored(&self, metrics: &Metrics) -> Result<f64> {
        monitor::value(self.training, metrics)
    }

    fn monitor_key(&self) -> &str {
        monitor::key(self.training)
    }

    /// Takes a row into the history and, if it is the best, keeps its weights; true if it is.
    fn close(&mut self, mut row: EpochRow, monitored: f64) -> Result<bool> {
        row.best = self.scalars.early_stop.record(monitored);
        if row.best {
            self.scalars.best = Some(Best {
                epoch: row.epoch,
                step: row.step,
                key: self.monitor_key().to_string(),
                value: monitored,
            });
            self.best_values = Some(self.values()?);
        }
        self.scalars.history.push(row.clone());
        self.trainer.tell(&Event::Epoch(&row));
        Ok(row.best)
    }

    /// Ends training: a budget that ends inside an epoch is scored where it ends. What was the best before is kept, for a
    /// run that goes on with a larger budget.
    fn end(&mut self, stop: Stop) -> Result<Outcome> {
        if stop == Stop::Interrupted {
            self.save(LAST)?;
            return self.finish(stop);
        }
        if self.scalars.position.batch > 0 {
            let row = self.row(self.scalars.position.epoch + 1)?;
            let monitored = self.monitored(&row.metrics)?;
            self.scalars.before_end = Some(BeforeEnd {
                early_stop: self.scalars.early_stop.clone(),
                best: self.scalars.best.clone(),
            });
            self.earlier_values = self.best_values.clone();
            if self.close(row, monitored)? {
                self.save(BEST)?;
            }
        }
        if self.scalars.best.is_none() && !self.scalars.history.is_empty() {
            let text = format!(
                "`{}` was never a finite number, so no epoch is the best: the weights are those of the last step",
                self.monitor_key()
            );
            self.trainer.tell(&Event::Warning(&text));
        }
        self.scalars.finished = Some(stop);
        self.save(LAST)?;
        self.finish(stop)
    }

    fn finish(&mut self, stop: Stop) -> Result<Outcome> {
        if stop != Stop::Interrupted
            && let Some(best) = &self.best_values
        {
            self.training.store().load(best)?;
        }
        let outcome = self.scalars.outcome(stop, self.seconds());
        self.trainer.tell(&Event::Finished(&outcome));
        Ok(outcome)
    }

    fn is_due(&self) -> bool {
        match self.config.checkpoint_every {
            Every::Steps(0) => false,
            Every::Steps(steps) => self.scalars.position.step.is_multiple_of(steps),
            Every::Time(span) => !span.is_zero() && self.saved_at.elapsed() >= span.duration(),
        }
    }

    fn save(&mut self, name: &str) -> Result<()> {
        let Some(path) = self.trainer.folder.as_ref().map(|folder| folder.join(name)) else {
            return Ok(());
        };
        self.state()?.save(&path)?;
        self.saved_at = Instant::now();
        let kind = if name == BEST {
            CheckpointKind::Best
        } else {
            CheckpointKind::Last
        };
        let step = self.scalars.position.step;
        self.trainer.tell(&Event::Checkpoint {
            kind,
            path: Path::new(&path),
            step,
        });
        Ok(())
    }

    fn state(&self) -> Result<TrainState> {
        let mut scalars = self.scalars.clone();
        scalars.plateau = self.schedule.state();
        scalars.seconds = self.seconds();
        Ok(TrainState {
            scalars,
            values: self.values()?,
            optimizer: self.optimizer.state()?,
            best_values: self.best_values.clone(),
            earlier_values: self.earlier_values.clone(),
        })
    }

    fn restore(&mut self, state: TrainState) -> Result<()> {
        let TrainState {
            scalars,
            values,
            optimizer,
            best_values,
            earlier_values,
        } = state;
        self.training.store().load(&values)?;
        self.optimizer.load(&optimizer)?;
        self.schedule.restore(scalars.plateau.clone());
        self.rng = Rng::from_state(scalars.rng);
        self.seconds_before = scalars.seconds;
        self.clock = Instant::now();
        self.best_values = best_values;
        self.earlier_values = earlier_values;
        self.scalars = Scalars {
            total_steps: self.total_steps,
            ..scalars
        };
        Ok(())
    }

    /// A finished training with a larger budget goes on: the score inside an epoch was of the old end, where a training
    /// with this budget would not have looked.
    fn forget_the_end(&mut self) {
        self.scalars.finished = None;
        if let Some(BeforeEnd { early_stop, best }) = self.scalars.before_end.take() {
            self.scalars.early_stop = early_stop;
            self.scalars.best = best;
            self.scalars.history.pop();
            self.best_values = self.earlier_values.take();
        }
    }

    /// Copies of all parameters, every one of them finite.
    fn values(&self) -> Result<Named> {
        let values = self.training.store().state()?;
        for (name, tensor) in &values {
            if let Some(bad) = not_finite(tensor)? {
                return Err(self.diverged(Culprit::Value(name.clone()), bad));
            }
        }
        Ok(values)
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.clock.elapsed().as_secs_f64()
    }

    fn diverged(&self, culprit: Culprit, value: f64) -> Error {
        let at = self.scalars.position;
        // A loss or a gradient is of the step under way, a value is what the last step left.
        let under_way = matches!(culprit, Culprit::Loss | Culprit::Gradient(_));
        Error::Diverged {
            step: at.step + u64::from(under_way),
            epoch: at.epoch + 1,
            culprit,
            value: value.to_string(),
        }
    }
}
