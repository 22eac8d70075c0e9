//! Rows of a table looked up by number, and their gradients.

use super::threads::for_rows;
use crate::Element;
use std::ops::{Add, Mul};

/// Fewer elements than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::ELEMENTS;

/// `out[i] = table[ids[i]]`.
pub(crate) fn gather<T: Copy + Send + Sync>(
    table: &[T],
    width: usize,
    ids: &[usize],
    out: &mut [T],
) {
    if width == 0 {
        return;
    }
    for_rows(out, width, (GRAIN / width).max(1), |first, out| {
        for (i, out) in out.chunks_exact_mut(width).enumerate() {
            let id = ids[first + i];
            out.copy_from_slice(&table[id * width..(id + 1) * width]);
        }
    });
}

/// `out[id] (+)= Σ dy[i] · scales[id]` over all i with `ids[i] = id`, in the order of i whatever the
/// number of threads: they share the rows of the table.
pub(crate) fn scatter<T>(
    dy: &[T],
    width: usize,
    ids: &[usize],
    scales: Option<&[T]>,
    accumulate: bool,
    out: &mut [T],
) where
    T: Element + Default + Add<Output = T> + Mul<Output = T>,
{
    if width == 0 {
        return;
    }
    for_rows(out, width, (GRAIN / width).max(1), |first, out| {
        if !accumulate {
            out.fill(T::default());
        }
        let rows = out.len() / width;
        for (i, &id) in ids.iter().enumerate() {
            if !(first..first + rows).contains(&id) {
                continue;
            }
            let dy = &dy[i * width..(i + 1) * width];
            let out = &mut out[(id - first) * width..(id - first + 1) * width];
            match scales {
                None => {
                    for (out, &dy) in out.iter_mut().zip(dy) {
                        *out = *out + dy;
                    }
                }
                Some(scales) => {
                    for (out, &dy) in out.iter_mut().zip(dy) {
                        *out = *out + dy * scales[id];
                    }
                }
            }
        }
    });
}

/// What shrinks a row to a length of `most` (PyTorch's factor, which stays a little below), 1 if it is
/// not longer. `p` may be infinite.
pub(crate) fn shrinkage<T: Element>(row: &[T], most: f64, p: f64) -> f64 {
    let sizes = row.iter().map(|x| x.to_f64().abs());
    let norm = if p == 2.0 {
        sizes.map(|x| x * x).sum::<f64>().sqrt()
    } else if p.is_infinite() {
        sizes.fold(0.0, f64::max)
    } else {
        sizes.map(|x| x.powf(p)).sum::<f64>().powf(1.0 / p)
    };
    if norm > most {
        most / (norm + 1e-7)
    } else {
        1.0
    }
}
