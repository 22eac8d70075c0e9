//! Padding and shapes.

use super::Module;
use crate::call::Outcome;
use crate::file::{Why, lacks};
use azura_core::{PadMode, Tensor};
use azura_learner::layers::{Ctx, Module as Layer, Pad};

pub fn run(name: &str, m: &Module<'_>) -> Result<Option<Vec<Tensor>>, Why> {
    let modes = [
        (
            "ConstantPad",
            PadMode::Constant(m.number(1, "value").unwrap_or(0.0)),
        ),
        ("ZeroPad", PadMode::Constant(0.0)),
        ("ReflectionPad", PadMode::Reflect),
        ("ReplicationPad", PadMode::Replicate),
        ("CircularPad", PadMode::Circular),
    ];
    let found = modes
        .iter()
        .find_map(|(prefix, mode)| Some((name.strip_prefix(prefix)?, *mode)));
    Ok(Some(match found {
        Some(("1d", mode)) => pad::<1>(m, mode)?,
        Some(("2d", mode)) => pad::<2>(m, mode)?,
        Some(("3d", mode)) => pad::<3>(m, mode)?,
        _ => return Ok(None),
    }))
}

fn pad<const N: usize>(m: &Module<'_>, mode: PadMode) -> Outcome {
    m.only(&["padding", "value"])?;
    let margins: Vec<i64> = match m.option(0, "padding") {
        Some(one) if one.is_i64() => one.as_i64().into_iter().collect(),
        Some(list) => list
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|v| v.as_i64())
            .collect(),
        None => return lacks("no padding"),
    };
    let margins: Vec<isize> = margins.into_iter().map(|margin| margin as isize).collect();
    let layer = Pad::<N>::new(&margins, mode).map_err(|e| Why::Wrong(e.to_string()))?;
    let y = layer.forward(&m.input(0)?, &mut Ctx::eval());
    Ok(vec![y.map_err(|e| Why::Wrong(e.to_string()))?])
}
