//! Modules: each family maps the names it knows to our own layers and operations.

mod activation;
mod attention;
mod conv;
mod linalg;
mod loss;
mod norm;
mod recurrent;
mod shape;

use crate::call::Outcome;
use crate::file::{File, Why, lacks, with_strides};
use azura_core::{Param, Store, Tensor};
use serde_json::Value;
use std::cell::RefCell;

/// One case of a module: how it is made, its state and its inputs.
pub struct Module<'a> {
    pub file: &'a File<'a>,
    pub case: &'a str,
    /// What the metadata says of the case.
    pub call: &'a Value,
    /// Tensors that have a gradient to compare, with its name in the file.
    pub targets: RefCell<Vec<(String, Tensor)>>,
}

type Family = fn(&str, &Module<'_>) -> Result<Option<Vec<Tensor>>, Why>;

const FAMILIES: &[Family] = &[
    activation::run,
    attention::run,
    linalg::run,
    loss::run,
    norm::run,
    conv::run,
    recurrent::run,
    shape::run,
];

/// Runs the module that PyTorch calls `name`, without its `nn_`.
pub fn run(name: &str, module: &Module<'_>) -> Outcome {
    for family in FAMILIES {
        if let Some(outputs) = family(name, module)? {
            return Ok(outputs);
        }
    }
    lacks("no such module here")
}

impl Module<'_> {
    /// Whether the case was recorded in training mode.
    pub fn train(&self) -> bool {
        self.case.starts_with("train")
    }

    /// A constructor argument at a place or of a name, if it was given and is not null.
    pub fn option(&self, place: usize, name: &str) -> Option<&Value> {
        let found = self.call["ctor_kwargs"].get(name);
        found
            .or_else(|| self.call["ctor_args"].get(place))
            .filter(|value| !value.is_null())
    }

    pub fn number(&self, place: usize, name: &str) -> Option<f64> {
        self.option(place, name).and_then(Value::as_f64)
    }

    pub fn int(&self, place: usize, name: &str) -> Option<i64> {
        self.option(place, name).and_then(Value::as_i64)
    }

    /// Whether an argument is true; `default` if it was not given.
    pub fn flag(&self, place: usize, name: &str, default: bool) -> bool {
        self.option(place, name)
            .and_then(Value::as_bool)
            .unwrap_or(default)
    }

    /// Refuses constructor arguments by name that the mapping does not know.
    pub fn only(&self, known: &[&str]) -> Result<(), Why> {
        let named = self.call["ctor_kwargs"].as_object();
        match named.and_then(|named| named.keys().find(|name| !known.contains(&&***name))) {
            None => Ok(()),
            Some(name) => lacks(format!("the argument `{name}`")),
        }
    }

    /// The tensor `in/0`, `state/weight`, … of the case, a leaf if its gradient is recorded.
    pub fn leaf(&self, name: &str) -> Result<Option<Tensor>, Why> {
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

    /// The same where it must be there.
    pub fn need(&self, name: &str) -> Result<Tensor, Why> {
        match self.leaf(name)? {
            Some(tensor) => Ok(tensor),
            None => lacks(format!("no `{name}`")),
        }
    }

    /// Input number `i`.
    pub fn input(&self, i: usize) -> Result<Tensor, Why> {
        self.need(&format!("in/{i}"))
    }

    /// A keyword argument of the call that is a tensor, if it was given.
    pub fn keyword(&self, name: &str) -> Result<Option<Tensor>, Why> {
        let value = &self.call["kwargs"][name];
        let Some(stored) = value["$t"].as_str() else {
            return Ok(None);
        };
        let tensor = self.file.tensor(stored)?;
        let strides: Vec<usize> = value["strides"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|s| s.as_u64().map(|s| s as usize))
            .collect();
        Ok(Some(with_strides(&tensor, &strides)?))
    }

    /// Fills the parameters of a layer, which bear PyTorch's names, from the state of the case, and
    /// notes their gradients for comparison.
    pub fn load(&self, store: &Store) -> Result<(), Why> {
        let mut values = Vec::new();
        for param in store.params() {
            let name = format!("{}/state/{}", self.case, param.name());
            values.push((param.name(), self.file.tensor(&name)?));
        }
        for buffer in store.buffers() {
            let name = format!("{}/state/{}", self.case, buffer.name());
            let value = self.file.tensor(&name)?.reshape(buffer.shape())?;
            values.push((buffer.name(), value));
        }
        store.load(&values)?;
        for param in store.params() {
            let gradient = format!("{}/gstate/{}", self.case, param.name());
            if self.file.has(&gradient) {
                self.targets
                    .borrow_mut()
                    .push((gradient, Param::value(&param)));
            }
        }
        Ok(())
    }

    /// An empty store of the reference's dtype.
    pub fn store(&self) -> Store {
        Store::new(self.file.dtype)
    }
}
