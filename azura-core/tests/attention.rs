//! Attention in tiles against the same formula in whole matrices, at sizes where tiles begin and end.

mod common;

use azura_core::{
    AttentionOptions, DType, KvCache, Result, Rng, RotaryPairs, Tensor, grad, with_threads,
};
use common::{Domain::Any, bits, distance, f64s, random};

/// `softmax(q kᵀ / √D + mask) v` in whole matrices, the mask of floats.
fn whole(q: &Tensor, k: &Tensor, v: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let scale = 1.0 / (q.dim(-1)? as f64).sqrt();
    let scores = q.matmul(&k.transpose(-1, -2)?)?.mul(scale)?;
    scores.add(mask.clone())?.softmax(-1)?.matmul(v)
}

/// The result, and the gradients of `Σ result · weights` by each input.
fn with_gradients(
    inputs: &[&Tensor],
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<Vec<Tensor>> {
    let inputs: Vec<Tensor> = inputs.iter().map(|&x| x.clone().variable()).collect();
    let y = f(&inputs)?;
    let weights = random(&mut Rng::new(77), y.shape(), Any).cast(y.dtype())?;
    let loss = y.clone().mul(weights)?.sum_all()?;
    let mut all = grad(&loss, &inputs.iter().collect::<Vec<_>>())?;
    all.push(y.detach());
    Ok(all)
}

/// 0 where query `i` may look at key `j`, else -∞.
fn causal(t: usize, s: usize, offset: usize) -> Tensor {
    let mask = (0..t * s)
        .map(|at| {
            if at % s <= at / s + offset {
                0.0
            } else {
                f64::NEG_INFINITY
            }
        })
        .collect();
    Tensor::from_vec(mask, [t, s]).unwrap()
}

fn inputs(seed: u64, shapes: [&[usize]; 3]) -> [Tensor; 3] {
    let mut rng = Rng::new(seed);
    shapes.map(|shape| random(&mut rng, shape, Any))
}

fn close(what: &str, got: &[Tensor], want: &[Tensor]) {
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let distance = distance(&f64s(got), &f64s(want));
        // Sums of some hundred terms of size 1.
        assert!(
            distance < 1e-12,
            "{what}: value {i} is off by {distance:.1e}"
        );
    }
}

#[test]
fn tiles_make_the_same_as_whole_matrices() {
    // Around the sizes of tiles, 48 queries and 256 keys, and around vectors.
    for (t, s, d, e) in [
        (1, 300, 5, 3),
        (47, 255, 4, 4),
        (49, 257, 3, 17),
        (100, 530, 8, 8),
        (130, 16, 2, 1),
    ] {
        let [q, k, v] = inputs(1, [&[2, t, d], &[2, s, d], &[2, s, e]]);
        let mask = random(&mut Rng::new(2), &[t, s], Any);
        let got = with_gradients(&[&q, &k, &v, &mask], |x| {
            let options = AttentionOptions {
                mask: Some(&x[3]),
                ..Default::default()
            };
            x[0].scaled_dot_product_attention(&x[1], &x[2], options)
        });
        let want = with_gradients(&[&q, &k, &v, &mask], |x| whole(&x[0], &x[1], &x[2], &x[3]));
        close(&format!("mask at {t} x {s}"), &got.unwrap(), &want.unwrap());
        for offset in [0, 3, 200] {
            let got = with_gradients(&[&q, &k, &v], |x| {
                let options = AttentionOptions {
                    is_causal: true,
                    causal_offset: offset,
                    ..Default::default()
                };
                x[0].scaled_dot_product_attention(&x[1], &x[2], options)
            });
            let mask = causal(t, s, offset);
            let want = with_gradients(&[&q, &k, &v], |x| whole(&x[0], &x[1], &x[2], &mask));
            close(
                &format!("causal at {t} x {s} from {offset}"),
                &got.unwrap(),
                &want.unwrap(),
            );
        }
    }
}

#[test]
fn heads_inside_rows_are_read_and_written_in_place() -> Result<()> {
    // [B, T, H, D] seen as [B, H, T, D], as a layer makes it.
    let [q, k, v] = inputs(3, [&[2, 60, 12], &[2, 60, 12], &[2, 60, 12]]);
    let heads = |x: &Tensor| x.reshape([2, 60, 3, 4])?.transpose(1, 2);
    let got = with_gradients(&[&q, &k, &v], |x| {
        let [q, k, v] = [heads(&x[0])?, heads(&x[1])?, heads(&x[2])?];
        let y = q.scaled_dot_product_attention(&k, &v, AttentionOptions::default())?;
        assert!(!y.is_contiguous() && y.transpose(1, 2)?.is_contiguous());
        y.transpose(1, 2)?.reshape([2, 60, 12])
    })?;
    let none = Tensor::zeros([1], DType::F64)?;
    let want = with_gradients(&[&q, &k, &v], |x| {
        let [q, k, v] = [
            heads(&x[0])?.contiguous(),
            heads(&x[1])?.contiguous(),
            heads(&x[2])?.contiguous(),
        ];
        whole(&q, &k, &v, &none)?
            .transpose(1, 2)?
            .reshape([2, 60, 12])
    })?;
    close("heads", &got, &want);
    Ok(())
}

#[test]
fn the_bits_are_the_same_for_any_number_of_threads() {
    // Few heads and many; in both cases the work is split differently.
    for (batch, heads, kv, t) in [(1, 2, 1, 300), (3, 4, 2, 120)] {
        let [q, k, v] = inputs(
            4,
            [
                &[batch, heads, t, 16],
                &[batch, kv, t, 16],
                &[batch, kv, t, 16],
            ],
        );
        let mask = random(&mut Rng::new(5), &[heads, t, t], Any);
        let [q, k, v, mask] = [q, k, v, mask].map(|x| x.cast(DType::F32).unwrap());
        let run = |threads| {
            with_threads(threads, || {
                let results = with_gradients(&[&q, &k, &v, &mask], |x| {
                    let dropout = Some((0.2, &mut Rng::new(6)));
                    let options = AttentionOptions {
                        mask: Some(&x[3]),
                        is_causal: true,
                        enable_gqa: true,
                        dropout,
                        ..Default::default()
                    };
                    x[0].scaled_dot_product_attention(&x[1], &x[2], options)
                });
                results.unwrap().iter().map(bits).collect::<Vec<_>>()
            })
        };
        let want = run(1);
        for threads in [2, 3, 4, 7] {
            assert!(run(threads) == want, "{threads} threads");
        }
    }
}

#[test]
fn who_may_look_at_nothing_gets_zeros_and_no_gradient() -> Result<()> {
    let [q, k, v] = inputs(7, [&[3, 2], &[4, 2], &[4, 2]]);
    let look = Tensor::from_vec((0..12).map(|i| i / 4 != 1).collect::<Vec<bool>>(), [3, 4])?;
    let minus = Tensor::where_(
        &look,
        &Tensor::scalar(0.0, DType::F64)?,
        &Tensor::scalar(f64::NEG_INFINITY, DType::F64)?,
    )?;
    for mask in [look, minus] {
        let all = with_gradients(&[&q, &k, &v], |x| {
            let options = AttentionOptions {
                mask: Some(&mask),
                ..Default::default()
            };
            x[0].scaled_dot_product_attention(&x[1], &x[2], options)
        })?;
        assert_eq!(f64s(&all[3])[2..4], [0.0, 0.0]);
        assert_eq!(f64s(&all[0])[2..4], [0.0, 0.0]);
        assert!(all.iter().flat_map(f64s).all(f64::is_finite));
    }
    Ok(())
}

#[test]
fn large_scores_keep_their_digits() -> Result<()> {
    // The softmax of scores near 3000 depends on their differences alone.
    let d = Tensor::from_vec((0..300).map(|i| (i % 7) as f32 * 0.1).collect(), [300, 1])?;
    let q = Tensor::full([1, 1], 30_000.0, DType::F32)?;
    let v = Tensor::from_vec((0..300).map(|i| (i % 5) as f32).collect(), [300, 1])?;
    let options = || AttentionOptions {
        scale: Some(1.0),
        ..Default::default()
    };
    let far = q.scaled_dot_product_attention(&(d + 1000.0)?, &v, options())?;
    // Only keys 6, 13, 20 … have any weight: the mean of their values.
    let best: Vec<f32> = (6..300).step_by(7).map(|i| (i % 5) as f32).collect();
    let mean = best.iter().sum::<f32>() / best.len() as f32;
    assert!(
        (far.item::<f32>()? - mean).abs() < 1e-5,
        "{far:?} is not {mean}"
    );
    Ok(())
}

#[test]
fn dropout_drops_its_share_and_keeps_the_mean() -> Result<()> {
    // Every weight is 1/S, every value 1: each output is the share that was kept, scaled.
    let (t, s) = (50, 1001);
    let q = Tensor::zeros([t, 4], DType::F32)?;
    let k = Tensor::zeros([s, 4], DType::F32)?;
    let v = Tensor::ones([s, 1], DType::F32)?;
    let mut rng = Rng::new(8);
    let mut once = || {
        let dropout = Some((0.25, &mut rng));
        let options = AttentionOptions {
            dropout,
            ..Default::default()
        };
        q.scaled_dot_product_attention(&k, &v, options)?
            .to_vec::<f32>()
    };
    let (first, second) = (once()?, once()?);
    assert_ne!(first, second, "each call takes new numbers");
    let mean = first.iter().chain(&second).sum::<f32>() / 100.0;
    // Four standard errors: √(p / (1 - p) / 100100) each.
    assert!(
        (mean - 1.0).abs() < 4.0 * (0.25f32 / 0.75 / 100_100.0).sqrt(),
        "{mean}"
    );
    assert!(
        first.iter().any(|&y| y != first[0]),
        "queries drop different keys"
    );
    Ok(())
}

#[test]
fn generation_with_a_cache_is_the_full_pass_bit_for_bit() -> Result<()> {
    let (t, heads, kv, d) = (270, 4, 2, 16);
    let [q, k, v] = inputs(9, [&[1, t, heads, d], &[1, t, kv, d], &[1, t, kv, d]]);
    let [q, k, v] = [q, k, v].map(|x| x.cast(DType::F32).unwrap().transpose(1, 2).unwrap());
    let angles = random(&mut Rng::new(10), &[t, 4], Any).cast(DType::F32)?;
    let (cos, sin) = (angles.clone().cos()?, angles.sin()?);
    let turn = |x: &Tensor, from: usize, n: usize| {
        x.rotary(
            &cos.narrow(0, from, n)?,
            &sin.narrow(0, from, n)?,
            RotaryPairs::Halves,
        )
    };
    let grouped = |offset| AttentionOptions {
        is_causal: true,
        causal_offset: offset,
        enable_gqa: true,
        ..Default::default()
    };
    let full = turn(&q, 0, t)?.scaled_dot_product_attention(&turn(&k, 0, t)?, &v, grouped(0))?;
    let mut cache = KvCache::new(&[1, kv], t, d, d, DType::F32)?;
    // A prompt at once, then steps of one, with a longer one between.
    let mut from = 0;
    for n in [20, 1, 1, 100]
        .into_iter()
        .chain(std::iter::repeat_n(1, t - 122))
    {
        let part = |x: &Tensor| x.narrow(2, from, n);
        let (keys, values) = cache.append(&turn(&part(&k)?, from, n)?, &part(&v)?)?;
        let y = turn(&part(&q)?, from, n)?.scaled_dot_product_attention(
            &keys,
            &values,
            grouped(from),
        )?;
        assert_eq!(bits(&y), bits(&part(&full)?), "from {from}");
        from += n;
    }
    assert_eq!((cache.len(), cache.capacity()), (t, t));
    Ok(())
}

#[test]
fn a_cache_leaves_earlier_views_alone_and_can_go_back() -> Result<()> {
    let mut cache = KvCache::new(&[2], 4, 1, 1, DType::F64)?;
    let rows = |x: f64| Tensor::from_slice(&[x, -x], [2, 1, 1]);
    cache.append(&rows(1.0)?, &rows(2.0)?)?;
    let (keys, values) = cache.append(&rows(3.0)?, &rows(4.0)?)?;
    cache.truncate(1);
    let (other, _) = cache.append(&rows(5.0)?, &rows(6.0)?)?;
    assert_eq!(f64s(&keys), [1.0, 3.0, -1.0, -3.0]);
    assert_eq!(f64s(&values), [2.0, 4.0, -2.0, -4.0]);
    assert_eq!(f64s(&other), [1.0, 5.0, -1.0, -5.0]);
    Ok(())
}

/// Packed or apart is the same: the same tiles of the same numbers, also where a tile begins in the middle of a vector.
#[test]
fn queries_keys_and_values_side_by_side_give_the_same_bits() -> Result<()> {
    for (batch, time, heads, width) in [(2, 70, 3, 8), (1, 49, 2, 5), (2, 3, 1, 16)] {
        let wide = 3 * heads * width;
        let x = random(&mut Rng::new(9), &[batch, time, wide], Any).cast(DType::F32)?;
        let mask: Vec<bool> = (0..time * time).map(|i| i % 5 != 2).collect();
        let mask = Tensor::from_vec(mask, [time, time])?;
        for (is_causal, mask) in [(true, None), (false, Some(&mask)), (true, Some(&mask))] {
            let options = || AttentionOptions {
                is_causal,
                mask,
                ..Default::default()
            };
            let packed = with_gradients(&[&x], |x| x[0].packed_attention(heads, options()))?;
            let apart = with_gradients(&[&x], |x| {
                let parts = x[0].chunk(3, 2)?;
                let head = |x: &Tensor| x.reshape([batch, time, heads, width])?.transpose(1, 2);
                let (q, k, v) = (head(&parts[0])?, head(&parts[1])?, head(&parts[2])?);
                let y = q.scaled_dot_product_attention(&k, &v, options())?;
                y.transpose(1, 2)?.reshape([batch, time, heads * width])
            })?;
            for (packed, apart) in packed.iter().zip(&apart) {
                assert_eq!(bits(packed), bits(apart), "{batch} {time} {heads} {width}");
            }
        }
    }
    let x = Tensor::ones([1, 2, 8], DType::F32)?;
    assert!(x.packed_attention(2, AttentionOptions::default()).is_err());
    assert!(x.packed_attention(0, AttentionOptions::default()).is_err());
    Ok(())
}
