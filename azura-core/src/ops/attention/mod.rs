//! Attention and the positions that go with it.

mod dot_product;
mod layout;
mod packed;
mod rotary;

pub use dot_product::AttentionOptions;
pub use rotary::RotaryPairs;
