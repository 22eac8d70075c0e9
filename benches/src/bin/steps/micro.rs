//! Single operations at the peers' sizes, without a graph.

use azura_benches::{Arguments, random_labels, random_normal, time_steps};
use azura_core::{ConvOptions, DType, EmbeddingOptions, NormOptions, Rng, Store, Tensor, no_grad};
use azura_learner::Result;
use azura_learner::layers::LstmCell;

pub fn run(arguments: &Arguments) -> Result<Vec<String>> {
    let normal = |shape: &[usize]| random_normal(shape, 11);
    let square = normal(&[4096, 1024])?;
    let (narrow, wide) = (normal(&[4096, 384])?, normal(&[4096, 1536])?);
    let (weight, bias) = (normal(&[384])?, normal(&[384])?);
    let [a, b, c] = [
        normal(&[1 << 24])?,
        normal(&[1 << 24])?,
        normal(&[1 << 24])?,
    ];
    let (image, kernel) = (normal(&[64, 32, 26, 26])?, normal(&[64, 32, 3, 3])?);
    let (table, ids) = (normal(&[50257, 384])?, random_labels(8192, 50257, 1)?);
    let store = Store::new(DType::F32);
    let cell = LstmCell::new(256, 256, true, &store.root(Rng::new(0)))?;
    let x = normal(&[32, 256])?;
    let state = (normal(&[32, 256])?, normal(&[32, 256])?);
    let norm = NormOptions {
        weight: Some(&weight),
        bias: Some(&bias),
        ..Default::default()
    };
    let operations: [(&str, &dyn Fn() -> Result<Tensor>); 13] = [
        ("softmax_4096x1024", &|| Ok(square.softmax(-1)?)),
        ("layernorm_4096x384", &|| {
            Ok(narrow.layer_norm(&[384], norm)?)
        }),
        ("gelu_4096x1536", &|| Ok(wide.clone().gelu()?)),
        ("add_16M", &|| Ok(a.clone().add(&b)?)),
        ("chain_16M", &|| {
            Ok(a.clone().mul(&b)?.add(&c)?.mul(&a)?.sub(&b)?)
        }),
        ("sum_16M", &|| Ok(a.sum_all()?)),
        ("sum_dim0_4096x1024", &|| Ok(square.sum(&[0], false)?)),
        ("sum_dim1_4096x1024", &|| Ok(square.sum(&[1], false)?)),
        ("conv2d_64x32x26x26_k3_64", &|| {
            Ok(image.conv2d(&kernel, None, ConvOptions::default())?)
        }),
        ("embed_8192x384", &|| {
            Ok(table.embedding(&ids, EmbeddingOptions::default())?)
        }),
        ("lstmcell_32x256", &|| Ok(cell.forward(&x, Some(&state))?.0)),
        ("transpose_4096x1024", &|| Ok(square.t()?.contiguous())),
        ("exp_16M", &|| Ok(a.clone().exp()?)),
    ];
    no_grad(|| {
        let lines = operations.iter().map(|(name, operation)| {
            let arguments = Arguments {
                workload: (*name).to_string(),
                secs: 0.6,
                ..arguments.clone()
            };
            time_steps(&arguments, 1, 1, || {
                operation()?;
                Ok(0.0)
            })
        });
        lines.collect()
    })
}
