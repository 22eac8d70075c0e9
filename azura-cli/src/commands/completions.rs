//! `azura completions`: a script for a shell, on stdout.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Context, Ended};
use crate::args::Cli;
use crate::output;

/// Runs the command.
pub fn run(_: &Context, shell: Shell) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "azura", &mut script);
    output::checked(|out| out.write_all(&script))?;
    Ok(0)
}
