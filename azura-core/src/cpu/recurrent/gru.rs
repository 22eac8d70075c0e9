//! The gated recurrent unit.

use super::{Cell, GradientRow, Row};
use crate::cpu::gemm::Real;

/// `n = tanh(W_n x + b_n + σ(r)·(U_n h + d_n))`, `h' = (1 - σ(z))·n + σ(z)·h`.
///
/// The weights stack r, z, n; a step has the blocks n, r, z and `U_n h + d_n`, which the reset gate multiplies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gru;

impl Cell for Gru {
    const GATES: usize = 3;
    const HIDDEN_AT: usize = 1;
    const KEEPS_BLOCKS: bool = true;
    const HAS_CELLS: bool = false;
    const CARRIES: bool = true;

    #[inline(always)]
    fn forward<T: Real>(row: Row<'_, T>) {
        let n = row.h.len();
        let (new, rest) = row.blocks.split_at_mut(n);
        let (r, rest) = rest.split_at_mut(n);
        let (z, hidden) = rest.split_at_mut(n);
        cell_row(new, r, z, hidden, row.h_before, row.h);
    }

    #[inline(always)]
    fn backward<T: Real>(row: GradientRow<'_, T>) {
        let n = row.dh.len();
        let (dn, rest) = row.dblocks.split_at_mut(n);
        let (dr, rest) = rest.split_at_mut(n);
        let (dz, dhidden) = rest.split_at_mut(n);
        let blocks = [
            &row.blocks[..n],
            &row.blocks[n..2 * n],
            &row.blocks[2 * n..3 * n],
            &row.blocks[3 * n..],
        ];
        gradient_row(blocks, row.h_before, row.dout, row.dh, dn, dr, dz, dhidden);
    }
}

#[inline(always)]
fn cell_row<T: Real>(
    new: &mut [T],
    r: &mut [T],
    z: &mut [T],
    hidden: &[T],
    before: &[T],
    h: &mut [T],
) {
    let n = h.len();
    let (new, r, z) = (&mut new[..n], &mut r[..n], &mut z[..n]);
    let (hidden, before) = (&hidden[..n], &before[..n]);
    for j in 0..n {
        let (gr, gz) = (r[j].sigmoid(), z[j].sigmoid());
        let gn = gr.mul_add(hidden[j], new[j]).tanh();
        (new[j], r[j], z[j]) = (gn, gr, gz);
        h[j] = gz.mul_add(before[j] - gn, gn);
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)] // As separate slices the compiler knows that they do not overlap.
fn gradient_row<T: Real>(
    [new, r, z, hidden]: [&[T]; 4],
    before: &[T],
    dout: &[T],
    dh: &mut [T],
    dn: &mut [T],
    dr: &mut [T],
    dz: &mut [T],
    dhidden: &mut [T],
) {
    let n = dh.len();
    if !dout.is_empty() {
        dh.iter_mut().zip(dout).for_each(|(dh, &d)| *dh = *dh + d);
    }
    let (new, r, z) = (&new[..n], &r[..n], &z[..n]);
    let (hidden, before) = (&hidden[..n], &before[..n]);
    let (dn, dr, dz) = (&mut dn[..n], &mut dr[..n], &mut dz[..n]);
    let dhidden = &mut dhidden[..n];
    let one = T::lit(1.0);
    for j in 0..n {
        let slope = dh[j] * (one - z[j]) * (-new[j]).mul_add(new[j], one);
        dn[j] = slope;
        dr[j] = slope * hidden[j] * (r[j] * (one - r[j]));
        dz[j] = dh[j] * (before[j] - new[j]) * (z[j] * (one - z[j]));
        dhidden[j] = slope * r[j];
        dh[j] = dh[j] * z[j];
    }
}
