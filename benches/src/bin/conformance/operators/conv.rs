//! Convolutions.

use crate::call::{Arg, Call, one};
use crate::file::{Why, lacks};
use azura_core::{ConvOptions, ConvTransposeOptions, Padding, Sizes, Tensor};
use serde_json::Value;

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let Some(kind) = name.strip_prefix("nn.functional.conv") else {
        return Ok(None);
    };
    let (x, w) = (call.tensor(0, "input")?, call.tensor(1, "weight")?);
    let bias = call.get(2, "bias").is_some();
    let bias = bias.then(|| call.tensor(2, "bias")).transpose()?;
    Ok(Some(match kind {
        "1d" | "2d" | "3d" => {
            let options = ConvOptions {
                stride: sizes(call, 3, "stride")?.unwrap_or(1.into()),
                padding: padding(call)?,
                dilation: sizes(call, 5, "dilation")?.unwrap_or(1.into()),
                groups: call.int(6, "groups")?.unwrap_or(1) as usize,
            };
            one(match kind {
                "1d" => x.conv1d(w, bias, options),
                "2d" => x.conv2d(w, bias, options),
                _ => x.conv3d(w, bias, options),
            })?
        }
        "_transpose1d" | "_transpose2d" | "_transpose3d" => {
            let options = ConvTransposeOptions {
                stride: sizes(call, 3, "stride")?.unwrap_or(1.into()),
                padding: sizes(call, 4, "padding")?.unwrap_or(0.into()),
                output_padding: sizes(call, 5, "output_padding")?.unwrap_or(0.into()),
                groups: call.int(6, "groups")?.unwrap_or(1) as usize,
                dilation: sizes(call, 7, "dilation")?.unwrap_or(1.into()),
            };
            one(match kind {
                "_transpose1d" => x.conv_transpose1d(w, bias, options),
                "_transpose2d" => x.conv_transpose2d(w, bias, options),
                _ => x.conv_transpose3d(w, bias, options),
            })?
        }
        _ => return Ok(None),
    }))
}

fn padding(call: &Call) -> Result<Padding, Why> {
    if let Some(Arg::Plain(Value::String(text))) = call.get(4, "padding") {
        return match text.as_str() {
            "same" => Ok(Padding::Same),
            "valid" => Ok(Padding::Valid),
            other => lacks(format!("padding {other}")),
        };
    }
    Ok(sizes(call, 4, "padding")?.unwrap_or(0.into()).into())
}

/// One number or a list of them; an empty list is none.
pub fn sizes(call: &Call, place: usize, name: &str) -> Result<Option<Sizes>, Why> {
    let number = |arg: &Arg| match arg {
        Arg::Plain(value) if let Some(n) = value.as_u64() => Ok(n as usize),
        _ => lacks(format!("`{name}` of other things than sizes")),
    };
    Ok(match call.get(place, name) {
        None => None,
        Some(Arg::List(list)) if list.is_empty() => None,
        Some(Arg::List(list)) => {
            let list = list.iter().map(number).collect::<Result<Vec<_>, _>>()?;
            Some(Sizes::try_from(&list[..])?)
        }
        Some(arg) => Some(number(arg)?.into()),
    })
}
