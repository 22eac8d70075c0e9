//! Learning-rate schedules: the rate of each step.

use crate::file::{File, Why, lacks};
use serde_json::Value;

/// Runs one schedule with its options over the recorded steps.
pub fn run(_file: &File<'_>, _name: &str, _options: &Value) -> Result<(), Why> {
    lacks("no such schedule here")
}
