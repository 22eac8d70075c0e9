//! `azura train`: from an app and a configuration to a run directory with a model.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use azura_learner::app::Claim;
use azura_learner::data::{Table, read_csv_head};
use azura_learner::run::{self, Finish, RunPaths};
use azura_learner::train::rehearse;
use azura_learner::{DynApp, Event, Observer, Source, StopFlag};
use serde_json::{Map, Value, json};

use super::{Context, Ended, finish, folds, origins, resolved, tune};
use crate::args::{Subject, Train};
use crate::config::layers::Layers;
use crate::config::resolve::Resolved;
use crate::config::{Origin, Set, write};
use crate::failure::{Code, Failure, Place, Stop};
use crate::output::{self, say};
use crate::progress::{self, text};
use crate::require::Requirement;
use crate::run_dir::{self, Journal, Lease, Record, RunDir, Status};
use crate::signals::Signals;
use crate::study::Control;
use crate::style::Paint;

/// Everything that decides a training.
pub struct Plan {
    /// The app.
    pub app: &'static dyn DynApp,
    /// Its configuration.
    pub config: Resolved,
    /// Its data.
    pub source: Source,
    /// The group that the run belongs to.
    pub group: String,
    /// Why this app, if nobody named it.
    pub why: Option<String>,
    /// What the scores must reach.
    pub require: Vec<Requirement>,
}

/// Runs the command.
pub fn run(context: &Context, args: Train) -> Ended {
    let flags = flags(&args.subject);
    let (layers, best_epoch) = match &args.from_trial {
        Some(trial) => tune::layers_of(context, trial, &flags)?,
        None => (context.layers(&flags)?, None),
    };
    let mut plan = plan(context, &args.subject, args.name.as_ref(), &layers)?;
    plan.require.clone_from(&args.require);
    if let Some(folds) = args.folds.filter(|_| !context.globals.dry_run) {
        return folds::run(context, plan.app, folds);
    }
    if args.refit {
        refit(context, &mut plan, best_epoch)?;
    }
    let device = context.device()?;
    if context.globals.dry_run {
        return dry_run(context, &plan);
    }
    let stop = StopFlag::new();
    let signals = listen(&stop)?;
    let run = run_dir::create(&context.runs(), &plan.group)?;
    let lease = Lease::take(&run)?;
    let record = Record::begin(&run, plan.app.name());
    // `run.json` last: a run that has one can be resumed, whenever its process dies.
    write_config(&run, &plan)?;
    record.write(&run)?;
    announce(context, &plan, &run, &device.to_string());
    let session = Session {
        context,
        plan: &plan,
        run: &run,
        record,
        stop,
        signals,
        resume: false,
        trial: None,
    };
    let ended = session.train();
    drop(lease);
    ended
}

/// A flag, the key that it stands for, and what was given.
pub type Flag<'a> = (&'static str, &'static str, Option<&'a String>);

/// The short ways to set a key.
pub fn flags(args: &Subject) -> [Flag<'_>; 5] {
    [
        ("--target", "data.target", args.target.as_ref()),
        ("--epochs", "train.epochs", args.epochs.as_ref()),
        ("--lr", "train.lr", args.lr.as_ref()),
        ("--batch", "train.batch", args.batch.as_ref()),
        ("--time-limit", "train.time_limit", args.time_limit.as_ref()),
    ]
}

/// Makes a plan one for training and validation rows together.
fn refit(context: &Context, plan: &mut Plan, best_epoch: Option<u64>) -> Result<(), Stop> {
    let refuse =
        |code, message: String| Failure::new(code, message).at(context.place_of("--refit"));
    let epochs = best_epoch.ok_or_else(|| {
        refuse(
            Code::NotFound,
            "the trial has no best epoch: it is not done".to_string(),
        )
        .help("`azura tune best` names one that is")
    })?;
    let refitted = plan.app.refit(&plan.config.value, epochs)?.ok_or_else(|| {
        let app = plan.app.name();
        let message = format!("the app `{app}` cannot train on its validation rows");
        refuse(Code::CommandLine, message)
            .help("leave out --refit: the validation rows then choose the best epoch")
    })?;
    plan.config.value = refitted;
    Ok(())
}

/// What the words, and the layers below them, mean to train.
pub fn plan(
    context: &Context,
    args: &Subject,
    name: Option<&String>,
    layers: &Layers,
) -> Result<Plan, Stop> {
    let group = name;
    let mut why = None;
    let (name, positional) = match (&args.app, &args.what) {
        (Some(app), what) => (Some(app.as_str()), what.as_ref().map(PathBuf::from)),
        (None, Some(what)) if context.registry.get(what).is_ok() => (Some(what.as_str()), None),
        (None, Some(what)) if Path::new(what).exists() => {
            let claimed = || {
                is_a_table(what)
                    .then(|| claimed(context, what, layers))
                    .flatten()
            };
            match (&layers.app, claimed()) {
                (Some(_), _) => (None, Some(PathBuf::from(what))),
                (None, Some((app, claim))) => {
                    why = Some(format!(
                        "app {} since {}; --app chooses another: {}",
                        app.name(),
                        claim.why(),
                        context.registry.names().join(", ")
                    ));
                    (Some(app.name()), Some(PathBuf::from(what)))
                }
                (None, _) => return Err(file_without_app(context, what)),
            }
        }
        (None, Some(what)) if looks_like_a_file(what) => return Err(no_such_file(context, what)),
        (None, Some(what)) => (Some(what.as_str()), None),
        (None, None) => (None, None),
    };
    let app = context.app_or_configured(name, layers)?;
    let configured = layers
        .data
        .as_ref()
        .map(|(path, origin)| (path.clone(), origin.clone()));
    let argument = |path: &PathBuf| Origin::Argument {
        index: match context.place_of(&path.to_string_lossy()) {
            Some(Place::Argument(n)) => n,
            _ => 0,
        },
        flag: None,
    };
    let given = args.data.as_ref().or(positional.as_ref());
    let data = given
        .map(|path| (path.clone(), argument(path)))
        .or(configured);
    let config = resolved(app, layers)?;
    let source = match data {
        None => Source::Bundled,
        Some((path, origin)) => Source::File(existing(&path, &origin)?),
    };
    let group = match group.or(layers.name.as_ref().map(|(name, _)| name)) {
        Some(name) => group_name(name, "a group of runs")?,
        None => app.name().to_string(),
    };
    Ok(Plan {
        app,
        config,
        source,
        group,
        why,
        require: Vec::new(),
    })
}

/// Rows of a table that are looked at to find the app for it.
const HEAD: usize = 1000;

/// The app that is made for the table in a file, or else one that makes sense of any.
fn claimed(context: &Context, what: &str, layers: &Layers) -> Option<(&'static dyn DynApp, Claim)> {
    // What is wrong with the file is said by the app that reads it.
    let head = read_csv_head(what, HEAD).unwrap_or_else(|_| Table::new(what));
    let target = layers
        .assignments
        .iter()
        .rev()
        .find(|assignment| assignment.key == "data.target")
        .and_then(|assignment| match &assignment.set {
            Set::Text(text) => Some(text.as_str()),
            Set::Value(value) => value.as_str(),
            Set::Default => None,
        });
    let mut any = None;
    for app in context.registry.iter() {
        match app.reads(&head, target) {
            Some(claim @ Claim::Made(_)) => return Some((app, claim)),
            Some(claim) => any = any.or(Some((app, claim))),
            None => {}
        }
    }
    any
}

fn file_without_app(context: &Context, what: &str) -> Stop {
    let names = context.registry.names();
    let first = names.first().copied().unwrap_or("APP");
    Failure::new(Code::UnknownApp, format!("`{what}` is a file, not an app"))
        .at(context.place_of(what))
        .help(format!(
            "say which app reads it: azura train {what} --app {first}"
        ))
        .help(format!("apps of this program: {}", names.join(", ")))
        .into()
}

/// No app's name has a separator or the ending of a table.
fn looks_like_a_file(what: &str) -> bool {
    let lower = what.to_lowercase();
    what.contains(['/', std::path::MAIN_SEPARATOR])
        || is_a_table(what)
        || [".gz", ".txt", ".json", ".parquet"]
            .iter()
            .any(|ending| lower.ends_with(ending))
}

/// The ending is that of a table that can be read.
pub(super) fn is_a_table(what: &str) -> bool {
    let lower = what.to_lowercase();
    [".csv", ".tsv", ".csv.gz", ".tsv.gz"]
        .iter()
        .any(|ending| lower.ends_with(ending))
}

fn no_such_file(context: &Context, what: &str) -> Stop {
    Failure::new(Code::Data, format!("the data file {what} is not there"))
        .at(context.place_of(what))
        .help("write the path of a CSV file, or the name of an app to train on its own data")
        .into()
}

/// The data file as an absolute path, so that the run can be resumed from anywhere.
fn existing(path: &Path, origin: &Origin) -> Result<PathBuf, Stop> {
    let found = std::path::absolute(path)
        .ok()
        .filter(|path| path.exists())
        .ok_or_else(|| {
            Failure::new(Code::Data, format!("the data file {} is not there", path.display()))
                .at(origin.value_place())
                .help("paths on the command line start from the working directory, paths in a file from that file")
        })?;
    match found.to_str() {
        Some(_) => Ok(found),
        None => Err(super::not_text(found.as_os_str()).into()),
    }
}

/// A directory's name must be a plain one.
pub fn group_name(name: &str, what: &str) -> Result<String, Stop> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && name.len() <= 64 && !name.starts_with('.') && name.chars().all(plain) {
        return Ok(name.to_string());
    }
    Err(
        Failure::new(Code::CommandLine, format!("`{name}` cannot name {what}"))
            .help("use letters, digits, `-`, `_` and `.`, at most 64, not beginning with `.`")
            .into(),
    )
}

fn dry_run(context: &Context, plan: &Plan) -> Ended {
    let training = context.with_threads(|| plan.app.start(&plan.config.value, &plan.source))??;
    let need = context
        .with_threads(|| rehearse(&*training))?
        .map_err(|error| placed(error, plan, false))?;
    let summary = training.summary();
    let parameters = training.store().numel();
    let tried = super::doctor::peak_memory();
    // The weights of the best epoch are a second set. A checkpoint copies weights and moments and then writes both sets
    // and the moments into one buffer.
    let checkpoint = 3 * need.weights + 2 * need.moments;
    let more = need.weights + need.moments + checkpoint;
    let total = tried.unwrap_or(need.weights + need.step) + more;
    if context.globals.json {
        output::json(&json!({
            "schema": "azura.train/1",
            "ok": true,
            "dry_run": true,
            "app": plan.app.name(),
            "parameters": parameters,
            "memory": {
                "bytes": total,
                "tried": tried,
                "weights": need.weights,
                "best_weights": need.weights,
                "moments": need.moments,
                "checkpoint": checkpoint,
                "step": need.step,
                "step_rows": need.rows,
            },
            "data": summary,
            "config": plan.config.value,
        }))?;
    } else {
        finish::say_data(summary);
        say!("model  {} parameters", text::thousands(parameters));
        let step = format!("one step of {} rows, {}", need.rows, text::bytes(need.step));
        say!(
            "memory about {}   {} │ best weights, moments and a checkpoint being written, {}",
            text::bytes(total),
            match tried {
                Some(tried) => format!("as tried, {}, of which {step}", text::bytes(tried)),
                None => format!("weights and {step} (without data and program)"),
            },
            text::bytes(more)
        );
        say!(
            "nothing was started (--dry-run).   azura config print {}",
            plan.app.name()
        );
    }
    Ok(0)
}

/// What is wrong with a value once the data and the model are known, where the configuration says it.
pub fn placed(error: azura_learner::Error, plan: &Plan, begun: bool) -> Stop {
    let azura_learner::Error::Config(problems) = error else {
        return error.into();
    };
    let failures = problems.iter().map(|problem| {
        let place = plan.config.origin(&problem.key).value_place();
        Failure::from(problem).at(place)
    });
    let failures: Vec<_> = failures.collect();
    match begun {
        true => failures.into(),
        false => Stop::before_start(failures),
    }
}

/// Listens for Ctrl-C and SIGTERM: the first raises `stop`.
pub fn listen(stop: &StopFlag) -> Result<Signals, Failure> {
    let stop = stop.clone();
    Signals::listen(move || {
        stop.raise();
        say!("saving a checkpoint … (once more to quit at once)");
    })
}

/// The configuration as a file that `-c` reads.
pub fn write_config(run: &RunDir, plan: &Plan) -> Result<(), Failure> {
    let mut document = Map::new();
    document.insert("schema".to_string(), 1.into());
    document.insert("app".to_string(), plan.app.name().into());
    document.insert("name".to_string(), plan.group.as_str().into());
    if let Value::Object(config) = &plan.config.value {
        document.extend(config.clone());
    }
    if let Source::File(path) = &plan.source {
        let data = document
            .entry("data")
            .or_insert_with(|| Value::Object(Map::new()));
        data["path"] = path.to_string_lossy().into();
    }
    let header =
        "# The resolved configuration of this run. Use it again with: azura train -c FILE\n";
    let text = format!("{header}{}", write::document(&document, None));
    save(run, "config.toml", text.as_bytes())?;
    save_json(run, "config.origin.json", &origins(&plan.config))?;
    save_json(run, "env.json", &super::doctor::environment())
}

/// Writes a file of the run, whole or not at all.
pub fn save(run: &RunDir, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    Ok(azura_learner::fs::write_atomic(run.file(name), bytes)?)
}

/// Writes a JSON file of the run.
pub fn save_json(run: &RunDir, name: &str, value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(Code::Unexpected, format!("{name}: {error}")))?;
    save(run, name, (text + "\n").as_bytes())
}

fn announce(context: &Context, plan: &Plan, run: &RunDir, device: &str) {
    let threads = context
        .threads()
        .ok()
        .flatten()
        .unwrap_or_else(azura_core::threads);
    if output::events() {
        return output::event(&json!({
            "event": "run",
            "run": run.path(),
            "app": plan.app.name(),
            "seed": plan.config.get("train.seed"),
            "device": device,
            "threads": threads,
            "instruction_set": azura_learner::model::instruction_set(),
            "time": run_dir::now(),
        }));
    }
    if !context.talks() {
        return;
    }
    say!(
        "run    {}   app {}   seed {}",
        Paint::Bold.err(run.path().display()),
        plan.app.name(),
        plan.config.get("train.seed").unwrap_or(&Value::Null)
    );
    say!(
        "device {device} · {threads} thread{} · {}",
        if threads == 1 { "" } else { "s" },
        azura_learner::model::instruction_set()
    );
    if let Some(why) = &plan.why {
        say!("note   {why}");
    }
    if context.globals.verbose > 0 {
        for (key, origin) in &plan.config.origins {
            let value = plan.config.get(key).map(write::inline).unwrap_or_default();
            say!("config {key} = {value}   from {origin}");
        }
    }
}

/// One process's part of a run.
pub struct Session<'a> {
    /// The command's context.
    pub context: &'a Context,
    /// What is trained.
    pub plan: &'a Plan,
    /// Where.
    pub run: &'a RunDir,
    /// `run.json`
    pub record: Record,
    /// Raised to stop after the current step.
    pub stop: StopFlag,
    /// What raises it.
    pub signals: Signals,
    /// Whether there is a checkpoint to go on from.
    pub resume: bool,
    /// For a trial of a study: who tells its worker, and waits for orders.
    pub trial: Option<Control>,
}

impl Session<'_> {
    /// Trains, writes everything that belongs to the run, and prints the result.
    pub fn train(mut self) -> Ended {
        let mut journal = Journal::open(self.run).map_err(|error| {
            Failure::new(
                Code::Unexpected,
                format!("cannot write in {}: {error}", self.run.path().display()),
            )
        })?;
        journal.event(&run_dir::life(
            "begin",
            json!({"pid": std::process::id(), "resume": self.resume}),
        ));
        let begun = Arc::new(AtomicBool::new(self.resume));
        let trial = self.trial.take();
        let keep = trial.is_some();
        let finish = self.fit(journal, &begun, trial);
        match finish {
            Ok(Finish::Trained(trained)) => finish::finished(self, *trained),
            Ok(Finish::Interrupted(outcome)) => finish::interrupted(self, &outcome),
            // `begun` is false until the data was read and the model built: such a run is nothing to keep, unless a study
            // counts it.
            Err(stop) if !keep && !begun.load(Ordering::Relaxed) => {
                let _ = std::fs::remove_dir_all(self.run.path());
                Err(stop)
            }
            Err(stop) => {
                self.record.status = Status::Failed;
                self.record.ended = Some(run_dir::now());
                self.record.error = stop.failures().first().map(|f| f.message().to_string());
                // The first error is the one to report.
                let _ = self.record.write(self.run);
                Err(stop)
            }
        }
    }

    fn fit(
        &self,
        journal: Journal,
        begun: &Arc<AtomicBool>,
        trial: Option<Control>,
    ) -> Result<Finish, Stop> {
        let monitor = self
            .plan
            .config
            .get("train.monitor")
            .and_then(Value::as_str);
        let start = match (&trial, self.resume) {
            (Some(_), _) => run::trial,
            (None, true) => run::resume,
            (None, false) => run::train,
        };
        let mut observers: Vec<Box<dyn Observer>> = vec![Box::new(Marker {
            begun: Arc::clone(begun),
            run: self.run.clone(),
            quiet: !self.context.talks(),
            latest: trial.is_none(),
        })];
        observers.push(Box::new(journal));
        match trial {
            Some(control) => observers.push(Box::new(control)),
            None => observers.extend(progress::observer(
                &self.context.globals,
                monitor.unwrap_or("val.loss"),
            )),
        }
        let paths = RunPaths::in_folder(self.run.path());
        let Plan {
            app,
            config,
            source,
            ..
        } = self.plan;
        let trained = self
            .context
            .with_threads(|| start(*app, &config.value, source, &paths, observers, &self.stop))?;
        trained.map_err(|error| placed(error, self.plan, begun.load(Ordering::Relaxed)))
    }
}

/// Notes that training really began, and shows what it begins with.
struct Marker {
    begun: Arc<AtomicBool>,
    run: RunDir,
    quiet: bool,
    /// Whether the run's group remembers it as its latest.
    latest: bool,
}

impl Observer for Marker {
    fn on(&mut self, event: &Event<'_>) {
        match event {
            Event::Data(summary) if !self.quiet => finish::say_data(summary),
            Event::Started {
                parameters,
                resumed,
                ..
            } => {
                if !self.begun.swap(true, Ordering::Relaxed) && self.latest {
                    run_dir::mark_latest(&self.run);
                }
                if !self.quiet {
                    say!("model  {} parameters", text::thousands(*parameters));
                    if let Some(at) = resumed {
                        let step = text::thousands(at.step as usize);
                        say!("resume after step {step}, in epoch {}", at.epoch + 1);
                    }
                }
            }
            _ => {}
        }
    }
}
