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
  azura tune weather --trials 30           search for good hyper-parameters
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
    /// Search for good hyper-parameters.
    #[command(
        visible_alias = "hyperopt",
        before_help = "\
Examples:
  azura tune weather --trials 30
  azura tune flowers.csv --target species --time-limit 10m --parallel 2
  azura tune weather --search train.lr=log:1e-4..1e-2 --search 'model.hidden=32|64|128'
  azura tune weather --dry-run         the space, the trials and what they cost
  azura tune resume                    go on with the latest study; also from a second terminal
  azura tune best                      the best trial, and how to train with it"
    )]
    Tune(Box<Tune>),
    /// Continue an unfinished run, bit for bit.
    #[command(before_help = "\
Examples:
  azura resume                 the latest unfinished run
  azura resume weather/12
  azura resume brave-otter")]
    Resume(Resume),
    /// Predict from the rows of a file, or from images.
    #[command(before_help = "\
Examples:
  azura predict weather new.csv -o out.csv
  azura predict image cat.jpg holiday/ --top-k 3
  azura predict runs/weather/0001-brave-otter/model.safetensors new.csv
  tail -n 100 new.csv | azura predict weather - --json")]
    Predict(Predict),
    /// Forecast the coming steps.
    #[command(before_help = "\
Examples:
  azura forecast weather --steps 24
  azura forecast stock gold.csv --steps 5 -o next-week.csv")]
    Forecast(Forecast),
    /// Train again and again on a growing past, each time tested on the rows that follow.
    #[command(before_help = "\
Examples:
  azura backtest stock
  azura backtest sales.csv --target sold --folds 8 --rows 30
  azura backtest stock data.dataset=sp500 --json")]
    Backtest(Backtest),
    /// Make new text, shown as it is made, or sound.
    #[command(before_help = "\
Examples:
  azura generate text
  azura generate voice -o new.wav --seconds 2
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

/// What is trained, and the keys that have flags of their own.
#[derive(Args, Debug, Default)]
pub struct Subject {
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
}

/// `azura train`
#[derive(Args, Debug)]
pub struct Train {
    /// What, and how.
    #[command(flatten)]
    pub subject: Subject,
    /// Train with the configuration of a trial: a study and a number, such as weather-1/7.
    #[arg(long, value_name = "STUDY/N", conflicts_with_all = ["what", "app", "data"])]
    pub from_trial: Option<String>,
    /// With --from-trial: train on training and validation rows together, for as many epochs as were best for the trial.
    #[arg(long, requires = "from_trial")]
    pub refit: bool,
    /// Group the runs under this name instead of the app's.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
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

/// `azura tune`
#[derive(Args, Debug)]
pub struct Tune {
    /// What to do with a study that there is; without it, a new study begins.
    #[command(subcommand)]
    pub action: Option<TuneAction>,
    /// A new study.
    #[command(flatten)]
    pub begin: TuneBegin,
    /// Where studies are kept (default ./studies, or AZURA_STUDIES).
    #[arg(long, value_name = "DIR", global = true, value_hint = ValueHint::DirPath)]
    pub studies: Option<PathBuf>,
}

/// A new study.
#[derive(Args, Debug)]
pub struct TuneBegin {
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
    /// Name of the study (default: that of the app, and a number).
    #[arg(long, value_name = "NAME")]
    pub study: Option<String>,
    /// Search this key: log:1e-4..1e-2, 0..0.5, int:20..120/20, logint:8..1024 or A|B|C. May be given several times.
    #[arg(long, value_name = "KEY=SPACE")]
    pub search: Vec<String>,
    /// Make something small or large: 'min val.mase', 'max val.accuracy', or a name alone. May be given several times.
    #[arg(long, value_name = "OBJECTIVE")]
    pub objective: Vec<String>,
    /// What the best trial must keep, such as 'parameters<1e6'. May be given several times.
    #[arg(long, value_name = "NAME<N")]
    pub constraint: Vec<String>,
    /// Who proposes values (tune.sampler).
    #[arg(long, value_name = "NAME")]
    pub sampler: Option<String>,
    /// Who stops hopeless trials early (tune.pruner).
    #[arg(long, value_name = "NAME")]
    pub pruner: Option<String>,
    /// In the end train the best trial anew, on training and validation rows together, as a run.
    #[arg(long)]
    pub refit_best: bool,
    /// How much to do.
    #[command(flatten)]
    pub budget: TuneBudget,
}

/// How much a search does.
#[derive(Args, Clone, Debug, Default)]
pub struct TuneBudget {
    /// Trials of the study (tune.trials).
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub trials: Option<String>,
    /// Begin no trial after this time, such as 30m, and interrupt those under way (tune.time_limit).
    #[arg(long, value_name = "TIME")]
    pub time_limit: Option<String>,
    /// Trials at the same time, each in a process of its own (tune.parallel).
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub parallel: Option<String>,
}

/// `azura tune …`
#[derive(Subcommand, Debug)]
pub enum TuneAction {
    /// Go on with a study; several processes may, also on a shared folder.
    #[command(before_help = "\
Examples:
  azura tune resume                    the latest study
  azura tune resume weather-1 --trials 100")]
    Resume {
        /// A study (default: the latest).
        study: Option<String>,
        /// In the end train the best trial anew, on training and validation rows together, as a run.
        #[arg(long)]
        refit_best: bool,
        /// How much to do.
        #[command(flatten)]
        budget: TuneBudget,
    },
    /// List the studies.
    #[command(visible_alias = "ls")]
    List,
    /// Show the trials of a study.
    Show {
        /// A study (default: the latest).
        study: Option<String>,
        /// Show at most this many trials.
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Show the best trial, or the trials that none beats in all objectives.
    Best {
        /// A study (default: the latest).
        study: Option<String>,
    },
    /// Show which parameters matter.
    Importance {
        /// A study (default: the latest).
        study: Option<String>,
    },
    /// Write the study in pictures: one HTML file that needs nothing else.
    Report {
        /// A study (default: the latest).
        study: Option<String>,
        /// Write here instead of report.html in the study.
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Write all trials as a table.
    Export {
        /// The kind of table.
        format: ExportFormat,
        /// A study (default: the latest).
        study: Option<String>,
        /// Write here instead of standard output.
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Have these values tried next: azura tune enqueue STUDY train.lr=1e-3 model.hidden=64
    Enqueue {
        /// A study (default: the latest).
        study: Option<String>,
    },
    /// Take a trial to evaluate it elsewhere; its values are printed.
    Ask {
        /// A study (default: the latest).
        study: Option<String>,
    },
    /// Say how a trial of `ask` went: azura tune tell STUDY 7 val.mase=0.81
    Tell {
        /// The study.
        study: String,
        /// The trial.
        trial: usize,
        /// A report on the way, after this epoch, not the end; the answer says whether to go on.
        #[arg(long, value_name = "N", conflicts_with = "failed")]
        step: Option<u64>,
        /// It failed, for this reason.
        #[arg(long, value_name = "REASON")]
        failed: Option<String>,
    },
    /// Let no worker begin another trial; those under way are finished.
    Stop {
        /// A study (default: the latest).
        study: Option<String>,
    },
    /// Train a trial as the child of a worker.
    #[command(hide = true)]
    Work {
        /// The study's folder.
        study: PathBuf,
        /// The trial.
        trial: usize,
    },
}

/// The choice of `azura tune export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Comma-separated values.
    Csv,
}

/// `azura predict`
#[derive(Args, Debug)]
pub struct Predict {
    /// A model file, a run, or an app (its latest finished run).
    pub model: String,
    /// A CSV file, or - for standard input; for an app that reads them, image files and folders of such.
    #[arg(value_name = "IN", required = true, value_hint = ValueHint::AnyPath)]
    pub input: Vec<PathBuf>,
    /// Name so many classes for each image, the most probable first (default: 1).
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub top_k: Option<u32>,
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

/// `azura backtest`
#[derive(Args, Debug)]
pub struct Backtest {
    /// What is trained, as for `azura train`.
    #[command(flatten)]
    pub subject: Subject,
    /// How many times.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub folds: u32,
    /// Rows that each model is tested on (default: the test rows of `azura train` in equal parts).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rows: Option<u32>,
}

/// `azura generate`
#[derive(Args, Debug)]
pub struct Generate {
    /// A model file, a run, or an app (its latest finished run).
    pub model: String,
    /// What it goes on from: a text, or the WAV file of a sound (default: the beginning of a line, or silence).
    #[arg(
        long,
        value_name = "TEXT|FILE",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub prompt: String,
    /// How many tokens; those of the app `text` are characters, those of `voice` samples.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub tokens: u32,
    /// How long a sound is, in place of --tokens.
    #[arg(long, value_name = "S", allow_negative_numbers = true, conflicts_with = "tokens", value_parser = length)]
    pub seconds: Option<f64>,
    /// Write here: text in place of standard output, sound as a WAV file; - is standard output.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
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

fn length(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if value > 0.0 && value <= 3600.0 => Ok(value),
        Ok(_) => Err("must be above 0 and at most 3600".to_string()),
        Err(_) => Err("write a number, such as 2.5".to_string()),
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
            Command::Tune(_) => "tune",
            Command::Resume(_) => "train",
            Command::Predict(_) => "predict",
            Command::Forecast(_) => "forecast",
            Command::Backtest(_) => "backtest",
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
                | Command::Backtest(_)
                | Command::Tune(_)
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
