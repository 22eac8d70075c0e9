//! `azura tune report`: the study in pictures.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::{Context, Ended, input};
use super::{importance, look, table};
use crate::failure::Failure;
use crate::output::{self, say};
use crate::plot;
use crate::study::{Setup, State, StudyDir};

/// Runs the command.
pub fn run(context: &Context, study: &StudyDir, to: Option<&Path>) -> Ended {
    let journal_path = study.journal();
    input::check_output(to, &[&journal_path])?;
    let (setup, journal) = look(context, study)?;
    let path = write(study, &setup, journal.state(), to)?;
    if context.globals.json {
        output::json(
            &json!({"schema": "azura.tune/1", "ok": true, "study": study.path(), "report": path}),
        )?;
    } else if context.talks() {
        say!("wrote {}", path.display());
    }
    Ok(0)
}

/// Writes the report, whole or not at all.
///
/// # Errors
/// The system's reason.
pub fn write(
    study: &StudyDir,
    setup: &Setup,
    state: &State,
    to: Option<&Path>,
) -> Result<PathBuf, Failure> {
    let path = to.map_or_else(|| study.file("report.html"), Path::to_path_buf);
    let page = plot::Page {
        name: study.name(),
        app: setup.app.name().to_string(),
        manner: table::manner(setup),
        standing: table::standing(&state.counts(), setup.tune.trials),
    };
    let html = plot::study(&page, state, &importance::of(&state.history));
    azura_learner::fs::write_atomic(&path, html.as_bytes())?;
    Ok(path)
}
