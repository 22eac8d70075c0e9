//! Attention.

use crate::*;
use azura_core::AttentionOptions;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    use AttentionOptions as O;
    let attend = |q: &Tensor, k: &Tensor, v: &Tensor, options: O<'_>| text(q.scaled_dot_product_attention(k, v, options));
    let (q, k, v) = (zeros(&[4, 2, 3]), zeros(&[4, 5, 3]), zeros(&[4, 5, 6]));
    let long = ints(&[1; 15]).reshape([5, 3]).unwrap();
    let mut rng = Rng::new(0);
    vec![
        (attend(&q, &zeros(&[4, 5, 2]), &v, O::default()),
            "[scaled_dot_product_attention] needs query [..., H, T, D], key [..., H, S, D] and value [..., H, S, E], but got [4, 2, 3], [4, 5, 2] and [4, 5, 6]"),
        (attend(&q, &k, &zeros(&[4, 4, 6]), O::default()),
            "[scaled_dot_product_attention] needs query [..., H, T, D], key [..., H, S, D] and value [..., H, S, E], but got [4, 2, 3], [4, 5, 3] and [4, 4, 6]"),
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
            "[scaled_dot_product_attention] takes f32 or f64, but got i64; cast it first with `cast`"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, c, number, keep, sizes, .. } = x;
    vec![
        ("scaled_dot_product_attention", Box::new(move || {
            let dropout = Some((*number, &mut Rng::new(1)));
            let options = AttentionOptions { is_causal: *keep, causal_offset: sizes[0], enable_gqa: sizes[1] % 2 == 0, dropout, ..Default::default() };
            a.scaled_dot_product_attention(b, c, options)
        })),
        ("scaled_dot_product_attention mask", Box::new(move || {
            let options = AttentionOptions { mask: Some(c), is_causal: *keep, enable_gqa: sizes[1] % 2 == 0, ..Default::default() };
            a.scaled_dot_product_attention(a, b, options)
        })),
    ]
}
