//! The gradients of queries, keys and values: five products for each tile, whose weights are made again.

use super::forward::keys_as_columns;
use super::tile::{Backward, Place, RowDots};
use super::{Call, KEYS, Matrices, ROWS, STRIDE, Target, cuts, deal, padded};
use crate::cpu::gemm::{self, Epilogue, Mat, Real, pack::with_slice};
use crate::cpu::simd::dispatch;
use crate::cpu::threads::{part, threads};
use std::ops::Range;

/// What backward needs of the forward pass, and the gradient that comes in.
pub(crate) struct Saved<'a, T> {
    pub out: &'a Matrices<'a, T>,
    pub dout: &'a Matrices<'a, T>,
    /// `[.., T, 2]`, as `forward` left it.
    pub stats: &'a [T],
}

/// Where the gradients go; those that nobody wants are `None`.
pub(crate) struct Gradients<'a, T> {
    pub dq: Option<Target<'a, T>>,
    pub dk: Option<Target<'a, T>>,
    pub dv: Option<Target<'a, T>>,
}

/// Writes the gradients that are wanted.
///
/// A task makes all three for one head of keys if there are enough heads for the threads. Otherwise tasks over keys make those
/// of keys and values, and tasks over queries those of the queries, with the same sums in the same order.
pub(crate) fn backward<T: Real>(
    call: &Call<'_, T>,
    saved: &Saved<'_, T>,
    grads: &Gradients<'_, T>,
) {
    let d = &call.dims;
    let heads = d.batch * d.kv_heads;
    let work = d.work().saturating_mul(5) / 2;
    let (rows, keys) = (0..d.queries, 0..d.keys);
    let both = grads.dq.is_some() && (grads.dk.is_some() || grads.dv.is_some());
    if both && (threads() == 1 || heads >= 3 * threads()) {
        return deal(heads, work, |kv| {
            Task {
                call,
                saved,
                grads,
                queries: true,
                keys: true,
            }
            .run(kv, rows.clone(), keys.clone());
        });
    }
    if grads.dk.is_some() || grads.dv.is_some() {
        let tiles = d.keys.div_ceil(KEYS);
        let cuts = cuts(heads, tiles);
        deal(heads * cuts, work, |task| {
            let tiles = part(tiles, cuts, task % cuts);
            let keys = tiles.start * KEYS..(tiles.end * KEYS).min(d.keys);
            Task {
                call,
                saved,
                grads,
                queries: false,
                keys: true,
            }
            .run(task / cuts, rows.clone(), keys);
        });
    }
    if grads.dq.is_some() {
        let tiles = d.queries.div_ceil(ROWS);
        let cuts = cuts(heads, tiles);
        deal(heads * cuts, work, |task| {
            let tiles = part(tiles, cuts, task % cuts);
            let rows = tiles.start * ROWS..(tiles.end * ROWS).min(d.queries);
            Task {
                call,
                saved,
                grads,
                queries: true,
                keys: false,
            }
            .run(task / cuts, rows, keys.clone());
        });
    }
}

/// Some queries against some keys of one head of keys, with every head of queries that looks at it.
struct Task<'a, 'b, T> {
    call: &'a Call<'b, T>,
    saved: &'a Saved<'a, T>,
    grads: &'a Gradients<'a, T>,
    /// Whether this task makes the gradients of its queries: then it has all keys.
    queries: bool,
    /// Whether this task makes those of its keys and values: then it has all queries.
    keys: bool,
}

impl<T: Real> Task<'_, '_, T> {
    fn run(&self, kv: usize, rows: Range<usize>, keys: Range<usize>) {
        let Task {
            call, saved, grads, ..
        } = *self;
        let d = &call.dims;
        let dq = grads.dq.as_ref().filter(|_| self.queries);
        let dk = grads.dk.as_ref().filter(|_| self.keys);
        let dv = grads.dv.as_ref().filter(|_| self.keys);
        let scores = dq.is_some() || dk.is_some();
        let k = call.k.at(kv, keys.start, keys.len(), d.width);
        let v = call.v.at(kv, keys.start, keys.len(), d.value_width);
        let ld = padded(keys.len());
        let sizes = [
            d.width * ld,
            if scores { d.value_width * ld } else { 0 },
            if dk.is_some() {
                keys.len() * d.width
            } else {
                0
            },
            if dv.is_some() {
                keys.len() * d.value_width
            } else {
                0
            },
            ROWS * STRIDE,
            if scores { ROWS * STRIDE } else { 0 },
            if dq.is_some() { ROWS * d.width } else { 0 },
        ];
        with_slice(sizes.iter().sum(), |memory: &mut [T]| {
            let mut rest = memory;
            let [kt, vt, dk_sum, dv_sum, s, ds, dq_sum] = sizes.map(|size| {
                let (first, others) = std::mem::take(&mut rest).split_at_mut(size);
                rest = others;
                first
            });
            gemm::transpose(k, kt, ld);
            if scores {
                gemm::transpose(v, vt, ld);
            }
            dk_sum.fill(T::lit(0.0));
            dv_sum.fill(T::lit(0.0));
            for head in self.heads(kv) {
                for row in rows.clone().step_by(ROWS) {
                    let n = ROWS.min(rows.end - row);
                    let q = call.q.at(head, row, n, d.width);
                    let dout = saved.dout.at(head, row, n, d.value_width);
                    let stats = &saved.stats[2 * (head * d.queries + row)..][..2 * n];
                    let delta = self.delta(head, row, n);
                    let end = call.limit(row + n - 1, keys.end);
                    if end <= keys.start {
                        dq_sum.fill(T::lit(0.0));
                    }
                    for key in (keys.start..end).step_by(KEYS) {
                        let place = Place {
                            head,
                            row,
                            rows: n,
                            key,
                            keys: KEYS.min(end - key),
                        };
                        let from = key - keys.start;
                        let columns = keys_as_columns(k, Some((&*kt, ld)), from, place.keys);
                        gemm::gemm(q, columns, s, STRIDE, Epilogue::default());
                        if scores {
                            let columns = keys_as_columns(v, Some((&*vt, ld)), from, place.keys);
                            gemm::gemm(dout, columns, ds, STRIDE, Epilogue::default());
                        }
                        dispatch(Backward {
                            call,
                            place,
                            s,
                            ds: scores.then_some(&mut *ds),
                            scale: call.scale,
                            stats,
                            delta: &delta[..n],
                        });
                        let add = |accumulate| Epilogue {
                            accumulate,
                            ..Epilogue::default()
                        };
                        let p = Mat::strided(s, n, place.keys, STRIDE, 1);
                        if dv.is_some() {
                            let sum = &mut dv_sum[from * d.value_width..];
                            gemm::gemm(p.t(), dout, sum, d.value_width, add(true));
                        }
                        if scores {
                            let ds = Mat::strided(ds, n, place.keys, STRIDE, 1);
                            if dk.is_some() {
                                let sum = &mut dk_sum[from * d.width..];
                                gemm::gemm(ds.t(), q, sum, d.width, add(true));
                            }
                            if dq.is_some() {
                                let k = k.rows(from..from + place.keys);
                                gemm::gemm(ds, k, dq_sum, d.width, add(key > 0));
                            }
                        }
                    }
                    if let Some(dq) = dq {
                        // SAFETY: these queries belong to this task.
                        unsafe { copy(dq, head, row, dq_sum, d.width, n) };
                    }
                }
            }
            // SAFETY: these keys belong to this task.
            unsafe {
                if let Some(dk) = dk {
                    copy(dk, kv, keys.start, dk_sum, d.width, keys.len());
                }
                if let Some(dv) = dv {
                    copy(dv, kv, keys.start, dv_sum, d.value_width, keys.len());
                }
            }
        });
    }

    /// The matrices of queries that look at matrix `kv` of keys.
    fn heads(&self, kv: usize) -> Range<usize> {
        let d = &self.call.dims;
        let first = kv / d.kv_heads * d.heads + kv % d.kv_heads * d.group();
        first..first + d.group()
    }

    fn delta(&self, head: usize, row: usize, rows: usize) -> [T; ROWS] {
        row_dots(self.saved, head, row, rows, self.call.dims.value_width)
    }
}

/// `Σ out · dout` for each of at most [`ROWS`] rows.
pub(super) fn row_dots<T: Real>(
    saved: &Saved<'_, T>,
    head: usize,
    row: usize,
    rows: usize,
    width: usize,
) -> [T; ROWS] {
    let mut delta = [T::lit(0.0); ROWS];
    dispatch(RowDots {
        out: saved.out,
        dout: saved.dout,
        head,
        row,
        width,
        sums: &mut delta[..rows],
    });
    delta
}

/// Rows from `first` on of matrix `index`.
///
/// # Safety
/// No other thread accesses them during the call.
unsafe fn copy<T: Copy>(
    to: &Target<'_, T>,
    index: usize,
    first: usize,
    from: &[T],
    width: usize,
    rows: usize,
) {
    for i in 0..rows {
        // SAFETY: the caller's contract.
        unsafe { to.write(index, first + i, &from[i * width..][..width]) };
    }
}
