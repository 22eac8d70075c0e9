//! Segments of a graph that are computed again in the backward pass instead of being kept.

use super::pass::{Grads, Pass};
use super::{Edge, Edges, RECORDING, next_id, recording};
use crate::param::Param;
use crate::tensor::Tensor;
use crate::{Error, Result};
use std::collections::BTreeMap;

/// Runs `f` and keeps none of what its operations save: the backward pass runs `f` again (Chen et al.
/// 2016, arXiv:1604.06174). Trades one more forward pass of the segment for its memory.
///
/// `f` must do the same each time: give it a copy of the random numbers, not a generator that moves on.
/// Gradients reach the parameters and tensors that `f` uses, whether they are captured or not.
///
/// PyTorch: `torch.utils.checkpoint.checkpoint`.
///
/// # Errors
/// What `f` returns; a backward pass fails with [`Error::Shape`] if `f` then gives other shapes.
///
/// ```
/// use azura_core::{Rng, Tensor, checkpoint, grad};
/// let x = Tensor::from_slice(&[1.0f64, 2.0], [2])?.variable();
/// let (input, rng) = (x.clone(), Rng::new(7));
/// let [y] = checkpoint(move || {
///     Ok([input.clone().exp()?.dropout(0.5, &mut rng.clone())?.square()?])
/// })?;
/// let dx = grad(&y.sum_all()?, &[&x])?;
/// assert_eq!(dx[0].shape(), [2]);
/// # Ok::<(), azura_core::Error>(())
/// ```
pub fn checkpoint<const N: usize>(
    f: impl Fn() -> Result<[Tensor; N]> + Send + Sync + 'static,
) -> Result<[Tensor; N]> {
    if !RECORDING.get() {
        return f();
    }
    let first = next_id();
    let outputs = f()?;
    let edges = edges_out(&outputs, first);
    if edges.is_empty() {
        return Ok(outputs);
    }
    let shapes = outputs.each_ref().map(|y| *y.sizes());
    // Here the segment's nodes go, and what they saved.
    let outputs = outputs.map(|y| y.detach());
    Ok(Edges::known(edges).record_all("checkpoint", outputs, || {
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
            let first = next_id();
            let outputs = recording(&f)?;
            for (y, shape) in outputs.iter().zip(&shapes) {
                if y.sizes() != shape {
                    return Err(Error::shape(
                        "checkpoint",
                        "the segment must give the same shapes each time it runs",
                        format!("{:?}, then {:?}", &shape[..], y.shape()),
                    ));
                }
            }
            back_through(&outputs, first, dy, grads)
        }
    }))
}

/// The edges from nodes not older than `first` to what is older, each once.
fn edges_out(outputs: &[Tensor], first: u64) -> Vec<Edge> {
    let mut out: Vec<Edge> = Vec::new();
    let mut seen = BTreeMap::new();
    let mut stack: Vec<Edge> = outputs.iter().map(Tensor::edge).collect();
    while let Some(edge) = stack.pop() {
        match &edge {
            Edge::Stop => continue,
            Edge::Node(node, _) if node.id >= first => {
                if seen.insert(node.id, ()).is_none() {
                    stack.extend(node.inputs.iter().cloned());
                }
                continue;
            }
            _ => {}
        }
        let known = out.iter().any(|other| match (other, &edge) {
            (Edge::Node(a, i), Edge::Node(b, j)) => a.id == b.id && i == j,
            (Edge::Param(a), Edge::Param(b)) => a == b,
            _ => false,
        });
        if !known {
            out.push(edge);
        }
    }
    out
}

/// The parameters that a gradient of `loss` reaches, each once.
pub(crate) fn parameters(loss: &Tensor) -> Vec<Param> {
    let edges = edges_out(std::slice::from_ref(loss), 0).into_iter();
    edges
        .filter_map(|edge| match edge {
            Edge::Param(param) => Some(param),
            _ => None,
        })
        .collect()
}

/// Runs over the nodes of a segment that was just computed again; what reaches the outside is handed
/// to the pass around it.
fn back_through<const N: usize>(
    outputs: &[Tensor; N],
    first: u64,
    dy: &mut [Option<Tensor>],
    grads: &mut Grads<'_>,
) -> Result<()> {
    let mut inner = Pass::of_segment(outputs, grads, first);
    let edges = outputs.each_ref().map(Tensor::edge);
    for (i, dy) in dy.iter_mut().enumerate() {
        if let Some(dy) = dy.take() {
            inner.grads("checkpoint", &edges).add(i, dy)?;
        }
    }
    inner.run(false)?;
    inner.hand_over(grads)
}
