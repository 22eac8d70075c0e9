//! A training under way: steps, epochs, checkpoints.

use std::path::Path;
use std::time::Instant;

use azura_core::Rng;
use azura_core::optim::Optimizer;

use super::averaged::Averaged;
use super::checkpoint::{BEST, BeforeEnd, LAST, Named, Scalars, TrainState};
use super::early_stop::EarlyStop;
use super::finite::{bad_gradient, not_finite};
use super::group::Group;
use super::observer::{Best, CheckpointKind, EpochRow, Event, Outcome, Position, Stop};
use super::reach::{all_reached, first_backward};
use super::shards::Shards;
use super::span::Every;
use super::trainer::{Trainer, can_go_on};
use super::{AverageKind, Monitor, TrainConfig, Training, monitor, recompute_statistics};
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
    averaged: Option<Averaged>,
    shards: Shards,
    schedule: Schedule,
    rng: Rng,
    /// Of the state, what is not a tensor; plateau and seconds are brought up to date by `state`.
    scalars: Scalars,
    best_values: Option<Named>,
    /// The best values before the budget ended inside an epoch, if it did.
    earlier_values: Option<Named>,
    steps_per_epoch: u64,
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
        let mut config = training.config().clone();
        let problems = config.check();
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        let key = monitor::key(training);
        if key != config.monitor {
            // Of the loss that takes the place of a score, less is better, whatever was said about the score.
            config.monitor = key.to_string();
            config.mode = Monitor::Auto;
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
                training: true,
                ..LoaderConfig::default()
            },
        )?;
        let steps_per_epoch = loader.batches().div_ceil(config.accumulate) as u64;
        let steps = config.epochs.saturating_mul(steps_per_epoch);
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
            averaged: Averaged::new(&config, training.store())?,
            shards: Shards::new(config.shards, training.store()),
            training,
            config,
            loader,
            schedule,
            rng,
            scalars,
            best_values: None,
            earlier_values: None,
            steps_per_epoch,
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
            steps_per_epoch: self.steps_per_epoch,
            total_steps: self.total_steps,
            parameters: self.training.store().numel(),
            resumed,
            history: &self.scalars.history,
        });
        if self.config.monitor != self.training.config().monitor {
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
        let mut batches = self.loader.epoch(epoch, batch as usize);
        let mut group: Option<Group> = None;
        loop {
            let asked = Instant::now();
            let Some(batch) = batches.next() else {
                break;
            };
            let waited = asked.elapsed().as_secs_f64();
            if let Some(stop) = self.stopped() {
                // A resumed run computes the batches of an unfinished step again.
                if let Some(mut group) = group {
                    group.discard_statistics();
                    self.training.store().zero_grad();
                }
                return Ok(Some(stop));
            }
            let mut of_step = group.take().unwrap_or_else(|| {
                let number = self.scalars.position.step.to_string();
                Group::new(self.rng.fork(&number))
            });
            of_step.waited += waited;
            self.add(&batch?, &mut of_step)?;
            let done = self.scalars.position.batch + of_step.batches;
            let all = self.loader.batches() as u64;
            if done < all && of_step.batches < self.config.accumulate as u64 {
                group = Some(of_step);
                continue;
            }
            self.step(of_step)?;
            if done < all && self.is_due() {
                self.save(LAST)?;
            }
        }
        if let Some(averaged) = &mut self.averaged {
            averaged.update(AverageKind::Swa, epoch)?;
        }
        let best = self.with_average(|run| {
            let row = run.row(epoch + 1)?;
            let monitored = run.monitored(&row.metrics)?;
            run.schedule.record(monitored);
            run.scalars.position.epoch += 1;
            run.scalars.position.batch = 0;
            (run.scalars.loss_sum, run.scalars.loss_weight) = (0.0, 0.0);
            run.close(row, monitored)
        })?;
        if best {
            self.save(BEST)?;
        }
        self.save(LAST)?;
        Ok(None)
    }

    /// Adds the gradients of a batch to those of the step's others.
    fn add(&mut self, batch: &Batch, group: &mut Group) -> Result<()> {
        if self.shards.cut() {
            return self.add_in_shards(batch, group);
        }
        let store = self.training.store();
        let model = self.training.model();
        let mut ctx = Ctx::train(group.rng.clone());
        let output = model.forward(batch, &mut ctx)?;
        let loss = model.loss(&output, batch)?;
        let (sum, weight) = (loss.value()?, loss.weight);
        group.rng = ctx.rng.clone();
        if !self.weighs(batch, group, sum, weight)? {
            ctx.discard_statistics();
            return Ok(());
        }
        let total = group.weight + weight;
        if group.weight > 0.0 {
            store.scale_grad(group.weight / total)?;
        }
        let mean = loss.sum.clone().mul(1.0 / total)?;
        if self.reached {
            mean.backward()?;
        } else {
            first_backward(store, &mean)?;
            self.reached = true;
        }
        // A step copies an arena that is still looked at; nothing of this pass is needed any more.
        drop((output, loss, mean));
        group.passes.push(ctx);
        group.sum += sum;
        group.weight = total;
        Ok(())
    }

    /// The same in parts that are computed at the same time.
    fn add_in_shards(&mut self, batch: &Batch, group: &mut Group) -> Result<()> {
        let store = self.training.store();
        let (sum, weight) = self.shards.pass(self.training.model(), batch, &group.rng)?;
        group.rng = group.rng.fork("next batch");
        if !self.weighs(batch, group, sum, weight)? {
            return Ok(());
        }
        let total = group.weight + weight;
        if group.weight > 0.0 {
            store.scale_grad(group.weight / total)?;
        }
        store.add_gradients(self.shards.gradients(), 1.0 / total)?;
        if !std::mem::replace(&mut self.reached, true) {
            all_reached(store)?;
        }
        group.sum += sum;
        group.weight = total;
        Ok(())
    }

    /// Counts a batch in, and says whether it has targets that count.
    fn weighs(&mut self, batch: &Batch, group: &mut Group, sum: f64, weight: f64) -> Result<bool> {
        if !sum.is_finite() {
            return Err(self.diverged(Culprit::Loss, sum));
        }
        if !(weight.is_finite() && weight >= 0.0) {
            let rule = "the weight of a loss must be a number of at least 0";
            return Err(Error::Usage(format!("{rule}, but the model gave {weight}")));
        }
        group.batches += 1;
        group.rows += batch.rows.len();
        if weight == 0.0 {
            self.warn_of_no_weight(self.scalars.position.batch + group.batches);
        }
        Ok(weight > 0.0)
    }

    /// One optimiser step.
    fn step(&mut self, mut group: Group) -> Result<()> {
        if group.weight == 0.0 {
            // No mean over no targets exists, and the weights stay as they are.
            self.count(&group);
            return Ok(());
        }
        let store = self.training.store();
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
        let lr = self.schedule.lr(self.scalars.position.step);
        self.optimizer.step(lr)?;
        group.update_statistics()?;
        store.zero_grad();
        if let Some(averaged) = &mut self.averaged {
            averaged.update(AverageKind::Ema, self.scalars.position.epoch)?;
        }
        self.scalars.loss_sum += group.sum;
        self.scalars.loss_weight += group.weight;
        self.count(&group);
        self.trainer.tell(&Event::Step {
            epoch: self.scalars.position.epoch + 1,
            batch: self.scalars.position.batch,
            step: self.scalars.position.step,
            loss: group.sum / group.weight,
            lr,
            grad_norm: norm,
            rows: group.rows,
            waited: group.waited,
        });
        Ok(())
    }

    /// Moves on behind a step.
    fn count(&mut self, group: &Group) {
        self.scalars.position.step += 1;
        self.scalars.position.batch += group.batches;
    }

    fn warn_of_no_weight(&mut self, batch: u64) {
        if !std::mem::replace(&mut self.weightless, true) {
            let text = format!(
                "batch {batch} of epoch {} has no target that counts (its loss has the weight 0): such batches change nothing",
                self.scalars.position.epoch + 1
            );
            self.trainer.tell(&Event::Warning(&text));
        }
    }

    /// Calls `f` with the average of the weights in the store, if there is one, and puts those of training back.
    fn with_average<R>(&mut self, f: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        if self.averaged.is_none() {
            return f(self);
        }
        let own = self.training.store().state()?;
        self.put_average()?;
        let result = f(self);
        self.training.store().load(&own)?;
        result
    }

    /// Puts the average of the weights into the store, if there is one yet.
    fn put_average(&self) -> Result<()> {
        let Some(averaged) = &self.averaged else {
            return Ok(());
        };
        let Some(mut values) = averaged.values()? else {
            return Ok(());
        };
        let store = self.training.store();
        let buffers = store.buffers();
        values.extend(buffers.iter().map(|b| (b.name(), b.value())));
        store.load(&values)?;
        if averaged.kind == AverageKind::Swa
            && !buffers.is_empty()
            && let Some(data) = self.training.data(Part::Train)
        {
            let rng = Rng::new(self.config.seed).fork("statistics");
            recompute_statistics(self.training.model(), data, self.config.batch, &rng)?;
        }
        Ok(())
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
            let own = self.values()?;
            let best = self.with_average(|run| {
                let row = run.row(run.scalars.position.epoch + 1)?;
                let monitored = run.monitored(&row.metrics)?;
                run.scalars.before_end = Some(BeforeEnd {
                    early_stop: run.scalars.early_stop.clone(),
                    best: run.scalars.best.clone(),
                });
                run.earlier_values = run.best_values.clone();
                run.close(row, monitored)
            })?;
            // Predictions shrink long rows of an `Embedding` with `max_norm`: a run that goes on was not looked at.
            self.training.store().load(&own)?;
            if best {
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
        match &self.best_values {
            _ if stop == Stop::Interrupted => {}
            Some(best) => self.training.store().load(best)?,
            None => self.put_average()?,
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
            average: self.averaged.as_ref().map(Averaged::state).transpose()?,
            best_values: self.best_values.clone(),
            earlier_values: self.earlier_values.clone(),
        })
    }

    fn restore(&mut self, state: TrainState) -> Result<()> {
        let TrainState {
            scalars,
            values,
            optimizer,
            average,
            best_values,
            earlier_values,
        } = state;
        self.training.store().load(&values)?;
        self.optimizer.load(&optimizer)?;
        if let (Some(averaged), Some(average)) = (&mut self.averaged, average) {
            averaged.load(&average)?;
        }
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
