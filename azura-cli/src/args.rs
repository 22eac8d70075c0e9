//! The command line as data: every command and flag, in one place.
//!
//! Global flags stand anywhere. Bare `key=value` words and `--set` are taken out before clap sees the
//! line (see [`crate::tokens`]); `--set` is declared here so that help and completions know it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::require::Requirement;
use crate::style::ColorChoice;

const EXAMPLES: &str = "\
Examples:
  azura train weather                      train on the bundled data
  azura train stock --data gold.csv train.epochs=20 train.lr=3e-4
  azura resume                             continue the latest unfinished run
  azura predict weather new.csv -o out.csv
  azura forecast weather --steps 24
  azura generate text --prompt HAMLET
  azura serve weather stock                http://127.0.0.1:8080
  azura config explain train.lr weather    what a key means, and where its value comes from";

const AFTER: &str = "\
Results go to standard output, everything else to standard error.
Any configuration key can be set anywhere on the line: train.epochs=20
More: azura help exit-codes | azura help environment | azura help E0203 | azura help train.lr";

/// The whole command line.
#[derive(Parser, Debug)]
#[command(
    name = "azura",
    version,
    about = "Train, predict with, evaluate and serve models. One binary.",
    before_help = EXAMPLES,
    after_help = AFTER,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 110
)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Globals,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes, anywhere on the line.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Do everything as if started in DIR.
    #[arg(short = 'C', value_name = "DIR", global = true, value_hint = ValueHint::DirPath)]
    pub directory: Option<PathBuf>,
    /// Read FILE instead of ./azura.toml.
    #[arg(short, long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Set a configuration key (the same as a bare key=value).
    #[arg(short, long = "set", value_name = "KEY=VALUE", global = true)]
    pub set: Vec<String>,
    /// Where to compute: cpu, cuda or cuda:N. Never falls back to another device.
    #[arg(long, value_name = "DEVICE", global = true)]
    pub device: Option<String>,
    /// Threads to compute with; any number gives the same bits.
    #[arg(long, value_name = "N", global = true, allow_negative_numbers = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Seed of everything random (train.seed).
    #[arg(long, value_name = "N", global = true, allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Where runs are kept (default ./runs).
    #[arg(long, value_name = "DIR", global = true, value_hint = ValueHint::DirPath)]
    pub runs: Option<PathBuf>,
    /// Print the result as one JSON document.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but results and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more: checkpoints, values that are not defaults, requests; twice for every step.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to colour.
    #[arg(long, value_name = "WHEN", global = true)]
    pub color: Option<ColorChoice>,
    /// How to show progress (on standard error).
    #[arg(long, value_name = "HOW", global = true)]
    pub progress: Option<ProgressChoice>,
    /// Check everything and show the plan, but start nothing.
    #[arg(short = 'n', long, global = true)]
    pub dry_run: bool,
}

/// The choice of `--progress`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressChoice {
    /// A bar on a terminal, else plain lines.
    #[default]
    Auto,
    /// A bar.
    Bar,
    /// One key=value line for each epoch, and at least one every 30 seconds.
    Plain,
    /// One JSON object a line, and nothing else on standard error.
    Json,
    /// Nothing but warnings, errors and the result.
    None,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Train a model.
    #[command(
        visible_alias = "fit",
        before_help = "\
Examples:
  azura train weather
  azura train weather --epochs 5 --seed 7 model.hidden=32
  azura train stock --data gold.csv --name gold
  azura train flowers.csv --target species
  azura train -c azura.toml --json > result.json"
    )]
    Train(Train),
    /// Continue an unfinished run, bit for bit.
    #[command(before_help = "\
Examples:
  azura resume                 the latest unfinished run
  azura resume weather/12
  azura resume brave-otter")]
    Resume(Resume),
    /// Predict from the rows of a file.
    #[command(before_help = "\
Examples:
  azura predict weather new.csv -o out.csv
  azura predict runs/weather/0001-brave-otter/model.safetensors new.csv
  tail -n 100 new.csv | azura predict weather - --json")]
    Predict(Predict),
    /// Forecast the coming steps.
    #[command(before_help = "\
Examples:
  azura forecast weather --steps 24
  azura forecast stock gold.csv --steps 5 -o next-week.csv")]
    Forecast(Forecast),
    /// Make new text, shown as it is made.
    #[command(before_help = "\
Examples:
  azura generate text
  azura generate text --prompt 'To be, or not' --tokens 200
  azura generate text --temperature 0 --json
  azura generate text --top-k 10 --top-p 0.9 --seed 7")]
    Generate(Generate),
    /// Score a model on data, beside naive baselines.
    #[command(
        visible_alias = "eval",
        alias = "val",
        before_help = "\
Examples:
  azura evaluate weather
  azura evaluate weather other-station.csv --json"
    )]
    Evaluate(Evaluate),
    /// Answer predictions over HTTP.
    #[command(before_help = "\
Examples:
  azura serve weather
  azura serve weather gold=runs/stock/0003-calm-heron --addr 127.0.0.1:9000
  curl -s 127.0.0.1:8080/v1/models/weather/predict -d '{\"rows\":[{…}]}'")]
    Serve(Serve),
    /// The apps of this binary.
    Apps(Apps),
    /// The runs that were made.
    Runs(Runs),
    /// Check hardware, folders and the engine.
    Doctor,
    /// Configuration: values, schema, and where each value comes from.
    Config(Config),
    /// Print a completion script for a shell.
    #[command(before_help = "\
Examples:
  azura completions bash > ~/.local/share/bash-completion/completions/azura
  azura completions fish > ~/.config/fish/completions/azura.fish")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write azura.toml with all keys of an app, described.
    #[command(before_help = "\
Examples:
  azura init weather
  azura init stock --data gold.csv -o gold.toml")]
    Init(Init),
    /// Print the version and what this build contains.
    Version,
    /// Explain a command, a code (E0203), a key (train.lr), exit-codes or environment.
    Help {
        /// What to explain.
        topic: Vec<String>,
    },
}

/// `azura train`
#[derive(Args, Debug)]
pub struct Train {
    /// An app's name; or a data file, which a table's app reads unless --app names another.
    #[arg(value_name = "APP|FILE")]
    pub what: Option<String>,
    /// The app that reads the data.
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
    /// Train on this file instead of the bundled data.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub data: Option<PathBuf>,
    /// Column to predict (data.target).
    #[arg(long, value_name = "COLUMN")]
    pub target: Option<String>,
    /// Group the runs under this name instead of the app's.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Passes over the training rows (train.epochs).
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub epochs: Option<String>,
    /// Learning rate (train.lr).
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub lr: Option<String>,
    /// Samples in a batch (train.batch).
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub batch: Option<String>,
    /// Stop after this time, such as 30m (train.time_limit).
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    pub time_limit: Option<String>,
    /// Train so many times, each on another part of the rows as the test, and give mean and spread of the scores.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(2..=1000), conflicts_with = "require")]
    pub folds: Option<u16>,
    /// End with status 5 unless a score meets this bar, such as 'test.mase<1'. May be given several times.
    #[arg(long, value_name = "PART.METRIC<N")]
    pub require: Vec<Requirement>,
}

/// `azura resume`
#[derive(Args, Debug)]
pub struct Resume {
    /// A run: its directory, number, name, app/number, or `latest`.
    pub run: Option<String>,
    /// End with status 5 unless a score meets this bar; that of the interrupted command is not kept. May be given several times.
    #[arg(long, value_name = "PART.METRIC<N")]
    pub require: Vec<Requirement>,
}

/// `azura predict`
#[derive(Args, Debug)]
pub struct Predict {
    /// A model file, a run, or an app (its latest finished run).
    pub model: String,
    /// A CSV file, or - for standard input.
    #[arg(value_name = "IN", value_hint = ValueHint::FilePath)]
    pub input: PathBuf,
    /// Write here instead of standard output.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// `azura forecast`
#[derive(Args, Debug)]
pub struct Forecast {
    /// A model file, a run, or an app (its latest finished run).
    pub model: String,
    /// What came before, as CSV, or - for standard input (default: the data of the run).
    #[arg(value_name = "HISTORY", value_hint = ValueHint::FilePath)]
    pub history: Option<PathBuf>,
    /// How many steps.
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub steps: u32,
    /// Write here instead of standard output.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// `azura generate`
#[derive(Args, Debug)]
pub struct Generate {
    /// A model file, a run, or an app (its latest finished run).
    pub model: String,
    /// What the text goes on from (default: the beginning of a line).
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub prompt: String,
    /// How many tokens; those of the app `text` are characters.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub tokens: u32,
    /// 0 always takes the likeliest token; the higher, the bolder.
    #[arg(long, value_name = "T", default_value = "0.8", allow_negative_numbers = true, value_parser = temperature)]
    pub temperature: f64,
    /// Draw from the K likeliest tokens only (default: from all).
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub top_k: Option<u32>,
    /// Draw from the likeliest tokens whose probabilities together reach P only.
    #[arg(long, value_name = "P", default_value = "1", allow_negative_numbers = true, value_parser = share)]
    pub top_p: f64,
}

/// `azura evaluate`
#[derive(Args, Debug)]
pub struct Evaluate {
    /// A model file, a run, or an app (its latest finished run).
    pub model: String,
    /// A data file (default: the data that the model was trained on, its test rows).
    #[arg(value_name = "DATA", value_hint = ValueHint::FilePath)]
    pub data: Option<PathBuf>,
    /// Write truth, prediction and baselines of every row here, as CSV.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// End with status 5 unless a score meets this bar, such as 'test.mase<1'. May be given several times.
    #[arg(long, value_name = "PART.METRIC<N")]
    pub require: Vec<Requirement>,
}

/// `azura serve`
#[derive(Args, Debug)]
pub struct Serve {
    /// Models: a file, run or app; NAME=MODEL gives it another name in the address.
    #[arg(value_name = "MODEL")]
    pub models: Vec<String>,
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    pub addr: SocketAddr,
    /// Answer requests for this host name too: the one under which a proxy offers the server. May be given several times.
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// Threads that compute predictions (default: one for each core).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    /// Requests that may wait; more are answered 503.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub queue: u32,
    /// Longest time for a request, in seconds; then it is answered 504.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub timeout: std::time::Duration,
    /// Largest request body, in bytes; larger is answered 413.
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    pub max_body: usize,
    /// Bytes of request bodies held at once, over all requests; more are answered 503.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    pub max_in_flight: usize,
    /// Time for running requests to finish after SIGTERM, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub drain: std::time::Duration,
    /// Allow an address that others can reach, without authentication.
    #[arg(long)]
    pub insecure: bool,
}

/// `127.0.0.1:8080`, `[::1]:8080`, or `localhost:8080`; other names would need a resolver.
fn address(text: &str) -> Result<SocketAddr, String> {
    let numbers = match text.rsplit_once(':') {
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => {
            format!("127.0.0.1:{port}")
        }
        _ => text.to_string(),
    };
    numbers.parse().map_err(|_| {
        "write an address and a port, such as 127.0.0.1:8080 or localhost:8080".to_string()
    })
}

fn temperature(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        Ok(_) => Err("must be between 0 and 100".to_string()),
        Err(_) => Err("write a number, such as 0.8".to_string()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if value > 0.0 && value <= 1.0 => Ok(value),
        Ok(_) => Err("must be above 0 and at most 1".to_string()),
        Err(_) => Err("write a number, such as 0.9".to_string()),
    }
}

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let value: f64 = text
        .trim_end_matches('s')
        .parse()
        .map_err(|_| "write seconds, such as 2 or 0.5".to_string())?;
    if !(0.001..=86_400.0).contains(&value) {
        return Err("must be between 0.001 and 86400 seconds".to_string());
    }
    Ok(std::time::Duration::from_secs_f64(value))
}

/// `azura apps`
#[derive(Args, Debug)]
pub struct Apps {
    /// What to do (default: list).
    #[command(subcommand)]
    pub action: Option<AppsAction>,
}

/// `azura apps …`
#[derive(Subcommand, Debug)]
pub enum AppsAction {
    /// List the apps of this binary.
    #[command(visible_alias = "ls")]
    List,
    /// Show what an app does, and its configuration.
    Show {
        /// The app.
        app: String,
    },
}

/// `azura runs`
#[derive(Args, Debug)]
pub struct Runs {
    /// What to do (default: list).
    #[command(subcommand)]
    pub action: Option<RunsAction>,
    /// List at most this many.
    #[arg(long, value_name = "N", default_value_t = 50, global = true)]
    pub limit: usize,
}

/// `azura runs …`
#[derive(Subcommand, Debug)]
pub enum RunsAction {
    /// List the runs, newest first.
    #[command(visible_alias = "ls")]
    List {
        /// Only runs of this app or name.
        app: Option<String>,
    },
    /// Show one run.
    Show {
        /// A run (default: the latest).
        run: Option<String>,
    },
}

/// `azura config`
#[derive(Args, Debug)]
pub struct Config {
    /// What to do.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// `azura config …`
#[derive(Subcommand, Debug)]
pub enum ConfigAction {
    /// Print every key with its value and where it comes from.
    Print {
        /// The app (default: the one in the configuration file).
        app: Option<String>,
    },
    /// Print the JSON Schema of an app's configuration.
    Schema {
        /// The app (default: the one in the configuration file).
        app: Option<String>,
    },
    /// Explain one key: meaning, range, default, value and its source.
    Explain {
        /// The key, such as train.lr.
        key: String,
        /// The app (default: the one in the configuration file).
        app: Option<String>,
    },
}

/// `azura init`
#[derive(Args, Debug)]
pub struct Init {
    /// The app.
    pub app: String,
    /// Train on this file instead of the bundled data.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub data: Option<PathBuf>,
    /// Write here.
    #[arg(short, long, value_name = "FILE", default_value = "azura.toml", value_hint = ValueHint::FilePath)]
    pub output: PathBuf,
    /// Replace a file that exists.
    #[arg(long)]
    pub force: bool,
}

impl Command {
    /// The name in `"schema":"azura.NAME/1"`.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Train(_) => "train",
            Command::Resume(_) => "train",
            Command::Predict(_) => "predict",
            Command::Forecast(_) => "forecast",
            Command::Generate(_) => "generate",
            Command::Evaluate(_) => "evaluate",
            Command::Serve(_) => "serve",
            Command::Apps(_) => "apps",
            Command::Runs(_) => "runs",
            Command::Doctor => "doctor",
            Command::Config(_) => "config",
            Command::Completions { .. } => "completions",
            Command::Init(_) => "init",
            Command::Version => "version",
            Command::Help { .. } => "help",
        }
    }

    /// Whether `key=value` words mean something to the command.
    pub fn takes_overrides(&self) -> bool {
        matches!(
            self,
            Command::Train(_)
                | Command::Resume(_)
                | Command::Config(_)
                | Command::Init(_)
                | Command::Serve(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_anywhere() {
        let line = [
            "azura", "--seed", "7", "train", "weather", "--json", "-C", "x",
        ];
        let cli = Cli::try_parse_from(line).unwrap();
        assert!(cli.global.json);
        assert_eq!(cli.global.seed, Some(7));
        assert_eq!(cli.global.directory, Some("x".into()));
    }
}
