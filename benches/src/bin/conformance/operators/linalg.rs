//! Products of matrices.

use crate::call::{Arg, Call, one};
use crate::file::{Why, lacks};
use azura_core::{AddmmOptions, Tensor};
use serde_json::Value;

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let x = || call.tensor(0, "input");
    let second = |name: &str| call.tensor(1, name);
    let bias = |place: usize| match call.get(place, "bias") {
        Some(_) => call.tensor(place, "bias").map(Some),
        None => Ok(None),
    };
    let options = || -> Result<AddmmOptions, Why> {
        call.only(&["beta", "alpha"])?;
        Ok(AddmmOptions {
            beta: call.float(usize::MAX, "beta")?.unwrap_or(1.0),
            alpha: call.float(usize::MAX, "alpha")?.unwrap_or(1.0),
        })
    };
    Ok(Some(match name {
        "matmul" => one(x()?.matmul(second("other")?))?,
        "mm" => one(x()?.mm(second("mat2")?))?,
        "bmm" | "bmm.triton_optimized" => one(x()?.bmm(second("mat2")?))?,
        "dot" => one(x()?.dot(second("tensor")?))?,
        "outer" => one(x()?.outer(second("vec2")?))?,
        "kron" => one(x()?.kron(second("other")?))?,
        "addmm" | "addmm.decomposed" => {
            one(x()?.addmm(second("mat1")?, call.tensor(2, "mat2")?, options()?))?
        }
        "baddbmm" => one(x()?.baddbmm(second("batch1")?, call.tensor(2, "batch2")?, options()?))?,
        "nn.functional.linear" => one(x()?.linear(second("weight")?, bias(2)?))?,
        "nn.functional.bilinear" => {
            one(x()?.bilinear(second("input2")?, call.tensor(2, "weight")?, bias(3)?))?
        }
        "einsum" => {
            let Some(Arg::Plain(Value::String(equation))) = call.get(1, "equation") else {
                return lacks("no equation");
            };
            one(Tensor::einsum(equation, &call.tensors(0, "operands")?))?
        }
        _ => return Ok(None),
    }))
}
