//! `azura tune ask`: hands out a trial to somebody who evaluates it elsewhere and tells how it went.

use serde_json::json;

use super::super::{Context, Ended, train};
use super::{name_of, open, plan_of};
use crate::failure::{Code, Failure};
use crate::output::{self, say};
use crate::study::{StudyDir, begin};

/// Runs the command.
pub fn run(context: &Context, study: &StudyDir) -> Ended {
    let (setup, mut journal) = open(context, study)?;
    let mut sampler = setup.sampler()?;
    let taken = journal.locked(|writer| begin(writer, &mut *sampler, None))?;
    let Some((trial, values)) = taken else {
        let message = format!("every point of {} was tried", study.name());
        return Err(Failure::new(Code::NotFound, message)
            .help("`azura tune best` shows the best one; begin another study for another space")
            .into());
    };
    let run = study.trial(trial);
    train::write_config(&run, &plan_of(&setup, &values))?;
    if context.globals.json {
        output::json(&json!({
            "schema": "azura.tune/1", "ok": true, "study": study.path(), "trial": trial, "values": values,
            "config": run.file("config.toml"),
        }))?;
        return Ok(0);
    }
    output::checked(|out| {
        writeln!(out, "trial {trial}")?;
        for (key, value) in &values {
            writeln!(out, "  {key}={value}")?;
        }
        Ok(())
    })?;
    if context.talks() {
        let name = name_of(context, study);
        let objective = &setup.objectives[0].name;
        say!("config {}", run.file("config.toml").display());
        say!(
            "then   azura tune tell {name} {trial} {objective}=NUMBER │ azura tune tell {name} {trial} --failed REASON"
        );
    }
    Ok(0)
}
