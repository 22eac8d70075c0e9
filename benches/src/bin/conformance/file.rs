//! One file of reference cases, and why a case may not pass.

use azura_core::{DType, Error, Tensor};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};

/// A safetensors file whose metadata describes the cases that its tensors belong to.
pub struct File<'a> {
    pub tensors: SafeTensors<'a>,
    /// How each case was called, by its name.
    pub cases: Map<String, Value>,
    /// What the recorded f64 numbers are computed with.
    pub dtype: DType,
}

impl<'a> File<'a> {
    pub fn parse(bytes: &'a [u8], dtype: DType) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| e.to_string())?;
        let cases = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get("cases"))
            .ok_or("its metadata has no key `cases`")?;
        Ok(File {
            tensors: SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?,
            cases: serde_json::from_str(cases).map_err(|e| format!("`cases`: {e}"))?,
            dtype,
        })
    }

    /// Whether there is such a tensor.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// The tensor of this name; small integers become i64.
    pub fn tensor(&self, name: &str) -> Result<Tensor, Why> {
        let view = self
            .tensors
            .tensor(name)
            .map_err(|e| Why::Wrong(format!("{name}: {e}")))?;
        macro_rules! decode {
            ($ty:ty, $to:ty) => {{
                let values: Vec<$to> = view
                    .data()
                    .chunks_exact(size_of::<$ty>())
                    .map(|bytes| {
                        let mut value = [0; size_of::<$ty>()];
                        value.copy_from_slice(bytes);
                        <$ty>::from_le_bytes(value).into()
                    })
                    .collect();
                Ok(Tensor::from_vec(values, view.shape())?)
            }};
        }
        match view.dtype() {
            Dtype::F64 => {
                let x: Result<Tensor, Why> = decode!(f64, f64);
                Ok(x?.cast(self.dtype)?)
            }
            Dtype::F32 => decode!(f32, f32),
            Dtype::I64 => decode!(i64, i64),
            Dtype::I32 => decode!(i32, i64),
            Dtype::U8 => decode!(u8, i64),
            Dtype::BOOL => Ok(Tensor::from_vec(
                view.data().iter().map(|&b| b != 0).collect(),
                view.shape(),
            )?),
            other => lacks(format!("dtype {other:?}")),
        }
    }

    /// `<case>/<kind>/0`, `/1`, …; an entry may be missing where nothing flows.
    pub fn numbered(
        &self,
        case: &str,
        kind: &str,
        count: usize,
    ) -> Result<Vec<Option<Tensor>>, Why> {
        (0..count)
            .map(|i| {
                let name = format!("{case}/{kind}/{i}");
                self.has(&name).then(|| self.tensor(&name)).transpose()
            })
            .collect()
    }
}

/// Why a case did not pass.
#[derive(Debug)]
pub enum Why {
    /// It asks for what this version lacks.
    Lacks(String),
    Wrong(String),
}

impl From<Error> for Why {
    fn from(error: Error) -> Self {
        Why::Wrong(error.to_string())
    }
}

impl From<azura_learner::Error> for Why {
    fn from(error: azura_learner::Error) -> Self {
        Why::Wrong(error.to_string())
    }
}

/// A case that asks for what is not offered here.
pub fn lacks<T>(what: impl Into<String>) -> Result<T, Why> {
    Err(Why::Lacks(what.into()))
}

/// The elements of `x` laid out with these strides, as a leaf of the graph.
pub fn with_strides(x: &Tensor, strides: &[usize]) -> Result<Tensor, Why> {
    let shape = x.shape().to_vec();
    if !x.dtype().is_float() || x.numel() == 0 || x.rank() != strides.len() {
        return Ok(x.clone());
    }
    // Repeated axes have stride 0; the others, from the longest stride to the shortest, are the axes of
    // a base that has room for the gaps.
    let repeated: Vec<usize> = (0..x.rank())
        .filter(|&a| strides[a] == 0 && shape[a] > 1)
        .collect();
    let mut axes: Vec<usize> = (0..x.rank())
        .filter(|&a| shape[a] > 1 && strides[a] > 0)
        .collect();
    axes.sort_by_key(|&a| std::cmp::Reverse(strides[a]));
    let mut sizes = Vec::new();
    for (i, &a) in axes.iter().enumerate() {
        match i.checked_sub(1).map(|before| strides[axes[before]]) {
            None => sizes.push(shape[a]),
            Some(outer) if outer % strides[a] == 0 && outer / strides[a] >= shape[a] => {
                sizes.push(outer / strides[a]);
            }
            Some(_) => return Ok(x.clone()),
        }
    }
    sizes.push(axes.last().map_or(1, |&a| strides[a]));
    let values: Vec<f64> = x.cast(DType::F64)?.to_vec()?;
    let mut base = vec![f64::NAN; sizes.iter().product()];
    for (index, value) in indices(&shape).iter().zip(values) {
        base[axes.iter().map(|&a| index[a] * strides[a]).sum::<usize>()] = value;
    }
    let base = Tensor::from_vec(base, sizes)?.cast(x.dtype())?;
    let mut view = base.select(-1, 0)?;
    for (i, &a) in axes.iter().enumerate() {
        view = view.narrow(i as isize, 0, shape[a])?;
    }
    // Back to the order of axes, then the axes of size 1 and the repeated ones.
    let order: Vec<isize> = (0..x.rank())
        .filter_map(|a| axes.iter().position(|&b| a == b).map(|i| i as isize))
        .collect();
    view = view.permute(&order)?;
    for a in 0..x.rank() {
        if !axes.contains(&a) {
            view = view.unsqueeze(a as isize)?;
        }
    }
    if !repeated.is_empty() {
        view = view.expand(&shape)?;
    }
    let same = view.eq(x)?.all_all()?.item::<bool>()?;
    if !same && !has_nan(x)? {
        return Err(Why::Wrong("the view was rebuilt wrongly".into()));
    }
    Ok(view)
}

/// Indices of all elements of a shape in row-major order.
fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    (0..shape.iter().product())
        .map(|mut i: usize| {
            let mut index = vec![0; shape.len()];
            for axis in (0..shape.len()).rev() {
                index[axis] = i % shape[axis];
                i /= shape[axis];
            }
            index
        })
        .collect()
}

fn has_nan(x: &Tensor) -> Result<bool, Why> {
    Ok(x.ne(x)?.any_all()?.item()?)
}
