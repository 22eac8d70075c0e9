//! Shapes, joining and selection.

use crate::common::Domain::Any;
use crate::{Row, UNARY, ids, one, row};
use azura_core::{Indexing, PadMode, Tensor, UnfoldOptions};

/// What makes tensors from numbers.
pub const WITHOUT_GRADIENT: &[&str] = &["arange", "eye", "linspace", "one_hot"];

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("contiguous", Any, UNARY, |x| one(Ok(x[0].contiguous()))),
        row("reshape", Any, &[&[&[2, 3, 4]]], |x| one(x[0].reshape([4, 6]))),
        row("reshape empty", Any, &[&[&[0, 3]]], |x| one(x[0].reshape([2, 0, 5]))),
        row("reshape_infer", Any, &[&[&[2, 3, 4]], &[&[6, 0]]], |x| one(x[0].reshape_infer(&[-1, 3]))),
        row("flatten", Any, &[&[&[2, 3, 4]], &[&[2, 0, 4]], &[&[1, 1]]], |x| one(x[0].flatten(-2, -1))),
        row("unflatten", Any, &[&[&[2, 6]], &[&[6]], &[&[3, 0, 6]]], |x| one(x[0].unflatten(-1, &[-1, 3]))),
        row("permute", Any, &[&[&[2, 3, 4]], &[&[1, 0, 2]]], |x| one(x[0].permute(&[2, 0, -2]))),
        row("transpose", Any, &[&[&[2, 3, 4]], &[&[1, 1]], &[&[0, 2]]], |x| one(x[0].transpose(0, -1))),
        row("t", Any, &[&[&[3, 4]], &[&[1, 5]], &[&[0, 2]]], |x| one(x[0].t())),
        row("movedim", Any, &[&[&[2, 3, 4]], &[&[1, 0, 2]]], |x| one(x[0].movedim(&[0, 1], &[-1, 0]))),
        row("narrow", Any, &[&[&[3, 4]], &[&[4, 1]], &[&[3, 0]]], |x| one(x[0].narrow(0, 1, 2))),
        row("narrow to nothing", Any, &[&[&[3, 4]], &[&[1, 4]]], |x| one(x[0].narrow(0, 1, 0))),
        row("narrow last", Any, &[&[&[3, 4]], &[&[2, 2, 3]]], |x| one(x[0].narrow(-1, 1, 2))),
        row("select", Any, &[&[&[3, 4]], &[&[2, 2]], &[&[0, 2]]], |x| one(x[0].select(1, 1))),
        row("strided_slice", Any, &[&[&[7, 3]], &[&[3, 3]], &[&[1, 2]], &[&[4, 0]]], |x| Ok(vec![
            x[0].strided_slice(0, 1, None, 2)?,
            x[0].strided_slice(0, None, -1, 3)?,
            x[0].strided_slice(0, None, None, -1)?,
            x[0].strided_slice(0, -1, 1, -2)?,
            x[0].strided_slice(-1, 5, 2, 1)?,
        ])),
        row("flip", Any, &[&[&[2, 3, 4]], &[&[3, 1, 2]], &[&[2, 0, 3]]], |x| Ok(vec![x[0].flip(&[0, -1])?, x[0].flip(&[1])?, x[0].flip(&[])?])),
        row("flip number", Any, &[&[&[]]], |x| one(x[0].flip(&[0]))),
        row("diagonal", Any, &[&[&[3, 4]], &[&[4, 3]], &[&[1, 1]], &[&[0, 3]]], |x| Ok(vec![
            x[0].diagonal(0, 0, 1)?,
            x[0].diagonal(1, 0, 1)?,
            x[0].diagonal(-2, 0, 1)?,
            x[0].diagonal(9, 1, 0)?,
        ])),
        row("diagonal of a batch", Any, &[&[&[2, 3, 4]], &[&[3, 0, 2]]], |x| Ok(vec![x[0].diagonal(1, 0, -1)?, x[0].diagonal(-1, 2, 1)?])),
        row("squeeze", Any, &[&[&[3, 1]], &[&[1]], &[&[2, 3]], &[&[0, 1]]], |x| one(x[0].squeeze(-1))),
        row("squeeze_dims", Any, &[&[&[3, 1, 1]], &[&[1, 1, 1]], &[&[0, 1, 2]]], |x| one(x[0].squeeze_dims(&[0, -2]))),
        row("squeeze_all", Any, &[&[&[3, 1, 1]], &[&[1, 1]], &[&[]], &[&[0, 1]]], |x| one(x[0].squeeze_all())),
        row("unsqueeze", Any, UNARY, |x| one(x[0].unsqueeze(-1))),
        row("expand", Any, &[&[&[3, 1]], &[&[1]], &[&[]], &[&[3, 4]]], |x| one(x[0].expand([2, 3, 4]))),
        row("expand to nothing", Any, &[&[&[3, 1]], &[&[1]]], |x| one(x[0].expand([3, 0]))),
        row("expand_keep", Any, &[&[&[3, 1]], &[&[1, 1]]], |x| one(x[0].expand_keep(&[2, -1, 4]))),
        row("repeat", Any, &[&[&[2, 3]], &[&[1, 1]], &[&[0, 2]]], |x| Ok(vec![x[0].repeat([2, 3])?, x[0].repeat([2, 1, 2])?, x[0].repeat([0, 2])?])),
        row("repeat number", Any, &[&[&[]]], |x| Ok(vec![x[0].repeat([])?, x[0].repeat([3])?])),
        row("tile", Any, &[&[&[2, 3]], &[&[1, 1]], &[&[0, 2]]], |x| Ok(vec![x[0].tile([2])?, x[0].tile([3, 2, 1])?, x[0].tile([])?])),
        row("roll", Any, &[&[&[4, 3]], &[&[1, 1]], &[&[0, 3]]], |x| Ok(vec![x[0].roll(&[1, -5], &[0, 1])?, x[0].roll(&[2, 1], &[0, 0])?, x[0].roll(&[2], &[])?, x[0].roll(&[3], &[1])?])),
        row("roll number", Any, &[&[&[]]], |x| one(x[0].roll(&[2], &[]))),
        row("meshgrid", Any, &[&[&[2], &[3]], &[&[], &[2]], &[&[0], &[2]]], |x| {
            let mut grids = Tensor::meshgrid(&[&x[0], &x[1], &x[0]], Indexing::Ij)?;
            grids.extend(Tensor::meshgrid(&[&x[0], &x[1]], Indexing::Xy)?);
            Ok(grids)
        }),
        row("split", Any, &[&[&[3, 5]], &[&[2, 1]], &[&[2, 0]], &[&[0, 5]]], |x| x[0].split(2, 1)),
        row("split in part", Any, &[&[&[5, 2]], &[&[5]]], |x| one(Ok(x[0].split(2, 0)?.swap_remove(1)))),
        row("split_with_sizes", Any, &[&[&[5, 2]], &[&[5]]], |x| x[0].split_with_sizes(&[1, 0, 4], 0)),
        row("chunk", Any, &[&[&[5, 2]], &[&[1, 2]], &[&[0, 2]]], |x| x[0].chunk(3, 0)),
        row("unbind", Any, &[&[&[2, 3]], &[&[3, 1]], &[&[0, 2]]], |x| x[0].unbind(1)),
        row("unbind in part", Any, &[&[&[2, 3]]], |x| one(Ok(x[0].unbind(0)?.swap_remove(1)))),
        row("cat", Any, &[&[&[3, 4], &[3, 2]], &[&[1, 1], &[1, 1]], &[&[3, 0], &[3, 2]], &[&[0, 2], &[0, 2]]], |x| one(Tensor::cat(&[&x[0], &x[1], &x[0]], 1))),
        row("cat with nothing", Any, &[&[&[0], &[3, 2]], &[&[0], &[0]]], |x| one(Tensor::cat(&[&x[0], &x[1], &x[0]], 0))),
        row("cat first", Any, &[&[&[3, 4], &[2, 4]], &[&[2], &[3]], &[&[0, 2], &[1, 2]]], |x| one(Tensor::cat(&[&x[0], &x[1]], 0))),
        row("stack", Any, &[&[&[3, 4], &[3, 4]], &[&[], &[]], &[&[0], &[0]]], |x| one(Tensor::stack(&[&x[0], &x[1]], -1))),
        row("index_select", Any, &[&[&[3, 4]], &[&[5]], &[&[2, 0]], &[&[1, 3]]], |x| one(x[0].index_select(0, &ids(6, x[0].shape()[0])))),
        row("index_select last", Any, &[&[&[3, 4]], &[&[2, 3, 2]], &[&[0, 3]]], |x| one(x[0].index_select(-1, &ids(3, x[0].dim(-1)?)))),
        row("index_select nothing", Any, &[&[&[3, 4]]], |x| one(x[0].index_select(1, &ids(0, 1)))),
        row("gather", Any, &[&[&[3, 4]], &[&[1, 3]], &[&[2, 2]]], |x| Ok(vec![
            x[0].gather(0, &places(&[5, 2], x[0].shape()[0]))?,
            x[0].gather(1, &places(&[1, 7], x[0].shape()[1]))?,
            x[0].gather(1, &places(&[0, 7], x[0].shape()[1]))?,
        ])),
        row("gather in three axes", Any, &[&[&[2, 3, 4]]], |x| one(x[0].gather(-2, &places(&[2, 5, 3], 3)))),
        row("gather number", Any, &[&[&[]]], |x| Ok(vec![x[0].gather(0, &ids(1, 1))?, x[0].gather(0, &places(&[], 1))?])),
        row("take_along_dim", Any, &[&[&[3, 1]], &[&[3, 4]]], |x| Ok(vec![
            x[0].take_along_dim(&places(&[1, 4], 3), Some(0))?,
            x[0].take_along_dim(&places(&[2, 3], 3), None)?,
        ])),
        row("index", Any, &[&[&[3, 4, 2]], &[&[3, 3, 3]]], |x| Ok(vec![
            x[0].index(&[Some(&places(&[5], 3))])?,
            x[0].index(&[None, Some(&places(&[2, 2], 3))])?,
            x[0].index(&[Some(&places(&[2, 1], 3)), None, Some(&places(&[3], 2))])?,
            x[0].index(&[Some(&mask(&[3]))])?,
            x[0].index(&[None])?,
        ])),
        row("scatter", Any, &[&[&[3, 4], &[2, 4]], &[&[5, 2], &[3, 3]], &[&[2, 2], &[2, 2]]], |x| {
            let shape = [x[0].shape()[0].min(x[1].shape()[0]), x[0].shape()[1].min(x[1].shape()[1])];
            Ok(vec![
                x[0].scatter(0, &places(&shape, x[0].shape()[0]), &x[1])?,
                x[0].scatter(-1, &places(&shape, x[0].shape()[1]), &x[1])?,
                x[0].scatter(0, &places(&shape, x[0].shape()[0]), 1.5)?,
            ])
        }),
        row("scatter number", Any, &[&[&[], &[]]], |x| one(x[0].scatter(0, &places(&[], 1), &x[1]))),
        row("scatter_add", Any, &[&[&[3, 4], &[2, 4]], &[&[5, 2], &[3, 3]], &[&[2, 2], &[2, 2]]], |x| {
            let shape = [x[0].shape()[0].min(x[1].shape()[0]), x[0].shape()[1].min(x[1].shape()[1])];
            Ok(vec![
                x[0].scatter_add(0, &places(&shape, x[0].shape()[0]), &x[1])?,
                x[0].scatter_add(-1, &places(&shape, x[0].shape()[1]), &x[1])?,
            ])
        }),
        row("index_add", Any, &[&[&[3, 4], &[5, 4]], &[&[1, 2], &[3, 2]], &[&[2, 0], &[2, 0]]], |x| {
            one(x[0].index_add(0, &ids(x[1].shape()[0], x[0].shape()[0]), &x[1], -1.5))
        }),
        row("index_add last", Any, &[&[&[3, 4], &[3, 2]], &[&[4], &[5]]], |x| {
            one(x[0].index_add(-1, &ids(x[1].dim(-1)?, 4), &x[1], 1.0))
        }),
        row("masked_fill", Any, &[&[&[3, 4], &[]], &[&[4], &[]], &[&[], &[]], &[&[1, 4], &[]]], |x| Ok(vec![
            x[0].masked_fill(&mask(&[3, 4]), &x[1])?,
            x[0].masked_fill(&mask(&[4]), -2.0)?,
        ])),
        row("masked_select", Any, &[&[&[3, 4]], &[&[4]], &[&[3, 1]], &[&[]]], |x| one(x[0].masked_select(&mask(&[3, 4])))),
        row("tril", Any, &[&[&[3, 4]], &[&[2, 4, 3]], &[&[1, 1]], &[&[0, 2]], &[&[2, 0]]], |x| Ok(vec![x[0].tril(0)?, x[0].tril(-1)?, x[0].tril(2)?])),
        row("triu", Any, &[&[&[3, 4]], &[&[2, 4, 3]], &[&[1, 1]], &[&[0, 2]], &[&[2, 0]]], |x| Ok(vec![x[0].triu(0)?, x[0].triu(-1)?, x[0].triu(2)?])),
        row("pad", Any, &[&[&[3, 4]], &[&[2, 3, 4]], &[&[3, 0]]], |x| Ok(vec![x[0].pad(&[1, 2], PadMode::default())?, x[0].pad(&[2, 0, -1, 3], PadMode::Constant(0.5))?])),
        row("pad crops", Any, &[&[&[4, 4]]], |x| Ok(vec![x[0].pad(&[-1, -2, -4, 0], PadMode::default())?, x[0].pad(&[5, -7, -6, 3], PadMode::default())?])),
        row("pad reflect", Any, &[&[&[4, 3]], &[&[2, 4, 3]]], |x| one(x[0].pad(&[2, 1, -1, 3], PadMode::Reflect))),
        row("pad replicate", Any, &[&[&[4, 3]], &[&[2, 1, 1]]], |x| one(x[0].pad(&[3, 4, 5, 1], PadMode::Replicate))),
        row("pad replicate from the cropped", Any, &[&[&[4, 3]]], |x| one(x[0].pad(&[6, -4, -2, 1], PadMode::Replicate))),
        row("pad circular", Any, &[&[&[4, 3]], &[&[2, 4, 5]]], |x| one(x[0].pad(&[3, 1, -1, 3], PadMode::Circular))),
        row("unfold", Any, &[&[&[2, 2, 4, 5]], &[&[1, 3, 3]], &[&[0, 2, 4, 4]], &[&[2, 0, 3, 3]]], |x| Ok(vec![
            x[0].unfold([2, 3], UnfoldOptions::default())?,
            x[0].unfold([2, 2], UnfoldOptions { dilation: [2, 1].into(), padding: [1, 2].into(), stride: [2, 3].into() })?,
        ])),
        row("pixel_shuffle", Any, &[&[&[2, 8, 2, 3]], &[&[4, 1, 2]], &[&[2, 0, 2, 2]], &[&[0, 4, 2, 2]]], |x| one(x[0].pixel_shuffle(2))),
        row("pixel_unshuffle", Any, &[&[&[2, 2, 4, 6]], &[&[1, 2, 2]], &[&[2, 0, 2, 2]], &[&[3, 0, 2]]], |x| one(x[0].pixel_unshuffle(2))),
    ]
}

/// Indices in `0..size` of a shape that depend on nothing but their number.
fn places(shape: &[usize], size: usize) -> Tensor {
    ids(shape.iter().product(), size).reshape(shape).unwrap()
}

/// Truth values that depend on nothing but their number.
fn mask(shape: &[usize]) -> Tensor {
    let values: Vec<bool> = (0..shape.iter().product()).map(|i| i % 3 != 1).collect();
    Tensor::from_vec(values, shape).unwrap()
}
