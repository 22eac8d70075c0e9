//! Arithmetic and functions of each element.

use crate::call::{Call, one};
use crate::file::{Why, lacks};
use azura_core::{Rhs, Rounding, Tensor};

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
        "sign" => unary(Tensor::sign)?,
        "rsqrt" => unary(Tensor::rsqrt)?,
        "expm1" => unary(Tensor::expm1)?,
        "log1p" => unary(Tensor::log1p)?,
        "log2" => unary(Tensor::log2)?,
        "log10" => unary(Tensor::log10)?,
        "tan" => unary(Tensor::tan)?,
        "asin" => unary(Tensor::asin)?,
        "acos" => unary(Tensor::acos)?,
        "atan" => unary(Tensor::atan)?,
        "sinh" => unary(Tensor::sinh)?,
        "cosh" => unary(Tensor::cosh)?,
        "erf" => unary(Tensor::erf)?,
        "floor" => unary(Tensor::floor)?,
        "ceil" => unary(Tensor::ceil)?,
        "round" => unary(Tensor::round)?,
        "trunc" => unary(Tensor::trunc)?,
        "round.decimals_0" | "round.decimals_3" | "round.decimals_neg_3" => {
            let decimals = call.int(1, "decimals")?.unwrap_or(0);
            one(x()?.clone().round_decimals(decimals as i32))?
        }
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
        "div.floor_rounding" | "div.trunc_rounding" => {
            let rounding = match name {
                "div.floor_rounding" => Rounding::Floor,
                _ => Rounding::Trunc,
            };
            one(x()?.clone().div_rounded(right(call, 1, "other")?, rounding))?
        }
        "atan2" => one(x()?.clone().atan2(other()?))?,
        "pow" => one(x()?.clone().pow(right(call, 1, "exponent")?))?,
        "lerp" => one(x()?
            .clone()
            .lerp(call.tensor(1, "end")?, right(call, 2, "weight")?))?,
        "addcmul" | "addcdiv" => {
            let (a, b) = (call.tensor(1, "tensor1")?, call.tensor(2, "tensor2")?);
            let value = call.float(usize::MAX, "value")?.unwrap_or(1.0);
            one(if name == "addcmul" {
                x()?.clone().addcmul(a, b, value)
            } else {
                x()?.clone().addcdiv(a, b, value)
            })?
        }
        "clamp" => {
            let bound = |place, name: &str| -> Result<Option<Rhs>, Why> {
                call.get(place, name)
                    .map(|_| right(call, place, name))
                    .transpose()
            };
            one(match (bound(1, "min")?, bound(2, "max")?) {
                (Some(low), Some(high)) => x()?.clone().clamp(low, high),
                (Some(low), None) => x()?.clone().clamp_min(low),
                (None, Some(high)) => x()?.clone().clamp_max(high),
                (None, None) => return lacks("no bound"),
            })?
        }
        "where" => one(Tensor::where_(
            call.tensor(1, "condition")?,
            x()?,
            call.tensor(2, "other")?,
        ))?,
        _ => return Ok(None),
    }))
}

/// An argument that is a tensor or a number.
fn right(call: &Call, place: usize, name: &str) -> Result<Rhs, Why> {
    match call.float(place, name) {
        Ok(Some(value)) => Ok(Rhs::Scalar(value)),
        _ => {
            let b = call.tensor(place, name)?;
            if b.dtype() != call.tensor(0, "input")?.dtype() {
                return lacks("two dtypes in one operation: nothing is promoted in silence");
            }
            Ok(Rhs::Tensor(b.clone()))
        }
    }
}
