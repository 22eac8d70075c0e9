//! Reductions over axes.

use crate::call::{Arg, Call, one};
use crate::file::{Why, lacks};
use azura_core::{Tensor, TopkOptions};
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
        "sum" | "mean" | "prod" | "amax" | "amin" => {
            call.only(&["dim", "keepdim"])?;
            let (x, axes, keep) = (x()?, call.axes(x()?)?, call.flag(2, "keepdim"));
            one(match name {
                "sum" => x.sum(&axes, keep),
                "mean" => x.mean(&axes, keep),
                "prod" => x.prod(&axes, keep),
                "amax" => x.amax(&axes, keep),
                _ => x.amin(&axes, keep),
            })?
        }
        "any" | "all" => {
            let (x, axes, keep) = (x()?, call.axes(x()?)?, call.flag(2, "keepdim"));
            one(if name == "any" {
                x.any(&axes, keep)
            } else {
                x.all(&axes, keep)
            })?
        }
        "var" | "std" | "var.unbiased" | "std.unbiased" => {
            call.only(&["dim", "keepdim", "unbiased", "correction"])?;
            let unbiased = call
                .named
                .get("unbiased")
                .or_else(|| call.args.get(1))
                .is_none_or(|arg| !matches!(arg, Arg::Plain(Value::Bool(false))));
            let correction = call
                .float(usize::MAX, "correction")?
                .unwrap_or(if unbiased { 1.0 } else { 0.0 });
            let (x, axes, keep) = (x()?, call.axes(x()?)?, call.flag(usize::MAX, "keepdim"));
            one(if name.starts_with("var") {
                x.var(&axes, correction, keep)
            } else {
                x.std(&axes, correction, keep)
            })?
        }
        "max.reduction_with_dim" | "min.reduction_with_dim" => {
            let (x, dim, keep) = (x()?, call.dim(1)?, call.flag(2, "keepdim"));
            let (values, indices) = if name.starts_with("max") {
                x.max_with_index(dim, keep)?
            } else {
                x.min_with_index(dim, keep)?
            };
            vec![values, indices]
        }
        "max.reduction_no_dim" => one(x()?.max_all())?,
        "min.reduction_no_dim" => one(x()?.min_all())?,
        "argmax" | "argmin" => {
            let (x, keep) = (x()?, call.flag(2, "keepdim"));
            let dim = call.int(1, "dim")?.map(|dim| dim as isize);
            one(match (name, dim) {
                ("argmax", Some(dim)) => x.argmax(dim, keep),
                ("argmin", Some(dim)) => x.argmin(dim, keep),
                (_, None) if keep => {
                    let index = if name == "argmax" {
                        x.argmax_all()
                    } else {
                        x.argmin_all()
                    };
                    index?.reshape(vec![1; x.rank()])
                }
                ("argmax", None) => x.argmax_all(),
                _ => x.argmin_all(),
            })?
        }
        "norm" | "norm.fro" | "norm.inf" => {
            call.only(&["p", "dim", "keepdim"])?;
            let (x, keep) = (x()?, call.flag(3, "keepdim"));
            let p = match call.get(1, "p") {
                Some(Arg::Plain(Value::String(way))) if way == "fro" => 2.0,
                _ => call.float(1, "p")?.unwrap_or(2.0),
            };
            one(match call.dims(2)? {
                Some(dims) => x.norm(p, &dims, keep),
                None => x.norm(p, &(0..x.rank() as isize).collect::<Vec<_>>(), keep),
            })?
        }
        "norm.nuc" => return lacks("nuclear norms need a singular value decomposition"),
        "nn.functional.normalize" => {
            let dim = call.int(2, "dim")?.unwrap_or(1) as isize;
            let eps = call.float(3, "eps")?.unwrap_or(1e-12);
            one(x()?.normalize(call.float(1, "p")?.unwrap_or(2.0), dim, eps))?
        }
        "nn.functional.cosine_similarity" => {
            let dim = call.int(2, "dim")?.unwrap_or(1) as isize;
            let eps = call.float(3, "eps")?.unwrap_or(1e-8);
            one(x()?.cosine_similarity(call.tensor(1, "x2")?, dim, eps))?
        }
        "cumsum" | "cumprod" => {
            no_dtype()?;
            one(if name == "cumsum" {
                x()?.cumsum(call.dim(1)?)
            } else {
                x()?.cumprod(call.dim(1)?)
            })?
        }
        "logsumexp" => one(x()?.logsumexp(&call.axes(x()?)?, call.flag(2, "keepdim")))?,
        "sort" | "argsort" => {
            call.only(&["dim", "descending", "stable"])?;
            let dim = call.int(1, "dim")?.unwrap_or(-1) as isize;
            let (values, indices) = x()?.sort(dim, call.flag(2, "descending"))?;
            if name == "sort" {
                vec![values, indices]
            } else {
                vec![indices]
            }
        }
        "topk" => {
            let Some(k) = call.int(1, "k")? else {
                return lacks("no `k`");
            };
            let on = |place, name: &str| call.get(place, name).is_none() || call.flag(place, name);
            let options = TopkOptions {
                dim: call.int(2, "dim")?.unwrap_or(-1) as isize,
                largest: on(3, "largest"),
                sorted: on(4, "sorted"),
            };
            let (values, indices) = x()?.topk(k as usize, options)?;
            vec![values, indices]
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
            one(x()?.softmin(call.dim(1)?))?
        }
        _ => return Ok(None),
    }))
}
