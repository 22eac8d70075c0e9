//! Runs folders of reference cases, recorded from PyTorch, against our public interface.
//!
//! ```text
//! cargo run --release -p azura-benches --bin conformance -- FOLDER… [--only NAME…] [--json FILE] [--f32]
//! ```
//!
//! Each case prints `PASS|FAIL|UNSUPPORTED suite/name/case reason`; the last line counts them. Folders
//! are searched for safetensors files; a file is one operator, module, optimiser or set of schedules,
//! and its metadata key `cases` is JSON that says how each case was called. A folder with a
//! `MANIFEST.json` holds malformed files instead. `--f32` computes in f32, within 2e-5. Exits 1 if a case failed.

#![forbid(unsafe_code)]

mod call;
mod compare;
mod file;
mod hostile;
mod modules;
mod operators;
mod optimisers;
mod schedules;

use azura_core::DType;
use call::Call;
use compare::{compare, tolerance};
use file::{File, Why};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

struct Options {
    folders: Vec<PathBuf>,
    only: Vec<String>,
    json: Option<PathBuf>,
    dtype: DType,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        folders: Vec::new(),
        only: Vec::new(),
        json: None,
        dtype: DType::F64,
    };
    let mut args = std::env::args().skip(1).peekable();
    while let Some(arg) = args.next() {
        match &*arg {
            "--only" => {
                while let Some(name) = args.next_if(|arg| !arg.starts_with("--")) {
                    options.only.push(name);
                }
            }
            "--f32" => options.dtype = DType::F32,
            "--json" => options.json = Some(args.next().ok_or("--json needs a file")?.into()),
            flag if flag.starts_with("--") => return Err(format!("unknown flag {flag}")),
            folder => options.folders.push(folder.into()),
        }
    }
    if options.folders.is_empty() {
        return Err("no folder given".into());
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}; usage: conformance FOLDER… [--only NAME…] [--json FILE] [--f32]");
            return ExitCode::from(2);
        }
    };
    // A panic is a failed case; its message is in the line of the case.
    std::panic::set_hook(Box::new(|_| {}));
    let mut report = Report::default();
    for folder in &options.folders {
        if let Err(problem) = run_folder(folder, &options, &mut report) {
            eprintln!("{}: {problem}", folder.display());
            return ExitCode::from(2);
        }
    }
    if let Some(path) = &options.json
        && let Err(problem) = std::fs::write(path, report.json().to_string())
    {
        eprintln!("{}: {problem}", path.display());
        return ExitCode::from(2);
    }
    let [passed, failed, skipped] = report.total();
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Counts of passed, failed and unsupported cases by suite and name.
#[derive(Default)]
struct Report(BTreeMap<(String, String), [usize; 3]>);

impl Report {
    fn count(&mut self, suite: &str, name: &str, case: &str, outcome: Result<(), Why>) {
        let (index, word, reason) = match outcome {
            Ok(()) => (0, "PASS", String::new()),
            Err(Why::Wrong(message)) => (1, "FAIL", message),
            Err(Why::Lacks(reason)) => (2, "UNSUPPORTED", reason),
        };
        println!(
            "{}",
            format!("{word} {suite}/{name}/{case} {reason}").trim_end()
        );
        let counts = self.0.entry((suite.into(), name.into())).or_default();
        counts[index] += 1;
    }

    fn total(&self) -> [usize; 3] {
        let mut total = [0; 3];
        for counts in self.0.values() {
            for (total, count) in total.iter_mut().zip(counts) {
                *total += count;
            }
        }
        total
    }

    fn json(&self) -> Value {
        let count = |[passed, failed, skipped]: [usize; 3]| json!({ "passed": passed, "failed": failed, "skipped": skipped });
        let mut suites = Map::new();
        for ((suite, name), counts) in &self.0 {
            suites.entry(suite).or_insert_with(|| json!({}))[name] = count(*counts);
        }
        json!({ "schema": "azura.conformance/1", "total": count(self.total()), "suites": suites })
    }
}

fn run_folder(folder: &Path, options: &Options, report: &mut Report) -> Result<(), String> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|error| error.to_string())?;
    paths.sort();
    let suite = folder
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let manifest = folder.join("MANIFEST.json");
    if manifest.exists() {
        return run_hostile(folder, &manifest, &options.only, report);
    }
    for path in paths {
        let name = path
            .file_stem()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if path.is_dir() {
            run_folder(&path, options, report)?;
        } else if path.extension().is_some_and(|e| e == "safetensors")
            && wanted(&name, &options.only)
        {
            let bytes = std::fs::read(&path).map_err(|e| format!("{name}: {e}"))?;
            let file = File::parse(&bytes, options.dtype).map_err(|e| format!("{name}: {e}"))?;
            run_file(&suite, &name, &file, report);
        }
    }
    Ok(())
}

/// Whether a file is asked for: `--only conv` takes everything that begins so, after `nn_` and such.
fn wanted(name: &str, only: &[String]) -> bool {
    let short = name
        .strip_prefix("nn.functional.")
        .or_else(|| name.strip_prefix("nn_"))
        .unwrap_or(name);
    only.is_empty()
        || only
            .iter()
            .any(|only| short.starts_with(&**only) || name.starts_with(&**only))
}

fn run_file(suite: &str, name: &str, file: &File<'_>, report: &mut Report) {
    for (case, call) in &file.cases {
        let outcome = catch_unwind(AssertUnwindSafe(|| run_case(suite, name, file, case, call)))
            .unwrap_or_else(|panic| {
                let text = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied());
                Err(Why::Wrong(format!("panics: {}", text.unwrap_or("?"))))
            });
        report.count(suite, name, case, outcome);
    }
}

fn run_case(suite: &str, name: &str, file: &File<'_>, case: &str, call: &Value) -> Result<(), Why> {
    if name == "lr_schedulers" {
        return schedules::run(file, case, call);
    }
    if file.has("g0") || file.has("g1") {
        return optimisers::run(file, name, case, call);
    }
    let tolerance = tolerance(suite, name.strip_prefix("nn_").unwrap_or(name), file.dtype);
    if call.get("ctor_args").is_some() {
        let module = modules::Module {
            file,
            case,
            call,
            targets: Default::default(),
        };
        let outputs = modules::run(name.strip_prefix("nn_").unwrap_or(name), &module)?;
        return compare(file, case, &outputs, &module.targets.borrow(), tolerance);
    }
    let call = Call::read(file, call)?;
    let outputs = operators::run(name, &call)?;
    compare(file, case, &outputs, &call.targets, tolerance)
}

fn run_hostile(
    folder: &Path,
    manifest: &Path,
    only: &[String],
    report: &mut Report,
) -> Result<(), String> {
    let text = std::fs::read_to_string(manifest).map_err(|error| error.to_string())?;
    let entries: Map<String, Value> =
        serde_json::from_str(&text).map_err(|error| format!("MANIFEST.json: {error}"))?;
    for (name, entry) in entries.iter().filter(|(name, _)| wanted(name, only)) {
        let path = folder.join(name).with_extension("safetensors");
        let outcome = match std::fs::read(&path) {
            Ok(bytes) => hostile::run(name, &bytes, entry),
            Err(error) => Err(Why::Wrong(error.to_string())),
        };
        report.count("hostile", "safetensors", name, outcome);
    }
    Ok(())
}
