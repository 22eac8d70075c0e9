//! `azura tune`: one file for each thing it does. What several of them need is here.

mod ask;
mod begin;
mod best;
mod enqueue;
mod export;
mod importance;
mod list;
mod refit;
mod report;
mod resume;
mod show;
mod stop;
mod table;
mod tell;
mod watch;
mod work;
mod worker;

use std::path::PathBuf;

use azura_learner::tune::Values;

use super::{Context, Ended, train};
use crate::args::{Globals, Subject, Tune, TuneAction, TuneBudget};
use crate::config::layers::{self, Layers};
use crate::failure::{Code, Failure, Place, Stop};
use crate::study::{Journal, Setup, StudyDir};
use crate::tokens::Token;

/// Runs the command.
pub fn run(context: &Context, args: Tune) -> Ended {
    let studies = studies(args.studies);
    let Some(action) = args.action else {
        return begin::run(context, args.begin, &studies);
    };
    if let Some(word) = &args.begin.what {
        let message =
            format!("`{word}` stands before a command of `azura tune`, which goes on with a study");
        return Err(Failure::new(Code::CommandLine, message)
            .at(context.place_of(word))
            .help("leave it out, or leave out the command to begin a study")
            .into());
    }
    let takes = matches!(action, TuneAction::Enqueue { .. } | TuneAction::Tell { .. });
    if let (false, Some(token)) = (takes, context.line.overrides.first()) {
        let message = format!(
            "a study that there is takes no configuration key, but got `{}`",
            token.key
        );
        return Err(Failure::new(Code::CommandLine, message)
            .at(Place::Argument(token.argument))
            .help("begin another study for another configuration: azura tune APP KEY=VALUE")
            .into());
    }
    let study = |name: &Option<String>| StudyDir::find(&studies, name.as_deref());
    match action {
        TuneAction::Resume {
            study: name,
            refit_best,
            budget,
        } => resume::run(context, &study(&name)?, &budget, refit_best),
        TuneAction::List => list::run(context, &studies),
        TuneAction::Show { study: name, limit } => show::run(context, &study(&name)?, limit),
        TuneAction::Best { study: name } => best::run(context, &study(&name)?),
        TuneAction::Importance { study: name } => importance::run(context, &study(&name)?),
        TuneAction::Report {
            study: name,
            output,
        } => report::run(context, &study(&name)?, output.as_deref()),
        TuneAction::Export {
            format,
            study: name,
            output,
        } => export::run(context, &study(&name)?, format, output.as_deref()),
        TuneAction::Enqueue { study: name } => enqueue::run(context, &study(&name)?),
        TuneAction::Ask { study: name } => ask::run(context, &study(&name)?),
        TuneAction::Tell {
            study: name,
            trial,
            step,
            failed,
        } => tell::run(context, &study(&Some(name))?, trial, step, failed),
        TuneAction::Stop { study: name } => stop::run(context, &study(&name)?),
        TuneAction::Work { study, trial } => work::run(context, &StudyDir::at(study), trial),
    }
}

/// Where studies are kept: `--studies`, `AZURA_STUDIES`, or `./studies`.
fn studies(flag: Option<PathBuf>) -> PathBuf {
    flag.unwrap_or_else(|| {
        std::env::var_os("AZURA_STUDIES")
            .filter(|folder| !folder.is_empty())
            .map_or_else(|| PathBuf::from("studies"), PathBuf::from)
    })
}

/// What means this study in the next command: its name where studies are looked for anyway, else its path.
fn name_of(context: &Context, study: &StudyDir) -> String {
    if context.globals.directory.is_none() && study.path() == studies(None).join(study.name()) {
        study.name()
    } else {
        let path = std::path::absolute(study.path());
        path.unwrap_or_else(|_| study.path().to_path_buf())
            .display()
            .to_string()
    }
}

/// The keys of a budget that the command line sets.
fn budget(budget: &TuneBudget) -> [(&'static str, &'static str, Option<&String>); 3] {
    [
        ("--trials", "tune.trials", budget.trials.as_ref()),
        (
            "--time-limit",
            "tune.time_limit",
            budget.time_limit.as_ref(),
        ),
        ("--parallel", "tune.parallel", budget.parallel.as_ref()),
    ]
}

/// A study as `study.toml` has it, with `changes` of the command line; no other layer is read.
fn setup(context: &Context, study: &StudyDir, changes: &[Token]) -> Result<Setup, Stop> {
    let globals = Globals {
        config: Some(study.file("study.toml")),
        ..Globals::default()
    };
    let layers = layers::gather(&globals, changes, None, &Vec::new).map_err(Stop::before_start)?;
    let plan = train::plan(context, &Subject::default(), None, &layers)?;
    Setup::new(plan.app, plan.group, plan.source, plan.config, &layers, &[])
        .map_err(Stop::before_start)
}

/// A study and its journal, to look at.
fn look(context: &Context, study: &StudyDir) -> Result<(Setup, Journal), Stop> {
    let setup = setup(context, study, &[])?;
    let journal = Journal::look(&study.journal(), setup.history()?)?;
    Ok((setup, journal))
}

/// A study and its journal, to write.
fn open(context: &Context, study: &StudyDir) -> Result<(Setup, Journal), Stop> {
    let setup = setup(context, study, &[])?;
    let journal = Journal::open(&study.journal(), setup.history()?)?;
    Ok((setup, journal))
}

/// What a trial would be trained with.
fn plan_of(setup: &Setup, values: &Values) -> train::Plan {
    train::Plan {
        app: setup.app,
        config: setup.configuration(values),
        source: setup.source.clone(),
        group: setup.group.clone(),
        why: None,
        require: Vec::new(),
    }
}

/// The layers of a trial's configuration: the study's, the values of the trial, and what the command line changes; and the
/// trial's best epoch, if it is done.
///
/// # Errors
/// [`Code::NotFound`] if there is no such study or trial, and what is wrong with the words.
pub fn layers_of(
    context: &Context,
    name: &str,
    flags: &[(&'static str, &str, Option<&String>)],
) -> Result<(Layers, Option<u64>), Stop> {
    let wrong = || {
        Failure::new(Code::CommandLine, format!("`{name}` is no trial"))
            .at(context.place_of("--from-trial"))
            .help("write a study and a number, such as weather-1/7; `azura tune show STUDY` lists them")
    };
    if let Some(file) = &context.globals.config {
        let message = format!(
            "a trial has its own configuration, but got -c {}",
            file.display()
        );
        return Err(Failure::new(Code::CommandLine, message)
            .at(context.place_of("--from-trial"))
            .help("leave one of them out; single keys may be changed: train.epochs=20")
            .into());
    }
    let (study, number) = name.rsplit_once('/').ok_or_else(wrong)?;
    let number: usize = number.parse().map_err(|_| wrong())?;
    let study = StudyDir::find(&studies(None), Some(study))?;
    let (_, journal) = look(context, &study)?;
    let trials = &journal.state().history.trials;
    let Some(trial) = trials.get(number) else {
        let message = format!("the study {} has no trial {number}", study.name());
        return Err(Failure::new(Code::NotFound, message)
            .at(context.place_of("--from-trial"))
            .help(format!("it has {} trials, counted from 0", trials.len()))
            .into());
    };
    let values = trial.values.iter().map(|(key, value)| Token {
        key: key.clone(),
        value: Some(value.to_string()),
        argument: match context.place_of("--from-trial") {
            Some(Place::Argument(at)) => at,
            _ => 0,
        },
        flag: Some("--from-trial"),
    });
    let tokens: Vec<Token> = values.chain(context.overrides(flags)).collect();
    let globals = Globals {
        config: Some(study.file("study.toml")),
        ..Globals::default()
    };
    let layers = layers::gather(&globals, &tokens, None, &Vec::new).map_err(Stop::before_start)?;
    let epochs = journal.state().notes[number].number("best_epoch");
    Ok((layers, epochs.map(|epochs| epochs as u64)))
}
