//! The gradient of a mask that is added to the scores: that of the scores, summed over what the mask was repeated for.

use super::backward::{Saved, row_dots};
use super::forward::keys_as_columns;
use super::tile::{Backward, Place};
use super::{Call, KEYS, ROWS, STRIDE, deal};
use crate::cpu::gemm::{self, Epilogue, Real, pack::with_slice};
use crate::cpu::simd::dispatch;
use crate::cpu::threads::Shared;
use std::collections::BTreeMap;

/// Where the mask of each matrix of queries lies, with steps of 0 along axes that it is repeated for.
pub(crate) struct Places {
    pub starts: Vec<usize>,
    pub row: usize,
    pub col: usize,
}

/// Adds the gradient of the mask to `out`. `places` says where the mask of each matrix of queries lies in it.
///
/// One task sums all heads that share a row of the mask, in order.
pub(crate) fn mask_gradient<T: Real>(
    call: &Call<'_, T>,
    saved: &Saved<'_, T>,
    places: &Places,
    out: &mut [T],
) {
    let d = &call.dims;
    let mut sharing: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (head, &start) in places.starts.iter().enumerate() {
        sharing.entry(start).or_default().push(head);
    }
    let masks: Vec<(usize, Vec<usize>)> = sharing.into_iter().collect();
    let tiles = d.queries.div_ceil(ROWS);
    // Rows that are one row of the mask belong to one task.
    let cuts = if places.row == 0 { 1 } else { tiles };
    let len = out.len();
    let out = Shared(out.as_mut_ptr());
    deal(masks.len() * cuts, d.work(), |task| {
        let (start, heads) = &masks[task / cuts];
        let tiles = if cuts == 1 {
            0..tiles
        } else {
            task % cuts..task % cuts + 1
        };
        with_slice(2 * ROWS * STRIDE, |memory: &mut [T]| {
            let (s, ds) = memory.split_at_mut(ROWS * STRIDE);
            for &head in heads {
                for row in tiles.clone().map(|tile| tile * ROWS) {
                    let rows = ROWS.min(d.queries - row);
                    let end = call.limit(row + rows - 1, d.keys);
                    for key in (0..end).step_by(KEYS) {
                        let place = Place {
                            head,
                            row,
                            rows,
                            key,
                            keys: KEYS.min(end - key),
                        };
                        score_gradients(call, saved, place, s, ds);
                        for i in 0..rows {
                            let from = start + (row + i) * places.row + key * places.col;
                            for (j, &ds) in ds[i * STRIDE..][..place.keys].iter().enumerate() {
                                let at = from + j * places.col;
                                assert!(at < len, "the mask's gradient lies in its target");
                                // SAFETY: inside `out`; the rows of a mask belong to one task.
                                unsafe {
                                    let sum = out.get().add(at);
                                    sum.write(sum.read() + ds);
                                }
                            }
                        }
                    }
                }
            }
        });
    });
}

/// Leaves the gradients of the scores of one tile in `ds`.
fn score_gradients<T: Real>(
    call: &Call<'_, T>,
    saved: &Saved<'_, T>,
    place: Place,
    s: &mut [T],
    ds: &mut [T],
) {
    let d = &call.dims;
    let Place {
        head,
        row,
        rows,
        key,
        keys,
    } = place;
    let kv = d.kv(head);
    let k = call.k.at(kv, key, keys, d.width);
    let v = call.v.at(kv, key, keys, d.value_width);
    let dout = saved.dout.at(head, row, rows, d.value_width);
    let q = call.q.at(head, row, rows, d.width);
    gemm::gemm(
        q,
        keys_as_columns(k, None, 0, keys),
        s,
        STRIDE,
        Epilogue::default(),
    );
    gemm::gemm(
        dout,
        keys_as_columns(v, None, 0, keys),
        ds,
        STRIDE,
        Epilogue::default(),
    );
    let delta = row_dots(saved, head, row, rows, d.value_width);
    dispatch(Backward {
        call,
        place,
        s,
        ds: Some(ds),
        scale: T::lit(1.0),
        stats: &saved.stats[2 * (head * d.queries + row)..][..2 * rows],
        delta: &delta[..rows],
    });
}
