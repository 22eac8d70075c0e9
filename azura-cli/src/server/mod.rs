//! Predictions over HTTP.
//!
//! One thread moves bytes ([`listen`]); a fixed number of workers read JSON and compute ([`pool`]), each with one
//! thread of its own, fed by a bounded queue. What arrives when the queue is full, when the bodies held at once would be too
//! many bytes ([`budget`]) or when the work before it would take longer than its limit, is refused at once; what waits too
//! long is dropped before it is computed. Nothing here writes to disk, and a model's name is never a path.

mod budget;
mod guard;
mod listen;
mod metrics;
mod pool;
mod problem;
mod routes;
mod work;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use azura_learner::Predictor;

pub use listen::serve;

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Threads that compute.
    pub workers: usize,
    /// Requests that may wait.
    pub queue: usize,
    /// Longest time of a request, from its first byte to its answer.
    pub timeout: Duration,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// Bytes of request bodies that are held at once.
    pub max_in_flight: usize,
    /// Host names besides those of this machine, in lower case.
    pub hosts: Vec<String>,
    /// Time for running requests to finish when the server stops.
    pub drain: Duration,
    /// Print a line for each request.
    pub log: bool,
}

/// A model and the name it has in addresses.
pub struct Served {
    /// `weather`
    pub id: String,
    /// The model.
    pub model: Box<dyn Predictor>,
    /// Hash of the model file.
    pub sha256: String,
}

/// Models by name, shared by all threads.
pub type Models = Arc<Vec<Served>>;
