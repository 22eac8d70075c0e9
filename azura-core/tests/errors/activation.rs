//! Activation functions.

use crate::*;

#[rustfmt::skip]
pub fn messages() -> Vec<Message> {
    vec![
    ]
}

#[rustfmt::skip]
pub fn calls(x: &Args) -> Vec<Call<'_>> {
    let Args { a, .. } = x;
    vec![
        ("gelu_tanh", Box::new(move || a.clone().gelu_tanh())),
        ("silu", Box::new(move || a.clone().silu())),
        ("relu", Box::new(move || a.clone().relu())),
    ]
}
