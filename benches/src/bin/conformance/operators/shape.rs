//! Shapes, joining and selection.

use crate::call::{Arg, Call, one};
use crate::file::{Why, lacks};
use azura_core::Tensor;

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let x = || call.tensor(0, "input");
    Ok(Some(match name {
        "cat" | "stack" => {
            let tensors = call.tensors(0, "tensors")?;
            let dim = call.int(1, "dim")?.unwrap_or(0) as isize;
            if name == "stack" {
                return Ok(Some(vec![Tensor::stack(&tensors, dim)?]));
            }
            // PyTorch lets an empty vector stand for a tensor of any rank.
            if tensors.iter().any(|t| t.shape() == [0]) && tensors.iter().any(|t| t.rank() > 1) {
                return lacks("an empty vector among tensors of other ranks");
            }
            one(Tensor::cat(&tensors, dim))?
        }
        "narrow" => {
            let (Some(start), Some(len)) = (call.int(2, "start")?, call.int(3, "length")?) else {
                return lacks("no start or length");
            };
            let Ok(start) = usize::try_from(start) else {
                return lacks("a start that counts from the end");
            };
            one(x()?.narrow(call.dim(1)?, start, len as usize))?
        }
        "index_select" => one(x()?.index_select(call.dim(1)?, call.tensor(2, "index")?))?,
        "reshape" | "view" => match call.ints(1, "shape")? {
            Some(shape) => one(x()?.reshape(sizes(x()?, &shape)))?,
            None => return lacks("a view as another dtype"),
        },
        "transpose" => {
            let (Some(a), Some(b)) = (call.int(1, "dim0")?, call.int(2, "dim1")?) else {
                return lacks("no axes");
            };
            one(x()?.transpose(a as isize, b as isize))?
        }
        "permute" => {
            let axes = call.ints(1, "dims")?.unwrap_or_default();
            one(x()?.permute(&axes.iter().map(|&a| a as isize).collect::<Vec<_>>()))?
        }
        "expand" => {
            let given = call.ints(1, "size")?.unwrap_or_default();
            let x = x()?;
            let Some(lead) = given.len().checked_sub(x.rank()) else {
                return lacks("fewer sizes than axes");
            };
            let shape: Vec<usize> = given
                .iter()
                .enumerate()
                .map(|(i, &size)| {
                    if size < 0 {
                        x.shape()[i - lead]
                    } else {
                        size as usize
                    }
                })
                .collect();
            one(x.expand(shape))?
        }
        "squeeze" | "squeeze.multiple" => {
            let rank = x()?.rank() as i64;
            let mut dims = match call.get(1, "dim") {
                None => (0..rank).collect(),
                Some(Arg::Plain(_)) => vec![call.dim(1)? as i64],
                Some(_) => call.ints(1, "dim")?.unwrap_or_default(),
            };
            for dim in &mut dims {
                *dim += if *dim < 0 { rank.max(1) } else { 0 };
            }
            dims.sort_unstable();
            let mut y = x()?.clone();
            for dim in dims.into_iter().rev() {
                y = y.squeeze(dim as isize)?;
            }
            vec![y]
        }
        "unsqueeze" => one(x()?.unsqueeze(call.dim(1)?))?,
        "flatten" => {
            let from = call.int(1, "start_dim")?.unwrap_or(0);
            let to = call.int(2, "end_dim")?.unwrap_or(-1);
            one(x()?.flatten(from as isize, to as isize))?
        }
        _ => return Ok(None),
    }))
}

/// Sizes with one -1 filled in.
fn sizes(x: &Tensor, given: &[i64]) -> Vec<usize> {
    let known: i64 = given.iter().filter(|&&size| size >= 0).product();
    given
        .iter()
        .map(|&size| {
            if size < 0 {
                x.numel() / known.max(1) as usize
            } else {
                size as usize
            }
        })
        .collect()
}
