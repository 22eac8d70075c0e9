//! Activation functions.

use crate::call::{Arg, Call, one};
use crate::file::{Why, lacks};
use azura_core::Tensor;
use serde_json::Value;

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let Some(name) = name.strip_prefix("nn.functional.") else {
        return Ok(None);
    };
    let x = || call.tensor(0, "input").cloned();
    Ok(Some(match name {
        "relu" => one(x()?.relu())?,
        "relu6" => one(x()?.clamp(0.0, 6.0))?,
        "silu" => one(x()?.silu())?,
        "gelu" => match call.get(usize::MAX, "approximate") {
            Some(Arg::Plain(Value::String(way))) if way == "tanh" => one(x()?.gelu_tanh())?,
            _ => return lacks("gelu without `approximate=tanh`"),
        },
        "hardtanh" => {
            let low = call.float(1, "min_val")?.unwrap_or(-1.0);
            let high = call.float(2, "max_val")?.unwrap_or(1.0);
            one(x()?.clamp(low, high))?
        }
        _ => return Ok(None),
    }))
}
