//! Products of matrices.

use super::Module;
use crate::call::one;
use crate::file::Why;
use azura_core::Tensor;

pub fn run(name: &str, m: &Module<'_>) -> Result<Option<Vec<Tensor>>, Why> {
    Ok(Some(match name {
        "Linear" => {
            let bias = m.leaf("state/bias")?;
            one(m.input(0)?.linear(&m.need("state/weight")?, bias.as_ref()))?
        }
        "Bilinear" => {
            let bias = m.leaf("state/bias")?;
            let w = m.need("state/weight")?;
            one(m.input(0)?.bilinear(&m.input(1)?, &w, bias.as_ref()))?
        }
        _ => return Ok(None),
    }))
}
