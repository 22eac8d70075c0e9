//! Products of matrices.

use crate::*;
use azura_core::AddmmOptions;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    let a = zeros(&[2, 3]);
    let b = zeros(&[4]);
    let options = AddmmOptions::default();
    vec![
        (text(a.matmul(&b)), "[matmul] columns of the left must equal rows of the right, but got [2, 3] and [4]"),
        (text(zeros(&[32, 784]).matmul(&zeros(&[128, 10]))), "[matmul] columns of the left must equal rows of the right, but got [32, 784] and [128, 10]"),
        (text(zeros(&[]).matmul(&a)), "[matmul] columns of the left must equal rows of the right, but got [] and [2, 3]"),
        (text(zeros(&[2, 1, 1]).matmul(&zeros(&[3, 1, 1]))), "[matmul] sizes aligned at the last axis must be equal or 1, but got [2] and [3]"),
        (text(a.linear(&zeros(&[5, 4]), None)), "[linear] needs [..., I], weight [O, I] and bias [O], but got [2, 3], [5, 4] and no bias"),
        (text(a.linear(&zeros(&[5, 3]), Some(&b))), "[linear] needs [..., I], weight [O, I] and bias [O], but got [2, 3], [5, 3] and [4]"),
        (text(a.mm(&b)), "[mm] needs [M, K] and [K, N], but got [2, 3] and [4]"),
        (text(a.bmm(&a)), "[bmm] needs [B, M, K] and [B, K, N], but got [2, 3] and [2, 3]"),
        (text(zeros(&[2, 1, 1]).bmm(&zeros(&[1, 1, 1]))), "[bmm] needs [B, M, K] and [B, K, N], but got [2, 1, 1] and [1, 1, 1]"),
        (text(b.dot(&zeros(&[3]))), "[dot] needs two vectors of one length, but got [4] and [3]"),
        (text(a.outer(&b)), "[outer] needs two vectors, but got [2, 3] and [4]"),
        (text(zeros(&[1; 5]).kron(&b)), "[kron] takes at most 4 axes, but got [1, 1, 1, 1, 1] and [4]"),
        (text(b.addmm(&a, &zeros(&[3, 2]), options)), "[addmm] the tensor that is added to must fit the product, but got [4] for [2, 2]"),
        (text(b.addmm(&a, &a, options)), "[addmm] needs [M, K] and [K, N], but got [2, 3] and [2, 3]"),
        (text(b.baddbmm(&a, &a, options)), "[baddbmm] needs [B, M, K] and [B, K, N], but got [2, 3] and [2, 3]"),
        (text(b.addmm(&a.cast(DType::F64).unwrap(), &a, options)), "[addmm] both operands must have the same dtype, but got f32 and f64; cast one with `cast`"),
        (text(a.bilinear(&b, &a, None)), "[bilinear] needs [..., I], [..., J], weight [O, I, J] and bias [O], but got [2, 3], [4], [2, 3] and no bias"),
        (text(Tensor::einsum("ij,@k->ik", &[&a, &a])), "[einsum] an equation has letters, `...`, `,` between operands and one `->`, but got `@` at place 3 of `ij,@k->ik`"),
        (text(Tensor::einsum("ij->i->j", &[&a])), "[einsum] an equation has letters, `...`, `,` between operands and one `->`, but got `-` at place 5 of `ij->i->j`"),
        (text(Tensor::einsum("......", &[&a])), "[einsum] a term may have one `...`, but got a second at place 3 of `......`"),
        (text(Tensor::einsum("ij->ii", &[&a])), "[einsum] a letter may stand once in the result, but got `i` at place 5 of `ij->ii`"),
        (text(Tensor::einsum("ij->ik", &[&a])), "[einsum] a letter of the result must stand in an operand, but got `k` at place 5 of `ij->ik`"),
        (text(Tensor::einsum("ij,jk", &[&a])), "[einsum] `ij,jk` needs 2 operands, but got 1"),
        (text(Tensor::einsum("ijk", &[&a])), "[einsum] operand 0 of `ijk` must have 3 axes, but got shape [2, 3]"),
        (text(Tensor::einsum("i", &[&a])), "[einsum] operand 0 of `i` must have 1 axes, but got shape [2, 3]"),
        (text(Tensor::einsum("...ijk", &[&a])), "[einsum] operand 0 of `...ijk` must have at least 3 axes, but got shape [2, 3]"),
        (text(Tensor::einsum("ii", &[&a])), "[einsum] axes of one letter must have one size, but got size 2 of `i` at place 0 of `ii`"),
        (text(Tensor::einsum("ij,jk", &[&a, &a])), "[einsum] axes of one letter must have one size, but got size 2 of `j` at place 3 of `ij,jk`"),
        (text(Tensor::einsum("...,...", &[&a, &b])), "[einsum] axes that `...` stands for in `...,...` must be equal or 1, but got sizes 3 and 4"),
        (text(Tensor::einsum("i", &[&ints(&[1])])), "[einsum] takes floats, but got i64; cast it first with `cast`"),
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, b, c, .. } = x;
    let number = x.number;
    vec![
        ("matmul", Box::new(move || a.matmul(b))),
        ("linear", Box::new(move || a.linear(b, Some(c)))),
        ("linear_act", Box::new(move || a.linear_act(b, None, Activation::Relu))),
        ("linear vector", Box::new(move || a.linear(b, None))),
        ("mm", Box::new(move || a.mm(b))),
        ("bmm", Box::new(move || a.bmm(b))),
        ("dot", Box::new(move || a.dot(b))),
        ("outer", Box::new(move || a.outer(b))),
        ("kron", Box::new(move || a.kron(b))),
        ("addmm", Box::new(move || c.addmm(a, b, AddmmOptions { beta: number, alpha: number }))),
        ("addmm square", Box::new(move || c.addmm(&a.outer(a)?, &a.outer(b)?, AddmmOptions::default()))),
        ("baddbmm", Box::new(move || c.baddbmm(a, b, AddmmOptions::default()))),
        ("bilinear", Box::new(move || a.bilinear(a, c, Some(b)))),
        ("einsum", Box::new(move || Tensor::einsum("...i,...j->ij...", &[a, b]))),
        ("einsum implicit", Box::new(move || Tensor::einsum("ij,jk,...k", &[a, b, c]))),
        ("einsum diagonal", Box::new(move || Tensor::einsum("ii...,i", &[a, b]))),
    ]
}
