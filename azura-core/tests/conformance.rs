//! A folder of reference cases, recorded from PyTorch, against the operations that exist here.
//!
//! The environment variable `AZURA_CONFORMANCE` names the folder; without it the tests say that they
//! are skipped. It holds `opinfo/`, `mod/`, `optim/` and `hostile/` (each may lie one level deeper). A
//! safetensors file is one operator, module or optimiser; its metadata key `cases` is JSON that says
//! how each case was called. A case that asks for something this version lacks is counted as not
//! applicable, with the reason; any difference in value or gradient fails.

mod common;

use azura_core::optim::{Adam, Optimizer, Sgd};
use azura_core::{
    DType, Error, Init, LstmOptions, LstmWeights, Reduction, Rng, Store, Tensor, grad, serial,
};
use common::{distance, f64s, indices};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Differences are measured against the largest number of a tensor, and at least 1.
const TOLERANCE: f64 = 1e-11;

fn folder(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("AZURA_CONFORMANCE") else {
        println!("skipped: AZURA_CONFORMANCE names no folder of reference cases");
        return None;
    };
    let folder = Path::new(&root).join(name);
    let deeper = folder.join(name);
    Some(if deeper.is_dir() { deeper } else { folder })
}

/// The safetensors files of a folder by name, sorted.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

struct File<'a> {
    tensors: SafeTensors<'a>,
    cases: Map<String, Value>,
}

impl<'a> File<'a> {
    fn parse(bytes: &'a [u8]) -> Self {
        let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
        let cases = &header.metadata().as_ref().unwrap()["cases"];
        File {
            tensors: SafeTensors::deserialize(bytes).unwrap(),
            cases: serde_json::from_str(cases).unwrap(),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    fn tensor(&self, name: &str) -> Result<Tensor, Why> {
        let view = self
            .tensors
            .tensor(name)
            .map_err(|e| Why::Wrong(format!("{name}: {e}")))?;
        macro_rules! decode {
            ($ty:ty, $to:ty) => {{
                let values: Vec<$to> = view
                    .data()
                    .chunks_exact(size_of::<$ty>())
                    .map(|bytes| <$ty>::from_le_bytes(bytes.try_into().unwrap()).into())
                    .collect();
                Ok(Tensor::from_vec(values, view.shape())?)
            }};
        }
        match view.dtype() {
            Dtype::F64 => decode!(f64, f64),
            Dtype::F32 => decode!(f32, f32),
            Dtype::I64 => decode!(i64, i64),
            Dtype::I32 => decode!(i32, i64),
            Dtype::BOOL => Ok(Tensor::from_vec(
                view.data().iter().map(|&b| b != 0).collect(),
                view.shape(),
            )?),
            other => lacks(format!("dtype {other:?}")),
        }
    }

    /// `<case>/<kind>/0`, `/1`, …; an entry may be missing where nothing flows.
    fn numbered(&self, case: &str, kind: &str, count: usize) -> Result<Vec<Option<Tensor>>, Why> {
        (0..count)
            .map(|i| {
                let name = format!("{case}/{kind}/{i}");
                self.has(&name).then(|| self.tensor(&name)).transpose()
            })
            .collect()
    }
}

/// Why a case did not pass.
enum Why {
    /// It asks for what this version lacks.
    Lacks(String),
    Wrong(String),
}

impl From<Error> for Why {
    fn from(error: Error) -> Self {
        Why::Wrong(error.to_string())
    }
}

fn lacks<T>(what: impl Into<String>) -> Result<T, Why> {
    Err(Why::Lacks(what.into()))
}

/// The elements of `x` laid out with these strides, as a leaf of the graph.
fn with_strides(x: &Tensor, strides: &[usize]) -> Result<Tensor, Why> {
    let shape = x.shape().to_vec();
    if x.dtype() != DType::F64 || x.numel() == 0 || x.rank() != strides.len() {
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
    let values = f64s(x);
    let mut base = vec![f64::NAN; sizes.iter().product()];
    for (index, value) in indices(&shape).iter().zip(values) {
        base[axes.iter().map(|&a| index[a] * strides[a]).sum::<usize>()] = value;
    }
    let mut view = Tensor::from_vec(base, sizes)?.select(-1, 0)?;
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
    assert_eq!(f64s(&view), f64s(x), "the view was rebuilt wrongly");
    Ok(view)
}

/// An argument of a call.
#[derive(Clone)]
enum Arg {
    Tensor(Tensor),
    List(Vec<Arg>),
    Plain(Value),
}

/// A call of an operator: the arguments in order, and those by name.
struct Call {
    args: Vec<Arg>,
    named: BTreeMap<String, Arg>,
    /// Inputs that have a gradient to compare, with its name in the file.
    targets: Vec<(String, Tensor)>,
}

impl Call {
    fn read(file: &File<'_>, case: &Value) -> Result<Call, Why> {
        let mut call = Call {
            args: Vec::new(),
            named: BTreeMap::new(),
            targets: Vec::new(),
        };
        let first = call.arg(file, &case["input"])?;
        call.args.push(first);
        for value in case["args"].as_array().unwrap() {
            let arg = call.arg(file, value)?;
            call.args.push(arg);
        }
        for (name, value) in case["kwargs"].as_object().unwrap() {
            let arg = call.arg(file, value)?;
            call.named.insert(name.clone(), arg);
        }
        Ok(call)
    }

    fn arg(&mut self, file: &File<'_>, value: &Value) -> Result<Arg, Why> {
        if let Some(name) = value["$t"].as_str() {
            let mut tensor = file.tensor(name)?;
            let strides: Vec<usize> = value["strides"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|s| s.as_u64().map(|s| s as usize))
                .collect();
            // A number is stored as one element.
            if let Some(sizes) = value["shape"].as_array() {
                let sizes: Vec<usize> = sizes
                    .iter()
                    .filter_map(|s| s.as_u64().map(|s| s as usize))
                    .collect();
                tensor = tensor.reshape(sizes)?;
            }
            tensor = with_strides(&tensor, &strides)?;
            let gradient = name.replacen("/in/", "/gin/", 1);
            if file.has(&gradient) {
                tensor = tensor.variable();
                self.targets.push((gradient, tensor.clone()));
            }
            return Ok(Arg::Tensor(tensor));
        }
        match value {
            Value::Array(values) => Ok(Arg::List(
                values
                    .iter()
                    .map(|v| self.arg(file, v))
                    .collect::<Result<_, _>>()?,
            )),
            plain => Ok(Arg::Plain(plain.clone())),
        }
    }

    /// The argument at a place or of a name, if it was given and is not null.
    fn get(&self, place: usize, name: &str) -> Option<&Arg> {
        let found = self.named.get(name).or_else(|| self.args.get(place));
        found.filter(|arg| !matches!(arg, Arg::Plain(Value::Null)))
    }

    fn tensor(&self, place: usize, name: &str) -> Result<&Tensor, Why> {
        match self.get(place, name) {
            Some(Arg::Tensor(tensor)) => Ok(tensor),
            Some(_) => lacks(format!("`{name}` that is no tensor")),
            None => lacks(format!("no `{name}`")),
        }
    }

    fn int(&self, place: usize, name: &str) -> Result<Option<i64>, Why> {
        match self.get(place, name) {
            None => Ok(None),
            Some(Arg::Plain(value)) if value.as_i64().is_some() => Ok(value.as_i64()),
            Some(Arg::Tensor(x)) if x.numel() == 1 && x.dtype() == DType::I64 => {
                Ok(Some(x.item()?))
            }
            Some(_) => lacks(format!("`{name}` that is no integer")),
        }
    }

    fn float(&self, place: usize, name: &str) -> Result<Option<f64>, Why> {
        match self.get(place, name) {
            None => Ok(None),
            Some(Arg::Plain(value)) if value.as_f64().is_some() => Ok(value.as_f64()),
            Some(Arg::Tensor(_)) => lacks(format!("`{name}` that is a tensor")),
            Some(_) => lacks(format!("`{name}` that is no number")),
        }
    }

    fn flag(&self, place: usize, name: &str) -> bool {
        matches!(self.get(place, name), Some(Arg::Plain(Value::Bool(true))))
    }

    /// A list of integers, given as one argument or as all that follow.
    fn ints(&self, place: usize, name: &str) -> Result<Option<Vec<i64>>, Why> {
        let list: Vec<Arg> = match self.get(place, name) {
            None => return Ok(None),
            Some(Arg::List(list)) => list.clone(),
            Some(_) if self.named.contains_key(name) => vec![self.named[name].clone()],
            Some(_) => self.args[place..].to_vec(),
        };
        list.iter()
            .map(|arg| match arg {
                Arg::Plain(value) if value.as_i64().is_some() => Ok(value.as_i64().unwrap()),
                _ => lacks(format!("`{name}` of other things than integers")),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The axes of a reduction: all if none is named.
    fn axes(&self, x: &Tensor) -> Result<Vec<isize>, Why> {
        let all = || (0..x.rank() as isize).collect();
        let given = match self.get(1, "dim") {
            Some(Arg::Plain(Value::Number(_))) => self.int(1, "dim")?.map(|dim| vec![dim]),
            Some(Arg::Plain(Value::Bool(_))) => None,
            _ => self.ints(1, "dim")?,
        };
        Ok(match given {
            Some(dims) if !dims.is_empty() => dims.into_iter().map(|dim| dim as isize).collect(),
            _ => all(),
        })
    }

    fn reduction(&self) -> Result<Reduction, Why> {
        match self.get(usize::MAX, "reduction") {
            None => Ok(Reduction::Mean),
            Some(Arg::Plain(value)) => reduction(value.as_str()),
            Some(_) => lacks("a reduction that is no text"),
        }
    }

    /// Refuses named arguments that the operation does not know.
    fn only(&self, known: &[&str]) -> Result<(), Why> {
        match self
            .named
            .keys()
            .find(|name| !known.contains(&name.as_str()))
        {
            None => Ok(()),
            Some(name) => lacks(format!("the argument `{name}`")),
        }
    }
}

fn reduction(name: Option<&str>) -> Result<Reduction, Why> {
    match name {
        Some("none") => Ok(Reduction::None),
        None | Some("mean") => Ok(Reduction::Mean),
        Some("sum") => Ok(Reduction::Sum),
        Some(other) => lacks(format!("reduction {other}")),
    }
}

/// Sizes with one -1 filled in.
fn sizes(x: &Tensor, given: &[i64]) -> Vec<usize> {
    let known: i64 = given.iter().filter(|&&size| size >= 0).product();
    given
        .iter()
        .map(|&size| {
            if size < 0 {
                x.numel() / known.max(1) as usize
            } else {
                size as usize
            }
        })
        .collect()
}

/// Runs an operator of `opinfo`; `None` if there is no such operation here.
fn operator(name: &str, call: &Call) -> Option<Result<Vec<Tensor>, Why>> {
    type Unary = fn(Tensor) -> azura_core::Result<Tensor>;
    let unary: Option<Unary> = match name {
        "neg" => Some(Tensor::neg),
        "abs" => Some(Tensor::abs),
        "sqrt" => Some(Tensor::sqrt),
        "square" => Some(Tensor::square),
        "reciprocal" => Some(Tensor::reciprocal),
        "exp" => Some(Tensor::exp),
        "log" => Some(Tensor::log),
        "sin" => Some(Tensor::sin),
        "cos" => Some(Tensor::cos),
        "tanh" => Some(Tensor::tanh),
        "sigmoid" => Some(Tensor::sigmoid),
        "nn.functional.relu" => Some(Tensor::relu),
        "nn.functional.silu" => Some(Tensor::silu),
        "nn.functional.relu6" => Some(|x| x.clamp(0.0, 6.0)),
        _ => None,
    };
    let run = || -> Result<Option<Vec<Tensor>>, Why> {
        if let Some(f) = unary {
            call.only(&[])?;
            return Ok(Some(vec![f(call.tensor(0, "input")?.clone())?]));
        }
        if let "cat" | "stack" = name {
            let Some(Arg::List(list)) = call.args.first() else {
                return lacks("tensors that are no list");
            };
            let tensors: Vec<&Tensor> = list
                .iter()
                .filter_map(|arg| match arg {
                    Arg::Tensor(tensor) => Some(tensor),
                    _ => None,
                })
                .collect();
            let dim = call.int(1, "dim")?.unwrap_or(0) as isize;
            if name == "stack" {
                return Ok(Some(vec![Tensor::stack(&tensors, dim)?]));
            }
            // PyTorch lets an empty vector stand for a tensor of any rank.
            if tensors.iter().any(|t| t.shape() == [0]) && tensors.iter().any(|t| t.rank() > 1) {
                return lacks("an empty vector among tensors of other ranks");
            }
            return Ok(Some(vec![Tensor::cat(&tensors, dim)?]));
        }
        let x = call.tensor(0, "input")?;
        let other = || call.tensor(1, "other");
        let one = |y: azura_core::Result<Tensor>| Ok(Some(vec![y?]));
        let dim = |place: usize| -> Result<isize, Why> {
            match call.int(place, "dim")? {
                Some(dim) => Ok(dim as isize),
                None => lacks("no `dim`"),
            }
        };
        // A dtype argument that is the input's own changes nothing.
        let no_dtype = || match call.get(usize::MAX, "dtype") {
            None => Ok(()),
            Some(Arg::Plain(value)) if value["$dtype"] == "torch.float64" => Ok(()),
            Some(_) => lacks("the argument `dtype`"),
        };
        match name {
            "add" | "sub" => {
                call.only(&["alpha"])?;
                let alpha = call.float(usize::MAX, "alpha")?;
                let b = match alpha {
                    None => other()?.clone(),
                    Some(alpha) => other()?.clone().mul(alpha)?,
                };
                one(if name == "add" {
                    x.clone().add(&b)
                } else {
                    x.clone().sub(&b)
                })
            }
            "mul" => one(x.clone().mul(other()?)),
            "div.no_rounding_mode" | "true_divide" => {
                call.only(&[])?;
                one(x.clone().div(other()?))
            }
            "maximum" | "max.binary" => one(x.clone().maximum(other()?)),
            "minimum" | "min.binary" => one(x.clone().minimum(other()?)),
            "pow" => match call.float(1, "exponent")? {
                Some(p) => one(x.clone().pow(p)),
                None => lacks("no exponent"),
            },
            "clamp" => {
                let low = call.float(1, "min")?.unwrap_or(f64::NEG_INFINITY);
                one(x
                    .clone()
                    .clamp(low, call.float(2, "max")?.unwrap_or(f64::INFINITY)))
            }
            "where" => one(Tensor::where_(
                call.tensor(1, "condition")?,
                x,
                call.tensor(2, "other")?,
            )),
            "nn.functional.gelu" => match call.get(usize::MAX, "approximate") {
                Some(Arg::Plain(Value::String(way))) if way == "tanh" => one(x.clone().gelu_tanh()),
                _ => lacks("gelu without `approximate=tanh`"),
            },
            "nn.functional.hardtanh" => {
                let low = call.float(1, "min_val")?.unwrap_or(-1.0);
                one(x
                    .clone()
                    .clamp(low, call.float(2, "max_val")?.unwrap_or(1.0)))
            }
            "sum" | "mean" => {
                call.only(&["dim", "keepdim"])?;
                let (axes, keep) = (call.axes(x)?, call.flag(2, "keepdim"));
                one(if name == "sum" {
                    x.sum(&axes, keep)
                } else {
                    x.mean(&axes, keep)
                })
            }
            "var" | "var.unbiased" => {
                call.only(&["dim", "keepdim", "unbiased", "correction"])?;
                let unbiased = call
                    .named
                    .get("unbiased")
                    .or_else(|| call.args.get(1))
                    .map(|arg| !matches!(arg, Arg::Plain(Value::Bool(false))));
                let correction = match call.float(usize::MAX, "correction")? {
                    Some(c) if c >= 0.0 && c.fract() == 0.0 => c as usize,
                    Some(c) => return lacks(format!("correction {c}")),
                    None => usize::from(unbiased.unwrap_or(true)),
                };
                one(x.var(&call.axes(x)?, correction, call.flag(usize::MAX, "keepdim")))
            }
            "max.reduction_with_dim" | "min.reduction_with_dim" => {
                let (dim, keep) = (dim(1)?, call.flag(2, "keepdim"));
                Ok(Some(if name.starts_with("max") {
                    vec![x.max(dim, keep)?, x.argmax(dim, keep)?]
                } else {
                    vec![x.min(dim, keep)?, x.argmin(dim, keep)?]
                }))
            }
            "max.reduction_no_dim" => one(x.reshape([x.numel()])?.max(0, false)),
            "min.reduction_no_dim" => one(x.reshape([x.numel()])?.min(0, false)),
            "argmax" | "argmin" => {
                let keep = call.flag(2, "keepdim");
                let (x, dim, keep) = match call.int(1, "dim")? {
                    Some(dim) => (x.clone(), dim as isize, keep),
                    None if keep => return lacks("keepdim over all axes"),
                    None => (x.reshape([x.numel()])?, 0, false),
                };
                one(if name == "argmax" {
                    x.argmax(dim, keep)
                } else {
                    x.argmin(dim, keep)
                })
            }
            "softmax"
            | "softmax.with_dtype"
            | "log_softmax"
            | "log_softmax.with_dtype"
            | "nn.functional.softmin"
            | "nn.functional.softmin.with_dtype" => {
                no_dtype()?;
                let dim = dim(1)?;
                one(
                    match name
                        .split('.')
                        .find(|part| part.contains("soft"))
                        .unwrap_or(name)
                    {
                        "log_softmax" => x.log_softmax(dim),
                        "softmin" => x.clone().neg()?.softmax(dim),
                        _ => x.softmax(dim),
                    },
                )
            }
            "matmul" | "mm" | "bmm" | "dot" => one(x.matmul(other()?)),
            "nn.functional.linear" => {
                let bias = call
                    .get(2, "bias")
                    .is_some()
                    .then(|| call.tensor(2, "bias"))
                    .transpose()?;
                let w = call.tensor(1, "weight")?;
                if w.rank() != 2 {
                    return lacks("a weight that is a vector");
                }
                one(x.linear(w, bias))
            }
            "narrow" => {
                let (Some(start), Some(len)) = (call.int(2, "start")?, call.int(3, "length")?)
                else {
                    return lacks("no start or length");
                };
                let Ok(start) = usize::try_from(start) else {
                    return lacks("a start that counts from the end");
                };
                one(x.narrow(dim(1)?, start, len as usize))
            }
            "index_select" => one(x.index_select(dim(1)?, call.tensor(2, "index")?)),
            "reshape" | "view" => match call.ints(1, "shape")? {
                Some(shape) => one(x.reshape(sizes(x, &shape))),
                None => lacks("a view as another dtype"),
            },
            "transpose" => {
                let (Some(a), Some(b)) = (call.int(1, "dim0")?, call.int(2, "dim1")?) else {
                    return lacks("no axes");
                };
                one(x.transpose(a as isize, b as isize))
            }
            "permute" => {
                let axes = call.ints(1, "dims")?.unwrap_or_default();
                one(x.permute(&axes.iter().map(|&a| a as isize).collect::<Vec<_>>()))
            }
            "expand" => {
                let given = call.ints(1, "size")?.unwrap_or_default();
                let Some(lead) = given.len().checked_sub(x.rank()) else {
                    return lacks("fewer sizes than axes");
                };
                let shape: Vec<usize> = given
                    .iter()
                    .enumerate()
                    .map(|(i, &size)| {
                        if size < 0 {
                            x.shape()[i - lead]
                        } else {
                            size as usize
                        }
                    })
                    .collect();
                one(x.expand(shape))
            }
            "squeeze" | "squeeze.multiple" => {
                let rank = x.rank() as i64;
                let mut dims = match call.get(1, "dim") {
                    None => (0..rank).collect(),
                    Some(Arg::Plain(_)) => vec![call.int(1, "dim")?.unwrap()],
                    Some(_) => call.ints(1, "dim")?.unwrap_or_default(),
                };
                for dim in &mut dims {
                    *dim += if *dim < 0 { rank.max(1) } else { 0 };
                }
                dims.sort_unstable();
                let mut y = x.clone();
                for dim in dims.into_iter().rev() {
                    y = y.squeeze(dim as isize)?;
                }
                Ok(Some(vec![y]))
            }
            "unsqueeze" => one(x.unsqueeze(dim(1)?)),
            "flatten" => {
                let from = call.int(1, "start_dim")?.unwrap_or(0);
                one(x.flatten(
                    from as isize,
                    call.int(2, "end_dim")?.unwrap_or(-1) as isize,
                ))
            }
            "nn.functional.mse_loss" | "nn.functional.l1_loss" | "nn.functional.huber_loss" => {
                call.only(&["reduction", "delta"])?;
                let (target, reduction) = (call.tensor(1, "target")?, call.reduction()?);
                if x.shape() != target.shape() {
                    return lacks("a target that is broadcast");
                }
                let delta = call.float(usize::MAX, "delta")?.unwrap_or(1.0);
                one(match name {
                    "nn.functional.mse_loss" => x.mse_loss(target, reduction),
                    "nn.functional.l1_loss" => x.l1_loss(target, reduction),
                    _ => x.huber_loss(target, delta, reduction),
                })
            }
            "nn.functional.cross_entropy" => {
                call.only(&["reduction"])?;
                one(scores(x, call.tensor(1, "target")?, call.reduction()?)?)
            }
            _ => Ok(None),
        }
    };
    run().transpose()
}

fn scores(x: &Tensor, labels: &Tensor, r: Reduction) -> Result<azura_core::Result<Tensor>, Why> {
    if labels.dtype() != DType::I64 {
        return lacks("probabilities as targets");
    }
    if x.rank() != 2 {
        return lacks("scores that are not [N, C]");
    }
    if labels.to_vec::<i64>()?.iter().any(|&label| label < 0) {
        return lacks("labels to be ignored");
    }
    Ok(x.cross_entropy(labels, r))
}

/// Compares results, and gradients by what came in.
fn compare(
    file: &File<'_>,
    case: &str,
    outputs: &[Tensor],
    targets: &[(String, Tensor)],
) -> Result<(), Why> {
    let want = file.numbered(case, "out", outputs.len())?;
    let check = |what: &str, got: &Tensor, want: &Tensor| {
        let values = |x: &Tensor| x.cast(DType::F64).map(|x| f64s(&x));
        let off = distance(&values(got)?, &values(want)?);
        // A number is stored as one element.
        let same_shape = got.shape() == want.shape() || (got.numel() == 1 && want.numel() == 1);
        if !same_shape || off.is_nan() || off > TOLERANCE {
            return Err(Why::Wrong(format!(
                "{what}: off by {off:.1e}, {:?} where {:?} is right",
                got.shape(),
                want.shape()
            )));
        }
        Ok(())
    };
    for (j, (got, want)) in outputs.iter().zip(&want).enumerate() {
        match want {
            Some(want) => check(&format!("result {j}"), got, want)?,
            None => return Err(Why::Wrong(format!("result {j} has no reference"))),
        }
    }
    if targets.is_empty() {
        return Ok(());
    }
    let mut loss = Tensor::scalar(0.0, DType::F64);
    for (y, gradient) in outputs
        .iter()
        .zip(file.numbered(case, "gout", outputs.len())?)
    {
        if let Some(gradient) = gradient {
            let gradient = gradient.reshape(y.shape())?;
            loss = loss.add(y.clone().mul(&gradient)?.sum_all()?)?;
        }
    }
    if !loss.needs_grad() {
        return Err(Why::Wrong("no gradient flows".into()));
    }
    let tensors: Vec<&Tensor> = targets.iter().map(|(_, tensor)| tensor).collect();
    for ((name, _), got) in targets.iter().zip(grad(&loss, &tensors)?) {
        check(name, &got, &file.tensor(name)?)?;
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    passed: usize,
    lacking: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Tally {
    fn count(&mut self, what: String, outcome: Result<(), Why>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(Why::Lacks(reason)) => *self.lacking.entry(reason).or_default() += 1,
            Err(Why::Wrong(message)) => self.wrong.push(format!("{what}: {message}")),
        }
    }
}

/// Prints a line for each operator, and fails if a case was wrong.
fn report(kind: &str, tallies: &BTreeMap<String, Tally>, unknown: usize) {
    let (mut passed, mut lacking) = (0, 0);
    for (name, tally) in tallies {
        let not = tally.lacking.values().sum::<usize>();
        let reasons: Vec<String> = tally
            .lacking
            .iter()
            .map(|(reason, n)| format!("{n} × {reason}"))
            .collect();
        println!(
            "{kind} {name}: {} passed, {not} not applicable{}{}",
            tally.passed,
            if reasons.is_empty() { "" } else { ": " },
            reasons.join("; ")
        );
        passed += tally.passed;
        lacking += not;
    }
    println!(
        "{kind}: {passed} passed, {lacking} not applicable in {} known operators; {unknown} cases of operators that do not exist here",
        tallies.len()
    );
    let wrong: Vec<&String> = tallies.values().flat_map(|tally| &tally.wrong).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{wrong:#?}", wrong.len());
    assert!(passed > 0, "no case was run");
}

#[test]
fn operators() {
    let Some(folder) = folder("opinfo") else {
        return;
    };
    let (mut tallies, mut unknown) = (BTreeMap::new(), 0);
    for (name, bytes) in files(&folder) {
        let file = File::parse(&bytes);
        let mut tally = Tally::default();
        let mut known = true;
        for (case, call) in &file.cases {
            let outcome = (|| {
                let call = Call::read(&file, call)?;
                match operator(&name, &call) {
                    None => {
                        known = false;
                        Ok(())
                    }
                    Some(outputs) => compare(&file, case, &outputs?, &call.targets),
                }
            })();
            tally.count(format!("{name} case {case}"), outcome);
        }
        // An argument may be refused before the name is looked at.
        if known
            && (tally.passed > 0 || !tally.wrong.is_empty() || KNOWN_ONLY_IN_PART.contains(&&*name))
        {
            tallies.insert(name, tally);
        } else {
            unknown += file.cases.len();
        }
    }
    report("operator", &tallies, unknown);
}

/// Operators that exist here in a form that no reference case uses.
const KNOWN_ONLY_IN_PART: &[&str] = &["clamp", "pow"];

/// A module: its parameters become leaves, their gradients are compared too.
struct Module<'a> {
    file: &'a File<'a>,
    case: &'a str,
    targets: std::cell::RefCell<Vec<(String, Tensor)>>,
}

impl Module<'_> {
    fn leaf(&self, name: &str) -> Result<Option<Tensor>, Why> {
        let full = format!("{}/{name}", self.case);
        if !self.file.has(&full) {
            return Ok(None);
        }
        let tensor = self.file.tensor(&full)?;
        let gradient = format!("{}/g{name}", self.case);
        if !self.file.has(&gradient) {
            return Ok(Some(tensor));
        }
        let tensor = tensor.variable();
        self.targets.borrow_mut().push((gradient, tensor.clone()));
        Ok(Some(tensor))
    }

    fn need(&self, name: &str) -> Result<Tensor, Why> {
        match self.leaf(name)? {
            Some(tensor) => Ok(tensor),
            None => lacks(format!("no `{name}`")),
        }
    }

    fn run(&self, name: &str, args: &[Value], options: &Value) -> Option<Result<Vec<Tensor>, Why>> {
        let one = |y: azura_core::Result<Tensor>| Ok(vec![y?]);
        let x = || self.need("in/0");
        let unary = |f: fn(Tensor) -> azura_core::Result<Tensor>| one(f(x()?));
        let dim = || match args.first().or(options.get("dim")).and_then(Value::as_i64) {
            Some(dim) => Ok(dim as isize),
            None => lacks("an axis chosen by the rank"),
        };
        let pair = || -> Result<_, Why> {
            Ok((
                x()?,
                self.need("in/1")?,
                reduction(options["reduction"].as_str())?,
            ))
        };
        Some(match name {
            "nn_ReLU" => unary(Tensor::relu),
            "nn_Sigmoid" => unary(Tensor::sigmoid),
            "nn_Tanh" => unary(Tensor::tanh),
            "nn_SiLU" => unary(Tensor::silu),
            "nn_ReLU6" => unary(|x| x.clamp(0.0, 6.0)),
            "nn_Hardtanh" if args.is_empty() && options == &Value::Object(Map::new()) => {
                unary(|x| x.clamp(-1.0, 1.0))
            }
            "nn_Softmax" => (|| one(x()?.softmax(dim()?)))(),
            "nn_LogSoftmax" => (|| one(x()?.log_softmax(dim()?)))(),
            "nn_Softmin" => (|| one(x()?.neg()?.softmax(dim()?)))(),
            "nn_Softmax2d" => (|| one(x()?.softmax(-3)))(),
            "nn_Linear" => (|| {
                one(x()?.linear(
                    &self.need("state/weight")?,
                    self.leaf("state/bias")?.as_ref(),
                ))
            })(),
            "nn_MSELoss" => (|| {
                let (x, y, r) = pair()?;
                one(x.mse_loss(&y, r))
            })(),
            "nn_L1Loss" => (|| {
                let (x, y, r) = pair()?;
                one(x.l1_loss(&y, r))
            })(),
            "nn_HuberLoss" => (|| {
                let (x, y, r) = pair()?;
                one(x.huber_loss(&y, options["delta"].as_f64().unwrap_or(1.0), r))
            })(),
            "nn_CrossEntropyLoss" => (|| {
                for name in ["weight", "ignore_index", "label_smoothing"] {
                    if options.get(name).is_some() {
                        return lacks(format!("the argument `{name}`"));
                    }
                }
                let (x, y, r) = pair()?;
                one(scores(&x, &y, r)?)
            })(),
            "nn_LSTM" => self.lstm(options),
            "nn_LSTMCell" => self.lstm_cell(),
            _ => return None,
        })
    }

    fn lstm(&self, options: &Value) -> Result<Vec<Tensor>, Why> {
        if options["proj_size"].as_i64().unwrap_or(0) > 0 {
            return lacks("a projection (proj_size)");
        }
        let bidirectional = options["bidirectional"] == true;
        let mut weights = Vec::new();
        for layer in 0..options["num_layers"].as_i64().unwrap_or(1) {
            for direction in ["", "_reverse"].iter().take(1 + usize::from(bidirectional)) {
                let name = |kind: &str| format!("state/{kind}_l{layer}{direction}");
                weights.push(LstmWeights {
                    w_ih: self.need(&name("weight_ih"))?,
                    w_hh: self.need(&name("weight_hh"))?,
                    b_ih: self.leaf(&name("bias_ih"))?,
                    b_hh: self.leaf(&name("bias_hh"))?,
                });
            }
        }
        // Here batches come first always: a single sequence becomes a batch of one.
        let x = self.need("in/0")?;
        let single = x.rank() == 2;
        let time_first = !single && options["batch_first"] != true;
        let arranged = match (single, time_first) {
            (true, _) => x.unsqueeze(0)?,
            (false, true) => x.transpose(0, 1)?,
            (false, false) => x,
        };
        let state = match (self.leaf("in/1")?, self.leaf("in/2")?) {
            (Some(h), Some(c)) if single => Some((h.unsqueeze(1)?, c.unsqueeze(1)?)),
            (Some(h), Some(c)) => Some((h, c)),
            _ => None,
        };
        let options = LstmOptions {
            bidirectional,
            dropout: 0.0,
        };
        let state = state.as_ref().map(|(h, c)| (h, c));
        let y = arranged.lstm(&weights, state, options, &mut Rng::new(0))?;
        Ok(match (single, time_first) {
            (true, _) => vec![y.output.squeeze(0)?, y.h.squeeze(1)?, y.c.squeeze(1)?],
            (false, true) => vec![y.output.transpose(0, 1)?, y.h, y.c],
            (false, false) => vec![y.output, y.h, y.c],
        })
    }

    fn lstm_cell(&self) -> Result<Vec<Tensor>, Why> {
        let weights = LstmWeights {
            w_ih: self.need("state/weight_ih")?,
            w_hh: self.need("state/weight_hh")?,
            b_ih: self.leaf("state/bias_ih")?,
            b_hh: self.leaf("state/bias_hh")?,
        };
        let rows = |x: Tensor| x.reshape([x.numel() / x.dim(-1)?, x.dim(-1)?]);
        let x = self.need("in/0")?;
        let shape = x.shape()[..x.rank() - 1].to_vec();
        let state = match (self.leaf("in/1")?, self.leaf("in/2")?) {
            (Some(h), Some(c)) => Some((rows(h)?.unsqueeze(0)?, rows(c)?.unsqueeze(0)?)),
            _ => None,
        };
        let state = state.as_ref().map(|(h, c)| (h, c));
        let x = rows(x)?.unsqueeze(1)?;
        let y = x.lstm(&[weights], state, LstmOptions::default(), &mut Rng::new(0))?;
        let back = |x: Tensor| {
            let mut shape = shape.clone();
            shape.push(x.dim(-1)?);
            x.reshape(shape)
        };
        Ok(vec![back(y.h)?, back(y.c)?])
    }
}

#[test]
fn modules() {
    let Some(folder) = folder("mod") else { return };
    let (mut tallies, mut unknown) = (BTreeMap::new(), 0);
    for (name, bytes) in files(&folder) {
        let file = File::parse(&bytes);
        let mut tally = Tally::default();
        let mut known = true;
        for (case, call) in &file.cases {
            let module = Module {
                file: &file,
                case,
                targets: Default::default(),
            };
            let args = call["ctor_args"].as_array().map_or(&[][..], Vec::as_slice);
            let outcome = match module.run(&name, args, &call["ctor_kwargs"]) {
                None => {
                    known = false;
                    break;
                }
                Some(outputs) => {
                    outputs.and_then(|y| compare(&file, case, &y, &module.targets.borrow()))
                }
            };
            tally.count(format!("{name} case {case}"), outcome);
        }
        if known {
            tallies.insert(name, tally);
        } else {
            unknown += file.cases.len();
        }
    }
    report("module", &tallies, unknown);
}

#[test]
fn optimisers() {
    let Some(folder) = folder("optim") else {
        return;
    };
    let mut tallies = BTreeMap::new();
    let mut unknown = 0;
    for (name, bytes) in files(&folder) {
        let file = File::parse(&bytes);
        if !["Adam", "AdamW", "SGD"].contains(&&*name) {
            unknown += file.cases.len();
            continue;
        }
        let mut tally = Tally::default();
        for (case, options) in &file.cases {
            tally.count(
                format!("{name} case {case}"),
                optimiser(&file, &name, case, options),
            );
        }
        tallies.insert(name, tally);
    }
    report("optimiser", &tallies, unknown);
}

fn optimiser(file: &File<'_>, name: &str, case: &str, options: &Value) -> Result<(), Why> {
    let store = Store::new(DType::F64);
    let root = store.root(Rng::new(0));
    let mut params = Vec::new();
    let mut start = Vec::new();
    for k in 0..3 {
        let init = file.tensor(&format!("p{k}/init"))?;
        params.push(root.param(&format!("p{k}"), init.shape(), Init::Zeros)?);
        start.push((format!("p{k}"), init));
    }
    store.load(&start)?;
    let (mut adam, mut sgd) = match name {
        "AdamW" => (Adam::adamw(&store)?, Sgd::new(&store)?),
        _ => (Adam::new(&store)?, Sgd::new(&store)?),
    };
    let mut lr = 1e-3;
    for (option, value) in options.as_object().unwrap() {
        let number = value.as_f64();
        match (option.as_str(), number) {
            ("lr", Some(x)) => lr = x,
            ("weight_decay", Some(x)) => (adam.weight_decay, sgd.weight_decay) = (x, x),
            ("eps", Some(x)) => adam.eps = x,
            ("momentum", Some(x)) => sgd.momentum = x,
            ("dampening", Some(x)) => sgd.dampening = x,
            ("nesterov", _) => sgd.nesterov = value == true,
            ("betas", _) => {
                adam.betas = (value[0].as_f64().unwrap(), value[1].as_f64().unwrap());
            }
            _ if value == false || value.is_null() => {}
            _ => return lacks(format!("the option `{option}`")),
        }
    }
    let optimizer: &mut dyn Optimizer = if name == "SGD" { &mut sgd } else { &mut adam };
    let steps = file.tensor("g0")?.shape()[0];
    for step in 0..steps {
        for (k, param) in params.iter().enumerate() {
            let gradient = file.tensor(&format!("g{k}"))?.select(0, step)?;
            param.value().mul(&gradient)?.sum_all()?.backward()?;
        }
        optimizer.step(lr)?;
        store.zero_grad();
        for (k, param) in params.iter().enumerate() {
            let all = file.tensor(&format!("p{k}/{case}"))?;
            // Row 0 is the value before the first step where there is one row more than steps.
            let want = all.select(0, step + all.shape()[0] - steps)?;
            let off = distance(&f64s(&param.value()), &f64s(&want));
            if off.is_nan() || off > 1e-12 {
                return Err(Why::Wrong(format!(
                    "p{k} is off by {off:.1e} after step {step}"
                )));
            }
        }
    }
    Ok(())
}

/// A number of `/proc/self/status`, in KiB.
fn status(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn hostile_files() {
    let Some(folder) = folder("hostile") else {
        return;
    };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.json")).unwrap();
    let manifest: Map<String, Value> = serde_json::from_str(&manifest).unwrap();
    let files = files(&folder);
    let mut tally = Tally::default();
    let before = status("VmPeak");
    let mut largest = 0;
    for (name, entry) in &manifest {
        let Some(bytes) = files.get(name) else {
            tally.count(name.clone(), Err(Why::Wrong("no such file".into())));
            continue;
        };
        largest = largest.max(bytes.len() as u64 / 1024);
        let reference = entry["ref"] == "ok";
        let ours = std::panic::catch_unwind(|| serial::read(bytes, name));
        let outcome = match ours {
            Err(_) => Err(Why::Wrong("panics".into())),
            Ok(Ok(_)) if reference => Ok(()),
            Ok(Ok(_)) => Err(Why::Wrong(format!(
                "accepted, but the reference says {}",
                entry["ref"]
            ))),
            Ok(Err(error)) if reference && error.to_string().contains("at most 8 axes") => {
                lacks("more axes than a tensor has here")
            }
            Ok(Err(error)) if reference && error.to_string().contains("not supported") => {
                lacks("a dtype that tensors here cannot have")
            }
            Ok(Err(error)) if reference => Err(Why::Wrong(format!("refused: {error}"))),
            Ok(Err(error)) => match error.to_string() {
                text if text.starts_with(&format!("[safetensors] {name}: ")) => Ok(()),
                text => Err(Why::Wrong(format!("the message names no file: {text}"))),
            },
        };
        tally.count(name.clone(), outcome);
    }
    if let (Some(before), Some(after)) = (before, status("VmPeak")) {
        let grown = (after - before) / 1024;
        println!("address space grew by {grown} MiB; the largest file has {largest} KiB");
        assert!(
            grown < 1024,
            "a hostile header made the reader ask for {grown} MiB"
        );
    }
    report(
        "hostile",
        &BTreeMap::from([("files".to_string(), tally)]),
        0,
    );
}
