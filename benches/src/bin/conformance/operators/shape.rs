//! Shapes, joining and selection.

use crate::call::{Arg, Call, one};
use crate::file::{Why, lacks};
use azura_core::{DType, PadMode, Rhs, Sizes, Tensor, UnfoldOptions};
use serde_json::Value;

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let x = || call.tensor(0, "input");
    let number = |place, name: &str, otherwise: i64| -> Result<isize, Why> {
        Ok(call.int(place, name)?.unwrap_or(otherwise) as isize)
    };
    let list = |place, name: &str| -> Result<Vec<isize>, Why> {
        let given = call.ints(place, name)?.unwrap_or_default();
        Ok(given.into_iter().map(|i| i as isize).collect())
    };
    let counts = |place, name: &str| -> Result<Vec<usize>, Why> {
        let given = call.ints(place, name)?.unwrap_or_default();
        Ok(given.into_iter().map(|i| i as usize).collect())
    };
    Ok(Some(match name {
        "__getitem__" => vec![item(x()?, call.get(1, "index"))?],
        "cat" => one(Tensor::cat(
            &call.tensors(0, "tensors")?,
            number(1, "dim", 0)?,
        ))?,
        "stack" => one(Tensor::stack(
            &call.tensors(0, "tensors")?,
            number(1, "dim", 0)?,
        ))?,
        "split" => x()?.split(number(1, "split_size", 0)? as usize, number(2, "dim", 0)?)?,
        "split.list_args" => {
            let Some(Arg::List(sizes)) = call.get(1, "split_sizes") else {
                return lacks("no sizes");
            };
            x()?.split_with_sizes(&integers(sizes)?, number(2, "dim", 0)?)?
        }
        "chunk" => x()?.chunk(number(1, "chunks", 0)? as usize, number(2, "dim", 0)?)?,
        "narrow" => {
            let (dim, len) = (call.dim(1)?, number(3, "length", 0)? as usize);
            let start = number(2, "start", 0)?;
            let size = x()?.dim(dim)? as isize;
            let start = if start < 0 { start + size } else { start };
            one(x()?.narrow(dim, start as usize, len))?
        }
        "diagonal" => one(x()?.diagonal(
            number(1, "offset", 0)?,
            number(2, "dim1", 0)?,
            number(3, "dim2", 1)?,
        ))?,
        "flip" => one(x()?.flip(&list(1, "dims")?))?,
        "roll" => {
            let dims = match call.get(2, "dims") {
                Some(_) => call.ints(2, "dims")?.unwrap_or_default(),
                None => Vec::new(),
            };
            let shifts = match call.get(1, "shifts") {
                Some(Arg::List(_)) => list(1, "shifts")?,
                _ => vec![number(1, "shifts", 0)?],
            };
            one(x()?.roll(
                &shifts,
                &dims.iter().map(|&d| d as isize).collect::<Vec<_>>(),
            ))?
        }
        "repeat" => one(x()?.repeat(counts(1, "repeats")?))?,
        "tile" => one(x()?.tile(counts(1, "dims")?))?,
        "tril" => one(x()?.tril(number(1, "diagonal", 0)?))?,
        "triu" => one(x()?.triu(number(1, "diagonal", 0)?))?,
        "index_select" => one(x()?.index_select(call.dim(1)?, call.tensor(2, "index")?))?,
        "index_add" => one(x()?.index_add(
            call.dim(1)?,
            call.tensor(2, "index")?,
            call.tensor(3, "source")?,
            call.float(4, "alpha")?.unwrap_or(1.0),
        ))?,
        "gather" => {
            let index = call.tensor(2, "index")?;
            if index.numel() == 0 && index.rank() != x()?.rank() {
                return lacks("an empty index with other axes than the tensor");
            }
            one(x()?.gather(call.dim(1)?, index))?
        }
        "take_along_dim" => {
            let dim = call.int(2, "dim")?.map(|dim| dim as isize);
            let indices = call.tensor(1, "indices")?;
            if indices.lt(0.0)?.any_all()?.item::<bool>()? {
                return lacks("indices that count from the end");
            }
            one(x()?.take_along_dim(indices, dim))?
        }
        "scatter" => {
            if call.named.contains_key("reduce") {
                return lacks("scatter that reduces; scatter_add adds");
            }
            one(x()?.scatter(call.dim(1)?, call.tensor(2, "index")?, rhs(call, 3, "src")?))?
        }
        "scatter_add" => one(x()?.scatter_add(
            call.dim(1)?,
            call.tensor(2, "index")?,
            call.tensor(3, "src")?,
        ))?,
        "masked_fill" => one(x()?.masked_fill(call.tensor(1, "mask")?, rhs(call, 2, "value")?))?,
        "masked_select" => one(x()?.masked_select(call.tensor(1, "mask")?))?,
        "reshape" | "view" => match call.ints(1, "shape")? {
            Some(shape) => {
                one(x()?.reshape_infer(&shape.iter().map(|&n| n as isize).collect::<Vec<_>>()))?
            }
            None => return lacks("a view as another dtype"),
        },
        "transpose" => one(x()?.transpose(number(1, "dim0", 0)?, number(2, "dim1", 0)?))?,
        "permute" => one(x()?.permute(&list(1, "dims")?))?,
        "expand" => one(x()?.expand_keep(&list(1, "size")?))?,
        "squeeze" | "squeeze.multiple" => match call.dims(1)? {
            None => one(x()?.squeeze_all())?,
            Some(dims) => one(x()?.squeeze_dims(&dims))?,
        },
        "unsqueeze" => one(x()?.unsqueeze(call.dim(1)?))?,
        "flatten" => one(x()?.flatten(number(1, "start_dim", 0)?, number(2, "end_dim", -1)?))?,
        "nn.functional.pixel_shuffle" => {
            one(x()?.pixel_shuffle(number(1, "upscale_factor", 0)? as usize))?
        }
        "nn.functional.pixel_unshuffle" => {
            one(x()?.pixel_unshuffle(number(1, "downscale_factor", 0)? as usize))?
        }
        "nn.functional.unfold" => {
            let sizes = |place, name: &str, otherwise: usize| -> Result<Sizes, Why> {
                let given = match call.get(place, name) {
                    None => vec![otherwise],
                    Some(Arg::List(list)) => integers(list)?,
                    Some(_) => vec![number(place, name, 0)? as usize],
                };
                Ok(given[..].try_into()?)
            };
            let options = UnfoldOptions {
                dilation: sizes(2, "dilation", 1)?,
                padding: sizes(3, "padding", 0)?,
                stride: sizes(4, "stride", 1)?,
            };
            one(x()?.unfold(sizes(1, "kernel_size", 1)?, options))?
        }
        "nn.functional.pad.circular"
        | "nn.functional.pad.constant"
        | "nn.functional.pad.reflect"
        | "nn.functional.pad.replicate"
        | "nn.functional.pad.replicate_negative" => {
            let mode = match call.get(2, "mode") {
                Some(Arg::Plain(Value::String(mode))) => mode.as_str(),
                _ => "constant",
            };
            let mode = match mode {
                "constant" => PadMode::Constant(call.float(3, "value")?.unwrap_or(0.0)),
                "reflect" => PadMode::Reflect,
                "replicate" => PadMode::Replicate,
                "circular" => PadMode::Circular,
                other => return lacks(format!("padding mode {other}")),
            };
            one(x()?.pad(&list(1, "pad")?, mode))?
        }
        _ => return Ok(None),
    }))
}

/// A tensor or a number.
fn rhs(call: &Call, place: usize, name: &str) -> Result<Rhs, Why> {
    match call.get(place, name) {
        Some(Arg::Tensor(tensor)) => Ok(tensor.into()),
        _ => match call.float(place, name)? {
            Some(number) => Ok(number.into()),
            None => lacks(format!("no `{name}`")),
        },
    }
}

fn integers(list: &[Arg]) -> Result<Vec<usize>, Why> {
    list.iter()
        .map(|arg| match arg {
            Arg::Plain(value) if let Some(i) = value.as_u64() => Ok(i as usize),
            _ => lacks("a list of other things than integers"),
        })
        .collect()
}

/// `x[index]`, for one index or a list of them.
fn item(x: &Tensor, index: Option<&Arg>) -> Result<Tensor, Why> {
    let list = match index {
        // A list of numbers alone is one index, any other is one for each axis.
        Some(Arg::List(list)) if integers(list).is_err() => list.clone(),
        Some(one) => vec![one.clone()],
        None => return lacks("no index"),
    };
    let takes = |arg: &Arg| match arg {
        Arg::Tensor(mask) if mask.dtype() == DType::Bool => mask.rank(),
        Arg::Plain(value) if value.get("$ellipsis").is_some() || value.is_null() => 0,
        _ => 1,
    };
    let named: usize = list.iter().map(takes).sum();
    let mut y = x.clone();
    let (mut axis, mut at) = (0, Vec::new());
    for arg in &list {
        match arg {
            Arg::Plain(value) if value.get("$ellipsis").is_some() => {
                let hidden = x.rank().saturating_sub(named);
                at.extend(vec![None; hidden]);
                axis += hidden;
            }
            Arg::Plain(value) if let Some(bounds) = value["$slice"].as_array() => {
                let bound = |i: usize| bounds[i].as_i64().map(|bound| bound as isize);
                y = y.strided_slice(axis as isize, bound(0), bound(1), bound(2).unwrap_or(1))?;
                at.push(None);
                axis += 1;
            }
            Arg::Plain(value) if let Some(i) = value.as_i64() => {
                let size = y.dim(axis as isize)? as i64;
                y = y.select(axis as isize, (if i < 0 { i + size } else { i }) as usize)?;
            }
            Arg::Plain(value) if value.is_null() => {
                y = y.unsqueeze(axis as isize)?;
                at.push(None);
                axis += 1;
            }
            Arg::Tensor(ids) => {
                axis += takes(arg);
                at.push(Some(ids.clone()));
            }
            Arg::List(ids) => {
                let ids: Vec<i64> = ids
                    .iter()
                    .map(|id| match id {
                        Arg::Plain(value) if let Some(i) = value.as_i64() => Ok(i),
                        _ => lacks("an index of other things than integers"),
                    })
                    .collect::<Result<_, _>>()?;
                at.push(Some(Tensor::from_slice(&ids, [ids.len()])?));
                axis += 1;
            }
            Arg::Plain(_) => return lacks("an index that is no number, slice or tensor"),
        }
    }
    Ok(y.index(&at.iter().map(Option::as_ref).collect::<Vec<_>>())?)
}
