//! Activation functions.

use crate::call::{Arg, Call, one};
use crate::file::Why;
use azura_core::Tensor;
use serde_json::Value;

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let Some(name) = name.strip_prefix("nn.functional.") else {
        return Ok(None);
    };
    let x = || call.tensor(0, "input").cloned();
    let number = |place, name: &str, default: f64| -> Result<f64, Why> {
        Ok(call.float(place, name)?.unwrap_or(default))
    };
    let y = match name {
        "relu" => x()?.relu(),
        "relu6" => x()?.relu6(),
        "silu" => x()?.silu(),
        "mish" => x()?.mish(),
        "selu" => x()?.selu(),
        "hardsigmoid" => x()?.hardsigmoid(),
        "hardswish" => x()?.hardswish(),
        "tanhshrink" => x()?.tanhshrink(),
        "softsign" => x()?.softsign(),
        "logsigmoid" => x()?.logsigmoid(),
        "gelu" => match call.get(usize::MAX, "approximate") {
            Some(Arg::Plain(Value::String(way))) if way == "tanh" => x()?.gelu_tanh(),
            _ => x()?.gelu(),
        },
        "elu" => x()?.elu(number(1, "alpha", 1.0)?),
        "celu" => x()?.celu(number(1, "alpha", 1.0)?),
        "leaky_relu" => x()?.leaky_relu(number(1, "negative_slope", 0.01)?),
        "hardshrink" => x()?.hardshrink(number(1, "lambd", 0.5)?),
        "softshrink" => x()?.softshrink(number(1, "lambd", 0.5)?),
        "hardtanh" => x()?.hardtanh(number(1, "min_val", -1.0)?, number(2, "max_val", 1.0)?),
        "softplus" => x()?.softplus(number(1, "beta", 1.0)?, number(2, "threshold", 20.0)?),
        "threshold" => x()?.threshold(number(1, "threshold", 0.0)?, number(2, "value", 0.0)?),
        "prelu" => x()?.prelu(call.tensor(1, "weight")?),
        "glu" => x()?.glu(call.int(1, "dim")?.unwrap_or(-1) as isize),
        _ => return Ok(None),
    };
    one(y).map(Some)
}
