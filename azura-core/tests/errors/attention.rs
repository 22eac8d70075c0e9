//! Attention.

use crate::*;
use azura_core::{AttentionOptions, KvCache, RotaryPairs};

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    use AttentionOptions as O;
    let attend = |q: &Tensor, k: &Tensor, v: &Tensor, options: O<'_>| text(q.scaled_dot_product_attention(k, v, options));
    let pack = |x: &Tensor, heads, options: O<'_>| text(x.packed_attention(heads, options));
    let (q, k, v) = (zeros(&[4, 2, 3]), zeros(&[4, 5, 3]), zeros(&[4, 5, 6]));
    let long = ints(&[1; 15]).reshape([5, 3]).unwrap();
    let mut rng = Rng::new(0);
    let turn = |cos: &Tensor, sin: &Tensor| text(q.rotary(cos, sin, RotaryPairs::Halves));
    let cache = |keys: &Tensor, values: &Tensor| text(KvCache::new(&[4], 6, 3, 6, DType::F32).unwrap().append(keys, values));
    vec![
        (turn(&zeros(&[3, 1]), &zeros(&[3, 1])), "[rotary] needs [..., T, D], and cos and sin [T, R/2] with R at most D, but got [4, 2, 3], [3, 1] and [3, 1]"),
        (turn(&zeros(&[2, 2]), &zeros(&[2, 2])), "[rotary] needs [..., T, D], and cos and sin [T, R/2] with R at most D, but got [4, 2, 3], [2, 2] and [2, 2]"),
        (turn(&zeros(&[2, 1]), &zeros(&[2])), "[rotary] needs [..., T, D], and cos and sin [T, R/2] with R at most D, but got [4, 2, 3], [2, 1] and [2]"),
        (turn(&zeros(&[2, 1]).variable(), &zeros(&[2, 1])), "[rotary] has no gradient: angles are constants; detach `cos` and `sin`"),
        (turn(&ints(&[0]), &ints(&[0])), "[rotary] both operands must have the same dtype, but got f32 and i64; cast one with `cast`"),
        (cache(&zeros(&[3, 5, 3]), &v), "[kv_cache] positions must have the sizes [4, 6, 3] but for axis 1, but got [3, 5, 3]"),
        (cache(&k, &zeros(&[4, 4, 6])), "[kv_cache] there must be as many values as keys, but got [4, 5, 3] and [4, 4, 6]"),
        (cache(&zeros(&[4, 7, 3]), &zeros(&[4, 7, 6])), "[kv_cache] the cache has room for 6 positions, but got 0 and 7 more"),
        (cache(&k.clone().variable(), &v), "[kv_cache] has no gradient: a cache is for generation; run the model inside `no_grad`"),
        (cache(&long, &v), "[kv_cache] the tensor must be f32, but got i64; cast it with `cast`"),
        (attend(&q, &zeros(&[4, 5, 2]), &v, O::default()),
            "[scaled_dot_product_attention] needs query [..., H, T, D], key [..., H, S, D] and value [..., H, S, E], but got [4, 2, 3], [4, 5, 2] and [4, 5, 6]"),
        (attend(&q, &k, &zeros(&[4, 4, 6]), O::default()),
            "[scaled_dot_product_attention] needs query [..., H, T, D], key [..., H, S, D] and value [..., H, S, E], but got [4, 2, 3], [4, 5, 3] and [4, 4, 6]"),
        (pack(&q, 2, O::default()), "[packed_attention] needs [B, T, 3·E] where the 2 heads, not 0, divide E, but got [4, 2, 3]"),
        (pack(&zeros(&[3]), 0, O::default()), "[packed_attention] needs [B, T, 3·E] where the 0 heads, not 0, divide E, but got [3]"),
        (pack(&q, 1, O { enable_gqa: true, ..O::default() }),
            "[packed_attention] heads of keys and values must be as many as those of queries, but got enable_gqa"),
        (pack(&q, 1, O { mask: Some(&zeros(&[2, 2]).variable()), ..O::default() }),
            "[packed_attention] has no gradient: a mask that learns goes through `scaled_dot_product_attention`"),
        (attend(&zeros(&[3]), &k, &v, O::default()),
            "[scaled_dot_product_attention] needs query [..., H, T, D], key [..., H, S, D] and value [..., H, S, E], but got [3], [4, 5, 3] and [4, 5, 6]"),
        (attend(&q, &zeros(&[2, 5, 3]), &v, O::default()),
            "[scaled_dot_product_attention] sizes aligned at the last axis must be equal or 1, but got [4] and [2]"),
        (attend(&q, &zeros(&[3, 5, 3]), &zeros(&[3, 5, 3]), O { enable_gqa: true, ..O::default() }),
            "[scaled_dot_product_attention] with enable_gqa the heads of key and value must be equal and divide those of the query, but got [4, 2, 3], [3, 5, 3] and [3, 5, 3]"),
        (attend(&zeros(&[2, 3]), &zeros(&[5, 3]), &zeros(&[5, 3]), O { enable_gqa: true, ..O::default() }),
            "[scaled_dot_product_attention] enable_gqa needs an axis of heads, which are not 0, but got [2, 3], [5, 3] and [5, 3]"),
        (attend(&q, &k, &v, O { mask: Some(&zeros(&[2, 4])), ..O::default() }),
            "[scaled_dot_product_attention] the mask must be broadcast to [4, 2, 5], one score for each query and key, but got [2, 4]"),
        (attend(&q, &k, &v, O { mask: Some(&ints(&[1; 5])), ..O::default() }),
            "[scaled_dot_product_attention] the mask must be bool or f32, as the query, but got i64; cast it with `cast`"),
        (attend(&q, &k, &v, O { dropout: Some((1.5, &mut rng)), ..O::default() }),
            "[scaled_dot_product_attention] dropout must lie in [0, 1], but got 1.5"),
        (attend(&q, &long, &v, O::default()),
            "[scaled_dot_product_attention] both operands must have the same dtype, but got f32 and i64; cast one with `cast`"),
        (attend(&long, &long, &long, O::default()),
            "[scaled_dot_product_attention] takes floats, but got i64; cast it first with `cast`"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, c, number, keep, sizes, .. } = x;
    vec![
        ("rotary", Box::new(move || {
            let angles = b.detach();
            a.rotary(&angles, &angles, if *keep { RotaryPairs::Halves } else { RotaryPairs::Interleaved })
        })),
        ("scaled_dot_product_attention", Box::new(move || {
            let dropout = Some((*number, &mut Rng::new(1)));
            let options = AttentionOptions { is_causal: *keep, causal_offset: sizes[0], enable_gqa: sizes[1] % 2 == 0, dropout, ..Default::default() };
            a.scaled_dot_product_attention(b, c, options)
        })),
        ("packed_attention", Box::new(move || {
            // A mask that learns is refused.
            let mask = keep.then(|| b.detach());
            let mask = mask.as_ref();
            let dropout = Some((*number, &mut Rng::new(1)));
            a.packed_attention(sizes[0], AttentionOptions { mask, is_causal: *keep, dropout, ..Default::default() })
        })),
        ("scaled_dot_product_attention mask", Box::new(move || {
            let options = AttentionOptions { mask: Some(c), is_causal: *keep, enable_gqa: sizes[1] % 2 == 0, ..Default::default() };
            a.scaled_dot_product_attention(a, b, options)
        })),
    ]
}
