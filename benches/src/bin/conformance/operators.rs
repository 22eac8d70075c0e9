//! Operators: each family maps the names it knows to calls of our own operations.

mod activation;
mod attention;
mod conv;
mod elementwise;
mod linalg;
mod loss;
mod norm;
mod pool;
mod reduce;
mod shape;

use crate::call::{Call, Outcome};
use crate::file::{Why, lacks};
use azura_core::Tensor;

type Family = fn(&str, &Call) -> Result<Option<Vec<Tensor>>, Why>;

const FAMILIES: &[Family] = &[
    activation::run,
    attention::run,
    conv::run,
    elementwise::run,
    linalg::run,
    loss::run,
    norm::run,
    pool::run,
    reduce::run,
    shape::run,
];

/// Runs the operator that PyTorch calls `name`.
pub fn run(name: &str, call: &Call) -> Outcome {
    for family in FAMILIES {
        if let Some(outputs) = family(name, call)? {
            return Ok(outputs);
        }
    }
    lacks("no such operator here")
}
