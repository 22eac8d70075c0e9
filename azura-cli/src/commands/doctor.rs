//! `azura doctor`: what this machine and build have, and whether the engine computes right.

use std::path::Path;

use azura_core::{DType, Rng, Tensor};
use serde_json::{Value, json};

use super::{Context, Ended};
use crate::config::layers;
use crate::failure::{Code, Failure};
use crate::output;
use crate::run_dir::host;
use crate::style::Paint;

/// The devices of this build.
pub fn devices() -> Vec<&'static str> {
    vec!["cpu"]
}

/// What is known about why CUDA cannot be used.
pub fn cuda_facts(failure: Failure) -> Failure {
    let driver = std::fs::read_to_string("/proc/driver/nvidia/version")
        .ok()
        .and_then(|text| text.lines().next().map(str::to_string));
    let devices = std::fs::read_dir("/proc/driver/nvidia/gpus").map_or(0, |gpus| gpus.count());
    failure
        .fact("driver", driver.unwrap_or_else(|| "none found".to_string()))
        .fact(
            "device",
            match devices {
                0 => "none found".to_string(),
                n => format!("{n} found"),
            },
        )
        .fact(
            "binary",
            "built without CUDA   ← this alone is reason enough",
        )
}

/// `env.json`: what a run's numbers depend on besides its configuration.
pub fn environment() -> Value {
    json!({
        "schema": "azura.env/1",
        "version": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "instruction_set": azura_learner::model::instruction_set(),
        "cpu": cpu(),
        "cores": cores(),
        "memory_bytes": memory(),
        "kernel": first_line("/proc/sys/kernel/osrelease"),
        "host": host(),
        "device": "cpu",
    })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

fn first_line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_string())
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':')
        .map(|(_, value)| value.trim().to_string())
}

fn cpu() -> Option<String> {
    field("/proc/cpuinfo", "model name")
}

fn memory() -> Option<u64> {
    bytes("/proc/meminfo", "MemTotal")
}

/// The most memory that this process has held so far, where the system counts it.
pub fn peak_memory() -> Option<u64> {
    bytes("/proc/self/status", "VmHWM")
}

/// A field in KiB, in bytes.
fn bytes(path: &str, name: &str) -> Option<u64> {
    field(path, name)?
        .split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

struct Check {
    name: &'static str,
    text: String,
    ok: bool,
}

impl Check {
    fn fine(name: &'static str, text: impl Into<String>) -> Check {
        Check {
            name,
            text: text.into(),
            ok: true,
        }
    }

    fn of(name: &'static str, outcome: Result<String, String>) -> Check {
        match outcome {
            Ok(text) => Check::fine(name, text),
            Err(text) => Check {
                name,
                text,
                ok: false,
            },
        }
    }
}

/// Runs the command.
pub fn run(context: &Context) -> Ended {
    let memory = memory().map_or("unknown".to_string(), |bytes| {
        format!("{:.1} GiB", bytes as f64 / f64::powi(2.0, 30))
    });
    let mut checks = vec![
        Check::fine(
            "azura",
            format!(
                "{} · {} {}",
                env!("CARGO_PKG_VERSION"),
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
        ),
        Check::fine(
            "processor",
            cpu().unwrap_or_else(|| std::env::consts::ARCH.to_string()),
        ),
        Check::fine("features", azura_learner::model::instruction_set()),
        Check::fine(
            "threads",
            format!(
                "{} used of {} cores",
                context.threads()?.unwrap_or_else(azura_core::threads),
                cores()
            ),
        ),
        Check::fine("memory", memory),
        Check::fine(
            "devices",
            format!("{} (cuda: built without)", devices().join(", ")),
        ),
        Check::fine("apps", context.registry.names().join(", ")),
        Check::of("engine", engine(context)),
        Check::of("runs", writable(&context.runs())),
        Check::of("temporary", writable(&std::env::temp_dir())),
    ];
    if let Some(home) = layers::home() {
        let file = home.join("config.toml");
        let state = if file.is_file() {
            "read"
        } else {
            "not there, none needed"
        };
        checks.push(Check::fine(
            "config",
            format!("{} ({state})", file.display()),
        ));
    }
    let ok = checks.iter().all(|check| check.ok);
    if context.globals.json {
        let list: Vec<Value> = checks
            .iter()
            .map(|check| json!({"check": check.name, "ok": check.ok, "text": check.text}))
            .collect();
        output::json(
            &json!({"schema": "azura.doctor/1", "ok": ok, "checks": list, "env": environment()}),
        )?;
    } else {
        output::checked(|out| {
            for check in &checks {
                let mark = if check.ok {
                    Paint::Green.out("✔")
                } else {
                    Paint::Red.out("✘")
                };
                writeln!(out, "{mark} {:10} {}", check.name, check.text)?;
            }
            Ok(())
        })?;
    }
    Ok(if ok { 0 } else { Code::Unexpected.exit() })
}

fn writable(folder: &Path) -> Result<String, String> {
    let mut there = folder;
    while !there.exists() {
        there = match there.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
    }
    let probe = there.join(format!(".azura-doctor-{}", std::process::id()));
    let shown = folder.display();
    std::fs::write(&probe, b"probe")
        .and_then(|()| std::fs::remove_file(&probe))
        .map(|()| format!("{shown} can be written"))
        .map_err(|error| format!("{shown} cannot be written: {error}"))
}

/// Whole numbers small enough for f32 to be exact, so that any difference is a fault: a product, its gradient,
/// and the same bits for one thread and several.
fn engine(context: &Context) -> Result<String, String> {
    let compute = |threads: usize| azura_core::with_threads(threads, product);
    let one = compute(1).map_err(|error| error.to_string())?;
    let many = compute(
        context
            .threads()
            .ok()
            .flatten()
            .unwrap_or_else(azura_core::threads)
            .max(2),
    )
    .map_err(|error| error.to_string())?;
    if one.0 != one.1 {
        return Err(
            "a product and its gradient differ from exact arithmetic: do not trust results"
                .to_string(),
        );
    }
    if one != many {
        return Err("results differ between 1 and several threads".to_string());
    }
    Ok("exact product and gradient, the same bits for 1 and more threads".to_string())
}

/// `sum(a·b)` and its gradient to `a` from the engine, and the same from plain loops over integers.
fn product() -> azura_core::Result<(Vec<f32>, Vec<f32>)> {
    let (n, k, m) = (37, 53, 29);
    let mut rng = Rng::new(1);
    let mut whole =
        |count: usize| -> Vec<i64> { (0..count).map(|_| rng.below(17) as i64 - 8).collect() };
    let (a, b) = (whole(n * k), whole(k * m));
    let tensor = |values: &[i64], shape: [usize; 2]| {
        Tensor::from_vec(values.iter().map(|v| *v as f32).collect(), shape)
    };
    let left = tensor(&a, [n, k])?.variable();
    let y = left.matmul(&tensor(&b, [k, m])?)?;
    let loss = y.sum_all()?;
    let gradient = azura_core::grad(&loss, &[&left])?.remove(0);
    let mut found = y.cast(DType::F32)?.to_vec::<f32>()?;
    found.extend(gradient.to_vec::<f32>()?);
    let mut exact = Vec::with_capacity(found.len());
    for i in 0..n {
        for j in 0..m {
            exact.push((0..k).map(|l| a[i * k + l] * b[l * m + j]).sum::<i64>() as f32);
        }
    }
    for _ in 0..n {
        exact.extend((0..k).map(|l| (0..m).map(|j| b[l * m + j]).sum::<i64>() as f32));
    }
    Ok((found, exact))
}
