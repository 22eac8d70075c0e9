//! Products of matrices.

use crate::call::{Call, one};
use crate::file::{Why, lacks};
use azura_core::Tensor;

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let x = || call.tensor(0, "input");
    Ok(Some(match name {
        "matmul" | "mm" | "bmm" | "dot" => one(x()?.matmul(call.tensor(1, "other")?))?,
        "nn.functional.linear" => {
            let bias = call
                .get(2, "bias")
                .is_some()
                .then(|| call.tensor(2, "bias"))
                .transpose()?;
            let w = call.tensor(1, "weight")?;
            if w.rank() != 2 {
                return lacks("a weight that is a vector");
            }
            one(x()?.linear(w, bias))?
        }
        _ => return Ok(None),
    }))
}
