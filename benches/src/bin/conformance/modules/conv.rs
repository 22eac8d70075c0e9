//! Convolutions and pools: our own layers.

use super::Module;
use crate::call::Outcome;
use crate::file::{Why, lacks};
use azura_core::{OutputSizes, PadMode, Padding, Rng, Sizes, Tensor};
use azura_learner::layers::{
    self, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AvgPool1d, AvgPool2d, AvgPool3d,
    Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Ctx, LpPool1d,
    LpPool2d, LpPool3d, MaxPool1d, MaxPool2d, MaxPool3d,
};
use azura_learner::layers::{AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d};
use serde_json::Value;

macro_rules! conv {
    ($m:expr, $Layer:ident) => {{
        let m = $m;
        m.only(&[
            "stride",
            "padding",
            "dilation",
            "groups",
            "bias",
            "padding_mode",
        ])?;
        let store = m.store();
        let [inputs, outputs] = channels(m)?;
        let layer = $Layer::new(inputs, outputs, kernel(m, 2)?, &store.root(Rng::new(0)))
            .stride(sizes(m, 3, "stride")?.unwrap_or(1.into()))
            .padding(padding(m)?)
            .padding_mode(padding_mode(m)?)
            .dilation(sizes(m, 5, "dilation")?.unwrap_or(1.into()))
            .groups(m.int(6, "groups").unwrap_or(1) as usize)
            .bias(m.flag(7, "bias", true))
            .build();
        m.load(&store)?;
        forward(m, layer)
    }};
}

macro_rules! conv_transpose {
    ($m:expr, $Layer:ident) => {{
        let m = $m;
        m.only(&[
            "stride",
            "padding",
            "output_padding",
            "groups",
            "bias",
            "dilation",
        ])?;
        let store = m.store();
        let [inputs, outputs] = channels(m)?;
        let layer = $Layer::new(inputs, outputs, kernel(m, 2)?, &store.root(Rng::new(0)))
            .stride(sizes(m, 3, "stride")?.unwrap_or(1.into()))
            .padding(sizes(m, 4, "padding")?.unwrap_or(0.into()))
            .output_padding(sizes(m, 5, "output_padding")?.unwrap_or(0.into()))
            .groups(m.int(6, "groups").unwrap_or(1) as usize)
            .bias(m.flag(7, "bias", true))
            .dilation(sizes(m, 8, "dilation")?.unwrap_or(1.into()))
            .build();
        m.load(&store)?;
        forward(m, layer)
    }};
}

macro_rules! max_pool {
    ($m:expr, $Layer:ident) => {{
        let m = $m;
        let kernel = kernel(m, 0)?;
        m.only(&["stride", "padding", "dilation", "ceil_mode", "kernel_size"])?;
        let layer = $Layer::new(kernel)
            .stride(sizes(m, 1, "stride")?.unwrap_or(kernel))
            .padding(sizes(m, 2, "padding")?.unwrap_or(0.into()))
            .dilation(sizes(m, 3, "dilation")?.unwrap_or(1.into()))
            .ceil_mode(m.flag(5, "ceil_mode", false));
        forward(m, Ok(layer))
    }};
}

macro_rules! avg_pool {
    ($m:expr, $Layer:ident) => {{
        let m = $m;
        let kernel = kernel(m, 0)?;
        let layer = $Layer::new(kernel)
            .stride(sizes(m, 1, "stride")?.unwrap_or(kernel))
            .padding(sizes(m, 2, "padding")?.unwrap_or(0.into()))
            .ceil_mode(m.flag(3, "ceil_mode", false))
            .count_include_pad(m.flag(4, "count_include_pad", true));
        let layer = match m.int(5, "divisor_override") {
            Some(divisor) => layer.divisor_override(divisor),
            None => layer,
        };
        forward(m, Ok(layer))
    }};
}

macro_rules! lp_pool {
    ($m:expr, $Layer:ident) => {{
        let m = $m;
        let kernel = kernel(m, 1)?;
        let Some(p) = m.number(0, "norm_type") else {
            return lacks("no order of the norm");
        };
        let layer = $Layer::new(p, kernel)
            .stride(sizes(m, 2, "stride")?.unwrap_or(kernel))
            .ceil_mode(m.flag(3, "ceil_mode", false));
        forward(m, Ok(layer))
    }};
}

pub fn run(name: &str, m: &Module<'_>) -> Result<Option<Vec<Tensor>>, Why> {
    let x = || m.input(0);
    let indices = m.flag(usize::MAX, "return_indices", false);
    let both = |(y, places)| vec![y, places];
    Ok(Some(match name {
        "Conv1d" => conv!(m, Conv1d)?,
        "Conv2d" => conv!(m, Conv2d)?,
        "Conv3d" => conv!(m, Conv3d)?,
        "ConvTranspose1d" => conv_transpose!(m, ConvTranspose1d)?,
        "ConvTranspose2d" => conv_transpose!(m, ConvTranspose2d)?,
        "ConvTranspose3d" => conv_transpose!(m, ConvTranspose3d)?,
        "MaxPool1d" => max_pool!(m, MaxPool1d)?,
        "MaxPool2d" => max_pool!(m, MaxPool2d)?,
        "MaxPool3d" => max_pool!(m, MaxPool3d)?,
        "AvgPool1d" => avg_pool!(m, AvgPool1d)?,
        "AvgPool2d" => avg_pool!(m, AvgPool2d)?,
        "AvgPool3d" => avg_pool!(m, AvgPool3d)?,
        "LPPool1d" => lp_pool!(m, LpPool1d)?,
        "LPPool2d" => lp_pool!(m, LpPool2d)?,
        "LPPool3d" => lp_pool!(m, LpPool3d)?,
        "AdaptiveAvgPool1d" => forward(m, Ok(AdaptiveAvgPool1d::new(output(m)?)))?,
        "AdaptiveAvgPool2d" => forward(m, Ok(AdaptiveAvgPool2d::new(output(m)?)))?,
        "AdaptiveAvgPool3d" => forward(m, Ok(AdaptiveAvgPool3d::new(output(m)?)))?,
        "AdaptiveMaxPool1d" if indices => both(x()?.adaptive_max_pool1d_with_indices(output(m)?)?),
        "AdaptiveMaxPool2d" if indices => both(x()?.adaptive_max_pool2d_with_indices(output(m)?)?),
        "AdaptiveMaxPool3d" if indices => both(x()?.adaptive_max_pool3d_with_indices(output(m)?)?),
        "AdaptiveMaxPool1d" => forward(m, Ok(AdaptiveMaxPool1d::new(output(m)?)))?,
        "AdaptiveMaxPool2d" => forward(m, Ok(AdaptiveMaxPool2d::new(output(m)?)))?,
        "AdaptiveMaxPool3d" => forward(m, Ok(AdaptiveMaxPool3d::new(output(m)?)))?,
        "FractionalMaxPool2d" | "FractionalMaxPool3d" => {
            return lacks("pools with random windows are not offered");
        }
        _ => return Ok(None),
    }))
}

fn forward(m: &Module<'_>, layer: azura_learner::Result<impl layers::Module>) -> Outcome {
    let wrong = |error: azura_learner::Error| Why::Wrong(error.to_string());
    let layer = layer.map_err(wrong)?;
    let y = layer.forward(&m.input(0)?, &mut Ctx::eval());
    Ok(vec![y.map_err(wrong)?])
}

fn channels(m: &Module<'_>) -> Result<[usize; 2], Why> {
    match (m.int(0, "in_channels"), m.int(1, "out_channels")) {
        (Some(inputs), Some(outputs)) => Ok([inputs as usize, outputs as usize]),
        _ => lacks("no channels"),
    }
}

fn kernel(m: &Module<'_>, place: usize) -> Result<Sizes, Why> {
    match sizes(m, place, "kernel_size")? {
        Some(kernel) => Ok(kernel),
        None => lacks("no kernel"),
    }
}

fn padding(m: &Module<'_>) -> Result<Padding, Why> {
    match m.option(4, "padding").and_then(Value::as_str) {
        Some("same") => Ok(Padding::Same),
        Some("valid") => Ok(Padding::Valid),
        Some(other) => lacks(format!("padding {other}")),
        None => Ok(sizes(m, 4, "padding")?.unwrap_or(0.into()).into()),
    }
}

fn padding_mode(m: &Module<'_>) -> Result<PadMode, Why> {
    match m.option(8, "padding_mode").and_then(Value::as_str) {
        None | Some("zeros") => Ok(PadMode::Constant(0.0)),
        Some("reflect") => Ok(PadMode::Reflect),
        Some("replicate") => Ok(PadMode::Replicate),
        Some("circular") => Ok(PadMode::Circular),
        Some(other) => lacks(format!("padding mode {other}")),
    }
}

/// One number or a list of them.
fn sizes(m: &Module<'_>, place: usize, name: &str) -> Result<Option<Sizes>, Why> {
    let Some(given) = m.option(place, name) else {
        return Ok(None);
    };
    if let Some(list) = given.as_array() {
        let list: Option<Vec<usize>> = list
            .iter()
            .map(|n| n.as_u64().map(|n| n as usize))
            .collect();
        return match list {
            Some(list) => Ok(Some(Sizes::try_from(&list[..])?)),
            None => lacks(format!("`{name}` of other things than sizes")),
        };
    }
    match given.as_u64() {
        Some(n) => Ok(Some((n as usize).into())),
        None => lacks(format!("`{name}` that is no size")),
    }
}

/// Sizes of a result, where null keeps the input's.
fn output(m: &Module<'_>) -> Result<OutputSizes, Why> {
    let Some(given) = m.option(0, "output_size") else {
        return lacks("no output size");
    };
    let number = |n: &Value| n.as_u64().map(|n| n as usize);
    match given.as_array() {
        Some(list) => {
            let list: Vec<Option<usize>> = list.iter().map(number).collect();
            Ok(OutputSizes::try_from(&list[..])?)
        }
        None => Ok(OutputSizes::try_from(&[number(given)][..])?),
    }
}
