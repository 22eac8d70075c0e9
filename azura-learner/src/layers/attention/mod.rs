//! Attention as a layer, and positions.

mod mask;
mod multi_head;
mod positions;

pub use multi_head::{AttentionInputs, MultiHeadAttention, MultiHeadAttentionBuilder};
pub use positions::{PositionalEncoding, RotaryEmbedding, sinusoidal_positions};
