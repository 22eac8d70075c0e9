//! Making tensors and reading them.

use crate::*;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    vec![
        (text(Tensor::zeros([1; 9], DType::F32)), "[full] a tensor has at most 8 axes, but got 9"),
        (text(Tensor::zeros([usize::MAX, 2], DType::F32)), "[full] the number of elements must fit the address space, but got [18446744073709551615, 2]"),
        (text(Tensor::zeros([0, usize::MAX], DType::F32)), "[full] the number of elements must fit the address space, but got [0, 18446744073709551615]"),
        (text(Tensor::full([2], -1.0, DType::U32)), "[full] the number must be a value of u32, but got -1"),
        (text(Tensor::full([2], f64::NAN, DType::I64)), "[full] the number must be a value of i64, but got NaN"),
        (text(Tensor::full([2], 0.5, DType::I64)), "[full] the number must be a value of i64, but got 0.5"),
        (text(Tensor::full([2], 2.0, DType::Bool)), "[full] the number must be a value of bool, but got 2"),
        (text(Tensor::full([2], 1e39, DType::F32)), "[full] the number must be a value of f32, but got 1000000000000000000000000000000000000000"),
        (text(Tensor::full([2], 2f64.powi(63), DType::I64)), "[full] the number must be a value of i64, but got 9223372036854776000"),
        (text(Tensor::scalar(1.5, DType::I64)), "[scalar] the number must be a value of i64, but got 1.5"),
        (text(Tensor::scalar(2f64.powi(32), DType::U32)), "[scalar] the number must be a value of u32, but got 4294967296"),
        (text(Tensor::scalar(f64::NAN, DType::Bool)), "[scalar] the number must be a value of bool, but got NaN"),
        (text(a.to_vec::<f64>()), "[to_vec] the tensor must be f64, but got f32; cast it with `cast`"),
        (text(a.item::<f32>()), "[item] the tensor must have one element, but got shape [2, 3]"),
        (text(a.dim(2)), "[dim] the axis must lie in -2..2, but got 2"),
        (text(zeros(&[]).dim(0)), "[dim] the axis must lie in 0..0, but got 0"),
        (text(Tensor::arange(0.0, 1.0, 0.0, DType::F32)), "[arange] the step must lead from start to end, but got start 0, end 1 and step 0"),
        (text(Tensor::arange(0.0, 1.0, -1.0, DType::F32)), "[arange] the step must lead from start to end, but got start 0, end 1 and step -1"),
        (text(Tensor::arange(0.0, f64::NAN, 1.0, DType::F32)), "[arange] all numbers must be finite, but got start 0, end NaN and step 1"),
        (text(Tensor::arange(-1.0, 1.0, 1.0, DType::U32)), "[arange] every number must be a value of u32, but got start -1, end 1 and step 1"),
        (text(Tensor::arange(0.0, 1.0, 0.5, DType::I64)), "[arange] every number must be a value of i64, but got start 0, end 1 and step 0.5"),
        (text(Tensor::arange(0.0, 1.0, 1.0, DType::Bool)), "[arange] makes numbers, but got bool"),
        (text(Tensor::arange(0.0, 1e300, 1.0, DType::F64)), "[arange] the number of elements must fit the address space, but got [18446744073709551615]"),
        (text(Tensor::linspace(0.0, 1.0, 3, DType::I64)), "[linspace] makes floats, but got i64"),
        (text(Tensor::linspace(0.0, f64::INFINITY, 3, DType::F32)), "[linspace] start and end must be finite, but got 0 and inf"),
        (text(Tensor::eye(usize::MAX, 2, DType::F32)), "[eye] the number of elements must fit the address space, but got [18446744073709551615, 2]"),
        (text(ints(&[0, 3]).one_hot(3)), "[one_hot] every index must lie in 0..3, but got 3 at position 1"),
        (text(a.one_hot(3)), "[one_hot] indices must be u32 or i64, but got f32"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { dtypes, sizes, number, labels, .. } = x;
    let (sizes, number) = (*sizes, *number);
    vec![
        ("zeros", Box::new(move || Tensor::zeros([sizes[0], 0, sizes[1]], dtypes[0]))),
        ("from_slice", Box::new(move || Tensor::from_slice(&[1.0f32, 2.0], sizes))),
        ("arange", Box::new(move || Tensor::arange(number, 3.0, number / 7.0, dtypes[0]))),
        ("linspace", Box::new(move || Tensor::linspace(number, 1.0, sizes[0] % 99, dtypes[0]))),
        ("eye", Box::new(move || Tensor::eye(sizes[0] % 9, sizes[1] % 9, dtypes[0]))),
        ("one_hot", Box::new(move || labels.one_hot(sizes[0] % 9))),
    ]
}
