//! Attention.

use crate::common::Domain::Any;
use crate::{Row, one, row};
use azura_core::{AttentionOptions, DType, Result, Rng, RotaryPairs, Tensor};

/// Query, key, value: leading axes of every kind, broadcast ones, sizes 0 and 1.
const PLAIN: &[&[&[usize]]] = &[
    &[&[2, 3], &[4, 3], &[4, 2]],
    &[&[2, 3, 3], &[2, 4, 3], &[2, 4, 2]],
    &[&[2, 1, 3, 2], &[2, 2, 4, 2], &[1, 2, 4, 3]],
    &[&[3, 2], &[2, 1, 2, 2], &[3, 2, 1]],
    &[&[1, 1], &[1, 1], &[1, 1]],
    &[&[2, 0], &[3, 0], &[3, 2]],
    &[&[2, 3], &[0, 3], &[0, 2]],
    &[&[0, 3], &[2, 3], &[2, 2]],
    &[&[2, 3], &[2, 3], &[2, 0]],
    &[&[0, 2, 3], &[0, 2, 3], &[0, 2, 2]],
];
const GROUPED: &[&[&[usize]]] = &[
    &[&[4, 3, 2], &[2, 4, 2], &[2, 4, 3]],
    &[&[2, 3, 2, 2], &[1, 3, 2], &[1, 3, 2]],
    &[&[1, 1, 1], &[1, 1, 1], &[1, 1, 1]],
    &[&[2, 0, 1], &[1, 2, 1], &[1, 2, 1]],
];
/// With a mask that is added: full, repeated over heads, queries or keys, for one key only.
const MASKED: &[&[&[usize]]] = &[
    &[&[2, 2, 3, 2], &[2, 2, 4, 2], &[2, 2, 4, 1], &[2, 2, 3, 4]],
    &[&[2, 2, 3, 2], &[2, 2, 4, 2], &[2, 2, 4, 1], &[3, 4]],
    &[&[2, 2, 3, 2], &[2, 2, 4, 2], &[2, 2, 4, 1], &[2, 1, 1, 4]],
    &[&[2, 3, 2], &[2, 4, 2], &[2, 4, 1], &[2, 3, 1]],
    &[&[2, 3, 2], &[2, 4, 2], &[2, 4, 1], &[]],
    &[&[1, 1], &[1, 1], &[1, 1], &[1, 1]],
    &[&[2, 3], &[0, 3], &[0, 2], &[2, 0]],
    &[&[0, 3], &[2, 3], &[2, 2], &[1, 2]],
];

/// Queries, keys and values of two heads side by side.
const PACKED: &[&[&[usize]]] = &[
    &[&[2, 3, 12]],
    &[&[1, 4, 6]],
    &[&[1, 1, 6]],
    &[&[0, 2, 6]],
    &[&[2, 0, 6]],
    &[&[2, 3, 0]],
];

fn attend(x: &[Tensor], options: AttentionOptions<'_>) -> Result<Vec<Tensor>> {
    one(x[0].scaled_dot_product_attention(&x[1], &x[2], options))
}

/// Query 0 may look at nothing, the others at some keys; a number for each key if there are no queries.
fn looks(x: &[Tensor]) -> Result<Tensor> {
    let (t, s) = (x[0].dim(-2)?, x[1].dim(-2)?);
    let may = (0..t * s).map(|i| i >= s && i % 3 != 1).collect();
    Tensor::from_vec(may, [t, s])
}

const TURNED: &[&[&[usize]]] = &[
    &[&[3, 4]],
    &[&[2, 1, 5]],
    &[&[2, 2, 3, 6]],
    &[&[1, 1]],
    &[&[0, 4]],
    &[&[2, 0]],
    &[&[0, 2, 3]],
];

/// Turned by some angle for each row and pair, of at most two pairs.
fn turn(x: &Tensor, pairs: RotaryPairs) -> Result<Vec<Tensor>> {
    let (t, n) = (x.dim(-2)?, (x.dim(-1)? / 2).min(2));
    let angles = Tensor::arange(0.0, (t * n) as f64, 1.0, DType::F64)?.reshape([t, n])?;
    // Of so few digits that every float dtype has them.
    let short = |x: Tensor, dtype| x.cast(DType::BF16)?.cast(dtype);
    let (cos, sin) = (angles.clone().cos()?, angles.sin()?);
    one(x.rotary(&short(cos, x.dtype())?, &short(sin, x.dtype())?, pairs))
}

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    use AttentionOptions as O;
    vec![
        row("rotary", Any, TURNED, |x| turn(&x[0], RotaryPairs::Halves)),
        row("rotary interleaved", Any, TURNED, |x| turn(&x[0], RotaryPairs::Interleaved)),
        row("packed_attention", Any, PACKED, |x| one(x[0].packed_attention(2, O::default()))),
        row("packed_attention causal dropout", Any, PACKED, |x| {
            let dropout = Some((0.3, &mut Rng::new(8)));
            one(x[0].packed_attention(2, O { is_causal: true, scale: Some(0.7), dropout, ..O::default() }))
        }),
        row("scaled_dot_product_attention", Any, PLAIN, |x| attend(x, O::default())),
        row("scaled_dot_product_attention causal", Any, PLAIN, |x| attend(x, O { is_causal: true, ..O::default() })),
        row("scaled_dot_product_attention causal from 1", Any, PLAIN, |x| {
            attend(x, O { is_causal: true, causal_offset: 1, scale: Some(-0.7), ..O::default() })
        }),
        row("scaled_dot_product_attention bool mask", Any, PLAIN, |x| attend(x, O { mask: Some(&looks(x)?), ..O::default() })),
        row("scaled_dot_product_attention grouped", Any, GROUPED, |x| attend(x, O { enable_gqa: true, ..O::default() })),
        row("scaled_dot_product_attention grouped dropout", Any, GROUPED, |x| {
            attend(x, O { enable_gqa: true, dropout: Some((0.4, &mut Rng::new(4))), ..O::default() })
        }),
        row("scaled_dot_product_attention dropout", Any, PLAIN, |x| {
            attend(x, O { is_causal: true, dropout: Some((0.3, &mut Rng::new(5))), ..O::default() })
        }),
        row("scaled_dot_product_attention all dropped", Any, PLAIN, |x| {
            attend(x, O { dropout: Some((1.0, &mut Rng::new(5))), ..O::default() })
        }),
        row("scaled_dot_product_attention mask", Any, MASKED, |x| attend(x, O { mask: Some(&x[3]), ..O::default() })),
        row("scaled_dot_product_attention mask and all else", Any, MASKED, |x| {
            let dropout = Some((0.3, &mut Rng::new(6)));
            attend(x, O { mask: Some(&x[3]), is_causal: true, causal_offset: 1, scale: Some(1.3), dropout, ..O::default() })
        }),
    ]
}
