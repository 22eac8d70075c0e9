//! Rows of tables.

use azura_core::Rng;

use super::mix::{beta, mixup};

/// Mixes every row of `width` numbers with the one before it, the first with the last, by one share from Beta(alpha, alpha) (mixup, Zhang et al.
/// 2018, arXiv:1710.09412); targets are to be mixed by the same share, which is returned: that of each row's own.
pub fn mixup_rows(rows: &mut [f32], width: usize, alpha: f64, rng: &mut Rng) -> f64 {
    let own = beta(alpha, rng);
    mixup(rows, width, own);
    own
}
