//! Activation functions.

use super::Module;
use crate::call::one;
use crate::file::{Why, lacks};
use azura_core::Tensor;

pub fn run(name: &str, m: &Module<'_>) -> Result<Option<Vec<Tensor>>, Why> {
    let x = || m.input(0);
    let dim = || match m.int(0, "dim") {
        Some(dim) => Ok(dim as isize),
        None => lacks("an axis chosen by the rank"),
    };
    Ok(Some(match name {
        "ReLU" => one(x()?.relu())?,
        "Sigmoid" => one(x()?.sigmoid())?,
        "Tanh" => one(x()?.tanh())?,
        "SiLU" => one(x()?.silu())?,
        "ReLU6" => one(x()?.clamp(0.0, 6.0))?,
        "Hardtanh" => {
            let low = m.number(0, "min_val").unwrap_or(-1.0);
            let high = m.number(1, "max_val").unwrap_or(1.0);
            one(x()?.clamp(low, high))?
        }
        "Softmax" => one(x()?.softmax(dim()?))?,
        "LogSoftmax" => one(x()?.log_softmax(dim()?))?,
        "Softmin" => one(x()?.neg()?.softmax(dim()?))?,
        "Softmax2d" => one(x()?.softmax(-3))?,
        _ => return Ok(None),
    }))
}
