//! Losses.

use crate::common::Domain::{Any, Distinct, Positive};
use crate::{Row, ids, one, row};
use azura_core::{
    BceOptions, CrossEntropyOptions, CtcOptions, DType, GaussianNllOptions, MultiMarginOptions,
    NllOptions, PoissonNllOptions, Reduction, Result, Tensor, TripletOptions,
};

const PAIRS: &[&[&[usize]]] = &[
    &[&[3, 4], &[3, 4]],
    &[&[5], &[5]],
    &[&[1, 1], &[1, 1]],
    &[&[], &[]],
];
/// The same without numbers and with an empty one.
const ROWS: &[&[&[usize]]] = &[
    &[&[3, 4], &[3, 4]],
    &[&[5], &[5]],
    &[&[2, 0], &[2, 0]],
    &[&[0, 3], &[0, 3]],
];
const SCORES: &[&[&[usize]]] = &[&[&[3, 4]], &[&[1, 1]], &[&[5, 2]], &[&[3, 19]]];
/// With axes after the classes, without samples, and of one sample alone.
const AREAS: &[&[&[usize]]] = &[
    &[&[2, 4, 3]],
    &[&[2, 3, 2, 2]],
    &[&[5]],
    &[&[0, 3]],
    &[&[3, 4]],
    &[&[2, 3, 0]],
];
const TRIPLES: &[&[&[usize]]] = &[
    &[&[3, 4], &[3, 4], &[3, 4]],
    &[&[5], &[5], &[5]],
    &[&[0, 2], &[0, 2], &[0, 2]],
];

/// Labels for scores `[N, C, d…]` or `[C]`.
fn labels(x: &Tensor) -> Tensor {
    let mut shape = x.shape().to_vec();
    let classes = shape.remove(usize::from(shape.len() > 1));
    ids(shape.iter().product(), classes).reshape(shape).unwrap()
}

/// A weight of each class, all different.
fn weight(x: &Tensor) -> Tensor {
    let classes = x.shape()[usize::from(x.rank() > 1)];
    Tensor::from_vec(
        (0..classes).map(|c| 0.5 + c as f64 * 0.25).collect(),
        [classes],
    )
    .unwrap()
    .cast(x.dtype())
    .unwrap()
}

/// 1 and -1 in turn, of the shape of x.
fn signs(x: &Tensor) -> Tensor {
    let values = (0..x.numel())
        .map(|i| if i % 3 == 0 { 1.0f64 } else { -1.0 })
        .collect();
    let signs = Tensor::from_vec(values, x.shape()).unwrap();
    signs.cast(x.dtype()).unwrap()
}

fn entropy(x: &[Tensor], change: fn(&mut CrossEntropyOptions<'_>)) -> Result<Vec<Tensor>> {
    let mut options = CrossEntropyOptions::default();
    change(&mut options);
    one(x[0].cross_entropy(&labels(&x[0]), options))
}

/// Labels with a repetition and of two lengths, the second sequence shorter than the first.
fn ctc(x: &[Tensor], reduction: Reduction) -> Result<Vec<Tensor>> {
    let labels = Tensor::from_slice(&[1i64, 1, 2, 9], [2, 2])?;
    let options = CtcOptions {
        reduction,
        ..Default::default()
    };
    let time = x[0].dim(1)?;
    one(x[0]
        .log_softmax(-1)?
        .ctc_loss(&labels, &[time, time - 1], &[2, 1], options))
}

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("mse_loss", Any, PAIRS, |x| one(x[0].mse_loss(&x[1], Reduction::Mean))),
        row("mse_loss none", Any, PAIRS, |x| one(x[0].mse_loss(&x[1], Reduction::None))),
        row("l1_loss", Any, PAIRS, |x| one(x[0].l1_loss(&x[1], Reduction::Sum))),
        row("huber_loss", Any, PAIRS, |x| one(x[0].huber_loss(&x[1], 0.8, Reduction::Mean))),
        row("huber_loss none", Any, PAIRS, |x| one(x[0].huber_loss(&x[1], 1.3, Reduction::None))),
        row("smooth_l1_loss", Any, PAIRS, |x| one(x[0].smooth_l1_loss(&x[1], 0.8, Reduction::Mean))),
        row("smooth_l1_loss of beta 0", Any, PAIRS, |x| one(x[0].smooth_l1_loss(&x[1], 0.0, Reduction::Sum))),
        row("quantile_loss", Any, PAIRS, |x| one(x[0].quantile_loss(&x[1], 0.9, Reduction::Mean))),
        row("binary_cross_entropy", Any, PAIRS, |x| one(x[0].clone().sigmoid()?.binary_cross_entropy(&x[1].clone().sigmoid()?, Reduction::Mean))),
        row("binary_cross_entropy weighted", Any, &[&[&[3, 4], &[3, 4], &[4]]], |x| one(x[0].clone().sigmoid()?.binary_cross_entropy(&x[1], BceOptions { weight: Some(&x[2]), reduction: Reduction::None, ..Default::default() }))),
        row("binary_cross_entropy_with_logits", Any, PAIRS, |x| one(x[0].binary_cross_entropy_with_logits(&x[1], Reduction::Sum))),
        row("binary_cross_entropy_with_logits weighted", Any, &[&[&[3, 4], &[3, 4], &[3, 1], &[4]], &[&[2], &[2], &[1], &[2]]], |x| one(x[0].binary_cross_entropy_with_logits(&x[1], BceOptions { weight: Some(&x[2]), pos_weight: Some(&x[3]), reduction: Reduction::Mean }))),
        row("kl_div", Positive, PAIRS, |x| one(x[0].kl_div(&x[1], false, Reduction::BatchMean))),
        row("kl_div of logarithms", Any, PAIRS, |x| one(x[0].kl_div(&x[1], true, Reduction::Mean))),
        row("gaussian_nll_loss", Positive, &[&[&[3, 4], &[3, 4], &[3, 4]], &[&[3, 4], &[4], &[3, 1]], &[&[3, 4], &[1], &[3]], &[&[], &[], &[]]], |x| one(x[0].gaussian_nll_loss(&x[1], &x[2], GaussianNllOptions { full: true, ..Default::default() }))),
        row("poisson_nll_loss", Any, PAIRS, |x| one(x[0].poisson_nll_loss(&x[1], PoissonNllOptions::default()))),
        row("poisson_nll_loss of rates", Distinct, PAIRS, |x| one(x[0].clone().exp()?.poisson_nll_loss(&x[1].clone().square()?, PoissonNllOptions { log_input: false, full: true, ..Default::default() }))),
        row("hinge_embedding_loss", Any, &[&[&[3, 4]], &[&[]], &[&[0, 2]]], |x| one(x[0].hinge_embedding_loss(&signs(&x[0]), 0.5, Reduction::Sum))),
        row("margin_ranking_loss", Any, TRIPLES, |x| one(x[0].margin_ranking_loss(&x[1], &x[2], 0.3, Reduction::Sum))),
        row("soft_margin_loss", Any, PAIRS, |x| one(x[0].soft_margin_loss(&x[1], Reduction::Mean))),
        row("multilabel_soft_margin_loss", Any, &[&[&[3, 4], &[3, 4], &[4]], &[&[5], &[5], &[1]]], |x| one(x[0].multilabel_soft_margin_loss(&x[1], BceOptions { weight: Some(&x[2]), ..Default::default() }))),
        row("cosine_embedding_loss", Any, &[&[&[3, 4], &[3, 4]], &[&[5], &[5]], &[&[0, 3], &[0, 3]]], |x| one(x[0].cosine_embedding_loss(&x[1], &signs(&x[0].sum(&[-1], false)?.detach()), -0.4, Reduction::Sum))),
        row("triplet_margin_loss", Any, TRIPLES, |x| one(x[0].triplet_margin_loss(&x[1], &x[2], TripletOptions { reduction: Reduction::Sum, ..Default::default() }))),
        row("triplet_margin_loss swapped", Any, TRIPLES, |x| one(x[0].triplet_margin_loss(&x[1], &x[2], TripletOptions { swap: true, p: 3.0, margin: 5.0, reduction: Reduction::None, ..Default::default() }))),
        row("multi_margin_loss", Any, &[&[&[3, 4]], &[&[5]], &[&[0, 3]]], |x| one(x[0].multi_margin_loss(&labels(&x[0]), MultiMarginOptions { weight: Some(&weight(&x[0])), reduction: Reduction::None, ..Default::default() }))),
        row("multi_margin_loss squared", Any, &[&[&[3, 4]], &[&[1, 1]]], |x| one(x[0].multi_margin_loss(&labels(&x[0]), MultiMarginOptions { p: 2, margin: 0.7, ..Default::default() }))),
        row("multilabel_margin_loss", Any, &[&[&[3, 4]], &[&[4]]], |x| {
            let rows: Vec<i64> = [3, 0, -1, 1].repeat(x[0].numel() / 4);
            one(x[0].multilabel_margin_loss(&Tensor::from_vec(rows, x[0].shape())?, Reduction::Sum))
        }),
        row("cross_entropy", Any, SCORES, |x| one(x[0].cross_entropy(&ids(x[0].shape()[0], x[0].shape()[1]), Reduction::Mean))),
        row("cross_entropy sum", Any, SCORES, |x| one(x[0].cross_entropy(&ids(x[0].shape()[0], x[0].shape()[1]).cast(DType::U32)?, Reduction::Sum))),
        row("cross_entropy none", Any, SCORES, |x| one(x[0].cross_entropy(&ids(x[0].shape()[0], x[0].shape()[1]), Reduction::None))),
        row("cross_entropy of areas", Any, AREAS, |x| entropy(x, |o| o.reduction = Reduction::None)),
        row("cross_entropy smoothed", Any, AREAS, |x| entropy(x, |o| (o.label_smoothing, o.reduction) = (0.2, Reduction::Sum))),
        row("cross_entropy with padding", Any, &[&[&[5, 4]], &[&[2, 4, 3]]], |x| entropy(x, |o| o.ignore_index = 3)),
        row("cross_entropy weighted", Any, &[&[&[5, 4]], &[&[2, 4, 3]]], |x| one(x[0].cross_entropy(&labels(&x[0]), CrossEntropyOptions { weight: Some(&weight(&x[0])), label_smoothing: 0.1, ignore_index: 1, reduction: Reduction::Mean }))),
        row("cross_entropy of probabilities", Any, &[&[&[3, 4], &[3, 4]], &[&[2, 3, 2], &[2, 3, 2]], &[&[4], &[4]], &[&[0, 2], &[0, 2]]], |x| one(x[0].cross_entropy(&x[1], Reduction::Sum))),
        row("cross_entropy of probabilities smoothed", Any, &[&[&[3, 4], &[3, 4]], &[&[2, 3, 2], &[2, 3, 2]]], |x| one(x[0].cross_entropy(&x[1], CrossEntropyOptions { weight: Some(&weight(&x[0])), label_smoothing: 0.3, ..Default::default() }))),
        row("nll_loss", Any, AREAS, |x| one(x[0].nll_loss(&labels(&x[0]), Reduction::None))),
        row("nll_loss weighted", Any, &[&[&[5, 4]], &[&[2, 4, 3]]], |x| one(x[0].nll_loss(&labels(&x[0]), NllOptions { weight: Some(&weight(&x[0])), ignore_index: 2, reduction: Reduction::Mean }))),
        row("ctc_loss", Any, &[&[&[2, 5, 4]], &[&[2, 3, 3]]], |x| ctc(x, Reduction::Mean)),
        row("ctc_loss none", Any, &[&[&[2, 4, 4]]], |x| ctc(x, Reduction::None)),
        row("soft_margin_loss none", Any, ROWS, |x| one(x[0].soft_margin_loss(&x[1], Reduction::None))),
    ]
}

/// A sum of weights is a number for combining means.
pub const WITHOUT_GRADIENT: &[&str] = &["total_weight"];
