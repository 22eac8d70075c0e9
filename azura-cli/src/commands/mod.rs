//! One file for each command. What several of them need is in [`Context`].

mod apps;
mod backtest;
mod completions;
mod config;
mod doctor;
mod evaluate;
mod finish;
mod folds;
mod forecast;
mod generate;
mod help;
mod init;
mod input;
mod predict;
mod resume;
mod runs;
mod scoreboard;
mod serve;
mod train;
mod tune;
mod version;

use std::path::PathBuf;

use azura_core::Device;
use azura_learner::{DynApp, Registry};
use clap::ValueEnum;
use serde_json::Value;

use crate::args::{Command, Globals, ProgressChoice};
use crate::config::Origin;
use crate::config::layers::{self, Layers};
use crate::config::resolve::{Resolved, Rules, resolve};
use crate::failure::{Code, Failure, Place, Stop};
use crate::near;
use crate::output;
use crate::progress;
use crate::run_dir::RunDir;
use crate::style::{self, ColorChoice};
use crate::tokens::{Line, Token};

/// How a command ends: its exit status, or why it stopped.
pub type Ended = Result<u8, Stop>;

/// What every command may look at.
pub struct Context {
    /// The apps of this program.
    pub registry: Registry,
    /// Flags of every command.
    pub globals: Globals,
    /// The command line, with its overrides apart.
    pub line: Line,
}

/// Runs a command.
pub fn dispatch(context: &Context, command: Command) -> Ended {
    match command {
        Command::Train(args) => train::run(context, args),
        Command::Tune(args) => tune::run(context, *args),
        Command::Resume(args) => resume::run(context, args),
        Command::Predict(args) => predict::run(context, args),
        Command::Forecast(args) => forecast::run(context, args),
        Command::Backtest(args) => backtest::run(context, args),
        Command::Generate(args) => generate::run(context, args),
        Command::Evaluate(args) => evaluate::run(context, args),
        Command::Serve(args) => serve::run(context, args),
        Command::Apps(args) => apps::run(context, args),
        Command::Runs(args) => runs::run(context, args),
        Command::Doctor => doctor::run(context),
        Command::Config(args) => config::run(context, args.action),
        Command::Completions { shell } => completions::run(context, shell),
        Command::Init(args) => init::run(context, args),
        Command::Version => version::run(context),
        Command::Help { topic } => help::run(context, &topic),
    }
}

impl Context {
    /// What holds for every command, before it starts: every word is text, `-C`, and that no word is left over.
    ///
    /// # Errors
    /// [`Code::CommandLine`] if the directory is not there, a word is no text, or an override means nothing to the command.
    pub fn prepare(&self, command: &Command) -> Result<(), Stop> {
        // A path goes into run.json and into JSON documents, which hold text only.
        let words = self.line.rest.iter().zip(&self.line.index).skip(1);
        if let Some((word, at)) = words.into_iter().find(|(word, _)| word.to_str().is_none()) {
            return Err(not_text(word).at(Place::Argument(*at)).into());
        }
        let free = matches!(
            command,
            Command::Help { .. } | Command::Version | Command::Completions { .. }
        );
        if !free {
            self.environment()?;
        }
        if progress::choose(&self.globals) == ProgressChoice::Json {
            output::set_events(true);
            style::plain_stderr();
        }
        if let Some(directory) = &self.globals.directory {
            std::env::set_current_dir(directory).map_err(|error| {
                Failure::new(
                    Code::CommandLine,
                    format!("-C {}: {error}", directory.display()),
                )
            })?;
        }
        if !command.takes_overrides()
            && let Some(token) = self.line.overrides.first()
        {
            return Err(Failure::new(
                Code::CommandLine,
                format!(
                    "`{}` takes no configuration key, but got `{}`",
                    command.name(),
                    token.key
                ),
            )
            .at(Place::Argument(token.argument))
            .help("if it is a file, write it as ./NAME")
            .into());
        }
        Ok(())
    }

    /// Whether the variables that stand for flags can be read.
    fn environment(&self) -> Result<(), Stop> {
        let mut failures = Vec::new();
        let mut choice = |name: &str, read: &dyn Fn(&str) -> bool, allowed: &str| {
            let Some(text) = std::env::var_os(name).filter(|text| !text.is_empty()) else {
                return;
            };
            if !text.to_str().is_some_and(read) {
                let message = format!("`{}` is not a choice of {name}", text.display());
                failures.push(
                    Failure::new(Code::CommandLine, message)
                        .at(Place::Env(name.to_string()))
                        .help(format!("write one of {allowed}, or unset it")),
                );
            }
        };
        choice(
            "AZURA_PROGRESS",
            &|text| ProgressChoice::from_str(text, true).is_ok(),
            "auto, bar, plain, json, none",
        );
        choice(
            "AZURA_INSTRUCTIONS",
            &|text| azura_core::InstructionSet::from_name(text).is_some(),
            "portable, avx2, avx512",
        );
        choice(
            "AZURA_COLOR",
            &|text| ColorChoice::from_str(text, true).is_ok(),
            "auto, always, never",
        );
        if let Some(runs) = std::env::var_os("AZURA_RUNS")
            && runs.to_str().is_none()
        {
            failures.push(not_text(&runs).at(Place::Env("AZURA_RUNS".to_string())));
        }
        if let Err(stop) = self.threads() {
            failures.extend_from_slice(stop.failures());
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures.into())
        }
    }

    /// Whether the command says what it does while it trains.
    pub fn talks(&self) -> bool {
        progress::talks(&self.globals)
    }

    /// Where runs are kept: `--runs`, `AZURA_RUNS`, or `./runs`.
    pub fn runs(&self) -> PathBuf {
        self.globals.runs.clone().unwrap_or_else(usual_runs)
    }

    /// What means this run in the next command, without the flags of this one: its id where runs are looked for
    /// anyway, else its path.
    pub fn name_of(&self, run: &RunDir) -> String {
        let path = match self.globals.directory {
            Some(_) => std::path::absolute(run.path()).unwrap_or_else(|_| run.path().to_path_buf()),
            None => run.path().to_path_buf(),
        };
        if path == usual_runs().join(run.full_id()) {
            run.full_id()
        } else {
            path.display().to_string()
        }
    }

    /// The device of `--device` or `AZURA_DEVICE`, if this build and machine have it.
    ///
    /// # Errors
    /// [`Code::Device`] with everything that is known about the reason, [`Code::CommandLine`] for a name that is
    /// no device's.
    pub fn device(&self) -> Result<Device, Stop> {
        let from_env = || std::env::var("AZURA_DEVICE").ok().filter(|v| !v.is_empty());
        let named = self.globals.device.clone().or_else(from_env);
        let text = named.as_deref().unwrap_or("cpu");
        if text == "auto" {
            return Ok(Device::Cpu);
        }
        let device: Device = text.parse().map_err(|_| {
            Failure::new(Code::CommandLine, format!("`{text}` is not a device"))
                .at(self.place_of("--device"))
                .help("write cpu, cuda or cuda:N")
        })?;
        device.check().map_err(|_| {
            doctor::cuda_facts(
                Failure::new(Code::Device, "CUDA was requested but cannot be used")
                    .at(self.place_of("--device")),
            )
            .help("use a build with CUDA, or --device cpu")
        })?;
        Ok(device)
    }

    /// The threads of `--threads` or `AZURA_THREADS`, if given.
    ///
    /// # Errors
    /// [`Code::CommandLine`] if the variable is not a number from 1 to 1024.
    pub fn threads(&self) -> Result<Option<usize>, Stop> {
        if let Some(threads) = self.globals.threads {
            return Ok(Some(usize::from(threads)));
        }
        match std::env::var("AZURA_THREADS") {
            Ok(text) if !text.is_empty() => match text.parse() {
                Ok(threads @ 1..=1024) => Ok(Some(threads)),
                _ => Err(Failure::new(
                    Code::CommandLine,
                    format!("`{text}` is not a number of threads from 1 to 1024"),
                )
                .at(Place::Env("AZURA_THREADS".to_string()))
                .help("write a number, or unset it to use every core")
                .into()),
            },
            Err(std::env::VarError::NotUnicode(_)) => Err(Failure::new(
                Code::CommandLine,
                "AZURA_THREADS is not a number of threads from 1 to 1024",
            )
            .at(Place::Env("AZURA_THREADS".to_string()))
            .into()),
            _ => Ok(None),
        }
    }

    /// Runs `work` with the threads that were asked for.
    ///
    /// # Errors
    /// As [`threads`](Context::threads).
    pub fn with_threads<R>(&self, work: impl FnOnce() -> R) -> Result<R, Stop> {
        Ok(match self.threads()? {
            Some(threads) => azura_core::with_threads(threads, work),
            None => work(),
        })
    }

    /// Where a flag stands on the command line.
    pub fn place_of(&self, flag: &str) -> Option<Place> {
        let at = self.line.rest.iter().position(|word| {
            let word = word.to_string_lossy();
            word == flag
                || word
                    .strip_prefix(flag)
                    .is_some_and(|rest| rest.starts_with('='))
        })?;
        Some(Place::Argument(self.line.index[at]))
    }

    /// All layers of configuration; `flags` are a command's own short ways to set a key.
    ///
    /// # Errors
    /// Everything that is wrong with files, variables and words before the app is known.
    pub fn layers(&self, flags: &[(&'static str, &str, Option<&String>)]) -> Result<Layers, Stop> {
        let tokens = self.overrides(flags);
        let home = layers::home();
        layers::gather(&self.globals, &tokens, home.as_deref(), &environment)
            .map_err(Stop::before_start)
    }

    /// What the command line says about keys, in the order of its words, so that the last one counts.
    pub fn overrides(&self, flags: &[(&'static str, &str, Option<&String>)]) -> Vec<Token> {
        let seed = self.globals.seed.map(|seed| seed.to_string());
        let seed = ("--seed", "train.seed", seed.as_ref());
        let short = flags.iter().chain([&seed]);
        let mut tokens: Vec<Token> = short
            .filter_map(|(flag, key, value)| {
                let index = match self.place_of(flag) {
                    Some(Place::Argument(n)) => n,
                    _ => 0,
                };
                Some(Token {
                    key: (*key).to_string(),
                    value: Some((*value)?.clone()),
                    argument: index,
                    flag: Some(flag),
                })
            })
            .collect();
        tokens.extend(self.line.overrides.iter().cloned());
        tokens.sort_by_key(|token| token.argument);
        tokens
    }

    /// The app of this name.
    ///
    /// # Errors
    /// [`Code::UnknownApp`] with the nearest name, at `place`.
    pub fn app(&self, name: &str, place: Option<Place>) -> Result<&'static dyn DynApp, Stop> {
        let app = self.registry.get(name).map_err(|_| {
            let names = self.registry.names();
            let failure =
                Failure::new(Code::UnknownApp, format!("there is no app called `{name}`"))
                    .at(place);
            let failure = match near::nearest(name, names.iter().copied()) {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure,
            };
            Stop::from(failure.help(format!("apps of this program: {}", names.join(", "))))
        })?;
        if app.name() != name && self.talks() {
            output::say!("note   `{name}` means the app {}", app.name());
        }
        Ok(app)
    }

    /// The app that a command means: the one that was named, else the configuration file's, else the only one.
    ///
    /// # Errors
    /// [`Code::UnknownApp`] if it does not exist or none is named.
    pub fn app_or_configured(
        &self,
        named: Option<&str>,
        layers: &Layers,
    ) -> Result<&'static dyn DynApp, Stop> {
        if let Some(name) = named {
            let app = self.app(name, self.place_of(name))?;
            let same = |owner: &str| {
                self.registry
                    .get(owner)
                    .is_ok_and(|o| o.name() == app.name())
            };
            return match &layers.app {
                Some((owner, origin)) if !same(owner) && layers.owns(origin) => {
                    Err(other_app(app.name(), owner, origin).into())
                }
                _ => Ok(app),
            };
        }
        if let Some((name, origin)) = &layers.app {
            return self.app(name, origin.value_place());
        }
        match self.registry.names().as_slice() {
            [only] => self.app(only, None),
            names => Err(Failure::new(Code::UnknownApp, "no app is named")
                .help(format!(
                    "name one of {}, or write app = \"…\" in azura.toml",
                    names.join(", ")
                ))
                .into()),
        }
    }
}

/// A word or path that is not UTF-8.
pub fn not_text(word: &std::ffi::OsStr) -> Failure {
    let message = format!("`{}` is not UTF-8", word.display());
    Failure::new(Code::CommandLine, message).help("use paths whose names are UTF-8 text")
}

/// A configuration file is written for one app: its keys mean something else, or nothing, to another.
fn other_app(name: &str, owner: &str, origin: &Origin) -> Failure {
    let file = match origin {
        Origin::File { key, .. } => key.path.display().to_string(),
        _ => String::new(),
    };
    Failure::new(
        Code::CommandLine,
        format!("{file} is the configuration of the app `{owner}`, not of `{name}`"),
    )
    .at(origin.value_place())
    .help(format!(
        "write one for it: azura init {name} -o {name}.toml, and give that: -c {name}.toml"
    ))
    .help(format!(
        "or use another folder, or none of the file: -c {NOTHING}"
    ))
}

/// A configuration file without keys.
const NOTHING: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// Where runs are kept if no flag says otherwise.
fn usual_runs() -> PathBuf {
    std::env::var_os("AZURA_RUNS")
        .filter(|folder| !folder.is_empty())
        .map_or_else(|| PathBuf::from("runs"), PathBuf::from)
}

/// The variables of this process that are text.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Lays the layers over an app's defaults.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn resolved(app: &dyn DynApp, layers: &Layers) -> Result<Resolved, Stop> {
    let (schema, defaults) = (app.schema(), app.defaults());
    let rules = Rules {
        schema: &schema,
        defaults: &defaults,
        check: &|value: &Value| app.check(value),
        app: app.name(),
    };
    resolve(layers, &rules).map_err(Stop::before_start)
}

/// The origins of all keys, as `config.origin.json` holds them.
pub fn origins(resolved: &Resolved) -> Value {
    let entries = resolved.leaves().into_iter().map(|(key, _)| {
        let origin = resolved.origin(&key).to_string();
        (key, Value::String(origin))
    });
    Value::Object(entries.collect())
}

/// Whether a key was set by the command line.
fn from_command_line(origin: &Origin) -> bool {
    matches!(origin, Origin::Argument { .. })
}
