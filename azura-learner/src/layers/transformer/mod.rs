//! Transformers (Vaswani et al. 2017, arXiv:1706.03762), as PyTorch's layers of the same names with `batch_first`.

mod block;
mod decoder;
mod encoder;
mod whole;

pub use block::{TransformerActivation, TransformerOptions};
pub use decoder::{DecoderMasks, TransformerDecoder, TransformerDecoderLayer};
pub use encoder::{EncoderMasks, TransformerEncoder, TransformerEncoderLayer};
pub use whole::{Transformer, TransformerMasks};
