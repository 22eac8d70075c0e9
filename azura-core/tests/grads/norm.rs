//! Normalisation and embedding.

use crate::common::Domain::{Any, Positive};
use crate::{Row, ids, one, row};
use azura_core::{EmbeddingOptions, NormOptions, ResponseOptions, Result, Tensor};

/// x, then weight and bias of its last sizes.
const LAST: &[&[&[usize]]] = &[
    &[&[3, 5], &[5], &[5]],
    &[&[2, 3, 4], &[4], &[4]],
    &[&[70, 3], &[3], &[3]],
    &[&[4], &[4], &[4]],
    &[&[0, 3], &[3], &[3]],
    &[&[3, 0], &[0], &[0]],
    &[&[2, 1], &[1], &[1]],
];
/// x, then weight and bias of its channels.
const CHANNELS: &[&[&[usize]]] = &[
    &[&[5, 3], &[3], &[3]],
    &[&[3, 2, 4], &[2], &[2]],
    &[&[2, 3, 4, 5], &[3], &[3]],
    &[&[1, 2, 17], &[2], &[2]],
    &[&[0, 2, 3], &[2], &[2]],
    &[&[2, 0, 3], &[0], &[0]],
    &[&[2, 3, 0], &[3], &[3]],
];
/// The same with four channels and more than one value for each.
const GROUPS: &[&[&[usize]]] = &[
    &[&[3, 4], &[4], &[4]],
    &[&[2, 4, 3], &[4], &[4]],
    &[&[1, 4, 2, 3], &[4], &[4]],
    &[&[0, 4, 2], &[4], &[4]],
    &[&[2, 4, 0], &[4], &[4]],
];
const INSTANCES: &[&[&[usize]]] = &[
    &[&[2, 3, 4], &[3], &[3]],
    &[&[1, 2, 3, 2], &[2], &[2]],
    &[&[0, 2, 3], &[2], &[2]],
    &[&[2, 0, 3], &[0], &[0]],
];
const PLAIN: &[&[&[usize]]] = &[&[&[3, 4]], &[&[2, 4, 5]], &[&[2, 4, 17]]];

fn scaled(x: &[Tensor], eps: f64) -> NormOptions<'_> {
    NormOptions {
        weight: Some(&x[1]),
        bias: Some(&x[2]),
        eps,
    }
}

/// By given statistics that differ from channel to channel.
fn given(x: &[Tensor]) -> Result<Tensor> {
    let mean: Vec<f64> = (0..x[1].numel()).map(|c| 0.25 * c as f64 - 0.5).collect();
    let var: Vec<f64> = (0..x[1].numel()).map(|c| 0.5 + c as f64).collect();
    let shape = [mean.len()];
    let (mean, var) = (
        Tensor::from_vec(mean, shape)?.cast(x[0].dtype())?,
        Tensor::from_vec(var, shape)?.cast(x[0].dtype())?,
    );
    x[0].batch_norm_with(&mean, &var, scaled(x, 1e-5))
}

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("layer_norm", Any, LAST, |x| one(x[0].layer_norm(x[1].shape(), scaled(x, 0.1)))),
        row("layer_norm over two axes", Any, &[&[&[3, 2, 4], &[2, 4], &[2, 4]], &[&[2, 3], &[2, 3], &[2, 3]]], |x| one(x[0].layer_norm(x[1].shape(), scaled(x, 1e-2)))),
        row("layer_norm without weight and bias", Any, &[&[&[3, 4]], &[&[2, 2, 40]]], |x| one(x[0].layer_norm(&[x[0].dim(-1)?], NormOptions::default()))),
        row("layer_norm without bias", Any, &[&[&[3, 4], &[4]]], |x| one(x[0].layer_norm(&[4], NormOptions { weight: Some(&x[1]), ..Default::default() }))),
        row("layer_norm without weight", Any, &[&[&[3, 4], &[4]]], |x| one(x[0].layer_norm(&[4], NormOptions { bias: Some(&x[1]), ..Default::default() }))),
        row("rms_norm", Any, &[&[&[3, 5], &[5]], &[&[2, 3, 4], &[4]], &[&[4], &[4]], &[&[0, 3], &[3]], &[&[3, 0], &[0]], &[&[70, 2], &[2]]], |x| one(x[0].rms_norm(x[1].shape(), Some(&x[1]), Some(0.1)))),
        row("rms_norm without weight", Positive, &[&[&[3, 4]], &[&[2, 3, 2]]], |x| one(x[0].rms_norm(&[x[0].dim(-1)?], None, None))),
        row("batch_norm", Any, CHANNELS, |x| one(Ok(x[0].batch_norm(scaled(x, 0.1))?.output))),
        row("batch_norm without weight and bias", Any, PLAIN, |x| one(Ok(x[0].batch_norm(NormOptions { eps: 0.1, ..Default::default() })?.output))),
        row("batch_norm_with", Any, CHANNELS, |x| one(given(x))),
        row("group_norm", Any, GROUPS, |x| one(x[0].group_norm(2, scaled(x, 0.1)))),
        row("group_norm of one group", Any, GROUPS, |x| one(x[0].group_norm(1, scaled(x, 0.1)))),
        row("group_norm without weight and bias", Any, PLAIN, |x| one(x[0].group_norm(2, NormOptions { eps: 0.1, ..Default::default() }))),
        row("instance_norm", Any, INSTANCES, |x| one(Ok(x[0].instance_norm(scaled(x, 0.1))?.output))),
        row("embedding", Any, &[&[&[3, 4]], &[&[1, 2]], &[&[5, 0]]], |x| one(x[0].embedding(&ids(6, x[0].shape()[0]).reshape([2, 3])?, EmbeddingOptions::default()))),
        row("embedding of nothing", Any, &[&[&[3, 4]], &[&[0, 2]]], |x| one(x[0].embedding(&ids(0, 1), EmbeddingOptions::default()))),
        row("local_response_norm", Any, &[&[&[2, 5, 3]], &[&[1, 1, 2]], &[&[0, 2, 2]], &[&[2, 0, 2]], &[&[1, 4, 2, 2]]], |x| one(x[0].local_response_norm(3, ResponseOptions { alpha: 0.7, ..Default::default() }))),
        row("local_response_norm of even size", Any, &[&[&[2, 5, 3]], &[&[1, 2, 2]]], |x| one(x[0].local_response_norm(4, ResponseOptions { alpha: 0.7, beta: 0.5, k: 2.0 }))),
    ]
}
