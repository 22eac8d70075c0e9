//! Reverse-mode differentiation.
//!
//! An operation whose inputs need a gradient leaves a [`Node`] behind its result: the edges to its
//! inputs and a rule. Nodes carry creation numbers, and an input is always older than what was made
//! of it, so `backward` takes the youngest waiting node, runs its rule, and is done when none waits:
//! no recursion, no search. A rule and what it saved are dropped as soon as it ran, so memory falls
//! during the pass. The graph owns no cycles: saved tensors carry no node.

use crate::buffer::Buffer;
use crate::param::Param;
use crate::shape::Shape;
use crate::tensor::{Origin, Tensor};
use crate::{DType, Element, Error, Result};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Arc::new(Node {
            id,
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

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(true) };
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
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDING.set(self.0);
        }
    }
    let _restore = Restore(RECORDING.replace(false));
    f()
}

/// The edges to the inputs of an operation, taken before the operation consumes them.
/// Empty if no input needs a gradient: the one place where that is decided.
pub(crate) struct Edges(Vec<Edge>);

impl Edges {
    pub fn of(inputs: &[&Tensor]) -> Self {
        if RECORDING.get() && inputs.iter().any(|input| input.needs_grad()) {
            Edges(inputs.iter().map(|input| input.edge()).collect())
        } else {
            Edges(Vec::new())
        }
    }

    /// Whether the result will need a gradient, so that the rule's values must be saved.
    pub fn recorded(&self) -> bool {
        !self.0.is_empty()
    }

    /// The result `y` with its rule behind it; the rule is only made if it is needed.
    pub fn record<B: Backward + 'static>(
        self,
        op: &'static str,
        y: Tensor,
        rule: impl FnOnce() -> B,
    ) -> Tensor {
        if !self.recorded() {
            return y;
        }
        let node = Node::new(op, 1, self.0, Some(Box::new(rule())));
        y.with_origin(Origin::Node(node, 0))
    }

    /// The same for an operation with several results.
    pub fn record_all<B: Backward + 'static, const N: usize>(
        self,
        op: &'static str,
        results: [Tensor; N],
        rule: impl FnOnce() -> B,
    ) -> [Tensor; N] {
        if !self.recorded() {
            return results;
        }
        let node = Node::new(op, N, self.0, Some(Box::new(rule())));
        let mut index = 0;
        results.map(|y| {
            index += 1;
            y.with_origin(Origin::Node(Arc::clone(&node), index - 1))
        })
    }
}

/// Where a rule puts the gradients of its operation's inputs.
pub(crate) struct Grads<'a> {
    edges: &'a [Edge],
    pass: &'a mut Pass,
}

impl Grads<'_> {
    /// Whether the gradient of input `i` is wanted.
    pub fn wants(&self, i: usize) -> bool {
        match &self.edges[i] {
            Edge::Stop => false,
            Edge::Node(node, _) => self.pass.reaches(node.id),
            Edge::Param(param) => self.pass.wants_param(param),
        }
    }

    /// Adds `gradient` to that of input `i`. The first one is moved, not copied.
    pub fn add(&mut self, i: usize, gradient: Tensor) -> Result<()> {
        if !self.wants(i) {
            return Ok(());
        }
        match &self.edges[i] {
            Edge::Stop => Ok(()),
            Edge::Node(node, output) => {
                let slot = self.pass.slot(node, *output);
                *slot = Some(match slot.take() {
                    None => gradient,
                    Some(sum) => sum.add(gradient)?,
                });
                Ok(())
            }
            Edge::Param(param) => match self.pass.captured(param) {
                Some(slot) => {
                    *slot = Some(match slot.take() {
                        None => gradient,
                        Some(sum) => sum.add(gradient)?,
                    });
                    Ok(())
                }
                None => param.add_grad(&gradient),
            },
        }
    }

    /// Lets `write` put the gradient of input `i`, of this shape, straight where it belongs.
    ///
    /// `write` gets the row-major destination and whether to add to what is there (otherwise it
    /// writes every element).
    pub fn accumulate<T: Element>(
        &mut self,
        i: usize,
        shape: &Shape,
        write: impl FnOnce(&mut [T], bool),
    ) -> Result<()> {
        if !self.wants(i) {
            return Ok(());
        }
        if let Edge::Param(param) = &self.edges[i]
            && self.pass.captured(param).is_none()
        {
            return param.write_grad(write);
        }
        self.add(i, Tensor::fill_new(*shape, |out| write(out, false)))
    }
}

/// One run over the graph.
struct Pass {
    /// Gradients of nodes that were reached but not run yet, youngest last.
    waiting: BTreeMap<u64, (Arc<Node>, Vec<Option<Tensor>>)>,
    /// `None`: fill the parameters' gradients. `Some`: return those of these targets instead.
    wanted: Option<Wanted>,
}

struct Wanted {
    targets: Vec<Edge>,
    results: Vec<Option<Tensor>>,
    /// Nodes with a target behind them.
    needed: BTreeMap<u64, bool>,
}

impl Pass {
    fn slot(&mut self, node: &Arc<Node>, output: usize) -> &mut Option<Tensor> {
        let (_, grads) = self
            .waiting
            .entry(node.id)
            .or_insert_with(|| (Arc::clone(node), vec![None; node.outputs]));
        &mut grads[output]
    }

    fn reaches(&self, id: u64) -> bool {
        self.wanted
            .as_ref()
            .is_none_or(|wanted| wanted.needed.get(&id) == Some(&true))
    }

    fn wants_param(&self, param: &Param) -> bool {
        match &self.wanted {
            None => true,
            Some(wanted) => wanted
                .targets
                .iter()
                .any(|t| matches!(t, Edge::Param(p) if p == param)),
        }
    }

    /// Where the gradient of `param` is collected, if this pass returns gradients.
    fn captured(&mut self, param: &Param) -> Option<&mut Option<Tensor>> {
        let wanted = self.wanted.as_mut()?;
        let index = wanted
            .targets
            .iter()
            .position(|t| matches!(t, Edge::Param(p) if p == param))?;
        Some(&mut wanted.results[index])
    }

    fn run(&mut self, loss: &Tensor, retain: bool) -> Result<()> {
        let edges = [loss.edge()];
        let seed = Tensor::full_like(loss, 1.0);
        Grads {
            edges: &edges,
            pass: self,
        }
        .add(0, seed)?;
        while let Some((_, (node, mut dy))) = self.waiting.pop_last() {
            if let Some(wanted) = &mut self.wanted {
                for (target, result) in wanted.targets.iter().zip(&mut wanted.results) {
                    if let Edge::Node(t, output) = target
                        && t.id == node.id
                    {
                        result.clone_from(&dy[*output]);
                    }
                }
            }
            if node.inputs.is_empty() {
                continue;
            }
            let mut rule = node.rule.lock().unwrap_or_else(PoisonError::into_inner);
            let current = rule.as_ref().ok_or(Error::GraphReleased { op: node.op })?;
            current.backward(
                &mut dy,
                &mut Grads {
                    edges: &node.inputs,
                    pass: self,
                },
            )?;
            if !retain {
                *rule = None;
            }
        }
        Ok(())
    }
}

impl Wanted {
    /// Finds the nodes between `loss` and the targets, so that no other gradient is computed.
    fn new(loss: &Tensor, targets: Vec<Edge>) -> Self {
        let mut found: BTreeMap<u64, Arc<Node>> = BTreeMap::new();
        let mut stack = vec![loss.edge()];
        while let Some(edge) = stack.pop() {
            if let Edge::Node(node, _) = edge
                && !found.contains_key(&node.id)
            {
                stack.extend(node.inputs.iter().cloned());
                found.insert(node.id, node);
            }
        }
        // Inputs are older than what was made of them: in order of age each answer is there in time.
        let mut needed = BTreeMap::new();
        for (id, node) in &found {
            let is_target = targets
                .iter()
                .any(|t| matches!(t, Edge::Node(n, _) if n.id == *id));
            let leads_on = node.inputs.iter().any(|input| match input {
                Edge::Stop => false,
                Edge::Node(n, _) => needed.get(&n.id) == Some(&true),
                Edge::Param(p) => targets
                    .iter()
                    .any(|t| matches!(t, Edge::Param(q) if q == p)),
            });
            needed.insert(*id, is_target || leads_on);
        }
        let results = vec![None; targets.len()];
        Wanted {
            targets,
            results,
            needed,
        }
    }
}

fn check_loss(loss: &Tensor) -> Result<()> {
    if loss.numel() != 1 {
        return Err(Error::shape(
            "backward",
            "the loss must be one number",
            format!(
                "shape {:?}; reduce it with `mean_all` or `sum_all`",
                loss.shape()
            ),
        ));
    }
    if !loss.needs_grad() {
        return Err(Error::argument(
            "backward",
            "the loss must depend on a parameter or variable",
            "one that needs no gradient; was it made inside `no_grad`, or from detached tensors?",
        ));
    }
    Ok(())
}

impl Tensor {
    /// Adds the gradient of this one-element tensor to every parameter it depends on, and releases the graph.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is more than one element, [`Error::Argument`] if nothing here needs a
    /// gradient, [`Error::GraphReleased`] if an earlier pass used the same graph.
    pub fn backward(&self) -> Result<()> {
        self.run_backward(false)
    }

    /// [`Tensor::backward`] that keeps the graph, so that it can be used again.
    ///
    /// # Errors
    /// Those of [`Tensor::backward`].
    pub fn backward_retain(&self) -> Result<()> {
        self.run_backward(true)
    }

    fn run_backward(&self, retain: bool) -> Result<()> {
        check_loss(self)?;
        no_grad(|| {
            Pass {
                waiting: BTreeMap::new(),
                wanted: None,
            }
            .run(self, retain)
        })
    }
}

/// The gradients of `loss` by each tensor of `wrt`, which may be variables, parameters' values or
/// intermediate results. Parameters' own gradients are left alone, and the graph is kept.
///
/// A tensor that `loss` does not depend on gets zeros.
///
/// # Errors
/// [`Error::Shape`] if `loss` has more than one element, [`Error::Argument`] if a tensor of `wrt`
/// needs no gradient.
///
/// ```
/// use azura_core::{grad, Tensor};
/// let x = Tensor::from_slice(&[3.0f64], [1])?.variable();
/// let loss = x.clone().square()?.sum_all()?;
/// assert_eq!(grad(&loss, &[&x])?[0].to_vec::<f64>()?, [6.0]);
/// # Ok::<(), azura_core::Error>(())
/// ```
pub fn grad(loss: &Tensor, wrt: &[&Tensor]) -> Result<Vec<Tensor>> {
    check_loss(loss)?;
    if let Some(index) = wrt.iter().position(|tensor| !tensor.needs_grad()) {
        return Err(Error::argument(
            "grad",
            "every tensor must need a gradient",
            format!("number {index} does not; make it one with `variable()`"),
        ));
    }
    no_grad(|| {
        let targets = wrt.iter().map(|tensor| tensor.edge()).collect();
        let mut pass = Pass {
            waiting: BTreeMap::new(),
            wanted: Some(Wanted::new(loss, targets)),
        };
        pass.run(loss, true)?;
        let mut results = pass.wanted.map(|wanted| wanted.results).unwrap_or_default();
        // A parameter's gradient is collected where it is asked for first.
        for later in 1..wrt.len() {
            if let Edge::Param(param) = wrt[later].edge()
                && let Some(first) = (0..later)
                    .find(|&i| matches!(wrt[i].edge(), Edge::Param(other) if other == param))
            {
                results[later] = results[first].clone();
            }
        }
        Ok(results
            .into_iter()
            .zip(wrt)
            .map(|(result, tensor)| result.unwrap_or_else(|| Tensor::full_like(tensor, 0.0)))
            .collect())
    })
}

/// The gradient of an operation's only result.
pub(crate) fn only(dy: &mut [Option<Tensor>]) -> Result<Tensor> {
    dy[0].take().ok_or(Error::GraphReleased { op: "backward" })
}

impl Tensor {
    /// A new tensor whose elements `f` writes, all of them.
    pub(crate) fn fill_new<T: Element>(shape: Shape, f: impl FnOnce(&mut [T])) -> Tensor {
        let bytes = shape.iter().product::<usize>() * size_of::<T>();
        // A byte that is neither 0 nor 1 must never be seen as a bool.
        let mut buffer = if T::DTYPE == DType::Bool {
            Buffer::zeroed(bytes)
        } else {
            Buffer::uninit(bytes)
        };
        f(buffer.as_mut_slice());
        Tensor::from_buffer(buffer, shape, T::DTYPE)
    }
}
