//! What `-v` adds: every checkpoint, and with `-vv` every step.

use azura_learner::{Event, Observer};

use super::text;
use crate::output::say;

/// Writes a line for each checkpoint and, if wanted, for each step.
pub struct Verbose {
    /// Each step too.
    pub steps: bool,
}

impl Observer for Verbose {
    fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Checkpoint { path, step, .. } => {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                say!("checkpoint {file}   step {step}");
            }
            Event::Step {
                epoch,
                batch,
                step,
                loss,
                lr,
                grad_norm,
                rows,
                waited,
            } if self.steps => say!(
                "step {step}   epoch {epoch}   batch {batch}   rows {rows}   loss {}   lr {}   grad_norm {}   waited {:.1} ms",
                text::number(*loss),
                text::number(*lr),
                text::number(*grad_norm),
                1e3 * waited
            ),
            _ => {}
        }
    }
}
