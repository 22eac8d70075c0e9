//! Losses.

use super::Module;
use crate::call::{one, reduction};
use crate::file::Why;
use crate::operators::loss::scores;
use azura_core::Tensor;
use serde_json::Value;

pub fn run(name: &str, m: &Module<'_>) -> Result<Option<Vec<Tensor>>, Why> {
    let pair = || -> Result<_, Why> {
        let way = m.option(usize::MAX, "reduction").and_then(Value::as_str);
        Ok((m.input(0)?, m.input(1)?, reduction(way)?))
    };
    Ok(Some(match name {
        "MSELoss" => {
            let (x, y, r) = pair()?;
            one(x.mse_loss(&y, r))?
        }
        "L1Loss" => {
            let (x, y, r) = pair()?;
            one(x.l1_loss(&y, r))?
        }
        "HuberLoss" => {
            let (x, y, r) = pair()?;
            let delta = m.number(usize::MAX, "delta").unwrap_or(1.0);
            one(x.huber_loss(&y, delta, r))?
        }
        "CrossEntropyLoss" => {
            m.only(&["reduction"])?;
            let (x, y, r) = pair()?;
            one(scores(&x, &y, r)?)?
        }
        _ => return Ok(None),
    }))
}
