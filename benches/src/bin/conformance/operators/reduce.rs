//! Reductions over axes.

use crate::call::{Arg, Call, one};
use crate::file::{Why, lacks};
use azura_core::Tensor;
use serde_json::Value;

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let x = || call.tensor(0, "input");
    // A dtype argument that is the input's own changes nothing.
    let no_dtype = || match call.get(usize::MAX, "dtype") {
        None => Ok(()),
        Some(Arg::Plain(value)) if value["$dtype"] == "torch.float64" => Ok(()),
        Some(_) => lacks("the argument `dtype`"),
    };
    Ok(Some(match name {
        "sum" | "mean" => {
            call.only(&["dim", "keepdim"])?;
            let (axes, keep) = (call.axes(x()?)?, call.flag(2, "keepdim"));
            one(if name == "sum" {
                x()?.sum(&axes, keep)
            } else {
                x()?.mean(&axes, keep)
            })?
        }
        "var" | "var.unbiased" => {
            call.only(&["dim", "keepdim", "unbiased", "correction"])?;
            let unbiased = call
                .named
                .get("unbiased")
                .or_else(|| call.args.get(1))
                .map(|arg| !matches!(arg, Arg::Plain(Value::Bool(false))));
            let correction = match call.float(usize::MAX, "correction")? {
                Some(c) if c >= 0.0 && c.fract() == 0.0 => c as usize,
                Some(c) => return lacks(format!("correction {c}")),
                None => usize::from(unbiased.unwrap_or(true)),
            };
            one(x()?.var(
                &call.axes(x()?)?,
                correction,
                call.flag(usize::MAX, "keepdim"),
            ))?
        }
        "max.reduction_with_dim" | "min.reduction_with_dim" => {
            let (x, dim, keep) = (x()?, call.dim(1)?, call.flag(2, "keepdim"));
            if name.starts_with("max") {
                vec![x.max(dim, keep)?, x.argmax(dim, keep)?]
            } else {
                vec![x.min(dim, keep)?, x.argmin(dim, keep)?]
            }
        }
        "max.reduction_no_dim" => one(x()?.reshape([x()?.numel()])?.max(0, false))?,
        "min.reduction_no_dim" => one(x()?.reshape([x()?.numel()])?.min(0, false))?,
        "argmax" | "argmin" => {
            let keep = call.flag(2, "keepdim");
            let (x, dim, keep) = match call.int(1, "dim")? {
                Some(dim) => (x()?.clone(), dim as isize, keep),
                None if keep => return lacks("keepdim over all axes"),
                None => (x()?.reshape([x()?.numel()])?, 0, false),
            };
            one(if name == "argmax" {
                x.argmax(dim, keep)
            } else {
                x.argmin(dim, keep)
            })?
        }
        "softmax" | "softmax.with_dtype" => {
            no_dtype()?;
            one(x()?.softmax(call.dim(1)?))?
        }
        "log_softmax" | "log_softmax.with_dtype" => {
            no_dtype()?;
            one(x()?.log_softmax(call.dim(1)?))?
        }
        "nn.functional.softmin" | "nn.functional.softmin.with_dtype" => {
            no_dtype()?;
            one(x()?.clone().neg()?.softmax(call.dim(1)?))?
        }
        _ => return Ok(None),
    }))
}
