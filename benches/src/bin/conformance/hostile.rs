//! Malformed safetensors files: what the reference reader refuses must be refused.

use crate::file::{Why, lacks};
use azura_core::serial;
use serde_json::Value;

/// Whether our reader's verdict on `bytes` is the one in the manifest's `entry`.
pub fn run(name: &str, bytes: &[u8], entry: &Value) -> Result<(), Why> {
    let wrong = |message: String| Err(Why::Wrong(message));
    let valid = entry["ref"] == "ok";
    match std::panic::catch_unwind(|| serial::read(bytes, name)) {
        Err(_) => wrong("panics".into()),
        Ok(Ok(_)) if valid => Ok(()),
        Ok(Ok(_)) => wrong(format!("accepted, but the reference says {}", entry["ref"])),
        Ok(Err(error)) => match error.to_string() {
            text if valid && text.contains("at most 8 axes") => {
                lacks("more axes than a tensor has here")
            }
            text if valid && text.contains("not supported") => {
                lacks("a dtype that tensors here cannot have")
            }
            text if valid => wrong(format!("refused: {text}")),
            text if text.starts_with(&format!("[safetensors] {name}: ")) => Ok(()),
            text => wrong(format!("the message names no file: {text}")),
        },
    }
}
