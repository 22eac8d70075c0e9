//! What the benchmark programs share: arguments, timing and random data.

#![forbid(unsafe_code)]

use azura_core::{DType, Rng, Tensor, with_threads};
use azura_learner::Result;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The command line of a benchmark program.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Which workload to run.
    pub workload: String,
    /// The thread budget.
    pub threads: usize,
    /// For how long to repeat the step.
    pub secs: f64,
    /// In how many parts, computed at the same time, each batch is taken; see `train.shards`.
    pub shards: usize,
    /// A file of PyTorch's weights and losses, if they are to be followed instead.
    pub follow: Option<String>,
    /// When the process was started, in seconds since 1970: `BENCH_T0`, else now.
    pub started: f64,
}

impl Arguments {
    /// Reads `--workload W --threads N --secs S --shards P --follow FILE` in any order.
    ///
    /// # Errors
    /// A message for the person if a flag is unknown or a value is missing or no number.
    pub fn parse(mut args: impl Iterator<Item = String>) -> std::result::Result<Self, String> {
        let t0 = std::env::var("BENCH_T0")
            .ok()
            .and_then(|text| text.parse().ok());
        let mut parsed = Arguments {
            workload: "mlp_train".to_string(),
            threads: 1,
            secs: 2.0,
            shards: 1,
            follow: None,
            started: t0.unwrap_or_else(seconds_since_1970),
        };
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| format!("{flag} needs a value"))?;
            let number = || {
                value
                    .parse::<f64>()
                    .map_err(|_| format!("{flag} needs a number, got `{value}`"))
            };
            match flag.as_str() {
                "--workload" => parsed.workload = value,
                "--threads" => parsed.threads = number()? as usize,
                "--secs" => parsed.secs = number()?,
                "--shards" => parsed.shards = (number()? as usize).max(1),
                "--follow" => parsed.follow = Some(value),
                // The peers' harness passes one; ours has one engine.
                "--peer" => {}
                _ => {
                    return Err(format!(
                        "unknown flag {flag}; there are --workload, --threads, --secs, --shards and --follow"
                    ));
                }
            }
        }
        Ok(parsed)
    }
}

fn seconds_since_1970() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

/// The largest resident set of this process so far, in MiB; 0 where the system does not tell.
fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|kb| kb.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1024.0
}

/// Repeats `step`, which takes `samples` samples in `parts` parts and returns its loss, and reports as the peers do: one JSON
/// line, with the milliseconds of a part.
///
/// # Errors
/// Those of `step`.
pub fn time_steps(
    arguments: &Arguments,
    samples: usize,
    parts: usize,
    mut step: impl FnMut() -> Result<f64>,
) -> Result<String> {
    let loss_first = step()?;
    let first_step_s = seconds_since_1970() - arguments.started;
    for _ in 0..3 {
        step()?;
    }
    let (mut times, mut loss_last) = (Vec::new(), loss_first);
    let (begin, budget) = (Instant::now(), Duration::from_secs_f64(arguments.secs));
    while times.len() < 5 || begin.elapsed() < budget {
        let start = Instant::now();
        loss_last = step()?;
        times.push(start.elapsed().as_secs_f64() * 1e3 / parts as f64);
    }
    Ok(line(
        arguments,
        samples,
        times,
        first_step_s,
        [loss_first, loss_last],
    ))
}

/// Lets `arguments.threads` callers of one thread each repeat `step`, which takes `samples` samples, at the same time: the same
/// line, with the samples of all of them.
///
/// # Errors
/// Those of `step`.
pub fn time_callers(
    arguments: &Arguments,
    samples: usize,
    step: impl Fn() -> Result<()> + Sync,
) -> Result<String> {
    step()?;
    let first_step_s = seconds_since_1970() - arguments.started;
    let budget = Duration::from_secs_f64(arguments.secs);
    let caller = || -> Result<Vec<f64>> {
        let mut times = Vec::new();
        let begin = Instant::now();
        while times.len() < 5 || begin.elapsed() < budget {
            let start = Instant::now();
            step()?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        Ok(times)
    };
    let times = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..arguments.threads)
            .map(|_| scope.spawn(|| with_threads(1, caller)))
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().expect("a step returns its errors"))
            .collect::<Result<Vec<_>>>()
    })?;
    let all = samples * arguments.threads;
    Ok(line(arguments, all, times.concat(), first_step_s, [0.0; 2]))
}

/// The line of one workload; `samples` are taken in a step of median length.
fn line(
    arguments: &Arguments,
    samples: usize,
    mut times: Vec<f64>,
    first_step_s: f64,
    [loss_first, loss_last]: [f64; 2],
) -> String {
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    serde_json::json!({
        "peer": "azura",
        "workload": arguments.workload,
        "threads": arguments.threads,
        "ms_per_step": median,
        "min_ms": times[0],
        "samples_per_s": samples as f64 * 1e3 / median,
        "rss_mb": peak_rss_mb(),
        "first_step_s": first_step_s,
        "steps": times.len(),
        "loss_first": loss_first,
        "loss_last": loss_last,
    })
    .to_string()
}

/// Standard normal numbers.
///
/// # Errors
/// None for shapes that fit memory.
pub fn random_normal(shape: &[usize], seed: u64) -> Result<Tensor> {
    Ok(Tensor::randn(shape, DType::F32, &mut Rng::new(seed))?)
}

/// Class labels in `0..classes`.
///
/// # Errors
/// None for sizes that fit memory.
pub fn random_labels(n: usize, classes: u64, seed: u64) -> Result<Tensor> {
    let mut rng = Rng::new(seed);
    Ok(Tensor::from_vec(
        (0..n).map(|_| rng.below(classes) as i64).collect(),
        [n],
    )?)
}
