//! Normalisation and embedding.

use crate::call::{Call, one};
use crate::file::{Why, lacks};
use azura_core::{EmbeddingOptions, NormOptions, ResponseOptions, Tensor};

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let Some(name) = name.strip_prefix("nn.functional.") else {
        return Ok(None);
    };
    let x = || call.tensor(0, "input");
    let eps = || Ok::<f64, Why>(call.float(usize::MAX, "eps")?.unwrap_or(1e-5));
    Ok(Some(match name {
        "batch_norm" => {
            call.only(&["training", "momentum", "eps"])?;
            let options = NormOptions {
                weight: call.maybe(3, "weight")?,
                bias: call.maybe(4, "bias")?,
                eps: eps()?,
            };
            let (mean, var) = (
                call.tensor(1, "running_mean")?,
                call.tensor(2, "running_var")?,
            );
            if call.flag(usize::MAX, "training") {
                vec![x()?.batch_norm(options)?.output]
            } else {
                one(x()?.batch_norm_with(mean, var, options))?
            }
        }
        "instance_norm" => {
            let options = NormOptions {
                weight: call.maybe(usize::MAX, "weight")?,
                bias: call.maybe(usize::MAX, "bias")?,
                eps: eps()?,
            };
            vec![x()?.instance_norm(options)?.output]
        }
        "group_norm" => {
            call.only(&["weight", "bias", "eps"])?;
            let options = NormOptions {
                weight: call.maybe(2, "weight")?,
                bias: call.maybe(3, "bias")?,
                eps: eps()?,
            };
            let Some(groups) = call.int(1, "num_groups")? else {
                return lacks("no number of groups");
            };
            one(x()?.group_norm(groups as usize, options))?
        }
        "layer_norm" => {
            call.only(&["eps"])?;
            let options = NormOptions {
                weight: call.maybe(2, "weight")?,
                bias: call.maybe(3, "bias")?,
                eps: eps()?,
            };
            one(x()?.layer_norm(&sizes(call)?, options))?
        }
        "rms_norm" => {
            call.only(&["eps"])?;
            let eps = call.float(3, "eps")?;
            one(x()?.rms_norm(&sizes(call)?, call.maybe(2, "weight")?, eps))?
        }
        "local_response_norm" => {
            call.only(&["alpha", "beta", "k"])?;
            let default = ResponseOptions::default();
            let options = ResponseOptions {
                alpha: call.float(2, "alpha")?.unwrap_or(default.alpha),
                beta: call.float(3, "beta")?.unwrap_or(default.beta),
                k: call.float(4, "k")?.unwrap_or(default.k),
            };
            let Some(size) = call.int(1, "size")? else {
                return lacks("no size");
            };
            one(x()?.local_response_norm(size as usize, options))?
        }
        "embedding" => {
            call.only(&["padding_idx", "scale_grad_by_freq"])?;
            let rows = x()?.shape()[0] as i64;
            let padding_idx = call
                .int(usize::MAX, "padding_idx")?
                .map(|i| (if i < 0 { i + rows } else { i }) as usize);
            let options = EmbeddingOptions {
                padding_idx,
                scale_grad_by_freq: call.flag(usize::MAX, "scale_grad_by_freq"),
                ..EmbeddingOptions::default()
            };
            // The reference's first argument is the table.
            one(x()?.embedding(call.tensor(1, "ids")?, options))?
        }
        _ => return Ok(None),
    }))
}

fn sizes(call: &Call) -> Result<Vec<usize>, Why> {
    match call.ints(1, "normalized_shape")? {
        Some(sizes) => Ok(sizes.into_iter().map(|size| size as usize).collect()),
        None => lacks("no normalized_shape"),
    }
}
