//! Shapes, joining and selection.

use crate::*;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    let b = zeros(&[4]);
    let double = Tensor::zeros([2, 3], DType::F64).unwrap();
    vec![
        (text(a.reshape([7])), "[reshape] the number of elements must stay the same, but got [2, 3] to [7]"),
        (text(a.flatten(1, 0)), "[flatten] the first axis must not come after the last, but got 1 and 0"),
        (text(a.permute(&[0, 0])), "[permute] each axis must be named once, but got [0, 0] for 2 axes"),
        (text(a.permute(&[0])), "[permute] each axis must be named once, but got [0] for 2 axes"),
        (text(a.transpose(0, 2)), "[transpose] the axis must lie in -2..2, but got 2"),
        (text(b.t()), "[t] the tensor must have two axes, but got shape [4]"),
        (text(a.narrow(1, 2, 2)), "[narrow] start + len must not exceed the size 3 of axis 1, but got start 2 and len 2"),
        (text(a.narrow(1, usize::MAX, 2)), "[narrow] start + len must not exceed the size 3 of axis 1, but got start 18446744073709551615 and len 2"),
        (text(a.select(0, 2)), "[select] the index must lie in 0..2, but got 2"),
        (text(a.select(3, 0)), "[select] the axis must lie in -2..2, but got 3"),
        (text(a.squeeze(2)), "[squeeze] the axis must lie in -2..2, but got 2"),
        (text(a.unsqueeze(4)), "[unsqueeze] the axis must lie in -3..3, but got 4"),
        (text(zeros(&[1; 8]).unsqueeze(0)), "[unsqueeze] a tensor has at most 8 axes, but got 9"),
        (text(a.expand([4, 3])), "[expand] only axes of size 1 can be repeated, but got [2, 3] to [4, 3]"),
        (text(a.expand([3])), "[expand] only axes of size 1 can be repeated, but got [2, 3] to [3]"),
        (text(Tensor::cat(&[], 0)), "[cat] there must be a tensor, but got none"),
        (text(Tensor::cat(&[&a, &b], 0)), "[cat] sizes must be equal but for axis 0, but got [2, 3] and [4]"),
        (text(Tensor::cat(&[&a, &double], 0)), "[cat] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(Tensor::stack(&[], 0)), "[stack] there must be a tensor, but got none"),
        (text(Tensor::stack(&[&a, &b], 0)), "[stack] all tensors must have the same shape, but got [2, 3] and [4]"),
        (text(a.index_select(0, &a)), "[index_select] ids must have one axis, but got shape [2, 3]"),
        (text(a.index_select(0, &b)), "[index_select] indices must be u32 or i64, but got f32"),
        (text(a.index_select(0, &ints(&[1, 2]))), "[index_select] every index must lie in 0..2, but got 2 at position 1"),
        (text(a.index_select(0, &ints(&[-1]))), "[index_select] every index must lie in 0..2, but got -1 at position 0"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, c, shapes, dims, sizes, ids, .. } = x;
    let sizes = *sizes;
    let [d, e, _] = x.dims;
    vec![
        ("contiguous", Box::new(move || Ok(a.contiguous()))),
        ("reshape", Box::new(move || a.reshape(&shapes[1]))),
        ("reshape any", Box::new(move || a.reshape(sizes))),
        ("flatten", Box::new(move || a.flatten(d, e))),
        ("permute", Box::new(move || a.permute(dims))),
        ("transpose", Box::new(move || a.transpose(d, e))),
        ("t", Box::new(move || a.t())),
        ("narrow", Box::new(move || a.narrow(d, sizes[0], sizes[1]))),
        ("select", Box::new(move || a.select(d, sizes[0]))),
        ("squeeze", Box::new(move || a.squeeze(d))),
        ("unsqueeze", Box::new(move || a.unsqueeze(d))),
        ("expand", Box::new(move || a.expand(&shapes[1]))),
        ("expand any", Box::new(move || a.expand(sizes).and_then(|x| x.narrow(0, 0, 0)))),
        ("cat", Box::new(move || Tensor::cat(&[a, b, c], d))),
        ("stack", Box::new(move || Tensor::stack(&[a, b], d))),
        ("index_select", Box::new(move || a.index_select(d, ids))),
        ("index_select b", Box::new(move || a.index_select(d, b))),
    ]
}
