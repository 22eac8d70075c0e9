//! One run over the graph, from the youngest node to the oldest.

use super::anomaly;
use super::{Edge, Edges, Node, no_grad};
use crate::param::{Gradients, Param};
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::{Element, Error, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

/// Where a rule puts the gradients of its operation's inputs.
pub(crate) struct Grads<'a> {
    op: &'static str,
    edges: &'a [Edge],
    pass: &'a mut Pass,
}

impl Grads<'_> {
    /// Whether the gradient of input `i` is wanted.
    pub fn wants(&self, i: usize) -> bool {
        match &self.edges[i] {
            Edge::Stop => false,
            Edge::Node(node, _) => self.pass.reaches(node.id),
            Edge::Param(param) => !param.is_frozen() && self.pass.wants_param(param),
        }
    }

    /// Adds `gradient` to that of input `i`. The first one is moved, not copied.
    pub fn add(&mut self, i: usize, gradient: Tensor) -> Result<()> {
        if !self.wants(i) {
            return Ok(());
        }
        anomaly::check_gradient(self.op, &gradient)?;
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
                None => match &mut self.pass.apart {
                    Some(gradients) => gradients.add(param, &gradient),
                    None => param.add_grad(&gradient),
                },
            },
        }
    }

    /// Lets `write` put the gradient of input `i`, of this shape, straight where it belongs.
    ///
    /// `write` gets the row-major destination and whether to add to what is there (otherwise it
    /// writes every element). That is the parameter's arena, or the gradient that another operation left for the same
    /// input.
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
            match &mut self.pass.apart {
                None => {
                    param.write_grad(write)?;
                    // Only then: it is a copy.
                    if anomaly::watching()
                        && let Some(gradient) = param.grad()
                    {
                        anomaly::check_gradient(self.op, &gradient)?;
                    }
                    return Ok(());
                }
                Some(gradients) if !anomaly::watching() => return gradients.write(param, write),
                // What is looked at must be a tensor.
                Some(_) => {}
            }
        }
        if let Edge::Node(node, output) = &self.edges[i]
            && !anomaly::watching()
        {
            // What came from elsewhere is added to where it lies, if nobody else sees it.
            let slot = self.pass.slot(node, *output);
            match slot.take().map(Tensor::into_unique_buffer) {
                Some(Ok(mut buffer)) => {
                    write(buffer.as_mut_slice(), true);
                    *slot = Some(Tensor::from_buffer(buffer, *shape, T::DTYPE));
                    return Ok(());
                }
                Some(Err(sum)) => *slot = Some(sum),
                None => {}
            }
        }
        self.add(i, Tensor::fill_new(*shape, |out| write(out, false)))
    }
}

/// One run over the graph.
pub(super) struct Pass {
    /// Gradients of nodes that were reached but not run yet, youngest last.
    waiting: BTreeMap<u64, (Arc<Node>, Vec<Option<Tensor>>)>,
    /// `None`: fill the parameters' gradients. `Some`: return those of these targets instead.
    wanted: Option<Wanted>,
    /// Where the parameters' gradients go instead of to their store.
    apart: Option<Gradients>,
    /// Nodes older than this belong to an outer pass.
    oldest: u64,
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

    /// Where the rule of `op` puts the gradients of its inputs, which lie behind `edges`.
    pub fn grads<'a>(&'a mut self, op: &'static str, edges: &'a [Edge]) -> Grads<'a> {
        Grads {
            op,
            edges,
            pass: self,
        }
    }

    /// Starts with a gradient of 1 for the loss.
    fn start(&mut self, loss: &Tensor) -> Result<()> {
        self.grads("backward", &[loss.edge()])
            .add(0, Tensor::full_like(loss, 1.0))
    }

    pub fn run(&mut self, retain: bool) -> Result<()> {
        anomaly::unwatched(|| {
            while let Some(entry) = self.waiting.last_entry() {
                if *entry.key() < self.oldest {
                    break;
                }
                let (node, dy) = entry.remove();
                self.visit(&node, dy, retain)?;
            }
            Ok(())
        })
    }

    fn visit(&mut self, node: &Node, mut dy: Vec<Option<Tensor>>, retain: bool) -> Result<()> {
        self.note(node, &dy);
        if node.inputs.is_empty() {
            return Ok(());
        }
        let mut rule = node.rule.lock().unwrap_or_else(PoisonError::into_inner);
        let current = rule.as_ref().ok_or(Error::GraphReleased { op: node.op })?;
        current.backward(&mut dy, &mut self.grads(node.op, &node.inputs))?;
        if !retain {
            *rule = None;
        }
        Ok(())
    }

    /// Keeps the gradients of a target.
    fn note(&mut self, node: &Node, dy: &[Option<Tensor>]) {
        if let Some(wanted) = &mut self.wanted {
            for (target, result) in wanted.targets.iter().zip(&mut wanted.results) {
                if let Edge::Node(t, output) = target
                    && t.id == node.id
                {
                    result.clone_from(&dy[*output]);
                }
            }
        }
    }

    /// A pass over a segment inside the one that `outer` belongs to, which stops at nodes older than `oldest`.
    pub fn of_segment(outputs: &[Tensor], outer: &mut Grads<'_>, oldest: u64) -> Pass {
        let wanted = outer.pass.wanted.is_some().then(|| {
            let targets = (0..outer.edges.len())
                .filter(|&i| outer.wants(i))
                .map(|i| outer.edges[i].clone())
                .collect();
            Wanted::new(outputs, targets, oldest)
        });
        Pass {
            waiting: BTreeMap::new(),
            wanted,
            apart: outer.pass.apart.take(),
            oldest,
        }
    }

    /// Gives what reached the outside of a segment to the pass around it.
    pub fn hand_over(mut self, outer: &mut Grads<'_>) -> Result<()> {
        outer.pass.apart = self.apart.take();
        for (node, dy) in std::mem::take(&mut self.waiting).into_values() {
            self.note(&node, &dy);
            if self.wanted.is_some() {
                continue;
            }
            for (output, gradient) in dy.into_iter().enumerate() {
                if let Some(gradient) = gradient {
                    let edges = [Edge::Node(Arc::clone(&node), output)];
                    outer.pass.grads(outer.op, &edges).add(0, gradient)?;
                }
            }
        }
        if let Some(wanted) = self.wanted {
            for (edge, gradient) in wanted.targets.into_iter().zip(wanted.results) {
                if let Some(gradient) = gradient {
                    outer.pass.grads(outer.op, &[edge]).add(0, gradient)?;
                }
            }
        }
        Ok(())
    }
}

impl Wanted {
    /// Finds the nodes between `outputs` and the targets, so that no other gradient is computed.
    /// Does not look behind nodes older than `oldest`.
    fn new(outputs: &[Tensor], targets: Vec<Edge>, oldest: u64) -> Self {
        let mut found: BTreeMap<u64, Arc<Node>> = BTreeMap::new();
        let mut stack: Vec<Edge> = outputs.iter().map(Tensor::edge).collect();
        while let Some(edge) = stack.pop() {
            if let Edge::Node(node, _) = edge
                && !found.contains_key(&node.id)
            {
                if node.id >= oldest {
                    stack.extend(node.inputs.iter().cloned());
                }
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

    /// [`Tensor::backward`] that adds to `gradients`, which are of one store, and leaves those of the store alone: for passes that
    /// run at the same time. If it fails, `gradients` are empty.
    ///
    /// # Errors
    /// Those of [`Tensor::backward`], and [`Error::Store`] if the loss depends on a trainable parameter of another store.
    pub fn backward_into(&self, gradients: &mut Gradients) -> Result<()> {
        *gradients = self
            .run_pass(false, Some(gradients.take()))?
            .unwrap_or_else(|| gradients.take());
        Ok(())
    }

    fn run_backward(&self, retain: bool) -> Result<()> {
        self.run_pass(retain, None).map(drop)
    }

    fn run_pass(&self, retain: bool, apart: Option<Gradients>) -> Result<Option<Gradients>> {
        check_loss(self)?;
        no_grad(|| {
            let mut pass = Pass {
                waiting: BTreeMap::new(),
                wanted: None,
                apart,
                oldest: 0,
            };
            pass.start(self)?;
            pass.run(retain)?;
            Ok(pass.apart)
        })
    }
}

/// The gradients of `loss` by each tensor of `wrt`, which may be variables, parameters' values or
/// intermediate results. Parameters' own gradients are left alone, and the graph is kept.
///
/// A tensor that `loss` does not depend on gets zeros. The results are no constants: they depend on `wrt`
/// in a way that has no rule, so a loss made of one fails with [`Error::NoGradient`] in its backward pass,
/// unless it is detached first.
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
            wanted: Some(Wanted::new(std::slice::from_ref(loss), targets, 0)),
            apart: None,
            oldest: 0,
        };
        pass.start(loss)?;
        pass.run(true)?;
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
        let results = results
            .into_iter()
            .zip(wrt)
            .map(|(result, tensor)| result.unwrap_or_else(|| Tensor::full_like(tensor, 0.0)))
            .collect();
        // What is computed from a gradient depends on `wrt`, but that dependence has no rule.
        let edges = Edges::known(wrt.iter().map(|tensor| tensor.edge()).collect());
        Ok(edges.record_list("grad", results, || {
            |_: &mut [Option<Tensor>], _: &mut Grads<'_>| {
                Err(Error::NoGradient {
                    op: "grad",
                    hint: "second derivatives are not offered; to take a gradient as a constant, `detach` it",
                })
            }
        }))
    })
}

/// The gradient of an operation's only result.
pub(crate) fn only(dy: &mut [Option<Tensor>]) -> Result<Tensor> {
    dy[0].take().ok_or(Error::GraphReleased { op: "backward" })
}
