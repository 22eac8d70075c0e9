//! A list of the operations that ran.

use super::{Edge, Watching, watched};
use crate::param::Param;
use crate::tensor::Tensor;
use std::cell::RefCell;

/// An operation that ran inside [`trace`].
#[derive(Clone, Debug)]
pub struct Traced {
    /// Its name, that of the method.
    pub op: &'static str,
    /// The shapes of the inputs through which a gradient may flow.
    pub inputs: Vec<Vec<usize>>,
    /// Those of the inputs that are parameters.
    pub params: Vec<Param>,
    /// The shape of each result.
    pub outputs: Vec<Vec<usize>>,
    /// Bytes of the results.
    pub bytes: usize,
}

thread_local! {
    static LIST: RefCell<Option<Vec<Traced>>> = const { RefCell::new(None) };
}

/// Runs `f` and lists the operations that it ran on this thread, in their order. One that is made of others
/// comes after them.
///
/// ```
/// use azura_core::{Tensor, trace};
/// let x = Tensor::from_slice(&[1.0f32, 2.0], [2])?;
/// let (y, ops) = trace(|| x.exp()?.sum_all());
/// assert_eq!(ops.iter().map(|op| op.op).collect::<Vec<_>>(), ["exp", "sum"]);
/// assert_eq!(ops[0].outputs, [[2]]);
/// # y?;
/// # Ok::<(), azura_core::Error>(())
/// ```
pub fn trace<R>(f: impl FnOnce() -> R) -> (R, Vec<Traced>) {
    struct Restore(Option<Vec<Traced>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            LIST.set(self.0.take());
        }
    }
    let _restore = Restore(LIST.replace(Some(Vec::new())));
    let _watching = Watching::begin();
    let result = f();
    (result, LIST.take().unwrap_or_default())
}

/// What goes into an operation, if somebody wants to know.
pub(super) struct Inputs {
    shapes: Vec<Vec<usize>>,
    params: Vec<Param>,
}

pub(super) fn inputs(tensors: &[&Tensor]) -> Option<Box<Inputs>> {
    let wanted = watched() && LIST.with_borrow(Option::is_some);
    wanted.then(|| {
        Box::new(Inputs {
            shapes: tensors.iter().map(|x| x.shape().to_vec()).collect(),
            params: tensors
                .iter()
                .filter_map(|x| match x.edge() {
                    Edge::Param(param) => Some(param),
                    _ => None,
                })
                .collect(),
        })
    })
}

pub(super) fn ran(op: &'static str, inputs: Option<Box<Inputs>>, outputs: &[Tensor]) {
    let Some(inputs) = inputs else {
        return;
    };
    LIST.with_borrow_mut(|list| {
        if let Some(list) = list {
            list.push(Traced {
                op,
                inputs: inputs.shapes,
                params: inputs.params,
                outputs: outputs.iter().map(|y| y.shape().to_vec()).collect(),
                bytes: outputs.iter().map(|y| y.numel() * y.dtype().size()).sum(),
            });
        }
    });
}
