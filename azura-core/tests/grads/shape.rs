//! Shapes, joining and selection.

use crate::common::Domain::Any;
use crate::{Row, UNARY, ids, one, row};
use azura_core::Tensor;

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("contiguous", Any, UNARY, |x| one(Ok(x[0].contiguous()))),
        row("reshape", Any, &[&[&[2, 3, 4]]], |x| one(x[0].reshape([4, 6]))),
        row("reshape empty", Any, &[&[&[0, 3]]], |x| one(x[0].reshape([2, 0, 5]))),
        row("flatten", Any, &[&[&[2, 3, 4]], &[&[2, 0, 4]], &[&[1, 1]]], |x| one(x[0].flatten(-2, -1))),
        row("permute", Any, &[&[&[2, 3, 4]], &[&[1, 0, 2]]], |x| one(x[0].permute(&[2, 0, -2]))),
        row("transpose", Any, &[&[&[2, 3, 4]], &[&[1, 1]], &[&[0, 2]]], |x| one(x[0].transpose(0, -1))),
        row("t", Any, &[&[&[3, 4]], &[&[1, 5]], &[&[0, 2]]], |x| one(x[0].t())),
        row("narrow", Any, &[&[&[3, 4]], &[&[4, 1]], &[&[3, 0]]], |x| one(x[0].narrow(0, 1, 2))),
        row("narrow to nothing", Any, &[&[&[3, 4]], &[&[1, 4]]], |x| one(x[0].narrow(0, 1, 0))),
        row("narrow last", Any, &[&[&[3, 4]], &[&[2, 2, 3]]], |x| one(x[0].narrow(-1, 1, 2))),
        row("select", Any, &[&[&[3, 4]], &[&[2, 2]], &[&[0, 2]]], |x| one(x[0].select(1, 1))),
        row("squeeze", Any, &[&[&[3, 1]], &[&[1]], &[&[2, 3]], &[&[0, 1]]], |x| one(x[0].squeeze(-1))),
        row("unsqueeze", Any, UNARY, |x| one(x[0].unsqueeze(-1))),
        row("expand", Any, &[&[&[3, 1]], &[&[1]], &[&[]], &[&[3, 4]]], |x| one(x[0].expand([2, 3, 4]))),
        row("expand to nothing", Any, &[&[&[3, 1]], &[&[1]]], |x| one(x[0].expand([3, 0]))),
        row("cat", Any, &[&[&[3, 4], &[3, 2]], &[&[1, 1], &[1, 1]], &[&[3, 0], &[3, 2]], &[&[0, 2], &[0, 2]]], |x| one(Tensor::cat(&[&x[0], &x[1], &x[0]], 1))),
        row("cat first", Any, &[&[&[3, 4], &[2, 4]], &[&[2], &[3]], &[&[0, 2], &[1, 2]]], |x| one(Tensor::cat(&[&x[0], &x[1]], 0))),
        row("stack", Any, &[&[&[3, 4], &[3, 4]], &[&[], &[]], &[&[0], &[0]]], |x| one(Tensor::stack(&[&x[0], &x[1]], -1))),
        row("index_select", Any, &[&[&[3, 4]], &[&[5]], &[&[2, 0]], &[&[1, 3]]], |x| one(x[0].index_select(0, &ids(6, x[0].shape()[0])))),
        row("index_select last", Any, &[&[&[3, 4]], &[&[2, 3, 2]], &[&[0, 3]]], |x| one(x[0].index_select(-1, &ids(3, x[0].dim(-1)?)))),
        row("index_select nothing", Any, &[&[&[3, 4]]], |x| one(x[0].index_select(1, &ids(0, 1)))),
    ]
}
