//! The workers: read rows from JSON, predict, write JSON.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use azura_learner::data::from_json_rows;
use azura_learner::{Class, Error};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Models;
use super::budget::Held;
use super::metrics::Metrics;
use super::problem::Problem;
use super::work::{Load, Work};

/// The answer to a request, and how long it waited and computed.
#[derive(Debug)]
pub struct Answer {
    /// The document, or what is wrong.
    pub body: Result<String, Problem>,
    /// Time in the queue.
    pub waited: Duration,
    /// Time with a worker.
    pub took: Duration,
}

/// A request on its way to a worker.
struct Job {
    model: usize,
    body: Vec<u8>,
    /// The body's part of the budget, and its bytes among those that are to be computed.
    held: (Held, Load),
    arrived: Instant,
    deadline: Instant,
    reply: oneshot::Sender<Answer>,
}

/// A fixed number of workers behind a bounded queue.
pub struct Pool {
    queue: Option<SyncSender<Job>>,
    workers: Vec<JoinHandle<()>>,
    metrics: Arc<Metrics>,
    work: Arc<Work>,
}

impl Pool {
    /// Starts the workers.
    ///
    /// # Errors
    /// The system's reason if it gives no threads.
    pub fn start(
        models: &Models,
        metrics: &Arc<Metrics>,
        workers: usize,
        queue: usize,
    ) -> std::io::Result<Pool> {
        let (sender, receiver) = sync_channel(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        let work = Arc::new(Work::new(workers));
        let workers = (0..workers)
            .map(|i| {
                let (models, metrics, receiver) = (
                    Arc::clone(models),
                    Arc::clone(metrics),
                    Arc::clone(&receiver),
                );
                let load = Arc::clone(&work);
                std::thread::Builder::new()
                    .name(format!("worker-{i}"))
                    // Requests share the cores, so each gets one thread.
                    .spawn(move || {
                        azura_core::with_threads(1, || run(&models, &metrics, &load, &receiver));
                    })
            })
            .collect::<std::io::Result<_>>()?;
        Ok(Pool {
            queue: Some(sender),
            workers,
            metrics: Arc::clone(metrics),
            work,
        })
    }

    /// Refuses a request that the work before it would leave no time for, before its body is read.
    ///
    /// # Errors
    /// [`Problem::behind`] with the time to wait.
    pub fn has_time(&self, limit: Duration) -> Result<(), Problem> {
        let wait = self.work.wait();
        if wait > limit {
            return Err(Problem::behind(wait));
        }
        Ok(())
    }

    /// Queues a request; the answer comes through the receiver, or never if it was dropped for being late.
    ///
    /// # Errors
    /// [`Problem::busy`] if the queue is full, [`Problem::behind`] if what is in it will take too long.
    pub fn submit(
        &self,
        model: usize,
        body: Vec<u8>,
        held: Held,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Answer>, Problem> {
        self.has_time(deadline.saturating_duration_since(Instant::now()))?;
        let (reply, answer) = oneshot::channel();
        let load = Work::add(&self.work, body.len());
        let job = Job {
            model,
            body,
            held: (held, load),
            arrived: Instant::now(),
            deadline,
            reply,
        };
        let Some(queue) = &self.queue else {
            return Err(Problem::stopping());
        };
        // Counted before it is sent: a worker may take it at once, and the depth must not go below zero.
        self.metrics.queue_depth.fetch_add(1, Ordering::Relaxed);
        queue.try_send(job).map_err(|error| {
            self.metrics.queue_depth.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => Problem::busy(),
                TrySendError::Disconnected(_) => Problem::stopping(),
            }
        })?;
        Ok(answer)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        drop(self.queue.take());
        for worker in self.workers.drain(..) {
            // A worker catches panics; one that died all the same has been reported by the hook.
            let _ = worker.join();
        }
    }
}

fn run(models: &Models, metrics: &Metrics, work: &Work, queue: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting; the next worker waits for the lock instead of the queue.
        let job = queue
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .recv();
        let Ok(job) = job else { return };
        metrics.queue_depth.fetch_sub(1, Ordering::Relaxed);
        let waited = job.arrived.elapsed();
        if job.reply.is_closed() {
            metrics.rejected("cancelled");
            continue;
        }
        if Instant::now() >= job.deadline {
            metrics.rejected("timeout");
            continue;
        }
        let began = Instant::now();
        let body = catch_unwind(AssertUnwindSafe(|| answer(models, job.model, &job.body)));
        let (body, rows) = match body {
            Ok(Ok((body, rows))) => (Ok(body), rows),
            Ok(Err(problem)) => (Err(problem), 0),
            Err(_) => (
                Err(Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "bug",
                    "azura has a bug; its log names a report file",
                )),
                0,
            ),
        };
        let took = began.elapsed();
        work.learn(job.body.len(), took);
        metrics.computed(rows, waited, took);
        // Given back first: who has an answer may ask again at once.
        drop((job.body, job.held));
        // A client that left in this moment needs no answer.
        let _ = job.reply.send(Answer { body, waited, took });
    }
}

fn answer(models: &Models, at: usize, body: &[u8]) -> Result<(String, usize), Problem> {
    let served = &models[at];
    let request: Value = serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "json",
            format!("the body is not JSON: {error}"),
        )
        .hint("send {\"rows\": [{\"column\": value, …}]}")
    })?;
    let Value::Object(request) = request else {
        return Err(shape("the body is not an object"));
    };
    if let Some(key) = request
        .keys()
        .find(|key| !matches!(key.as_str(), "rows" | "id"))
    {
        return Err(shape(&format!("unknown key `{key}`"))
            .at(format!("/{}", key.replace('~', "~0").replace('/', "~1"))));
    }
    let rows = request
        .get("rows")
        .ok_or_else(|| shape("there is no key `rows`"))?;
    let columns = served.model.signature().columns();
    let table = from_json_rows(rows, "request", &columns).map_err(|error| Problem::rows(&error))?;
    let predictions = served.model.predict(&table).map_err(|error| match &error {
        Error::Data(data) => Problem::rows(data),
        other if other.class() == Class::Usage => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "request",
            other.to_string(),
        ),
        other => Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "failure",
            other.to_string(),
        ),
    })?;
    let mut document = json!({
        "model": served.id,
        "app": served.model.info().app,
        "sha256": served.sha256,
        "predictions": predictions.to_json_rows(),
    });
    if let Some(id) = request.get("id") {
        document["id"] = id.clone();
    }
    Ok((document.to_string(), predictions.len()))
}

fn shape(what: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "shape", what)
        .hint("send {\"rows\": [{\"column\": value, …}]}")
}
