//! Losses.

use crate::common::Domain::Any;
use crate::{Row, ids, one, row};
use azura_core::{DType, Reduction};

const PAIRS: &[&[&[usize]]] = &[
    &[&[3, 4], &[3, 4]],
    &[&[5], &[5]],
    &[&[1, 1], &[1, 1]],
    &[&[], &[]],
];
const SCORES: &[&[&[usize]]] = &[&[&[3, 4]], &[&[1, 1]], &[&[5, 2]], &[&[3, 19]]];

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("mse_loss", Any, PAIRS, |x| one(x[0].mse_loss(&x[1], Reduction::Mean))),
        row("mse_loss none", Any, PAIRS, |x| one(x[0].mse_loss(&x[1], Reduction::None))),
        row("l1_loss", Any, PAIRS, |x| one(x[0].l1_loss(&x[1], Reduction::Sum))),
        row("huber_loss", Any, PAIRS, |x| one(x[0].huber_loss(&x[1], 0.8, Reduction::Mean))),
        row("huber_loss none", Any, PAIRS, |x| one(x[0].huber_loss(&x[1], 1.3, Reduction::None))),
        row("cross_entropy", Any, SCORES, |x| one(x[0].cross_entropy(&ids(x[0].shape()[0], x[0].shape()[1]), Reduction::Mean))),
        row("cross_entropy sum", Any, SCORES, |x| one(x[0].cross_entropy(&ids(x[0].shape()[0], x[0].shape()[1]).cast(DType::U32)?, Reduction::Sum))),
        row("cross_entropy none", Any, SCORES, |x| one(x[0].cross_entropy(&ids(x[0].shape()[0], x[0].shape()[1]), Reduction::None))),
    ]
}
