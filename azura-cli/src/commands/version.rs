//! `azura version`: what this build is.

use serde_json::json;

use super::{Context, Ended};
use crate::output;

/// Runs the command.
pub fn run(context: &Context) -> Ended {
    let version = env!("CARGO_PKG_VERSION");
    let devices = super::doctor::devices();
    let apps = context.registry.names();
    if context.globals.json {
        output::json(&json!({
            "schema": "azura.version/1",
            "ok": true,
            "version": version,
            "os": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
            "instruction_set": azura_learner::model::instruction_set(),
            "devices": devices,
            "apps": apps,
            "model_format": azura_learner::model::FORMAT,
        }))?;
        return Ok(0);
    }
    output::result(format_args!(
        "azura {version}\n{} {} · {} · devices {} · apps {} · model format {}\n",
        std::env::consts::OS,
        std::env::consts::ARCH,
        azura_learner::model::instruction_set(),
        devices.join(", "),
        apps.join(", "),
        azura_learner::model::FORMAT,
    ))?;
    Ok(0)
}
