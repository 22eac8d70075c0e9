//! The output of attention, a tile of queries at a time.

use super::tile::{Finish, Forward, Place, Running};
use super::{Call, KEYS, ROWS, STRIDE, TRANSPOSE_FROM, Target, cuts, deal, padded};
use crate::cpu::gemm::{self, Epilogue, Mat, Real, pack::with_slice};
use crate::cpu::simd::dispatch;
use crate::cpu::threads::part;
use std::ops::Range;

/// Writes the output, `[.., T, value_width]` for each matrix of queries, and the statistics of each query for
/// `backward`, `[.., T, 2]`.
pub(crate) fn forward<T: Real>(call: &Call<'_, T>, out: Target<'_, T>, stats: Target<'_, T>) {
    let d = &call.dims;
    let tiles = d.queries.div_ceil(ROWS);
    let cuts = cuts(d.matrices(), tiles);
    deal(d.matrices() * cuts, d.work(), |task| {
        let (head, cut) = (task / cuts, task % cuts);
        let tiles = part(tiles, cuts, cut);
        let rows = tiles.start * ROWS..(tiles.end * ROWS).min(d.queries);
        some_rows(call, head, rows, &out, &stats);
    });
}

fn some_rows<T: Real>(
    call: &Call<'_, T>,
    head: usize,
    rows: Range<usize>,
    out: &Target<'_, T>,
    stats: &Target<'_, T>,
) {
    let d = &call.dims;
    let keys = call.limit(rows.end.saturating_sub(1), d.keys);
    let k = call.k.at(d.kv(head), 0, keys, d.width);
    let ld = padded(keys);
    let transposed = rows.len() >= TRANSPOSE_FROM;
    let room = if transposed { d.width * ld } else { 0 };
    let sizes = [room, ROWS * STRIDE, ROWS * d.value_width];
    with_slice(sizes.iter().sum(), |memory: &mut [T]| {
        let (kt, rest) = memory.split_at_mut(sizes[0]);
        let (s, o) = rest.split_at_mut(sizes[1]);
        if transposed {
            gemm::transpose(k, kt, ld);
        }
        let keys_of =
            |from: usize, n: usize| keys_as_columns(k, transposed.then_some((&*kt, ld)), from, n);
        for row in rows.clone().step_by(ROWS) {
            let n = ROWS.min(rows.end - row);
            let mut running = [[T::lit(f64::NEG_INFINITY), T::lit(0.0)]; ROWS];
            tile_of_queries(call, head, row, n, &keys_of, s, o, &mut running);
            let running = &mut running[..n];
            dispatch(Finish {
                running,
                out: o,
                width: d.value_width,
            });
            for (i, running) in running.iter().enumerate() {
                let o = &o[i * d.value_width..][..d.value_width];
                // SAFETY: each query of a head belongs to one task.
                unsafe {
                    out.write(head, row + i, o);
                    stats.write(head, row + i, running);
                }
            }
        }
    });
}

/// One tile of queries through all the keys that they look at.
#[allow(clippy::too_many_arguments)] // Where the tile lies and the memory for it.
fn tile_of_queries<'k, T: Real>(
    call: &Call<'_, T>,
    head: usize,
    row: usize,
    rows: usize,
    keys_of: &impl Fn(usize, usize) -> Mat<'k, T>,
    s: &mut [T],
    o: &mut [T],
    running: &mut [Running<T>; ROWS],
) {
    let d = &call.dims;
    let q = call.q.at(head, row, rows, d.width);
    let end = call.limit(row + rows - 1, d.keys);
    if end == 0 {
        o.fill(T::lit(0.0));
    }
    for key in (0..end).step_by(KEYS) {
        let keys = KEYS.min(end - key);
        gemm::gemm(q, keys_of(key, keys), s, STRIDE, Epilogue::default());
        let place = Place {
            head,
            row,
            rows,
            key,
            keys,
        };
        dispatch(Forward {
            call,
            place,
            s,
            running,
            out: o,
        });
        let weights = Mat::strided(s, rows, keys, STRIDE, 1);
        let v = call.v.at(d.kv(head), key, keys, d.value_width);
        let accumulate = key > 0;
        gemm::gemm(
            weights,
            v,
            o,
            d.value_width,
            Epilogue {
                accumulate,
                ..Epilogue::default()
            },
        );
    }
}

/// `n` keys from `from` on as the columns of a matrix; of transposed ones whole vectors, whose last columns mean
/// nothing.
pub(super) fn keys_as_columns<'a, T: Real>(
    k: Mat<'a, T>,
    transposed: Option<(&'a [T], usize)>,
    from: usize,
    n: usize,
) -> Mat<'a, T> {
    match transposed {
        Some((kt, ld)) => {
            let rows = k.size().1;
            let kt = if rows == 0 { kt } else { &kt[from..] };
            Mat::strided(kt, rows, n.next_multiple_of(16), ld, 1)
        }
        None => k.rows(from..from + n).t(),
    }
}
