//! Sixteen-bit floats: stored so, computed with in f32, the result rounded once.

mod common;

use azura_core::{
    AttentionOptions, CrossEntropyOptions, DType, KvCache, NormOptions, Reduction, Result, Rng,
    RotaryPairs, Tensor, bf16, f16, grad, serial,
};
use common::{Domain, random};

const HALVES: [DType; 2] = [DType::F16, DType::BF16];

fn f32s(x: &Tensor) -> Vec<f32> {
    x.cast(DType::F32).unwrap().to_vec().unwrap()
}

#[test]
fn every_bit_pattern_survives_f32_and_back() -> Result<()> {
    let all: Vec<u16> = (0..=u16::MAX).collect();
    let same = |before: u16, after: u16, nan: bool| before == after || nan;
    let x = Tensor::from_vec(
        all.iter().map(|&b| f16::from_bits(b)).collect(),
        [all.len()],
    )?;
    let back: Vec<f16> = x.cast(DType::F32)?.cast(DType::F16)?.to_vec()?;
    for (&before, after) in all.iter().zip(back) {
        assert!(same(
            before,
            after.to_bits(),
            after.is_nan() && f16::from_bits(before).is_nan()
        ));
    }
    let x = Tensor::from_vec(
        all.iter().map(|&b| bf16::from_bits(b)).collect(),
        [all.len()],
    )?;
    let back: Vec<bf16> = x.cast(DType::F32)?.cast(DType::BF16)?.to_vec()?;
    for (&before, after) in all.iter().zip(back) {
        assert!(same(
            before,
            after.to_bits(),
            after.is_nan() && bf16::from_bits(before).is_nan()
        ));
    }
    Ok(())
}

#[test]
fn casts_round_to_the_nearest_and_to_even() -> Result<()> {
    // One half of the last place above 1, and above the number after it; too large; subnormal.
    let x = [
        1.0 + 2f32.powi(-8),
        1.0 + 3.0 * 2f32.powi(-8),
        3.4e38,
        f32::NEG_INFINITY,
        1e-40,
    ];
    let y = Tensor::from_slice(&x, [5])?.cast(DType::BF16)?;
    assert_eq!(f32s(&y)[..2], [1.0, 1.0 + 4.0 * 2f32.powi(-8)]);
    assert_eq!(f32s(&y)[2..4], [f32::INFINITY, f32::NEG_INFINITY]);
    // The smallest step of a bf16.
    assert_eq!(f32s(&y)[4], f32::from_bits(1 << 16));
    let x = [
        1.0 + 2f32.powi(-11),
        1.0 + 3.0 * 2f32.powi(-11),
        65520.0,
        6e-8,
    ];
    let y = Tensor::from_slice(&x, [4])?.cast(DType::F16)?;
    assert_eq!(
        f32s(&y),
        [
            1.0,
            1.0 + 4.0 * 2f32.powi(-11),
            f32::INFINITY,
            2f32.powi(-24)
        ]
    );
    Ok(())
}

#[test]
fn every_dtype_casts_to_every_other() -> Result<()> {
    let all = [
        DType::F32,
        DType::F64,
        DType::F16,
        DType::BF16,
        DType::I64,
        DType::U32,
        DType::Bool,
    ];
    for from in all {
        for to in all {
            let x = Tensor::from_slice(&[0.0, 1.0], [2])?.cast(from)?.cast(to)?;
            assert_eq!(x.dtype(), to);
            assert_eq!(f32s(&x), [0.0, 1.0], "{from} to {to}");
        }
    }
    Ok(())
}

#[test]
fn operations_round_an_f32_result_once() -> Result<()> {
    let mut rng = Rng::new(4);
    for dtype in HALVES {
        let [a, b] = [0, 1].map(|_| random(&mut rng, &[3, 5], Domain::Positive).cast(dtype));
        let (a, b) = (a?, b?);
        let wide = |x: &Tensor| x.cast(DType::F32);
        let pairs = [
            (a.clone().exp()?, wide(&a)?.exp()?),
            (a.clone().add(&b)?, wide(&a)?.add(&wide(&b)?)?),
            (a.clone().mul(3.0)?, wide(&a)?.mul(3.0)?),
            (a.clone().maximum(&b)?, wide(&a)?.maximum(&wide(&b)?)?),
            (
                Tensor::where_(&a.gt(&b)?, &a, &b)?,
                wide(&a)?.maximum(&wide(&b)?)?,
            ),
            (
                a.t()?.narrow(0, 1, 2)?.contiguous(),
                wide(&a)?.t()?.narrow(0, 1, 2)?,
            ),
        ];
        for (got, want) in pairs {
            assert_eq!(got.dtype(), dtype);
            assert_eq!(f32s(&got), f32s(&want.cast(dtype)?));
        }
    }
    Ok(())
}

#[test]
fn gradients_have_the_dtype_of_what_they_belong_to() -> Result<()> {
    for dtype in HALVES {
        let x = Tensor::from_slice(&[1.5f32, -2.0], [2])?
            .cast(dtype)?
            .variable();
        let y = x.clone().square()?.cast(DType::F32)?.sum_all()?;
        let dx = grad(&y, &[&x])?.remove(0);
        assert_eq!((dx.dtype(), f32s(&dx)), (dtype, vec![3.0, -4.0]));
    }
    Ok(())
}

#[test]
fn files_keep_the_bits() -> Result<()> {
    for dtype in HALVES {
        let x = random(&mut Rng::new(1), &[7], Domain::Any).cast(dtype)?;
        let bytes = serial::to_bytes(&[("x".to_string(), x.clone())], &Default::default())?;
        let back = serial::read(&bytes, "memory")?.tensors.remove(0).1;
        assert_eq!((back.dtype(), f32s(&back)), (dtype, f32s(&x)));
    }
    Ok(())
}

#[test]
fn dtypes_are_not_mixed() -> Result<()> {
    let x = Tensor::ones([2, 2, 2], DType::BF16)?;
    let w = Tensor::ones([2, 2, 2], DType::F32)?;
    let bias = Tensor::ones([2], DType::F32)?;
    let mask = AttentionOptions {
        mask: Some(&w),
        ..Default::default()
    };
    let norm = NormOptions {
        weight: Some(&bias),
        ..Default::default()
    };
    let weighted = CrossEntropyOptions {
        weight: Some(&bias),
        ..Default::default()
    };
    let same = "both operands must have the same dtype";
    let named =
        |rule: &str, op: &str| format!("[{op}] {rule}, but got bf16 and f32; cast one with `cast`");
    for (op, got) in [
        ("add", x.clone().add(&w)),
        ("conv1d", x.conv1d(&w, None, Default::default())),
        ("conv1d", x.conv1d(&x, Some(&bias), Default::default())),
        ("einsum", Tensor::einsum("abc,abc->a", &[&x, &w])),
        ("mse_loss", x.mse_loss(&w, Reduction::Mean)),
        ("cross_entropy", x.cross_entropy(&w, Reduction::Mean)),
        ("cross_entropy", x.cross_entropy(&x, weighted)),
        ("rotary", x.rotary(&w, &w, RotaryPairs::Halves)),
        ("cosine_similarity", x.cosine_similarity(&w, 1, 1e-8)),
    ] {
        assert_eq!(got.unwrap_err().to_string(), named(same, op));
    }
    assert_eq!(
        x.layer_norm(&[2], norm).unwrap_err().to_string(),
        "[layer_norm] weight must have the dtype of the input, but got f32 and bf16; cast one with `cast`"
    );
    let error = x.scaled_dot_product_attention(&x, &x, mask).unwrap_err();
    assert_eq!(
        error.to_string(),
        named(same, "scaled_dot_product_attention")
    );
    Ok(())
}

/// What running averages are made of is not rounded, and may be given as it is.
#[test]
fn statistics_of_halves_are_f32() -> Result<()> {
    for dtype in HALVES {
        let x = random(&mut Rng::new(2), &[4, 3, 5], Domain::Any).cast(dtype)?;
        let wide = x.cast(DType::F32)?.batch_norm(Default::default())?;
        let own = x.batch_norm(Default::default())?;
        assert_eq!(own.mean.to_vec::<f32>()?, wide.mean.to_vec::<f32>()?);
        assert_eq!(own.var.to_vec::<f32>()?, wide.var.to_vec::<f32>()?);
        let y = x.batch_norm_with(&own.mean, &own.var, Default::default())?;
        let wide = x.cast(DType::F32)?;
        let wide = wide.batch_norm_with(&own.mean, &own.var, Default::default())?;
        assert_eq!((y.dtype(), f32s(&y)), (dtype, f32s(&wide.cast(dtype)?)));
        let other = own.mean.cast(DType::F64)?;
        assert!(
            x.batch_norm_with(&other, &own.var, Default::default())
                .is_err()
        );
    }
    Ok(())
}

#[test]
fn a_cache_of_keys_keeps_the_bits() -> Result<()> {
    for dtype in HALVES {
        let x = random(&mut Rng::new(3), &[2, 3, 4], Domain::Any).cast(dtype)?;
        let mut cache = KvCache::new(&[2], 5, 4, 4, dtype)?;
        cache.append(&x.narrow(1, 0, 2)?, &x.narrow(1, 0, 2)?)?;
        let (keys, values) = cache.append(&x.narrow(1, 2, 1)?, &x.narrow(1, 2, 1)?)?;
        for y in [keys, values] {
            assert_eq!((y.dtype(), f32s(&y)), (dtype, f32s(&x)));
        }
    }
    assert!(KvCache::new(&[2], 5, 4, 4, DType::I64).is_err());
    Ok(())
}
