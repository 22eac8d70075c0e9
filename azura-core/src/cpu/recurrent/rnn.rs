//! The plain recurrent cell.

use super::{Cell, GradientRow, Row};
use crate::cpu::gemm::Real;

/// `h' = tanh(W x + b + U h + d)`, or its positive part in place of the tanh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rnn<const RELU: bool>;

impl<const RELU: bool> Cell for Rnn<RELU> {
    const GATES: usize = 1;
    const HIDDEN_AT: usize = 0;
    // Both derivatives follow from the hidden state.
    const KEEPS_BLOCKS: bool = false;
    const HAS_CELLS: bool = false;
    const CARRIES: bool = false;

    #[inline(always)]
    fn forward<T: Real>(row: Row<'_, T>) {
        let zero = T::lit(0.0);
        for (h, &a) in row.h.iter_mut().zip(&*row.blocks) {
            // A NaN is not less than 0 and stays.
            *h = if !RELU {
                a.tanh()
            } else if a < zero {
                zero
            } else {
                a
            };
        }
    }

    #[inline(always)]
    fn backward<T: Real>(row: GradientRow<'_, T>) {
        let n = row.dh.len();
        match row.dout {
            [] => gradient_row::<T, RELU>(row.h, |_| T::lit(0.0), row.dh, row.dblocks),
            dout => {
                let dout = &dout[..n];
                gradient_row::<T, RELU>(row.h, |j| dout[j], row.dh, row.dblocks);
            }
        }
    }
}

#[inline(always)]
fn gradient_row<T: Real, const RELU: bool>(
    h: &[T],
    dout: impl Fn(usize) -> T,
    dh: &[T],
    da: &mut [T],
) {
    let n = dh.len();
    let (h, da) = (&h[..n], &mut da[..n]);
    let (zero, one) = (T::lit(0.0), T::lit(1.0));
    for j in 0..n {
        let slope = dh[j] + dout(j);
        da[j] = if !RELU {
            slope * (-h[j]).mul_add(h[j], one)
        } else if h[j] <= zero {
            zero
        } else {
            slope
        };
    }
}
