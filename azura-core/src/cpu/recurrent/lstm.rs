//! The long short-term memory cell.

use super::{Cell, GradientRow, Row};
use crate::cpu::gemm::Real;

/// `c' = σ(f)·c + σ(i)·tanh(g)`, `h' = σ(o)·tanh(c')`, with the gates in the order i, f, g, o.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lstm;

impl Cell for Lstm {
    const GATES: usize = 4;
    const HIDDEN_AT: usize = 0;
    const KEEPS_BLOCKS: bool = true;
    const HAS_CELLS: bool = true;
    const CARRIES: bool = false;

    #[inline(always)]
    fn forward<T: Real>(row: Row<'_, T>) {
        let n = row.h.len();
        let (i, rest) = row.blocks.split_at_mut(n);
        let (f, rest) = rest.split_at_mut(n);
        let (g, o) = rest.split_at_mut(n);
        cell_row(i, f, g, o, row.c_before, row.c, row.tanh_c, row.h);
    }

    #[inline(always)]
    fn backward<T: Real>(row: GradientRow<'_, T>) {
        let n = row.dc.len();
        let (di, rest) = row.dblocks.split_at_mut(n);
        let (df, rest) = rest.split_at_mut(n);
        let (dg, d_o) = rest.split_at_mut(n);
        let gates = [
            &row.blocks[..n],
            &row.blocks[n..2 * n],
            &row.blocks[2 * n..3 * n],
            &row.blocks[3 * n..],
        ];
        let (before, tanh, dh, dc) = (row.c_before, row.tanh_c, &row.dh[..n], row.dc);
        match row.dout {
            [] => gradient_row(gates, before, tanh, |j| dh[j], dc, di, df, dg, d_o),
            dout => {
                let dout = &dout[..n];
                let both = |j| dh[j] + dout[j];
                gradient_row(gates, before, tanh, both, dc, di, df, dg, d_o);
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)] // As separate slices the compiler knows that they do not overlap.
fn cell_row<T: Real>(
    i: &mut [T],
    f: &mut [T],
    g: &mut [T],
    o: &mut [T],
    before: &[T],
    cells: &mut [T],
    tanh: &mut [T],
    h: &mut [T],
) {
    let n = i.len();
    let (f, g, o, before) = (&mut f[..n], &mut g[..n], &mut o[..n], &before[..n]);
    let (cells, tanh, h) = (&mut cells[..n], &mut tanh[..n], &mut h[..n]);
    for j in 0..n {
        let (gi, gf, gg, go) = (i[j].sigmoid(), f[j].sigmoid(), g[j].tanh(), o[j].sigmoid());
        let c = gf.mul_add(before[j], gi * gg);
        let tc = c.tanh();
        (i[j], f[j], g[j], o[j]) = (gi, gf, gg, go);
        (cells[j], tanh[j], h[j]) = (c, tc, go * tc);
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)] // As separate slices the compiler knows that they do not overlap.
fn gradient_row<T: Real>(
    [i, f, g, o]: [&[T]; 4],
    before: &[T],
    tanh: &[T],
    dh: impl Fn(usize) -> T,
    dc: &mut [T],
    di: &mut [T],
    df: &mut [T],
    dg: &mut [T],
    d_o: &mut [T],
) {
    let n = dc.len();
    let (i, f, g, o) = (&i[..n], &f[..n], &g[..n], &o[..n]);
    let (before, tanh) = (&before[..n], &tanh[..n]);
    let (di, df, dg, d_o) = (&mut di[..n], &mut df[..n], &mut dg[..n], &mut d_o[..n]);
    let one = T::lit(1.0);
    for j in 0..n {
        let (dh, tc) = (dh(j), tanh[j]);
        let slope = (dh * o[j]).mul_add((-tc).mul_add(tc, one), dc[j]);
        di[j] = slope * g[j] * (i[j] * (one - i[j]));
        df[j] = slope * before[j] * (f[j] * (one - f[j]));
        dg[j] = slope * i[j] * (-g[j]).mul_add(g[j], one);
        d_o[j] = dh * tc * (o[j] * (one - o[j]));
        dc[j] = slope * f[j];
    }
}
