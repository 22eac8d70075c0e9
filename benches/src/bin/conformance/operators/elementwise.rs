//! Arithmetic and functions of each element.

use crate::call::{Call, one};
use crate::file::{Why, lacks};
use azura_core::Tensor;

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let x = || call.tensor(0, "input");
    let other = || call.tensor(1, "other");
    let unary = |f: fn(Tensor) -> azura_core::Result<Tensor>| {
        call.only(&[])?;
        one(f(x()?.clone()))
    };
    Ok(Some(match name {
        "neg" => unary(Tensor::neg)?,
        "abs" => unary(Tensor::abs)?,
        "sqrt" => unary(Tensor::sqrt)?,
        "square" => unary(Tensor::square)?,
        "reciprocal" => unary(Tensor::reciprocal)?,
        "exp" => unary(Tensor::exp)?,
        "log" => unary(Tensor::log)?,
        "sin" => unary(Tensor::sin)?,
        "cos" => unary(Tensor::cos)?,
        "tanh" => unary(Tensor::tanh)?,
        "sigmoid" => unary(Tensor::sigmoid)?,
        "add" | "sub" => {
            call.only(&["alpha"])?;
            let b = match call.float(usize::MAX, "alpha")? {
                None => other()?.clone(),
                Some(alpha) => other()?.clone().mul(alpha)?,
            };
            one(if name == "add" {
                x()?.clone().add(&b)
            } else {
                x()?.clone().sub(&b)
            })?
        }
        "mul" => one(x()?.clone().mul(other()?))?,
        "div.no_rounding_mode" | "true_divide" => {
            call.only(&[])?;
            one(x()?.clone().div(other()?))?
        }
        "maximum" | "max.binary" => one(x()?.clone().maximum(other()?))?,
        "minimum" | "min.binary" => one(x()?.clone().minimum(other()?))?,
        "pow" => match call.float(1, "exponent")? {
            Some(p) => one(x()?.clone().pow(p))?,
            None => return lacks("no exponent"),
        },
        "clamp" => {
            let low = call.float(1, "min")?.unwrap_or(f64::NEG_INFINITY);
            let high = call.float(2, "max")?.unwrap_or(f64::INFINITY);
            one(x()?.clone().clamp(low, high))?
        }
        "where" => one(Tensor::where_(
            call.tensor(1, "condition")?,
            x()?,
            call.tensor(2, "other")?,
        ))?,
        _ => return Ok(None),
    }))
}
