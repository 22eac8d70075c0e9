//! Pools and interpolation.

use super::conv::sizes;
use crate::call::{Arg, Call, one};
use crate::file::{Why, lacks};
use azura_core::{
    AvgPoolOptions, GridSampleMode, GridSampleOptions, GridSamplePadding, InterpolateMode,
    InterpolateOptions, MaxPoolOptions, OutputSizes, PerAxis, Resize, Sizes, Tensor,
};
use serde_json::Value;

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    let Some(name) = name.strip_prefix("nn.functional.") else {
        return Ok(None);
    };
    let x = || call.tensor(0, "input");
    let kernel = || match sizes(call, 1, "kernel_size")? {
        Some(kernel) => Ok::<Sizes, Why>(kernel),
        None => lacks("no kernel"),
    };
    let max = || {
        Ok::<_, Why>(MaxPoolOptions {
            stride: sizes(call, 2, "stride")?,
            padding: sizes(call, 3, "padding")?.unwrap_or(0.into()),
            dilation: sizes(call, 4, "dilation")?.unwrap_or(1.into()),
            ceil_mode: call.flag(5, "ceil_mode"),
        })
    };
    let avg = || {
        let include = !matches!(
            call.get(5, "count_include_pad"),
            Some(Arg::Plain(Value::Bool(false)))
        );
        Ok::<_, Why>(AvgPoolOptions {
            stride: sizes(call, 2, "stride")?,
            padding: sizes(call, 3, "padding")?.unwrap_or(0.into()),
            ceil_mode: call.flag(4, "ceil_mode"),
            count_include_pad: include,
            divisor_override: call.int(6, "divisor_override")?,
        })
    };
    let both = |(y, places)| vec![y, places];
    let indices = call.flag(6, "return_indices");
    let adaptive_indices = call.flag(2, "return_indices");
    Ok(Some(match name {
        "max_pool1d" if indices => both(x()?.max_pool1d_with_indices(kernel()?, max()?)?),
        "max_pool2d" if indices => both(x()?.max_pool2d_with_indices(kernel()?, max()?)?),
        "max_pool3d" if indices => both(x()?.max_pool3d_with_indices(kernel()?, max()?)?),
        "max_pool1d" => one(x()?.max_pool1d(kernel()?, max()?))?,
        "max_pool2d" => one(x()?.max_pool2d(kernel()?, max()?))?,
        "max_pool3d" => one(x()?.max_pool3d(kernel()?, max()?))?,
        "avg_pool1d" => one(x()?.avg_pool1d(kernel()?, avg()?))?,
        "avg_pool2d" => one(x()?.avg_pool2d(kernel()?, avg()?))?,
        "avg_pool3d" => one(x()?.avg_pool3d(kernel()?, avg()?))?,
        "adaptive_avg_pool1d" => one(x()?.adaptive_avg_pool1d(output(call)?))?,
        "adaptive_avg_pool2d" => one(x()?.adaptive_avg_pool2d(output(call)?))?,
        "adaptive_avg_pool3d" => one(x()?.adaptive_avg_pool3d(output(call)?))?,
        "adaptive_max_pool1d" if adaptive_indices => {
            both(x()?.adaptive_max_pool1d_with_indices(output(call)?)?)
        }
        "adaptive_max_pool2d" if adaptive_indices => {
            both(x()?.adaptive_max_pool2d_with_indices(output(call)?)?)
        }
        "adaptive_max_pool3d" if adaptive_indices => {
            both(x()?.adaptive_max_pool3d_with_indices(output(call)?)?)
        }
        "adaptive_max_pool1d" => one(x()?.adaptive_max_pool1d(output(call)?))?,
        "adaptive_max_pool2d" => one(x()?.adaptive_max_pool2d(output(call)?))?,
        "adaptive_max_pool3d" => one(x()?.adaptive_max_pool3d(output(call)?))?,
        name if name == "interpolate" || name.starts_with("interpolate.") => {
            interpolate(x()?, call)?
        }
        "grid_sample" => one(x()?.grid_sample(call.tensor(1, "grid")?, grid_options(call)?))?,
        "upsample_nearest" | "upsample_bilinear" => {
            let bilinear = name == "upsample_bilinear";
            let options = InterpolateOptions {
                mode: if bilinear {
                    InterpolateMode::Linear
                } else {
                    InterpolateMode::Nearest
                },
                align_corners: bilinear,
                recompute_scale_factor: false,
            };
            one(x()?.interpolate(resize(call)?, options))?
        }
        _ => return Ok(None),
    }))
}

fn grid_options(call: &Call) -> Result<GridSampleOptions, Why> {
    let word = |place: usize, name: &str| match call.get(place, name) {
        Some(Arg::Plain(Value::String(word))) => Some(word.clone()),
        _ => None,
    };
    Ok(GridSampleOptions {
        mode: match word(2, "mode").as_deref() {
            None | Some("bilinear") => GridSampleMode::Linear,
            Some("nearest") => GridSampleMode::Nearest,
            Some("bicubic") => GridSampleMode::Cubic,
            Some(other) => return lacks(format!("mode {other}")),
        },
        padding_mode: match word(3, "padding_mode").as_deref() {
            None | Some("zeros") => GridSamplePadding::Zeros,
            Some("border") => GridSamplePadding::Border,
            Some("reflection") => GridSamplePadding::Reflection,
            Some(other) => return lacks(format!("padding mode {other}")),
        },
        align_corners: call.flag(4, "align_corners"),
    })
}

/// Sizes of a result, where null keeps the input's.
fn output(call: &Call) -> Result<OutputSizes, Why> {
    let number = |arg: &Arg| match arg {
        Arg::Plain(Value::Null) => Ok(None),
        Arg::Plain(value) if let Some(n) = value.as_u64() => Ok(Some(n as usize)),
        _ => lacks("an output size that is no number"),
    };
    match call.get(1, "output_size") {
        Some(Arg::List(list)) => {
            let list = list.iter().map(number).collect::<Result<Vec<_>, _>>()?;
            Ok(OutputSizes::try_from(&list[..])?)
        }
        Some(arg) => Ok(OutputSizes::try_from(&[number(arg)?][..])?),
        None => lacks("no output size"),
    }
}

fn resize(call: &Call) -> Result<Resize, Why> {
    if let Some(size) = sizes(call, 1, "size")? {
        return Ok(Resize::Size(size));
    }
    let number = |arg: &Arg| match arg {
        Arg::Plain(value) if let Some(x) = value.as_f64() => Ok(x),
        _ => lacks("a scale factor that is no number"),
    };
    match call.get(2, "scale_factor") {
        Some(Arg::List(list)) => {
            let list = list.iter().map(number).collect::<Result<Vec<_>, _>>()?;
            Ok(Resize::Scale(PerAxis::try_from(&list[..])?))
        }
        Some(arg) => Ok(Resize::Scale(number(arg)?.into())),
        None => lacks("neither a size nor a factor"),
    }
}

fn interpolate(x: &Tensor, call: &Call) -> Result<Vec<Tensor>, Why> {
    let mode = match call.get(3, "mode") {
        None => "nearest",
        Some(Arg::Plain(Value::String(mode))) => mode,
        Some(_) => return lacks("a mode that is no text"),
    };
    if call.flag(6, "antialias") {
        return lacks("antialias");
    }
    let options = InterpolateOptions {
        mode: match mode {
            "nearest" => InterpolateMode::Nearest,
            "nearest-exact" => InterpolateMode::NearestExact,
            "linear" | "bilinear" | "trilinear" => InterpolateMode::Linear,
            "bicubic" => InterpolateMode::Cubic,
            "area" => InterpolateMode::Area,
            other => return lacks(format!("mode {other}")),
        },
        align_corners: call.flag(4, "align_corners"),
        recompute_scale_factor: call.flag(5, "recompute_scale_factor"),
    };
    one(x.interpolate(resize(call)?, options))
}
