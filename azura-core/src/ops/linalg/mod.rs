//! Products of vectors and matrices.
//!
//! | file       | what lives there                                                  |
//! |------------|-------------------------------------------------------------------|
//! | `matmul`   | products of matrices over any leading axes, and added to a tensor |
//! | `linear`   | fully connected layers, with an activation in the same pass       |
//! | `products` | outer and Kronecker products, bilinear forms                      |
//! | `einsum`   | sums of products by an equation                                   |
//! | `equation` | reading such an equation                                          |

mod einsum;
mod equation;
mod linear;
mod matmul;
mod products;

pub use matmul::AddmmOptions;
