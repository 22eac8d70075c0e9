//! Counters and histograms in the Prometheus text format. Labels are bounded: models are those that are served.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Models;

/// Upper bounds in seconds: 0.5 ms to 30 s.
const BOUNDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 30.0,
];

/// How often which duration was seen.
#[derive(Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Histogram {
    fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let at = BOUNDS
            .iter()
            .position(|bound| seconds <= *bound)
            .unwrap_or(BOUNDS.len());
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.microseconds
            .fetch_add(duration.as_micros() as u64, Ordering::Relaxed);
    }

    fn write(&self, text: &mut String, name: &str, about: &str) {
        let _ = writeln!(text, "# HELP {name} {about}\n# TYPE {name} histogram");
        let mut total = 0;
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            total += bucket.load(Ordering::Relaxed);
            let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {total}");
        }
        total += self.buckets[BOUNDS.len()].load(Ordering::Relaxed);
        let seconds = self.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(
            text,
            "{name}_bucket{{le=\"+Inf\"}} {total}\n{name}_sum {seconds}\n{name}_count {total}"
        );
    }
}

/// Model, route and status of an answered request.
type Answered = (String, &'static str, u16);

/// Everything that is counted.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<Answered, u64>>,
    rejected: Mutex<BTreeMap<&'static str, u64>>,
    request: Histogram,
    queued: Histogram,
    compute: Histogram,
    /// Requests that wait for a worker.
    pub queue_depth: AtomicI64,
    /// Requests that have no answer yet.
    pub in_flight: AtomicI64,
    inferences: AtomicU64,
    executions: AtomicU64,
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, model: &str, route: &'static str, code: u16, after: Duration) {
        let mut requests = lock(&self.requests);
        *requests
            .entry((model.to_string(), route, code))
            .or_default() += 1;
        drop(requests);
        self.request.observe(after);
    }

    /// A request was refused before it was computed.
    pub fn rejected(&self, reason: &'static str) {
        *lock(&self.rejected).entry(reason).or_default() += 1;
    }

    /// A model computed so many rows after so long a wait.
    pub fn computed(&self, rows: usize, waited: Duration, took: Duration) {
        self.queued.observe(waited);
        self.compute.observe(took);
        self.inferences.fetch_add(rows as u64, Ordering::Relaxed);
        self.executions.fetch_add(1, Ordering::Relaxed);
    }

    /// The text that Prometheus reads.
    pub fn render(&self, models: &Models, body_bytes: usize, started: SystemTime) -> String {
        let mut text = String::new();
        let head = |text: &mut String, name: &str, kind: &str, about: &str| {
            let _ = writeln!(text, "# HELP {name} {about}\n# TYPE {name} {kind}");
        };
        head(
            &mut text,
            "azura_requests_total",
            "counter",
            "Requests by model, route and status.",
        );
        for ((model, route, code), count) in lock(&self.requests).iter() {
            let _ = writeln!(
                text,
                "azura_requests_total{{model=\"{model}\",route=\"{route}\",code=\"{code}\"}} {count}"
            );
        }
        self.request.write(
            &mut text,
            "azura_request_duration_seconds",
            "From the head of a request to its answer.",
        );
        self.queued.write(
            &mut text,
            "azura_queue_duration_seconds",
            "Waiting for a worker.",
        );
        self.compute.write(
            &mut text,
            "azura_compute_duration_seconds",
            "Reading rows, computing, writing the answer.",
        );
        let gauge = |text: &mut String, name: &str, about: &str, value: &AtomicI64| {
            head(text, name, "gauge", about);
            let _ = writeln!(text, "{name} {}", value.load(Ordering::Relaxed));
        };
        gauge(
            &mut text,
            "azura_queue_depth",
            "Requests that wait for a worker.",
            &self.queue_depth,
        );
        gauge(
            &mut text,
            "azura_requests_in_flight",
            "Requests without an answer yet.",
            &self.in_flight,
        );
        head(
            &mut text,
            "azura_body_bytes_in_flight",
            "gauge",
            "Bytes of request bodies that are held.",
        );
        let _ = writeln!(text, "azura_body_bytes_in_flight {body_bytes}");
        head(
            &mut text,
            "azura_rejected_total",
            "counter",
            "Requests refused before they were computed, by reason.",
        );
        for (reason, count) in lock(&self.rejected).iter() {
            let _ = writeln!(text, "azura_rejected_total{{reason=\"{reason}\"}} {count}");
        }
        for (name, about, value) in [
            (
                "azura_inferences_total",
                "Rows predicted.",
                &self.inferences,
            ),
            (
                "azura_executions_total",
                "Calls of a model.",
                &self.executions,
            ),
        ] {
            head(&mut text, name, "counter", about);
            let _ = writeln!(text, "{name} {}", value.load(Ordering::Relaxed));
        }
        head(
            &mut text,
            "azura_model_loaded",
            "gauge",
            "1 for each model that is served.",
        );
        for served in models.iter() {
            let _ = writeln!(
                text,
                "azura_model_loaded{{model=\"{}\",app=\"{}\",sha256=\"{}\"}} 1",
                served.id,
                served.model.info().app,
                served.sha256
            );
        }
        process(&mut text, started);
        text
    }
}

fn process(text: &mut String, started: SystemTime) {
    let since = started
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64());
    let _ = writeln!(
        text,
        "# HELP process_start_time_seconds When the process started, in Unix time.\n\
         # TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {since}"
    );
    let resident = std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status
                .lines()
                .find(|line| line.starts_with("VmRSS:"))?
                .to_string();
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        });
    if let Some(kib) = resident {
        let _ = writeln!(
            text,
            "# HELP process_resident_memory_bytes Memory in use.\n# TYPE process_resident_memory_bytes gauge\n\
             process_resident_memory_bytes {}",
            kib * 1024
        );
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn buckets_add_up() {
        let metrics = Metrics::default();
        for (ms, code) in [(1, 200), (3, 200), (60_000, 504)] {
            metrics.answered("weather", "predict", code, Duration::from_millis(ms));
        }
        metrics.rejected("queue_full");
        metrics.computed(7, Duration::ZERO, Duration::from_millis(2));
        let text = metrics.render(&Arc::new(Vec::new()), 0, SystemTime::now());
        for line in [
            "azura_requests_total{model=\"weather\",route=\"predict\",code=\"200\"} 2",
            "azura_request_duration_seconds_bucket{le=\"0.0005\"} 0",
            "azura_request_duration_seconds_bucket{le=\"0.001\"} 1",
            "azura_request_duration_seconds_bucket{le=\"30\"} 2",
            "azura_request_duration_seconds_bucket{le=\"+Inf\"} 3",
            "azura_request_duration_seconds_count 3",
            "azura_rejected_total{reason=\"queue_full\"} 1",
            "azura_inferences_total 7",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
