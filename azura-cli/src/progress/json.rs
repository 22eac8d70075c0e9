//! One JSON object a line, for programs.

use azura_learner::{Event, Observer};
use serde_json::{Value, json};

use crate::output;
use crate::run_dir::now;

/// Writes every event but single steps.
pub struct Json;

impl Observer for Json {
    fn on(&mut self, event: &Event<'_>) {
        if let Some(value) = describe(event) {
            output::event(&value);
        }
    }
}

/// An event as JSON, with the time; steps are too many to be written each.
pub fn describe(event: &Event<'_>) -> Option<Value> {
    let mut value = match event {
        Event::Data(summary) => json!({"event": "data", "data": summary}),
        Event::Started {
            epochs,
            steps_per_epoch,
            total_steps,
            parameters,
            resumed,
            ..
        } => json!({
            "event": if resumed.is_some() { "resumed" } else { "started" },
            "epochs": epochs,
            "steps_per_epoch": steps_per_epoch,
            "total_steps": total_steps,
            "parameters": parameters,
            "at": resumed,
        }),
        Event::Epoch(row) => {
            let mut value = serde_json::to_value(row).unwrap_or_default();
            value["event"] = "epoch".into();
            value
        }
        Event::Checkpoint { kind, path, step } => json!({
            "event": "checkpoint",
            "kind": format!("{kind:?}").to_lowercase(),
            "file": path.file_name().map(|name| name.to_string_lossy()),
            "step": step,
        }),
        Event::Warning(text) => json!({"event": "warning", "text": text}),
        Event::Finished(outcome) => json!({
            "event": "done",
            "stop": outcome.stop.name(),
            "epochs": outcome.epochs,
            "steps": outcome.steps,
            "seconds": outcome.seconds,
            "best": outcome.best,
        }),
        _ => return None,
    };
    value["time"] = now().into();
    Some(value)
}
