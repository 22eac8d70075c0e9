//! Losses and embedding.

use crate::*;
use azura_core::{
    BceOptions, CrossEntropyOptions, CtcOptions, EmbeddingOptions, GaussianNllOptions,
    MultiMarginOptions, PoissonNllOptions, TripletOptions,
};

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    let b = zeros(&[4]);
    let double = Tensor::zeros([2, 3], DType::F64).unwrap();
    let labels = ints(&[0, 1]);
    let long = zeros(&[1, 4, 3]);
    let half = Tensor::from_slice(&[0.5f32], [1]).unwrap();
    let two = Tensor::from_slice(&[2.0f32, 2.0], [2]).unwrap();
    vec![
        (text(a.mse_loss(&b, Reduction::Mean)), "[mse_loss] predictions and targets must have the same shape, but got [2, 3] and [4]"),
        (text(a.l1_loss(&double, Reduction::Mean)), "[l1_loss] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.huber_loss(&a, 0.0, Reduction::Mean)), "[huber_loss] delta must be positive, but got 0"),
        (text(a.smooth_l1_loss(&a, -1.0, Reduction::Mean)), "[smooth_l1_loss] beta must not be negative, but got -1"),
        (text(a.quantile_loss(&a, 1.0, Reduction::Mean)), "[quantile_loss] q must lie between 0 and 1, but got 1"),
        (text(half.binary_cross_entropy(&two, Reduction::Mean)), "[binary_cross_entropy] predictions and targets must have the same shape, but got [1] and [2]"),
        (text(two.binary_cross_entropy(&two, Reduction::Mean)), "[binary_cross_entropy] predictions must lie in [0, 1], but got 2; for scores use `binary_cross_entropy_with_logits`"),
        (text(half.binary_cross_entropy(&half, BceOptions { pos_weight: Some(&half), ..Default::default() })), "[binary_cross_entropy] a weight of positive targets needs logits, but got `pos_weight`; use `binary_cross_entropy_with_logits`"),
        (text(a.binary_cross_entropy_with_logits(&a, BceOptions { weight: Some(&b), ..Default::default() })), "[binary_cross_entropy_with_logits] the weight must be broadcast to the shape [2, 3], but got [4]"),
        (text(a.binary_cross_entropy_with_logits(&a, BceOptions { pos_weight: Some(&double), ..Default::default() })), "[binary_cross_entropy_with_logits] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.kl_div(&b, true, Reduction::Mean)), "[kl_div] predictions and targets must have the same shape, but got [2, 3] and [4]"),
        (text(a.gaussian_nll_loss(&b, &a, GaussianNllOptions::default())), "[gaussian_nll_loss] targets must be broadcast to the predictions, but got [2, 3] and [4]"),
        (text(a.gaussian_nll_loss(&a, &b, GaussianNllOptions::default())), "[gaussian_nll_loss] the variance must have the shape of the predictions, 1 for one of its sizes, or lack the last axis, but got [4] for [2, 3]"),
        (text(two.gaussian_nll_loss(&two, &two.clone().neg().unwrap(), GaussianNllOptions::default())), "[gaussian_nll_loss] variances must not be negative, but got -2"),
        (text(a.gaussian_nll_loss(&a, &a, GaussianNllOptions { eps: 0.0, ..Default::default() })), "[gaussian_nll_loss] eps must be positive, but got 0"),
        (text(a.poisson_nll_loss(&b, PoissonNllOptions::default())), "[poisson_nll_loss] predictions and targets must have the same shape, but got [2, 3] and [4]"),
        (text(a.hinge_embedding_loss(&b, 1.0, Reduction::Mean)), "[hinge_embedding_loss] predictions and targets must have the same shape, but got [2, 3] and [4]"),
        (text(a.margin_ranking_loss(&a, &b, 1.0, Reduction::Mean)), "[margin_ranking_loss] predictions and targets must have the same shape, but got [2, 3] and [4]"),
        (text(a.soft_margin_loss(&b, Reduction::Mean)), "[soft_margin_loss] predictions and targets must have the same shape, but got [2, 3] and [4]"),
        (text(zeros(&[]).multilabel_soft_margin_loss(&zeros(&[]), Reduction::Mean)), "[multilabel_soft_margin_loss] there must be an axis of classes, but got none"),
        (text(a.cosine_embedding_loss(&a, &b, 0.0, Reduction::Mean)), "[cosine_embedding_loss] needs rows [N, D] and targets [N], or one row [D] and a number, but got [2, 3] and [4]"),
        (text(a.triplet_margin_loss(&a, &a, TripletOptions { margin: 0.0, ..Default::default() })), "[triplet_margin_loss] the margin must be positive, but got 0"),
        (text(a.multi_margin_loss(&labels, MultiMarginOptions { p: 3, ..Default::default() })), "[multi_margin_loss] p must be 1 or 2, but got 3"),
        (text(a.multi_margin_loss(&ints(&[0, 7]), MultiMarginOptions::default())), "[multi_margin_loss] every index must lie in 0..3, but got 7 at position 1"),
        (text(a.multilabel_margin_loss(&labels, Reduction::Mean)), "[multilabel_margin_loss] needs scores [N, C] or [C] and labels of the same shape, but got [2, 3] and [2]"),
        (text(a.cross_entropy(&ints(&[0]), Reduction::Mean)), "[cross_entropy] needs scores [N, C, d…] with labels [N, d…], or with probabilities of the same shape, but got [2, 3] and [1]"),
        (text(a.cross_entropy(&ints(&[0, 3]), Reduction::Mean)), "[cross_entropy] every label must lie in 0..3 or be the ignored -100, but got 3 at position 1"),
        (text(ints(&[1]).reshape([1, 1]).unwrap().cross_entropy(&ints(&[0]), Reduction::Mean)), "[cross_entropy] takes floats, but got i64; cast it first with `cast`"),
        (text(labels.cross_entropy(&labels, Reduction::Mean)), "[cross_entropy] needs scores [N, C, d…] with labels [N, d…], or with probabilities of the same shape, but got [2] and [2]"),
        (text(zeros(&[]).cross_entropy(&labels, Reduction::Mean)), "[cross_entropy] needs scores [C] or [N, C, …], but got a number"),
        (text(a.cross_entropy(&labels, CrossEntropyOptions { label_smoothing: 1.5, ..Default::default() })), "[cross_entropy] label_smoothing must lie in [0, 1], but got 1.5"),
        (text(a.cross_entropy(&labels, CrossEntropyOptions { weight: Some(&b), ..Default::default() })), "[cross_entropy] the weight must have shape [3], but got [4]"),
        (text(a.cross_entropy(&a, CrossEntropyOptions { ignore_index: 1, ..Default::default() })), "[cross_entropy] no class can be ignored among probabilities, but got ignore_index 1"),
        (text(a.cross_entropy(&double, Reduction::Mean)), "[cross_entropy] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.nll_loss(&ints(&[0]), Reduction::Mean)), "[nll_loss] needs log-probabilities [N, C, d…] and labels [N, d…], but got [2, 3] and [1]"),
        (text(a.nll_loss(&b.narrow(0, 0, 2).unwrap(), Reduction::Mean)), "[nll_loss] labels must be u32 or i64, but got f32"),
        (text(a.ctc_loss(&labels, &[], &[], CtcOptions::default())), "[ctc_loss] needs log-probabilities [N, T, C], but got [2, 3]"),
        (text(long.ctc_loss(&labels, &[1], &[2], CtcOptions { blank: 3, ..Default::default() })), "[ctc_loss] the blank must lie in 0..3, but got 3"),
        (text(long.ctc_loss(&labels, &[1], &[], CtcOptions::default())), "[ctc_loss] needs 1 lengths of sequences and of labels, but got 1 and 0"),
        (text(long.ctc_loss(&labels, &[5], &[2], CtcOptions::default())), "[ctc_loss] no sequence may be longer than 4, but got 5"),
        (text(long.ctc_loss(&labels, &[4], &[3], CtcOptions::default())), "[ctc_loss] labels one after the other must be as many as their lengths say, but got 2 for [3]"),
        (text(long.ctc_loss(&ints(&[1, 7]), &[4], &[2], CtcOptions::default())), "[ctc_loss] every index must lie in 0..3, but got 7 at position 1"),
        (text(b.embedding(&labels, EmbeddingOptions::default())), "[embedding] the table must be [V, D], but got [4]"),
        (text(a.embedding(&ints(&[2]), EmbeddingOptions::default())), "[embedding] every index must lie in 0..2, but got 2 at position 0"),
        (text(a.embedding(&labels, EmbeddingOptions { padding_idx: Some(2), ..Default::default() })), "[embedding] padding_idx must lie in 0..2, but got 2"),
        (text(a.embedding(&labels, EmbeddingOptions { max_norm: Some(0.0), ..Default::default() })), "[embedding] max_norm must be positive, but got 0"),
        (text(a.embedding(&b, EmbeddingOptions::default())), "[embedding] indices must be u32 or i64, but got f32"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, c, number, labels, ids, sizes, .. } = x;
    let number = *number;
    vec![
        ("mse_loss", Box::new(move || a.mse_loss(b, Reduction::Mean))),
        ("l1_loss", Box::new(move || a.l1_loss(b, Reduction::None))),
        ("huber_loss", Box::new(move || a.huber_loss(b, number, Reduction::Sum))),
        ("smooth_l1_loss", Box::new(move || a.smooth_l1_loss(b, number, Reduction::Mean))),
        ("quantile_loss", Box::new(move || a.quantile_loss(a, number, Reduction::None))),
        ("binary_cross_entropy", Box::new(move || a.binary_cross_entropy(a, BceOptions { weight: Some(b), ..Default::default() }))),
        ("binary_cross_entropy_with_logits", Box::new(move || a.binary_cross_entropy_with_logits(a, BceOptions { weight: Some(b), pos_weight: Some(c), ..Default::default() }))),
        ("kl_div", Box::new(move || a.kl_div(b, number > 0.0, Reduction::BatchMean))),
        ("kl_div own", Box::new(move || a.kl_div(a, number > 0.0, Reduction::BatchMean))),
        ("gaussian_nll_loss", Box::new(move || a.gaussian_nll_loss(b, c, GaussianNllOptions { eps: number, ..Default::default() }))),
        ("gaussian_nll_loss own", Box::new(move || a.gaussian_nll_loss(a, c, GaussianNllOptions::default()))),
        ("poisson_nll_loss", Box::new(move || a.poisson_nll_loss(b, PoissonNllOptions { full: true, ..Default::default() }))),
        ("hinge_embedding_loss", Box::new(move || a.hinge_embedding_loss(b, number, Reduction::None))),
        ("margin_ranking_loss", Box::new(move || a.margin_ranking_loss(b, c, number, Reduction::None))),
        ("soft_margin_loss", Box::new(move || a.soft_margin_loss(b, Reduction::Sum))),
        ("multilabel_soft_margin_loss", Box::new(move || a.multilabel_soft_margin_loss(a, Reduction::Mean))),
        ("cosine_embedding_loss", Box::new(move || a.cosine_embedding_loss(a, b, number, Reduction::Mean))),
        ("triplet_margin_loss", Box::new(move || a.triplet_margin_loss(a, a, TripletOptions { p: number, ..Default::default() }))),
        ("multi_margin_loss", Box::new(move || a.multi_margin_loss(labels, MultiMarginOptions { weight: Some(b), ..Default::default() }))),
        ("multi_margin_loss plain", Box::new(move || a.multi_margin_loss(ids, MultiMarginOptions::default()))),
        ("multilabel_margin_loss", Box::new(move || a.multilabel_margin_loss(ids, Reduction::None))),
        ("multilabel_margin_loss own", Box::new(move || a.multilabel_margin_loss(&a.cast(DType::I64)?, Reduction::None))),
        ("ctc_loss", Box::new(move || a.ctc_loss(ids, sizes, sizes, CtcOptions { blank: sizes[1], ..Default::default() }))),
        ("ctc_loss padded", Box::new(move || a.ctc_loss(&b.cast(DType::I64)?, &[1, 2], &[2, 0], CtcOptions::default()))),
        ("nll_loss", Box::new(move || a.nll_loss(labels, Reduction::Mean))),
        ("total_weight", Box::new(move || Tensor::scalar(CrossEntropyOptions { weight: Some(b), ..Default::default() }.total_weight(a, labels)?, DType::F64))),
        ("embedding", Box::new(move || a.embedding(ids, EmbeddingOptions { padding_idx: Some(sizes[0]), max_norm: Some(number), norm_type: number, scale_grad_by_freq: true }))),
        ("embedding plain", Box::new(move || a.embedding(labels, EmbeddingOptions::default()))),
        ("cross_entropy own", Box::new(move || a.cross_entropy(a, CrossEntropyOptions { weight: Some(b), label_smoothing: number, ..Default::default() }))),
        ("cross_entropy", Box::new(move || a.cross_entropy(labels, Reduction::Mean))),
        ("cross_entropy b", Box::new(move || a.cross_entropy(b, Reduction::Sum))),
    ]
}
