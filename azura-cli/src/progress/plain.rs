//! One line of `key=value` for each epoch, and at least one every 30 seconds.

use std::time::{Duration, Instant};

use azura_learner::{Event, Observer};

use super::text::{self, Pace};
use crate::output::say;
use crate::run_dir::now;

const AT_LEAST: Duration = Duration::from_secs(30);

/// Writes lines for logs.
pub struct Plain {
    epochs: u64,
    total: u64,
    pace: Pace,
    spoke: Instant,
}

impl Plain {
    /// Nothing was said yet.
    pub fn new() -> Self {
        Plain {
            epochs: 0,
            total: 0,
            pace: Pace::default(),
            spoke: Instant::now(),
        }
    }

    fn tail(&self, step: u64) -> String {
        let speed = format!(" rows_s={:.0}", self.pace.rows_per_second());
        match self.pace.left(self.total.saturating_sub(step)) {
            Some(left) => format!("{speed} eta={}s", left.as_secs()),
            None => speed,
        }
    }
}

impl Observer for Plain {
    fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Started {
                epochs,
                total_steps,
                ..
            } => {
                (self.epochs, self.total) = (*epochs, *total_steps);
            }
            Event::Step {
                epoch,
                step,
                loss,
                rows,
                ..
            } => {
                self.pace.step(*rows);
                if self.spoke.elapsed() >= AT_LEAST {
                    self.spoke = Instant::now();
                    say!(
                        "{} epoch={epoch}/{} step={step}/{} train.loss={}{}",
                        now(),
                        self.epochs,
                        self.total,
                        text::number(*loss),
                        self.tail(*step)
                    );
                }
            }
            Event::Epoch(row) => {
                self.spoke = Instant::now();
                let metrics: String = row
                    .metrics
                    .iter()
                    .map(|(name, value)| format!(" {name}={}", text::number(*value)))
                    .collect();
                say!(
                    "{} epoch={}/{}{metrics}{}{}",
                    now(),
                    row.epoch,
                    self.epochs,
                    if row.best { " best=1" } else { "" },
                    self.tail(row.step)
                );
            }
            Event::Warning(warning) => say!("warning: {warning}"),
            _ => {}
        }
    }
}
