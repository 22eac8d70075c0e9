//! Models of the next token, whatever a token is: what the text app and the voice app share. `lstm.rs` holds the network,
//! `counting.rs` what it must beat.

mod counting;
mod lstm;

pub(crate) use counting::{Bigram, Pair, Tally, Unigram, count_pairs};
pub(crate) use lstm::TokenLstm;

use azura_core::{CrossEntropyOptions, Reduction, Tensor};
use azura_learner::data::{Batch, DataError, DataErrorKind};
use azura_learner::{Error, Result};

/// Scores `[B·T, V]` of `[B, T, V]`, and targets `[B·T]`.
pub(crate) fn flat(output: &Tensor, batch: &Batch) -> Result<(Tensor, Tensor)> {
    let (rows, classes) = (batch.tensors[1].numel(), output.dim(-1)?);
    Ok((
        output.reshape([rows, classes])?,
        batch.tensors[1].reshape([rows])?,
    ))
}

/// What an evaluation keeps: `[B, T, 2]`, the log-likelihood of the target and the likeliest token.
pub(crate) fn keep(output: &Tensor, batch: &Batch) -> Result<Tensor> {
    let (scores, targets) = flat(output, batch)?;
    let each = CrossEntropyOptions {
        reduction: Reduction::None,
        ..CrossEntropyOptions::default()
    };
    let nats = scores.cross_entropy(&targets, each)?.to_vec::<f32>()?;
    let likeliest = scores.argmax(1, false)?.to_vec::<i64>()?;
    // A token is below 2²⁴, which f32 holds exactly: Unicode has 1.1 million characters, and a sample 65,536 codes.
    let both = nats.iter().zip(likeliest);
    let kept: Vec<f32> = both.flat_map(|(nats, id)| [-nats, id as f32]).collect();
    let [samples, time, _] = *output.shape() else {
        return Err(Error::Usage(format!(
            "scores are [B, T, V], but got {:?}",
            output.shape()
        )));
    };
    Ok(Tensor::from_vec(kept, [samples, time, 2])?)
}

/// Windows of `context` inputs and the targets after each, `[B, T]` both; `window` gives those of a row.
///
/// # Errors
/// [`DataErrorKind::Size`] if a row is not below `len`.
pub(crate) fn batch<'a>(
    rows: &[usize],
    len: usize,
    context: usize,
    window: impl Fn(usize) -> (&'a [u32], &'a [u32]),
) -> Result<Batch> {
    let size = rows.len() * context;
    let (mut inputs, mut targets) = (Vec::with_capacity(size), Vec::with_capacity(size));
    for &row in rows {
        if row >= len {
            let what = format!("there is no window {row} of {len}");
            return Err(DataError::new(DataErrorKind::Size, what).into());
        }
        let (x, y) = window(row);
        inputs.extend(x.iter().map(|&id| i64::from(id)));
        targets.extend(y.iter().map(|&id| i64::from(id)));
    }
    let shape = [rows.len(), context];
    Ok(Batch {
        tensors: vec![
            Tensor::from_vec(inputs, shape)?,
            Tensor::from_vec(targets, shape)?,
        ],
        rows: rows.to_vec(),
    })
}

/// The tokens of one sequence, `[1, T]`.
pub(crate) fn one(tokens: &[u32]) -> Result<Tensor> {
    let ids: Vec<i64> = tokens.iter().map(|&id| i64::from(id)).collect();
    Ok(Tensor::from_vec(ids, [1, tokens.len()])?)
}

/// A decoder was given no token.
pub(crate) fn nothing_to_read() -> Error {
    Error::Usage("a decoder needs at least one token".to_string())
}

/// The scores `[V]` after the last token that was read.
pub(crate) fn last_row(scores: &Tensor) -> Result<Vec<f32>> {
    Ok(scores.select(0, scores.dim(0)? - 1)?.to_vec()?)
}
