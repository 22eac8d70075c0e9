//! The call of an operator: its arguments in order and by name.

use crate::file::{File, Why, lacks, with_strides};
use azura_core::{DType, Reduction, Tensor};
use serde_json::Value;
use std::collections::BTreeMap;

/// An argument of a call.
#[derive(Clone)]
pub enum Arg {
    Tensor(Tensor),
    List(Vec<Arg>),
    Plain(Value),
}

/// A call of an operator: the arguments in order, and those by name.
pub struct Call {
    pub args: Vec<Arg>,
    pub named: BTreeMap<String, Arg>,
    /// Inputs that have a gradient to compare, with its name in the file.
    pub targets: Vec<(String, Tensor)>,
}

impl Call {
    pub fn read(file: &File<'_>, case: &Value) -> Result<Call, Why> {
        let mut call = Call {
            args: Vec::new(),
            named: BTreeMap::new(),
            targets: Vec::new(),
        };
        let first = call.arg(file, &case["input"])?;
        call.args.push(first);
        for value in case["args"].as_array().into_iter().flatten() {
            let arg = call.arg(file, value)?;
            call.args.push(arg);
        }
        for (name, value) in case["kwargs"].as_object().into_iter().flatten() {
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
    pub fn get(&self, place: usize, name: &str) -> Option<&Arg> {
        let found = self.named.get(name).or_else(|| self.args.get(place));
        found.filter(|arg| !matches!(arg, Arg::Plain(Value::Null)))
    }

    pub fn tensor(&self, place: usize, name: &str) -> Result<&Tensor, Why> {
        match self.get(place, name) {
            Some(Arg::Tensor(tensor)) => Ok(tensor),
            Some(_) => lacks(format!("`{name}` that is no tensor")),
            None => lacks(format!("no `{name}`")),
        }
    }

    /// The tensor at a place or of a name, if there is one.
    pub fn maybe(&self, place: usize, name: &str) -> Result<Option<&Tensor>, Why> {
        self.get(place, name)
            .is_some()
            .then(|| self.tensor(place, name))
            .transpose()
    }

    /// The axis of that name, which must be given.
    pub fn dim(&self, place: usize) -> Result<isize, Why> {
        match self.int(place, "dim")? {
            Some(dim) => Ok(dim as isize),
            None => lacks("no `dim`"),
        }
    }

    /// The axes at that place, one or a list of them, if they were given.
    pub fn dims(&self, place: usize) -> Result<Option<Vec<isize>>, Why> {
        let list = match self.get(place, "dim") {
            None => return Ok(None),
            Some(Arg::List(_)) => self.ints(place, "dim")?,
            Some(_) => self.int(place, "dim")?.map(|dim| vec![dim]),
        };
        Ok(list.map(|dims| dims.into_iter().map(|dim| dim as isize).collect()))
    }

    /// A list of tensors.
    pub fn tensors(&self, place: usize, name: &str) -> Result<Vec<&Tensor>, Why> {
        let Some(Arg::List(list)) = self.get(place, name) else {
            return lacks(format!("`{name}` that is no list"));
        };
        list.iter()
            .map(|arg| match arg {
                Arg::Tensor(tensor) => Ok(tensor),
                _ => lacks(format!("`{name}` of other things than tensors")),
            })
            .collect()
    }

    pub fn int(&self, place: usize, name: &str) -> Result<Option<i64>, Why> {
        match self.get(place, name) {
            None => Ok(None),
            Some(Arg::Plain(value)) if value.as_i64().is_some() => Ok(value.as_i64()),
            Some(Arg::Tensor(x)) if x.numel() == 1 && x.dtype() == DType::I64 => {
                Ok(Some(x.item()?))
            }
            Some(_) => lacks(format!("`{name}` that is no integer")),
        }
    }

    pub fn float(&self, place: usize, name: &str) -> Result<Option<f64>, Why> {
        match self.get(place, name) {
            None => Ok(None),
            Some(Arg::Plain(value)) if value.as_f64().is_some() => Ok(value.as_f64()),
            // Numbers that JSON does not have: infinities and NaN.
            Some(Arg::Plain(value)) if let Some(text) = value["$f"].as_str() => text
                .parse()
                .map(Some)
                .or_else(|_| lacks(format!("the number {text}"))),
            Some(Arg::Tensor(_)) => lacks(format!("`{name}` that is a tensor")),
            Some(_) => lacks(format!("`{name}` that is no number")),
        }
    }

    pub fn flag(&self, place: usize, name: &str) -> bool {
        matches!(self.get(place, name), Some(Arg::Plain(Value::Bool(true))))
    }

    /// A list of integers, given as one argument or as all that follow.
    pub fn ints(&self, place: usize, name: &str) -> Result<Option<Vec<i64>>, Why> {
        let list: Vec<Arg> = match self.get(place, name) {
            None => return Ok(None),
            Some(Arg::List(list)) => list.clone(),
            Some(_) if self.named.contains_key(name) => vec![self.named[name].clone()],
            Some(_) => self.args[place..].to_vec(),
        };
        list.iter()
            .map(|arg| match arg {
                Arg::Plain(value) if let Some(i) = value.as_i64() => Ok(i),
                _ => lacks(format!("`{name}` of other things than integers")),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The axes of a reduction: all if none is named.
    pub fn axes(&self, x: &Tensor) -> Result<Vec<isize>, Why> {
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

    pub fn reduction(&self) -> Result<Reduction, Why> {
        match self.get(usize::MAX, "reduction") {
            None => Ok(Reduction::Mean),
            Some(Arg::Plain(value)) => reduction(value.as_str()),
            Some(_) => lacks("a reduction that is no text"),
        }
    }

    /// Refuses named arguments that the operation does not know.
    pub fn only(&self, known: &[&str]) -> Result<(), Why> {
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

/// A reduction by PyTorch's name.
pub fn reduction(name: Option<&str>) -> Result<Reduction, Why> {
    match name {
        Some("none") => Ok(Reduction::None),
        None | Some("mean") => Ok(Reduction::Mean),
        Some("sum") => Ok(Reduction::Sum),
        Some("batchmean") => Ok(Reduction::BatchMean),
        Some(other) => lacks(format!("reduction {other}")),
    }
}

/// What an operator or module gives: its results, or why not.
pub type Outcome = Result<Vec<Tensor>, Why>;

/// The one result of an operation.
pub fn one(y: azura_core::Result<Tensor>) -> Outcome {
    Ok(vec![y?])
}
