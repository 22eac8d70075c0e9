//! A safetensors file with a JSON document and a hash over both: what model files and checkpoints
//! have in common.
//!
//! The file's metadata has one key, `azura`: the document as canonical JSON (keys sorted, no spaces).
//! Its member `sha256` is over the canonical text without that member, then over every tensor in the
//! order of names: name, dtype, shape and little-endian bytes, each with its length before it. One key,
//! because the order of several is not fixed, and the same model must be the same bytes.

use std::collections::BTreeMap;

use azura_core::{Tensor, serial};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::Result;

const DOCUMENT: &str = "azura";
const HASH: &str = "sha256";

/// Why a file could not be unsealed.
#[derive(Debug)]
pub(crate) enum Broken {
    /// A valid safetensors file of someone else.
    Foreign,
    /// Damaged or too new, in words.
    Other(String),
}

/// The bytes of a file with this document, an object, and these tensors.
pub(crate) fn seal(document: &Value, tensors: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let mut document = document.clone();
    document[HASH] = digest(&canonical(&document), tensors).into();
    let metadata = BTreeMap::from([(DOCUMENT.to_string(), canonical(&document))]);
    Ok(serial::to_bytes(tensors, &metadata)?)
}

/// Document and tensors of a file, after its hash was found to be right.
///
/// `kind` is `model` or `checkpoint`; `format` is the newest version that can be read.
pub(crate) fn unseal(
    bytes: &[u8],
    kind: &str,
    format: u32,
) -> Result<(Value, Vec<(String, Tensor)>), Broken> {
    let other = |reason: String| Broken::Other(reason);
    let file = serial::read(bytes, kind).map_err(|e| other(format!("it is damaged ({e})")))?;
    let text = file.metadata.get(DOCUMENT).ok_or(Broken::Foreign)?;
    let mut document: Value = serde_json::from_str(text)
        .map_err(|e| other(format!("it is damaged (its metadata is no JSON: {e})")))?;
    // Before the hash: a newer format may hash in another way.
    match document.get("format").and_then(Value::as_u64) {
        Some(version) if version > u64::from(format) => {
            return Err(other(format!(
                "its format is version {version}, and this program reads up to version {format}; \
                 use a newer azura"
            )));
        }
        Some(_) => {}
        None => return Err(other("it is damaged (no format version)".to_string())),
    }
    let as_written = canonical(&document) == *text && file.metadata.len() == 1;
    let hash = document.as_object_mut().and_then(|map| map.remove(HASH));
    let right = digest(&canonical(&document), &file.tensors);
    if !as_written || hash.as_ref().and_then(Value::as_str) != Some(&right) {
        return Err(other(
            "its content does not match its sha256: it was damaged or changed after it was written"
                .to_string(),
        ));
    }
    match document.get("kind").and_then(Value::as_str) {
        Some(found) if found == kind => Ok((document, file.tensors)),
        Some(found) => Err(other(format!("it is a {found}, not a {kind}"))),
        None => Err(other("it is damaged (no kind)".to_string())),
    }
}

/// JSON with sorted keys and without spaces: the same document is always the same text.
pub(crate) fn canonical(value: &Value) -> String {
    sorted(value).to_string()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let keys: BTreeMap<&String, &Value> = map.iter().collect();
            keys.into_iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// The hash over a document's canonical text and tensors.
pub(crate) fn digest(text: &str, tensors: &[(String, Tensor)]) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(text.as_bytes());
    let by_name: BTreeMap<&String, &Tensor> = tensors.iter().map(|(n, t)| (n, t)).collect();
    for (name, tensor) in by_name {
        part(name.as_bytes());
        part(tensor.dtype().to_string().as_bytes());
        let shape: Vec<String> = tensor.shape().iter().map(usize::to_string).collect();
        part(shape.join(",").as_bytes());
        part(&serial::to_le_bytes(tensor));
    }
    crate::fs::hex(&hash.finalize())
}
