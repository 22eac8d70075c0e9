//! Operations on each element, with broadcasting.
//!
//! An operation is one expression over [`Num`](crate::cpu::math::Num), written once. Its loop is
//! compiled for each instruction set; its derivative is the same expression on dual numbers, unless a
//! row says how to take it from the result (which then is what is saved). Adding an operation is
//! adding a row.
//!
//! | file         | what lives there                                              |
//! |--------------|---------------------------------------------------------------|
//! | `apply`      | loops over tensors: broadcasting, reuse of buffers            |
//! | `unary`      | functions of one number, and their rows                       |
//! | `activation` | activation functions                                          |
//! | `binary`     | functions of two numbers: arithmetic, `maximum`, `pow`        |
//! | `scalar`     | a tensor with a number, and the operators                     |
//! | `compare`    | comparisons                                                   |
//! | `select`     | `clamp`, `where_`                                             |
//! | `cast`       | elements as another dtype                                     |

mod activation;
mod apply;
mod binary;
mod cast;
mod compare;
mod scalar;
mod select;
mod unary;

pub(crate) use apply::sum_to;
pub use binary::Rhs;
pub(super) use binary::{Binary, binary};
