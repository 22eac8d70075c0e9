//! Normalisation and embedding, through the layers.

use super::Module;
use crate::call::Outcome;
use crate::file::Why;
use azura_core::{ResponseOptions, Rng, Scope, Tensor};
use azura_learner::layers::{
    self, BatchNorm1d, BatchNorm2d, BatchNorm3d, BatchNormOptions, Ctx, Embedding, GroupNorm,
    InstanceNorm1d, InstanceNorm2d, InstanceNorm3d, LayerNorm, LocalResponseNorm, RmsNorm,
};
use serde_json::Value;

type Made = azura_learner::Result<Box<dyn layers::Module>>;

pub fn run(name: &str, m: &Module<'_>) -> Result<Option<Vec<Tensor>>, Why> {
    macro_rules! boxed {
        ($layer:expr) => {{
            let make = |p: &Scope| -> Made {
                let make = $layer;
                Ok(Box::new(make(p)?))
            };
            through(m, &make)?
        }};
    }
    let eps = m.number(1, "eps").unwrap_or(1e-5);
    let batch = options(m, true);
    let instance = options(m, false);
    let size = |place, name: &str| m.int(place, name).map_or(0, |n| n as usize);
    let channels = size(0, "num_features");
    let shape = sizes(m);
    let bias = m.flag(usize::MAX, "bias", true);
    Ok(Some(match name {
        "BatchNorm1d" => boxed!(|p| BatchNorm1d::with(channels, batch, p)),
        "BatchNorm2d" => boxed!(|p| BatchNorm2d::with(channels, batch, p)),
        "BatchNorm3d" => boxed!(|p| BatchNorm3d::with(channels, batch, p)),
        "InstanceNorm1d" => boxed!(|p| InstanceNorm1d::with(channels, instance, p)),
        "InstanceNorm2d" => boxed!(|p| InstanceNorm2d::with(channels, instance, p)),
        "InstanceNorm3d" => boxed!(|p| InstanceNorm3d::with(channels, instance, p)),
        "LayerNorm" => {
            let affine = m.flag(2, "elementwise_affine", true);
            boxed!(|p| LayerNorm::with(&shape, eps, affine, bias, p))
        }
        "RMSNorm" => {
            let affine = m.flag(2, "elementwise_affine", true);
            boxed!(|p| RmsNorm::with(&shape, m.number(1, "eps"), affine, p))
        }
        "GroupNorm" => {
            let (groups, channels) = (size(0, "num_groups"), size(1, "num_channels"));
            let (eps, affine) = (
                m.number(2, "eps").unwrap_or(1e-5),
                m.flag(3, "affine", true),
            );
            boxed!(|p| GroupNorm::with(groups, channels, eps, affine, bias, p))
        }
        "LocalResponseNorm" => {
            let default = ResponseOptions::default();
            let options = ResponseOptions {
                alpha: m.number(1, "alpha").unwrap_or(default.alpha),
                beta: m.number(2, "beta").unwrap_or(default.beta),
                k: m.number(3, "k").unwrap_or(default.k),
            };
            let size = size(0, "size");
            boxed!(|_| -> azura_learner::Result<_> { Ok(LocalResponseNorm::with(size, options)) })
        }
        "Embedding" => {
            m.only(&["num_embeddings", "embedding_dim"])?;
            let (rows, width) = (size(0, "num_embeddings"), size(1, "embedding_dim"));
            boxed!(|p| Embedding::new(rows, width, p))
        }
        _ => return Ok(None),
    }))
}

/// The layer with the state of the case, run on its first input.
fn through(m: &Module<'_>, make: &dyn Fn(&Scope) -> Made) -> Outcome {
    let wrong = |error: azura_learner::Error| Why::Wrong(error.to_string());
    let store = m.store();
    let layer = make(&store.root(Rng::new(0))).map_err(wrong)?;
    m.load(&store)?;
    let mut ctx = if m.train() {
        Ctx::train(Rng::new(0))
    } else {
        Ctx::eval()
    };
    let y = layer.forward(&m.input(0)?, &mut ctx).map_err(wrong)?;
    ctx.update_statistics().map_err(wrong)?;
    Ok(vec![y])
}

fn options(m: &Module<'_>, by_default: bool) -> BatchNormOptions {
    // A momentum of null is not the same as none given.
    let momentum = m.call["ctor_kwargs"]
        .get("momentum")
        .or_else(|| m.call["ctor_args"].get(2));
    BatchNormOptions {
        eps: m.number(1, "eps").unwrap_or(1e-5),
        momentum: momentum.map_or(Some(0.1), Value::as_f64),
        affine: m.flag(3, "affine", by_default),
        bias: m.flag(usize::MAX, "bias", true),
        track_running_stats: m.flag(4, "track_running_stats", by_default),
    }
}

/// The first constructor argument where it is a list of sizes.
fn sizes(m: &Module<'_>) -> Vec<usize> {
    let given = m.option(0, "normalized_shape").and_then(Value::as_array);
    let sizes = given.into_iter().flatten();
    sizes
        .filter_map(|size| size.as_u64().map(|size| size as usize))
        .collect()
}
