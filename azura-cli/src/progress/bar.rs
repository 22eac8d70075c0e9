//! A bar of two lines on a terminal: how far the whole run is, and how good it is.

use std::time::{Duration, Instant};

use azura_learner::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text::{self, Pace};
use crate::output::{self, say};
use crate::style::Paint;

/// Often enough to look alive, seldom enough to cost nothing.
const REDRAW: Duration = Duration::from_millis(100);

/// Draws the bar.
pub struct Bar {
    bar: ProgressBar,
    monitor: String,
    epochs: u64,
    total: u64,
    pace: Pace,
    drawn: Instant,
    loss: f64,
    latest: Option<(f64, bool)>,
    best: Option<(u64, f64)>,
}

impl Bar {
    /// A bar that watches the metric `monitor`.
    pub fn new(monitor: &str) -> Self {
        Bar {
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            monitor: monitor.to_string(),
            epochs: 0,
            total: 0,
            pace: Pace::default(),
            drawn: Instant::now(),
            loss: f64::NAN,
            latest: None,
            best: None,
        }
    }

    fn start(&mut self, at: u64) {
        let template = "{prefix} {wide_bar} {percent:>3} %  {msg}";
        let (done, left) = if crate::style::colors_stderr() {
            (
                "{prefix:.bold} {wide_bar:.cyan/dim} {percent:>3} %  {msg}",
                "━╸─",
            )
        } else {
            (template, "━╸─")
        };
        self.bar =
            ProgressBar::with_draw_target(Some(self.total), ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template(done) {
            self.bar.set_style(style.progress_chars(left));
        }
        self.bar.set_position(at);
        output::set_bar(Some(self.bar.clone()));
    }

    fn draw(&mut self, epoch: u64, step: u64) {
        self.drawn = Instant::now();
        self.bar.set_position(step);
        self.bar
            .set_prefix(format!("epoch {}/{}", epoch.min(self.epochs), self.epochs));
        let left = match self.pace.left(self.total.saturating_sub(step)) {
            Some(left) => format!("left ~{}", text::clock(left)),
            None => String::new(),
        };
        self.bar
            .set_message(format!("{left}\n  {}", self.second_line()));
    }

    fn second_line(&self) -> String {
        let mut parts = vec![match self.latest {
            Some((value, better)) => format!(
                "{} {} {}",
                self.monitor,
                text::number(value),
                if better { "▼" } else { "·" }
            ),
            None => format!("train.loss {}", text::number(self.loss)),
        }];
        if let Some((epoch, value)) = self.best {
            parts.push(format!("best {} @{epoch}", text::number(value)));
        }
        let speed = self.pace.rows_per_second();
        if speed > 0.0 {
            parts.push(format!("{} rows/s", text::count(speed)));
        }
        parts.join("   ")
    }
}

impl Observer for Bar {
    fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Started {
                epochs,
                total_steps,
                resumed,
                history,
                ..
            } => {
                (self.epochs, self.total) = (*epochs, *total_steps);
                for row in *history {
                    self.take(row);
                }
                let (epoch, step) = resumed.map_or((0, 0), |at| (at.epoch, at.step));
                self.start(step);
                self.draw(epoch + 1, step);
            }
            Event::Step {
                epoch,
                step,
                loss,
                rows,
                ..
            } => {
                self.pace.step(*rows);
                self.loss = *loss;
                if self.drawn.elapsed() >= REDRAW {
                    self.draw(*epoch, *step);
                }
            }
            Event::Epoch(row) => {
                self.take(row);
                self.draw(row.epoch, row.step);
            }
            Event::Warning(warning) => say!("{} {warning}", Paint::Yellow.err("warning:")),
            Event::Finished(_) => {
                self.bar.finish_and_clear();
                output::set_bar(None);
            }
            _ => {}
        }
    }
}

impl Bar {
    fn take(&mut self, row: &azura_learner::train::EpochRow) {
        if let Some(value) = row.metrics.get(&self.monitor).copied() {
            self.latest = Some((value, row.best));
            if row.best {
                self.best = Some((row.epoch, value));
            }
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        // An error that ends training must not be written into the bar.
        self.bar.finish_and_clear();
        output::set_bar(None);
    }
}
