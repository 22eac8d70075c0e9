//! Products of matrices.

use crate::common::Domain::Any;
use crate::{Row, one, row};
use azura_core::{Activation, AddmmOptions, Tensor};

const MATMUL: &[&[&[usize]]] = &[
    &[&[3, 4], &[4, 2]],
    &[&[1, 1], &[1, 1]],
    &[&[4], &[4]],
    &[&[4], &[4, 3]],
    &[&[3, 4], &[4]],
    &[&[2, 3, 4], &[2, 4, 5]],
    &[&[2, 3, 4], &[4, 5]],
    &[&[3, 4], &[2, 4, 5]],
    &[&[2, 1, 3, 4], &[5, 4, 2]],
    &[&[4], &[2, 4, 3]],
    &[&[2, 3, 4], &[4]],
    &[&[3, 0], &[0, 2]],
    &[&[0, 3], &[3, 2]],
    &[&[0, 2, 3], &[0, 3, 2]],
    &[&[17, 33], &[33, 9]],
];
const LINEAR: &[&[&[usize]]] = &[
    &[&[3, 4], &[2, 4], &[2]],
    &[&[4], &[3, 4], &[3]],
    &[&[2, 3, 4], &[5, 4], &[5]],
    &[&[1, 1], &[1, 1], &[1]],
    &[&[0, 4], &[2, 4], &[2]],
    &[&[3, 0], &[2, 0], &[2]],
    &[&[3, 4], &[0, 4], &[0]],
    &[&[19, 35], &[18, 35], &[18]],
];

/// What is added to, and two matrices.
const ADDMM: &[&[&[usize]]] = &[
    &[&[3, 2], &[3, 4], &[4, 2]],
    &[&[2], &[3, 4], &[4, 2]],
    &[&[], &[1, 1], &[1, 1]],
    &[&[3, 1], &[3, 0], &[0, 2]],
    &[&[1, 2], &[0, 3], &[3, 2]],
];

#[rustfmt::skip]
pub fn rows() -> Vec<Row> {
    vec![
        row("matmul", Any, MATMUL, |x| one(x[0].matmul(&x[1]))),
        row("linear", Any, LINEAR, |x| one(x[0].linear(&x[1], Some(&x[2])))),
        row("linear without bias", Any, LINEAR, |x| one(x[0].linear(&x[1], None))),
        row("linear_act gelu", Any, LINEAR, |x| one(x[0].linear_act(&x[1], Some(&x[2]), Activation::Gelu))),
        row("linear_act gelu_tanh", Any, LINEAR, |x| one(x[0].linear_act(&x[1], Some(&x[2]), Activation::GeluTanh))),
        row("linear_act silu", Any, LINEAR, |x| one(x[0].linear_act(&x[1], None, Activation::Silu))),
        row("linear_act tanh", Any, LINEAR, |x| one(x[0].linear_act(&x[1], Some(&x[2]), Activation::Tanh))),
        row("linear_act sigmoid", Any, LINEAR, |x| one(x[0].linear_act(&x[1], Some(&x[2]), Activation::Sigmoid))),
        row("linear_act relu", Any, LINEAR, |x| one(x[0].linear_act(&x[1], Some(&x[2]), Activation::Relu))),
        row("linear with one output", Any, &[&[&[3, 4], &[4], &[]], &[&[4], &[4], &[]], &[&[0, 2], &[2], &[]]], |x| one(x[0].linear(&x[1], Some(&x[2])))),
        row("mm", Any, &[&[&[3, 4], &[4, 2]], &[&[0, 3], &[3, 2]], &[&[3, 0], &[0, 2]]], |x| one(x[0].mm(&x[1]))),
        row("bmm", Any, &[&[&[2, 3, 4], &[2, 4, 2]], &[&[1, 1, 1], &[1, 1, 1]], &[&[2, 3, 0], &[2, 0, 2]]], |x| one(x[0].bmm(&x[1]))),
        row("dot", Any, &[&[&[5], &[5]], &[&[1], &[1]], &[&[0], &[0]]], |x| one(x[0].dot(&x[1]))),
        row("outer", Any, &[&[&[3], &[4]], &[&[1], &[1]], &[&[0], &[2]]], |x| one(x[0].outer(&x[1]))),
        row("kron", Any, &[&[&[2, 3], &[3, 2]], &[&[2], &[2, 2]], &[&[], &[3]], &[&[0, 2], &[1, 2]]], |x| one(x[0].kron(&x[1]))),
        row("addmm", Any, ADDMM, |x| Ok(vec![
            x[0].addmm(&x[1], &x[2], AddmmOptions::default())?,
            x[0].addmm(&x[1], &x[2], AddmmOptions { beta: -0.5, alpha: 1.5 })?,
            x[0].addmm(&x[1], &x[2], AddmmOptions { beta: 0.0, alpha: 1.0 })?,
        ])),
        row("baddbmm", Any, &[&[&[2, 3, 2], &[2, 3, 4], &[2, 4, 2]], &[&[3, 1], &[2, 3, 1], &[2, 1, 2]], &[&[], &[1, 2, 0], &[1, 0, 2]]], |x| Ok(vec![
            x[0].baddbmm(&x[1], &x[2], AddmmOptions::default())?,
            x[0].baddbmm(&x[1], &x[2], AddmmOptions { beta: -0.5, alpha: 1.5 })?,
        ])),
        row("bilinear", Any, &[&[&[3, 2], &[3, 4], &[5, 2, 4], &[5]], &[&[2], &[3], &[1, 2, 3], &[1]], &[&[2, 1, 2], &[2, 1, 2], &[2, 2, 2], &[2]], &[&[0, 2], &[0, 3], &[2, 2, 3], &[2]]], |x| Ok(vec![
            x[0].bilinear(&x[1], &x[2], Some(&x[3]))?,
            x[0].bilinear(&x[1], &x[2], None)?,
        ])),
        row("einsum of one", Any, &[&[&[3, 3]], &[&[1, 1]], &[&[0, 0]]], |x| Ok(vec![
            Tensor::einsum("ij->ji", &[&x[0]])?,
            Tensor::einsum("ba", &[&x[0]])?,
            Tensor::einsum("ii", &[&x[0]])?,
            Tensor::einsum("ii->i", &[&x[0]])?,
            Tensor::einsum("...i->i", &[&x[0]])?,
        ])),
        row("einsum of two", Any, &[&[&[2, 3, 4], &[2, 4, 3]], &[&[1, 3, 1], &[2, 4, 3]], &[&[2, 0, 2], &[1, 2, 0]]], |x| Ok(vec![
            Tensor::einsum("bij,bjk->bik", &[&x[0], &x[1]])?,
            Tensor::einsum("bij,bjk", &[&x[0], &x[1]])?,
            Tensor::einsum("bij,bji->b", &[&x[0], &x[1]])?,
            Tensor::einsum("b i j, c j k -> i c", &[&x[0], &x[1]])?,
            Tensor::einsum("...ij,...jk->...ik", &[&x[0], &x[1]])?,
            Tensor::einsum("bij,bji->jib", &[&x[0], &x[1]])?,
            Tensor::einsum("aij,bkl->kail", &[&x[0], &x[1]])?,
        ])),
        row("einsum of three", Any, &[&[&[2, 3], &[3, 4], &[4, 2]], &[&[2, 1], &[3, 4], &[4, 2]]], |x| Ok(vec![
            Tensor::einsum("ij,jk,ki->", &[&x[0], &x[1], &x[2]])?,
            Tensor::einsum("ij,jk,kl->jil", &[&x[0], &x[1], &x[2]])?,
            Tensor::einsum("...a,...b,...c->abc", &[&x[0].t()?.sum(&[0], true)?, &x[1].sum(&[0], true)?, &x[2].sum(&[0], false)?])?,
        ])),
    ]
}
