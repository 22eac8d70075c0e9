//! Operations on each element, with broadcasting.
//!
//! An operation is one expression over [`Num`](crate::cpu::math::Num), written once. Its loop is
//! compiled for each instruction set; its derivative is the same expression on dual numbers, unless a
//! row says how to take it from the result (which then is what is saved) or writes it out. Adding an
//! operation is adding a row.
//!
//! | file         | what lives there                                              |
//! |--------------|---------------------------------------------------------------|
//! | `apply`      | loops over tensors: broadcasting, reuse of buffers            |
//! | `function`   | functions of one to three numbers, and operations made of them|
//! | `fused`      | activations that products apply in passing                    |
//! | `rhs`        | a tensor or a number                                          |
//! | `unary`      | functions of one number: exponentials, angles, rounding       |
//! | `activation` | activation functions                                          |
//! | `arithmetic` | `add` to `lerp`, and the operators                            |
//! | `power`      | powers                                                        |
//! | `integer`    | arithmetic on integers                                        |
//! | `compare`    | comparisons and logic                                         |
//! | `select`     | `clamp`, `where_`                                             |
//! | `cast`       | elements as another dtype                                     |
//! | `map`        | functions of users                                            |

mod activation;
mod apply;
mod arithmetic;
mod cast;
mod compare;
mod function;
mod fused;
mod integer;
mod map;
mod power;
mod rhs;
mod select;
mod unary;

pub(crate) use apply::sum_to;
pub use arithmetic::Rounding;
pub(super) use function::{Binary, binary};
pub use fused::Activation;
pub use map::{Elementwise, Elementwise2};
pub use rhs::Rhs;
