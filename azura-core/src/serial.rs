//! Tensors on disk: the safetensors format, and no other.
//!
//! A file is refused unless every byte of its data belongs to exactly one tensor; sizes are checked
//! before anything is allocated.

use crate::dtype::for_dtype;
use crate::tensor::Tensor;
use crate::{DType, Element, Error, OutOfMemory, Result};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

/// The content of a safetensors file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Tensors by name, in the order of their data.
    pub tensors: Vec<(String, Tensor)>,
    /// Free text by key.
    pub metadata: BTreeMap<String, String>,
}

/// Reads the file at `path`.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Format`] if it is not a valid file or holds a dtype
/// that a tensor cannot have.
pub fn load(path: impl AsRef<Path>) -> Result<File> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|source| Error::Io {
        path: path.display().to_string(),
        source,
    })?;
    read(&bytes, &path.display().to_string())
}

/// Reads the bytes of a file; `name` stands for it in errors.
///
/// # Errors
/// [`Error::Format`] as for [`load`].
pub fn read(bytes: &[u8], name: &str) -> Result<File> {
    let refuse = |what: String| Error::Format {
        name: name.to_string(),
        what,
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| refuse(e.to_string()))?;
    let content = SafeTensors::deserialize(bytes).map_err(|e| refuse(e.to_string()))?;
    let mut views: Vec<_> = content.iter().collect();
    views.sort_by_key(|(tensor, view)| {
        (
            view.data().as_ptr() as usize,
            tensor.len(),
            (*tensor).to_string(),
        )
    });
    let tensors = views
        .into_iter()
        .map(|(tensor, view)| {
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::F64 => DType::F64,
                Dtype::F16 => DType::F16,
                Dtype::BF16 => DType::BF16,
                Dtype::I64 => DType::I64,
                Dtype::U32 => DType::U32,
                Dtype::BOOL => DType::Bool,
                other => {
                    return Err(refuse(format!(
                        "tensor `{tensor}` has dtype {other:?}, which is not supported"
                    )));
                }
            };
            let data = view.data();
            Ok((
                tensor.to_string(),
                from_le_bytes(dtype, data, view.shape())
                    .map_err(|e| refuse(format!("tensor `{tensor}`: {e}")))?,
            ))
        })
        .collect::<Result<_>>()?;
    let metadata = header
        .metadata()
        .iter()
        .flatten()
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    Ok(File { tensors, metadata })
}

fn from_le_bytes(dtype: DType, data: &[u8], shape: &[usize]) -> Result<Tensor> {
    macro_rules! decode {
        ($ty:ty) => {{
            let values: Vec<$ty> = data
                .chunks_exact(size_of::<$ty>())
                .map(|bytes| <$ty>::from_le_bytes(bytes.try_into().expect("chunks of this size")))
                .collect();
            Tensor::from_vec(values, shape)
        }};
    }
    match dtype {
        DType::F32 => decode!(f32),
        DType::F64 => decode!(f64),
        DType::F16 => decode!(f16),
        DType::BF16 => decode!(bf16),
        DType::I64 => decode!(i64),
        DType::U32 => decode!(u32),
        // Any byte but 0 is true, as in the reference reader.
        DType::Bool => Tensor::from_vec(data.iter().map(|&byte| byte != 0).collect(), shape),
    }
}

/// The little-endian bytes of a tensor's elements in row-major order.
pub fn to_le_bytes(tensor: &Tensor) -> Vec<u8> {
    let mut out = with_room(stored_size(tensor));
    put_le_bytes(tensor, &mut out);
    out
}

fn stored_size(tensor: &Tensor) -> usize {
    tensor.numel() * tensor.dtype().size()
}

/// An empty vector for so many bytes. Weights may be most of the memory, so this ends as a tensor's buffer does.
fn with_room(bytes: usize) -> Vec<u8> {
    let mut room = Vec::new();
    if room.try_reserve_exact(bytes).is_err() {
        std::panic::panic_any(OutOfMemory { bytes })
    }
    room
}

fn put_le_bytes(tensor: &Tensor, out: &mut Vec<u8>) {
    trait Bytes: Element {
        fn put(self, out: &mut Vec<u8>);
    }
    macro_rules! bytes {
        ($($ty:ty),*) => {$(
            impl Bytes for $ty {
                fn put(self, out: &mut Vec<u8>) {
                    out.extend(self.to_le_bytes());
                }
            }
        )*};
    }
    bytes!(f32, f64, f16, bf16, i64, u32);
    impl Bytes for bool {
        fn put(self, out: &mut Vec<u8>) {
            out.push(u8::from(self));
        }
    }
    let source = tensor.contiguous_detached();
    for_dtype!(tensor.dtype(), T => for &value in source.slice::<T>() {
        value.put(out);
    });
}

/// The bytes of a file with these tensors and metadata; equal content gives equal bytes.
///
/// # Errors
/// [`Error::Format`] if a name stands twice.
///
/// ```
/// use azura_core::{serial, Tensor};
/// let x = Tensor::from_slice(&[1.0f32, 2.0], [2])?;
/// let bytes = serial::to_bytes(&[("x".to_string(), x)], &Default::default())?;
/// assert_eq!(serial::read(&bytes, "memory")?.tensors[0].1.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), azura_core::Error>(())
/// ```
pub fn to_bytes(
    tensors: &[(String, Tensor)],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    let refuse = |what: String| Error::Format {
        name: "file to write".to_string(),
        what,
    };
    let mut names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(refuse(format!("two tensors are named `{}`", pair[0])));
    }
    // The format's own order: wide elements first, so that each tensor is aligned, then by name.
    let mut order: Vec<&(String, Tensor)> = tensors.iter().collect();
    order.sort_by_key(|(name, tensor)| (Reverse(tensor.dtype().size()), name));
    // The library's writer takes metadata as a hash map, whose order differs from run to run.
    let mut header = Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".to_string(), json!(metadata));
    }
    let mut end = 0;
    for (name, tensor) in &order {
        let start = end;
        end += stored_size(tensor);
        let entry = json!({
            "dtype": stored_dtype(tensor.dtype()),
            "shape": tensor.shape(),
            "data_offsets": [start, end],
        });
        if name == "__metadata__" {
            return Err(refuse("no tensor may be named `__metadata__`".to_string()));
        }
        header.insert(name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = with_room(8 + header.len() + end);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for (_, tensor) in order {
        put_le_bytes(tensor, &mut bytes);
    }
    Ok(bytes)
}

fn stored_dtype(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "F32",
        DType::F64 => "F64",
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        DType::I64 => "I64",
        DType::U32 => "U32",
        DType::Bool => "BOOL",
    }
}
