//! Attention.

use crate::call::{Call, one};
use crate::file::{Why, lacks};
use azura_core::{AttentionOptions, Tensor};

pub fn run(name: &str, call: &Call) -> Result<Option<Vec<Tensor>>, Why> {
    Ok(Some(match name {
        "nn.functional.scaled_dot_product_attention" => {
            call.only(&["attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa"])?;
            if call.float(4, "dropout_p")?.unwrap_or(0.0) > 0.0 {
                return lacks("dropout by the bits of PyTorch's generator");
            }
            let mask = call.get(3, "attn_mask").is_some();
            let options = AttentionOptions {
                mask: mask.then(|| call.tensor(3, "attn_mask")).transpose()?,
                is_causal: call.flag(5, "is_causal"),
                scale: call.float(6, "scale")?,
                enable_gqa: call.flag(7, "enable_gqa"),
                ..Default::default()
            };
            let (k, v) = (call.tensor(1, "key")?, call.tensor(2, "value")?);
            one(call
                .tensor(0, "query")?
                .scaled_dot_product_attention(k, v, options))?
        }
        "nn.functional.multi_head_attention_forward" => {
            let drops = call.float(10, "dropout_p")?.unwrap_or(0.0) > 0.0;
            return lacks(if drops {
                "dropout by the bits of PyTorch's generator"
            } else {
                "no functional form: the layer is MultiHeadAttention"
            });
        }
        _ => return Ok(None),
    }))
}
