//! Making tensors and reading them.

use crate::*;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    vec![
        (text(Tensor::zeros([1; 9], DType::F32)), "[full] a tensor has at most 8 axes, but got 9"),
        (text(Tensor::zeros([usize::MAX, 2], DType::F32)), "[full] the number of elements must fit the address space, but got [18446744073709551615, 2]"),
        (text(Tensor::zeros([0, usize::MAX], DType::F32)), "[full] the number of elements must fit the address space, but got [0, 18446744073709551615]"),
        (text(a.to_vec::<f64>()), "[to_vec] the tensor must be f64, but got f32; cast it with `cast`"),
        (text(a.item::<f32>()), "[item] the tensor must have one element, but got shape [2, 3]"),
        (text(a.dim(2)), "[dim] the axis must lie in -2..2, but got 2"),
        (text(zeros(&[]).dim(0)), "[dim] the axis must lie in 0..0, but got 0"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { dtypes, sizes, .. } = x;
    let sizes = *sizes;
    vec![
        ("zeros", Box::new(move || Tensor::zeros([sizes[0], 0, sizes[1]], dtypes[0]))),
        ("from_slice", Box::new(move || Tensor::from_slice(&[1.0f32, 2.0], sizes))),
    ]
}
