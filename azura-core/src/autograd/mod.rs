//! Reverse-mode differentiation.
//!
//! An operation whose inputs need a gradient leaves a [`Node`] behind its result: the edges to its
//! inputs and a rule. Nodes carry creation numbers, and an input is always older than what was made
//! of it, so `backward` takes the youngest waiting node, runs its rule, and is done when none waits:
//! no recursion, no search. A rule and what it saved are dropped as soon as it ran, so memory falls
//! during the pass. The graph owns no cycles: saved tensors carry no node.

mod anomaly;
mod checkpoint;
mod custom;
mod pass;
mod trace;

pub use anomaly::detect_anomaly;
pub use checkpoint::checkpoint;
pub(crate) use checkpoint::parameters;
pub use custom::CustomOp;
pub use pass::grad;
pub(crate) use pass::{Grads, only};
pub use trace::{Traced, trace};

use crate::buffer::Buffer;
use crate::param::Param;
use crate::shape::Shape;
use crate::tensor::{Origin, Tensor};
use crate::{DType, Element, Result};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How an operation turns the gradient of its outputs into those of its inputs.
///
/// `dy` has one entry for each output, `None` where nothing flowed back. The rule hands the
/// gradient of input `i` to [`Grads::add`] or [`Grads::accumulate`], and asks [`Grads::wants`]
/// first where computing it costs something.
pub(crate) trait Backward: Send + Sync {
    fn backward(&self, dy: &mut [Option<Tensor>], grads: &mut Grads<'_>) -> Result<()>;
}

impl<F> Backward for F
where
    F: Fn(&mut [Option<Tensor>], &mut Grads<'_>) -> Result<()> + Send + Sync,
{
    fn backward(&self, dy: &mut [Option<Tensor>], grads: &mut Grads<'_>) -> Result<()> {
        self(dy, grads)
    }
}

/// One recorded operation.
pub(crate) struct Node {
    id: u64,
    op: &'static str,
    outputs: usize,
    inputs: Vec<Edge>,
    /// `None` in a variable, which has nothing behind it, and after a pass has released it.
    rule: Mutex<Option<Box<dyn Backward>>>,
}

/// Where the gradient of an operation's input goes.
#[derive(Clone)]
pub(crate) enum Edge {
    /// Nowhere: the input needs none.
    Stop,
    /// To output number `.1` of an earlier operation.
    Node(Arc<Node>, usize),
    /// Into the gradient arena of a parameter store.
    Param(Param),
}

impl Node {
    fn new(
        op: &'static str,
        outputs: usize,
        inputs: Vec<Edge>,
        rule: Option<Box<dyn Backward>>,
    ) -> Arc<Self> {
        Arc::new(Node {
            id: next_id(),
            op,
            outputs,
            inputs,
            rule: Mutex::new(rule),
        })
    }

    /// A leaf whose gradient [`grad`] can be asked for.
    pub fn variable() -> Arc<Self> {
        Node::new("variable", 1, Vec::new(), None)
    }
}

impl Drop for Node {
    /// Unlinks what only this node kept alive in a loop: a chain of 100,000 operations would
    /// overflow the stack if each dropped the one before it.
    fn drop(&mut self) {
        let mut edges = std::mem::take(&mut self.inputs);
        while let Some(edge) = edges.pop() {
            if let Edge::Node(node, _) = edge
                && let Some(mut node) = Arc::into_inner(node)
            {
                edges.append(&mut node.inputs);
            }
        }
    }
}

/// A creation number: larger than every one before it.
fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
    /// How many [`detect_anomaly`] and [`trace`] run on this thread: as long as none does, an operation looks at nothing else of
    /// theirs.
    static WATCHERS: Cell<usize> = const { Cell::new(0) };
}

/// Counts a watcher in for as long as it lives.
struct Watching;

impl Watching {
    fn begin() -> Self {
        WATCHERS.set(WATCHERS.get() + 1);
        Watching
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        WATCHERS.set(WATCHERS.get() - 1);
    }
}

fn watched() -> bool {
    WATCHERS.get() > 0
}

/// Runs `f` without recording operations: results need no gradient.
///
/// ```
/// use azura_core::{no_grad, Tensor};
/// let x = Tensor::from_slice(&[1.0f32, 2.0], [2])?.variable();
/// assert!(!no_grad(|| x.clone().mul(2.0))?.needs_grad());
/// # Ok::<(), azura_core::Error>(())
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    with_recording(false, f)
}

/// Runs `f` with recording on, inside a backward pass, where it is off.
fn recording<R>(f: impl FnOnce() -> R) -> R {
    with_recording(true, f)
}

fn with_recording<R>(on: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(on));
    f()
}

/// The edges to the inputs of an operation, taken before the operation consumes them.
/// Empty if no input needs a gradient: the one place where that is decided.
pub(crate) struct Edges {
    edges: Vec<Edge>,
    traced: Option<Box<trace::Inputs>>,
}

impl Edges {
    pub fn of(inputs: &[&Tensor]) -> Self {
        anomaly::look_at_inputs(inputs);
        let traced = trace::inputs(inputs);
        let edges = if RECORDING.get() && inputs.iter().any(|input| input.needs_grad()) {
            inputs.iter().map(|input| input.edge()).collect()
        } else {
            Vec::new()
        };
        Edges { edges, traced }
    }

    /// Edges that were found elsewhere.
    fn known(edges: Vec<Edge>) -> Self {
        Edges {
            edges,
            traced: None,
        }
    }

    /// Whether the result will need a gradient, so that the rule's values must be saved.
    pub fn recorded(&self) -> bool {
        !self.edges.is_empty()
    }

    /// The result `y` of inputs that need no gradient.
    pub fn unrecorded(self, op: &'static str, y: Tensor) -> Tensor {
        debug_assert!(!self.recorded());
        anomaly::look_at_output(op, &y);
        trace::ran(op, self.traced, std::slice::from_ref(&y));
        y
    }

    /// The result `y` with its rule behind it; the rule is only made if it is needed.
    pub fn record<B: Backward + 'static>(
        self,
        op: &'static str,
        y: Tensor,
        rule: impl FnOnce() -> B,
    ) -> Tensor {
        if !self.recorded() {
            return self.unrecorded(op, y);
        }
        anomaly::look_at_output(op, &y);
        trace::ran(op, self.traced, std::slice::from_ref(&y));
        let node = Node::new(op, 1, self.edges, Some(Box::new(rule())));
        y.with_origin(Origin::Node(node, 0))
    }

    /// The same for an operation with several results.
    pub fn record_all<B: Backward + 'static, const N: usize>(
        self,
        op: &'static str,
        mut results: [Tensor; N],
        rule: impl FnOnce() -> B,
    ) -> [Tensor; N] {
        self.record_each(op, &mut results, rule);
        results
    }

    /// The same where only the run knows how many there are.
    pub fn record_list<B: Backward + 'static>(
        self,
        op: &'static str,
        mut results: Vec<Tensor>,
        rule: impl FnOnce() -> B,
    ) -> Vec<Tensor> {
        self.record_each(op, &mut results, rule);
        results
    }

    /// Results that are no floats (indices) get no node: nothing can flow back.
    fn record_each<B: Backward + 'static>(
        self,
        op: &'static str,
        results: &mut [Tensor],
        rule: impl FnOnce() -> B,
    ) {
        for y in results.iter() {
            anomaly::look_at_output(op, y);
        }
        let recorded = self.recorded();
        trace::ran(op, self.traced, results);
        if !recorded {
            return;
        }
        let node = Node::new(op, results.len(), self.edges, Some(Box::new(rule())));
        for (i, y) in results.iter_mut().enumerate() {
            if y.dtype().is_float() {
                y.set_origin(Origin::Node(Arc::clone(&node), i));
            }
        }
    }
}

impl Tensor {
    /// A new tensor whose elements `f` writes, all of them.
    #[inline]
    pub(crate) fn fill_new<T: Element>(shape: Shape, f: impl FnOnce(&mut [T])) -> Tensor {
        let buffer = filled(shape.iter().product(), f);
        Tensor::from_buffer(buffer, shape, T::DTYPE)
    }

    /// The same with the sizes of `other`, which is contiguous and has this dtype.
    #[inline]
    pub(crate) fn fill_like<T: Element>(other: &Tensor, f: impl FnOnce(&mut [T])) -> Tensor {
        debug_assert_eq!(other.dtype(), T::DTYPE);
        Tensor::like(other, filled(other.numel(), f))
    }
}

#[inline]
fn filled<T: Element>(numel: usize, f: impl FnOnce(&mut [T])) -> Buffer {
    let bytes = numel * size_of::<T>();
    // A byte that is neither 0 nor 1 must never be seen as a bool.
    let mut buffer = if T::DTYPE == DType::Bool {
        Buffer::zeroed(bytes)
    } else {
        Buffer::uninit(bytes)
    };
    f(buffer.as_mut_slice());
    buffer
}
