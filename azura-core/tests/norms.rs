//! Statistics of normalisation where rounding could destroy them, and their meaning for running averages.

use azura_core::{NormOptions, Result, Rng, Tensor, with_threads};

/// A spread of 1e-2 around 1e4 in f32, whose grid there is 1e-3: a sum of squares in f32 has nothing left.
#[test]
fn a_large_mean_does_not_hide_a_small_spread() -> Result<()> {
    let (rows, n) = (3, 2048);
    let mut rng = Rng::new(4);
    let x: Vec<f32> = (0..rows * n)
        .map(|_| 1e4 + 1e-2 * rng.normal() as f32)
        .collect();
    // The same in f64, from the numbers that f32 holds.
    let exact: Vec<f64> = x
        .chunks(n)
        .flat_map(|row| {
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n as f64;
            let var = row
                .iter()
                .map(|&x| (f64::from(x) - mean).powi(2))
                .sum::<f64>()
                / n as f64;
            row.iter()
                .map(move |&x| (f64::from(x) - mean) / (var + 1e-12).sqrt())
                .collect::<Vec<_>>()
        })
        .collect();
    let options = NormOptions {
        eps: 1e-12,
        ..Default::default()
    };
    let close = |y: Tensor, what: &str| -> Result<()> {
        for (y, want) in y.to_vec::<f32>()?.iter().zip(&exact) {
            let off = (f64::from(*y) - want).abs();
            assert!(off < 2e-5 * want.abs().max(1.0), "{what}: {y} for {want}");
        }
        Ok(())
    };
    let rowwise = Tensor::from_vec(x, [rows, n])?;
    close(rowwise.layer_norm(&[n], options)?, "layer")?;
    let channels = rowwise.reshape([1, rows, n])?;
    close(channels.batch_norm(options)?.output, "batch")?;
    close(channels.instance_norm(options)?.output, "instance")?;
    close(channels.group_norm(rows, options)?, "group")?;
    // Two samples of half a channel each, and a batch of many short ones.
    let halves = rowwise.reshape([rows, 2, n / 2])?.transpose(0, 1)?;
    let y = halves.batch_norm(options)?.output.transpose(0, 1)?;
    close(y, "halves")?;
    close(rowwise.t()?.batch_norm(options)?.output.t()?, "columns")
}

#[test]
fn returned_statistics_are_those_of_running_averages() -> Result<()> {
    // Channel 0 of both samples: 1 2 3 | 5 6 7; channel 1: constant.
    let x = Tensor::from_slice(
        &[
            1.0f64, 2.0, 3.0, 4.0, 4.0, 4.0, 5.0, 6.0, 7.0, 4.0, 4.0, 4.0,
        ],
        [2, 2, 3],
    )?;
    let batch = x.batch_norm(NormOptions::default())?;
    assert_eq!(batch.mean.to_vec::<f64>()?, [4.0, 4.0]);
    // Squared distances 9 4 1 1 4 9, divided by 5.
    assert_eq!(batch.var.to_vec::<f64>()?, [5.6, 0.0]);
    let instance = x.instance_norm(NormOptions::default())?;
    assert_eq!(instance.mean.to_vec::<f64>()?, [4.0, 4.0]);
    assert_eq!(instance.var.to_vec::<f64>()?, [1.0, 0.0]);
    assert!(!batch.mean.needs_grad());
    // Nothing of what a constant channel gives is infinite or NaN.
    assert_eq!(batch.output.to_vec::<f64>()?[3..6], [0.0; 3]);
    let none = x.narrow(0, 0, 0)?.batch_norm(NormOptions::default())?;
    assert!(none.mean.to_vec::<f64>()?.iter().all(|x| x.is_nan()));
    Ok(())
}

#[test]
fn threads_change_no_bit() -> Result<()> {
    let mut rng = Rng::new(9);
    let x: Vec<f32> = (0..8 * 12 * 33 * 33).map(|_| rng.normal() as f32).collect();
    let x = Tensor::from_vec(x, [8, 12, 33, 33])?;
    let all = |threads: usize| -> Result<Vec<Vec<u32>>> {
        with_threads(threads, || {
            let plain = NormOptions::default();
            let weight =
                Tensor::from_vec((0..12).map(|c| c as f32 * 0.1).collect(), [12])?.variable();
            let x = x.clone().variable();
            let options = NormOptions {
                weight: Some(&weight),
                ..plain
            };
            let wide = x.reshape([8 * 12, 33 * 33])?;
            let outputs = [
                x.batch_norm(options)?.output,
                x.group_norm(3, options)?,
                x.instance_norm(options)?.output,
                wide.layer_norm(&[33 * 33], plain)?,
                wide.batch_norm(plain)?.output,
            ];
            let mut bits = Vec::new();
            for y in outputs {
                let loss = y.clone().mul(y.detach())?.sin()?.sum_all()?;
                for t in azura_core::grad(&loss, &[&x])?.iter().chain([&y]) {
                    bits.push(t.to_vec::<f32>()?.iter().map(|x| x.to_bits()).collect());
                }
            }
            Ok(bits)
        })
    };
    assert_eq!(all(1)?, all(3)?);
    Ok(())
}
