//! Attention and Transformers: masks, names, and that every parameter learns. Values come from the conformance cases.

use azura_core::optim::{Adam, Optimizer};
use azura_core::{DType, Rng, RotaryPairs, Store, Tensor, no_grad};
use azura_learner::layers::{
    AttentionInputs, Ctx, DecoderMasks, EncoderMasks, Module, MultiHeadAttention,
    PositionalEncoding, RotaryEmbedding, Transformer, TransformerDecoder, TransformerEncoder,
    TransformerMasks, TransformerOptions, sinusoidal_positions,
};

use crate::gpt::Gpt;
use crate::layers::{moves, random};

fn names(store: &Store) -> Vec<String> {
    store.params().iter().map(|p| p.name()).collect()
}

fn values(x: &Tensor) -> Vec<f32> {
    x.to_vec().unwrap()
}

fn close(a: &Tensor, b: &Tensor) {
    let far = |(a, b): (f32, f32)| (a - b).abs() > 1e-5;
    assert!(
        !values(a).into_iter().zip(values(b)).any(far),
        "{a:?}\n{b:?}"
    );
}

#[test]
fn multi_head_attention_of_every_kind_learns() {
    for (own, bias, other_width, need_weights) in [
        (false, true, false, false),
        (true, true, false, true),
        (true, false, true, false),
        (false, true, true, true),
    ] {
        let store = Store::new(DType::F32);
        let width = if other_width { 5 } else { 8 };
        let attention = MultiHeadAttention::new(8, 2, &store.root(Rng::new(0)))
            .add_bias_kv(own)
            .add_zero_attn(own)
            .bias(bias)
            .kdim(width)
            .vdim(width)
            .dropout(0.2)
            .build()
            .unwrap();
        let mut expected = if other_width {
            vec!["q_proj_weight", "k_proj_weight", "v_proj_weight"]
        } else {
            vec!["in_proj_weight"]
        };
        expected.extend(bias.then_some("in_proj_bias"));
        expected.extend(own.then_some(["bias_k", "bias_v"]).into_iter().flatten());
        expected.push("out_proj.weight");
        expected.extend(bias.then_some("out_proj.bias"));
        assert_eq!(names(&store), expected);
        moves(&store, |ctx| {
            let (q, kv) = (random(&[3, 4, 8], 1), random(&[3, 6, width], 2));
            let inputs = AttentionInputs {
                is_causal: true,
                need_weights,
                ..Default::default()
            };
            let (y, weights) = attention.forward(&q, &kv, &kv, inputs, ctx).unwrap();
            assert_eq!(y.shape(), [3, 4, 8]);
            let keys = 6 + 2 * usize::from(own);
            assert_eq!(
                weights.map(|w| w.shape().to_vec()),
                need_weights.then_some(vec![3, 4, keys])
            );
            y
        });
    }
}

#[test]
fn both_ways_through_attention_agree_under_every_mask() {
    let store = Store::new(DType::F32);
    let attention = MultiHeadAttention::new(8, 2, &store.root(Rng::new(0)))
        .build()
        .unwrap();
    let x = random(&[2, 5, 8], 1);
    let bools = |n: usize, f: fn(usize) -> bool| (0..n).map(f).collect::<Vec<bool>>();
    let padding = Tensor::from_vec(bools(10, |i| i == 4 || i == 8), [2, 5]).unwrap();
    let pairs = Tensor::from_vec(bools(25, |i| i % 5 == 1), [5, 5]).unwrap();
    let heads = Tensor::from_vec(bools(100, |i| i % 7 == 3), [4, 5, 5]).unwrap();
    let added = random(&[5, 5], 2);
    for (attn_mask, key_padding_mask, is_causal) in [
        (None, None, false),
        (None, None, true),
        (None, Some(&padding), true),
        (Some(&pairs), None, false),
        (Some(&heads), Some(&padding), true),
        (Some(&added), Some(&padding), false),
    ] {
        let run = |need_weights, weights_of_heads| {
            let inputs = AttentionInputs {
                attn_mask,
                key_padding_mask,
                is_causal,
                need_weights,
                weights_of_heads,
                ..Default::default()
            };
            attention
                .forward(&x, &x, &x, inputs, &mut Ctx::eval())
                .unwrap()
        };
        let ((tiled, none), (whole, weights)) = (run(false, false), run(true, true));
        assert!(none.is_none());
        close(&tiled, &whole);
        let weights = weights.unwrap();
        assert_eq!(weights.shape(), [2, 2, 5, 5]);
        for (i, row) in values(&weights).chunks_exact(5).enumerate() {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let (batch, query) = (i / 10, i % 5);
            let later = is_causal && row[query + 1..].iter().any(|&w| w != 0.0);
            let padded = key_padding_mask.is_some() && row[[4, 3][batch]] != 0.0;
            assert!(!later && !padded, "batch {batch}, query {query}: {row:?}");
        }
        close(
            &run(true, false).1.unwrap(),
            &weights.mean(&[1], false).unwrap(),
        );
    }
}

#[test]
fn a_sequence_without_batch_is_a_batch_of_one() {
    let store = Store::new(DType::F32);
    let attention = MultiHeadAttention::new(8, 2, &store.root(Rng::new(0)))
        .build()
        .unwrap();
    let (q, k) = (random(&[3, 8], 1), random(&[4, 8], 2));
    let padding = Tensor::from_slice(&[false, true, false, false], [4]).unwrap();
    let inputs = |padding| AttentionInputs {
        key_padding_mask: Some(padding),
        need_weights: true,
        ..Default::default()
    };
    let mut ctx = Ctx::eval();
    let (y, weights) = attention
        .forward(&q, &k, &k, inputs(&padding), &mut ctx)
        .unwrap();
    let batch = |x: &Tensor| x.unsqueeze(0).unwrap();
    let padding = batch(&padding);
    let (one, ones) = attention
        .forward(
            &batch(&q),
            &batch(&k),
            &batch(&k),
            inputs(&padding),
            &mut ctx,
        )
        .unwrap();
    assert_eq!(
        (y.shape(), weights.as_ref().unwrap().shape()),
        ([3, 8].as_slice(), [3, 4].as_slice())
    );
    assert_eq!(values(&one), values(&y));
    assert_eq!(values(&ones.unwrap()), values(&weights.unwrap()));
}

#[test]
fn wrong_masks_and_widths_are_refused() {
    let store = Store::new(DType::F32);
    let p = store.root(Rng::new(0));
    let attention = MultiHeadAttention::new(8, 2, &p).build().unwrap();
    let x = random(&[2, 5, 8], 1);
    let message = |q: &Tensor, inputs| {
        attention
            .forward(q, &x, &x, inputs, &mut Ctx::eval())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        message(&random(&[2, 5, 7], 1), AttentionInputs::default()),
        "[multi_head_attention] needs query [B, T, 8], key [B, S, _] and value [B, S, _], but got [2, 5, 7], [2, 5, 8] and [2, 5, 8]"
    );
    let mask = Some(&x);
    assert_eq!(
        message(
            &x,
            AttentionInputs {
                attn_mask: mask,
                ..Default::default()
            }
        ),
        "[multi_head_attention] attn_mask must be [5, 5] or [4, 5, 5], but got [2, 5, 8]"
    );
    assert_eq!(
        message(
            &x,
            AttentionInputs {
                key_padding_mask: mask,
                ..Default::default()
            }
        ),
        "[multi_head_attention] key_padding_mask must be [2, 5], but got [2, 5, 8]"
    );
    let heads = MultiHeadAttention::new(8, 3, &p.at("other"))
        .build()
        .unwrap_err()
        .to_string();
    assert!(
        heads.contains("`num_heads`: must divide the width 8, but is 3"),
        "{heads}"
    );
}

#[test]
fn transformers_learn_under_pytorchs_names() {
    for norm_first in [false, true] {
        let options = TransformerOptions {
            dim_feedforward: 16,
            norm_first,
            ..Default::default()
        };
        let store = Store::new(DType::F32);
        let model = Transformer::new(8, 2, [2, 1], &options, &store.root(Rng::new(0))).unwrap();
        let names = names(&store);
        assert_eq!(
            names[..4],
            [
                "in_proj_weight",
                "in_proj_bias",
                "out_proj.weight",
                "out_proj.bias"
            ]
            .map(|name| format!("encoder.layers.0.self_attn.{name}"))
        );
        for name in [
            "encoder.layers.1.norm2.bias",
            "encoder.norm.weight",
            "decoder.layers.0.multihead_attn.in_proj_weight",
            "decoder.layers.0.norm3.weight",
            "decoder.layers.0.linear2.bias",
            "decoder.norm.bias",
        ] {
            assert!(names.iter().any(|n| n == name), "{name}");
        }
        assert_eq!(names.len(), 2 * 12 + 18 + 4);
        let mut masks = TransformerMasks::default();
        masks.decoder.target.is_causal = true;
        moves(&store, |ctx| {
            model
                .forward(&random(&[2, 5, 8], 1), &random(&[2, 3, 8], 2), masks, ctx)
                .unwrap()
        });
        let [encoder, decoder] = [Store::new(DType::F32), Store::new(DType::F32)];
        let layers =
            TransformerEncoder::new(1, false, 8, 2, &options, &encoder.root(Rng::new(0))).unwrap();
        moves(&encoder, |ctx| {
            layers.forward(&random(&[2, 5, 8], 1), ctx).unwrap()
        });
        let layers =
            TransformerDecoder::new(1, false, 8, 2, &options, &decoder.root(Rng::new(0))).unwrap();
        moves(&decoder, |ctx| {
            let (x, memory) = (random(&[2, 5, 8], 1), random(&[2, 4, 8], 2));
            layers
                .forward(&x, &memory, DecoderMasks::default(), ctx)
                .unwrap()
        });
    }
}

#[test]
fn a_causal_encoder_does_not_look_ahead() {
    let store = Store::new(DType::F32);
    let options = TransformerOptions {
        dim_feedforward: 16,
        ..Default::default()
    };
    let encoder =
        TransformerEncoder::new(2, true, 8, 2, &options, &store.root(Rng::new(0))).unwrap();
    let x = random(&[1, 6, 8], 1);
    let causal = EncoderMasks {
        is_causal: true,
        ..Default::default()
    };
    let run = |x: &Tensor| encoder.forward_masked(x, causal, &mut Ctx::eval()).unwrap();
    assert_eq!(
        values(&run(&x).narrow(1, 0, 4).unwrap()),
        values(&run(&x.narrow(1, 0, 4).unwrap()))
    );
}

#[test]
fn positions_are_those_of_the_papers() {
    let table = sinusoidal_positions(60, 6, DType::F64)
        .unwrap()
        .to_vec::<f64>()
        .unwrap();
    let angle = 57.0 / 10_000f64.powf(4.0 / 6.0);
    assert_eq!(table[57 * 6 + 4..57 * 6 + 6], [angle.sin(), angle.cos()]);
    let positions = PositionalEncoding::new(6, 60, 0.0, DType::F32).unwrap();
    let x = random(&[2, 50, 6], 1);
    let all = positions.forward(&x, &mut Ctx::eval()).unwrap();
    let part = positions
        .forward_from(&x.narrow(1, 20, 5).unwrap(), 20, &mut Ctx::eval())
        .unwrap();
    assert_eq!(values(&part), values(&all.narrow(1, 20, 5).unwrap()));
    assert!(
        positions
            .forward(&random(&[61, 6], 1), &mut Ctx::eval())
            .is_err()
    );
}

#[test]
fn turned_queries_and_keys_meet_by_their_distance() {
    for pairs in [RotaryPairs::Halves, RotaryPairs::Interleaved] {
        let rotary = RotaryEmbedding::new(8, 100, 10_000.0, pairs, DType::F64).unwrap();
        let [q, k] = [1, 2].map(|seed| random(&[1, 10], seed).cast(DType::F64).unwrap());
        let product = |at: usize, other: usize| {
            let (q, k) = (
                rotary.apply(&q, at).unwrap(),
                rotary.apply(&k, other).unwrap(),
            );
            q.mul(k).unwrap().sum_all().unwrap().item::<f64>().unwrap()
        };
        assert!((product(3, 1) - product(90, 88)).abs() < 1e-12);
        assert!((product(3, 1) - product(3, 2)).abs() > 1e-3);
    }
}

#[test]
fn a_gpt_learns_to_count_and_goes_on_from_a_cache() {
    let store = Store::new(DType::F32);
    let gpt = Gpt::new(8, 16, 16, 2, 2, &store.root(Rng::new(1))).unwrap();
    for name in [
        "wte.weight",
        "wpe.weight",
        "h.0.ln_1.weight",
        "h.1.attn.in_proj_weight",
        "h.1.mlp.c_proj.bias",
        "ln_f.bias",
    ] {
        assert!(names(&store).iter().any(|n| n == name), "{name}");
    }
    // Sequences that count modulo 8.
    let count = |start: usize, n: usize| -> Vec<i64> {
        (start..start + n).map(|i| (i % 8) as i64).collect()
    };
    let tokens = |rows: Vec<Vec<i64>>| {
        let shape = [rows.len(), rows[0].len()];
        Tensor::from_vec(rows.concat(), shape).unwrap()
    };
    let (x, y) = (
        tokens((0..8).map(|s| count(s, 12)).collect()),
        (0..8).flat_map(|s| count(s + 1, 12)).collect(),
    );
    let y = Tensor::from_vec(y, [96]).unwrap();
    let mut optimizer = Adam::new(&store).unwrap();
    let mut losses = Vec::new();
    for _ in 0..60 {
        let logits = gpt.forward(&x, None, &mut Ctx::eval()).unwrap();
        let loss = logits
            .reshape([96, 8])
            .unwrap()
            .cross_entropy(&y, azura_core::Reduction::Mean)
            .unwrap();
        losses.push(loss.item::<f32>().unwrap());
        store.zero_grad();
        loss.backward().unwrap();
        assert_eq!(store.untouched(), [""; 0]);
        optimizer.step(0.01).unwrap();
    }
    assert!(losses[0] > 1.5 && losses[59] < 0.1, "{losses:?}");
    no_grad(|| {
        let mut caches = gpt.caches(1, 16).unwrap();
        let mut sequence = count(5, 3);
        let mut next = sequence.clone();
        for _ in 0..10 {
            let from = sequence.len() - next.len();
            let logits = gpt
                .forward(&tokens(vec![next]), Some(&mut caches), &mut Ctx::eval())
                .unwrap();
            let full = gpt
                .forward(&tokens(vec![sequence.clone()]), None, &mut Ctx::eval())
                .unwrap();
            let part = full.narrow(1, from, sequence.len() - from).unwrap();
            assert_eq!(values(&logits), values(&part), "bit for bit");
            let last = values(&logits);
            let last = &last[last.len() - 8..];
            let best = (0..8).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap();
            sequence.push(best as i64);
            next = vec![best as i64];
        }
        assert_eq!(sequence, count(5, 13));
    });
}
