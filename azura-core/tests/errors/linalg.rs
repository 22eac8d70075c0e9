//! Products of matrices.

use crate::*;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    let b = zeros(&[4]);
    vec![
        (text(a.matmul(&b)), "[matmul] columns of the left must equal rows of the right, but got [2, 3] and [4]"),
        (text(zeros(&[32, 784]).matmul(&zeros(&[128, 10]))), "[matmul] columns of the left must equal rows of the right, but got [32, 784] and [128, 10]"),
        (text(zeros(&[]).matmul(&a)), "[matmul] columns of the left must equal rows of the right, but got [] and [2, 3]"),
        (text(zeros(&[2, 1, 1]).matmul(&zeros(&[3, 1, 1]))), "[matmul] sizes aligned at the last axis must be equal or 1, but got [2] and [3]"),
        (text(a.linear(&zeros(&[5, 4]), None)), "[linear] needs [..., I], weight [O, I] and bias [O], but got [2, 3], [5, 4] and no bias"),
        (text(a.linear(&zeros(&[5, 3]), Some(&b))), "[linear] needs [..., I], weight [O, I] and bias [O], but got [2, 3], [5, 3] and [4]"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, c, .. } = x;
    vec![
        ("matmul", Box::new(move || a.matmul(b))),
        ("linear", Box::new(move || a.linear(b, Some(c)))),
        ("linear_act", Box::new(move || a.linear_act(b, None, Activation::Relu))),
    ]
}
