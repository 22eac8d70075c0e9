//! Scaled dot-product attention as one operation that keeps nothing of size T × S.

use crate::autograd::{Backward, Edges, Grads, only};
use crate::cpu::attention::{
    Call, Dims, Dropout, Gradients, Mask, PER_BLOCK, Places, Saved, backward, forward,
    mask_gradient,
};
use crate::cpu::gemm;
use crate::dtype::for_float;
use crate::shape::{self, Layout, Shape};
use crate::tensor::{Tensor, same_dtype};

use crate::{DType, Element, Error, Result, Rng};

use super::layout::{Fresh, lead, matrices, rows_in_order, starts, time_first, with_matrix};

const OP: &str = "scaled_dot_product_attention";

/// What [`Tensor::scaled_dot_product_attention`] does beside the formula. The default is PyTorch's: everyone looks at
/// everything, scores are divided by `√D`, nothing is dropped.
#[derive(Debug, Default)]
pub struct AttentionOptions<'a> {
    /// Broadcast to `[..., H, T, S]`. Of bools: true where a query may look. Of floats: added to the scores; it may
    /// need a gradient. PyTorch: `attn_mask`.
    pub mask: Option<&'a Tensor>,
    /// Query `i` looks at keys `0..=i + causal_offset` only. PyTorch refuses this beside a mask; here both hold.
    pub is_causal: bool,
    /// How many keys there were before the first query: 0 is PyTorch's alignment at the top left, `S - T` that at
    /// the bottom right, for queries that continue a cache of keys.
    pub causal_offset: usize,
    /// The probability of dropping a weight, and the numbers that decide it. PyTorch: `dropout_p`.
    pub dropout: Option<(f64, &'a mut Rng)>,
    /// What the products are multiplied with; `1 / √D` if not given.
    pub scale: Option<f64>,
    /// Whether `H` query heads may share fewer heads of keys and values, each of them `H / G` neighbours
    /// (Ainslie et al. 2023, arXiv:2305.13245).
    pub enable_gqa: bool,
}

impl Tensor {
    /// Attention (Vaswani et al. 2017, arXiv:1706.03762): `softmax(self · keyᵀ · scale + mask) · value`.
    ///
    /// | value   | shape            |
    /// |---------|------------------|
    /// | `self`  | `[..., H, T, D]` |
    /// | `key`   | `[..., H, S, D]`, with `enable_gqa` `[..., G, S, D]` |
    /// | `value` | `[..., H, S, E]`, with `enable_gqa` `[..., G, S, E]` |
    /// | result  | `[..., H, T, E]` |
    ///
    /// Leading axes are broadcast; there may be none. The result lies in memory as `self` does: if `self` is a
    /// transposed `[..., T, H, D]`, the heads of the result can be joined without a copy.
    ///
    /// A query that may look at nothing gets zeros, and passes on zeros in backward, as in PyTorch's
    /// `_safe_softmax`.
    ///
    /// Works in tiles (Dao et al. 2022, arXiv:2205.14135): memory grows with T and S, not with their product. Saved for
    /// backward are the inputs, the result and two numbers for each query.
    ///
    /// ```
    /// use azura_core::{AttentionOptions, Tensor};
    /// let q = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0], [2, 2])?;
    /// let causal = AttentionOptions { is_causal: true, ..Default::default() };
    /// let y = q.scaled_dot_product_attention(&q, &q, causal)?;
    /// // The first query sees only itself.
    /// assert_eq!(y.to_vec::<f32>()?[..2], [1.0, 0.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if sizes do not fit, [`Error::DType`] if dtypes differ or are not floats,
    /// [`Error::Argument`] if the dropout is not in `[0, 1]`.
    pub fn scaled_dot_product_attention(
        &self,
        key: &Tensor,
        value: &Tensor,
        options: AttentionOptions<'_>,
    ) -> Result<Tensor> {
        if self.dtype().is_half() {
            return self.in_f32(OP, |q, wide| {
                let (k, v) = (wide.of(key)?, wide.of(value)?);
                let mask = match options.mask {
                    Some(mask) if mask.dtype() != DType::Bool => Some(wide.of(mask)?),
                    mask => mask.cloned(),
                };
                let mask = mask.as_ref();
                q.scaled_dot_product_attention(&k, &v, AttentionOptions { mask, ..options })
            });
        }
        let given = options.mask;
        let (tape, [q, k, v]) = Tape::new(self, key, value, options)?;
        let edges = match given {
            Some(mask) => Edges::of(&[&q, &k, &v, mask]),
            None => Edges::of(&[&q, &k, &v]),
        };
        let (out, stats) = tape.forward()?;
        let saved = out.detach();
        Ok(edges.record(OP, out, || Rule {
            tape,
            out: saved,
            stats,
        }))
    }
}

/// Sizes and settings of one call.
#[derive(Clone, Copy)]
struct Plan {
    dims: Dims,
    /// The leading axes of queries; those of keys and values differ in the last one only.
    lead: Shape,
    kv_lead: Shape,
    scale: f64,
    causal: Option<usize>,
}

/// A mask seen as `[..., H, T, S]`, and the shape in which its gradient is wanted.
struct SeenMask {
    seen: Tensor,
    shape: Shape,
}

/// What goes into a call, without nodes.
pub(super) struct Tape {
    plan: Plan,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Option<SeenMask>,
    dropped: Option<(f64, Rng)>,
    /// Whether results lie as `[..., T, H, E]`.
    time_first: bool,
}

impl Plan {
    /// Checks the sizes, and repeats leading axes where that is asked for.
    fn new(q: &Tensor, k: &Tensor, v: &Tensor, gqa: bool) -> Result<(Self, [Tensor; 3])> {
        let unfit = |rule: &str| {
            let fact = format!("{:?}, {:?} and {:?}", q.shape(), k.shape(), v.shape());
            Error::shape(OP, rule, fact)
        };
        same_dtype(OP, q, k)?;
        same_dtype(OP, q, v)?;
        for_float!(OP, q.dtype(), _T => ());
        let rank = q.rank().min(k.rank()).min(v.rank());
        if rank < 2 || q.dim(-1)? != k.dim(-1)? || k.dim(-2)? != v.dim(-2)? {
            return Err(unfit(
                "needs query [..., H, T, D], key [..., H, S, D] and value [..., H, S, E]",
            ));
        }
        let (mut q_lead, mut kv_lead);
        if gqa {
            let heads = |x: &Tensor| x.dim(-3).ok().filter(|&heads| heads > 0);
            let (Some(heads), Some(kv_heads)) = (heads(q), heads(k)) else {
                return Err(unfit("enable_gqa needs an axis of heads, which are not 0"));
            };
            if heads % kv_heads != 0 || heads_differ(k, v) {
                return Err(unfit(
                    "with enable_gqa the heads of key and value must be equal and divide those of the query",
                ));
            }
            let batch = |x: &Tensor| x.shape()[..x.rank() - 3].iter().copied().collect::<Shape>();
            let all = shape::broadcast(OP, &batch(q), &batch(k))?;
            let all = shape::broadcast(OP, &all, &batch(v))?;
            (q_lead, kv_lead) = (all, all);
            q_lead.push(heads);
            kv_lead.push(kv_heads);
        } else {
            let all = shape::broadcast(OP, &lead(q), &lead(k))?;
            q_lead = shape::broadcast(OP, &all, &lead(v))?;
            kv_lead = q_lead;
        }
        let heads = q_lead.last().copied().unwrap_or(1);
        let kv_heads = kv_lead.last().copied().unwrap_or(1);
        let dims = Dims {
            batch: q_lead[..q_lead.len().saturating_sub(1)].iter().product(),
            heads,
            kv_heads,
            queries: q.dim(-2)?,
            keys: k.dim(-2)?,
            width: q.dim(-1)?,
            value_width: v.dim(-1)?,
        };
        with_matrix(OP, &q_lead, dims.queries, dims.value_width)?;
        with_matrix(OP, &q_lead, dims.queries, 2)?;
        let repeat = |x: &Tensor, lead: &Shape| {
            let to = with_matrix(OP, lead, x.dim(-2)?, x.dim(-1)?)?;
            if x.shape() == &to[..] {
                Ok(x.clone())
            } else {
                x.expand(&to[..])
            }
        };
        let inputs = [
            repeat(q, &q_lead)?,
            repeat(k, &kv_lead)?,
            repeat(v, &kv_lead)?,
        ];
        let plan = Plan {
            dims,
            lead: q_lead,
            kv_lead,
            scale: 1.0 / (dims.width.max(1) as f64).sqrt(),
            causal: None,
        };
        Ok((plan, inputs))
    }

    fn mask(&self, mask: &Tensor, dtype: DType) -> Result<SeenMask> {
        if mask.dtype() != DType::Bool && mask.dtype() != dtype {
            return Err(Error::dtype(
                OP,
                format!("the mask must be bool or {dtype}, as the query"),
                format!("{}; cast it with `cast`", mask.dtype()),
            ));
        }
        let full = with_keys(&self.lead, self.dims.queries, self.dims.keys)?;
        let last = mask.rank().checked_sub(1);
        let usable = mask.layout().strides.iter().all(|&stride| stride >= 0)
            && last.is_none_or(|last| mask.shape()[last] == 1 || mask.layout().strides[last] <= 1);
        let dense = if usable {
            mask.detach()
        } else {
            mask.contiguous_detached()
        };
        let layout = dense.layout().expand(&full).ok_or_else(|| {
            Error::shape(
                OP,
                format!(
                    "the mask must be broadcast to {:?}, one score for each query and key",
                    &full[..]
                ),
                format!("{:?}", mask.shape()),
            )
        })?;
        Ok(SeenMask {
            seen: dense.with_layout(layout),
            shape: *mask.sizes(),
        })
    }

    /// Takes the numbers for all weights out of the sequence.
    fn dropout(&self, dropout: Option<(f64, &mut Rng)>) -> Result<Option<(f64, Rng)>> {
        let Some((p, rng)) = dropout else {
            return Ok(None);
        };
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::argument(
                OP,
                "dropout must lie in [0, 1]",
                format!("{p}"),
            ));
        }
        if p == 0.0 {
            return Ok(None);
        }
        let d = &self.dims;
        let blocks = with_matrix(OP, &self.lead, d.queries, d.keys.div_ceil(PER_BLOCK))?;
        Ok(Some((
            p,
            rng.reserve(blocks.iter().product::<usize>() as u64),
        )))
    }
}

/// The sizes of all scores. They are never held, so their number is not limited.
fn with_keys(lead: &Shape, queries: usize, keys: usize) -> Result<Shape> {
    let sizes: Vec<usize> = lead.iter().copied().chain([queries, keys]).collect();
    Shape::new(OP, &sizes)
}

fn heads_differ(k: &Tensor, v: &Tensor) -> bool {
    k.dim(-3).ok() != v.dim(-3).ok()
}

impl Tape {
    /// The tape, and the inputs with leading axes repeated, whose gradients it gives.
    pub(super) fn new(
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        options: AttentionOptions<'_>,
    ) -> Result<(Tape, [Tensor; 3])> {
        let (mut plan, [q, k, v]) = Plan::new(q, k, v, options.enable_gqa)?;
        plan.scale = options.scale.unwrap_or(plan.scale);
        plan.causal = options.is_causal.then_some(options.causal_offset);
        let mask = options
            .mask
            .map(|mask| plan.mask(mask, q.dtype()))
            .transpose()?;
        let dropped = plan.dropout(options.dropout)?;
        let tape = Tape {
            time_first: time_first(&q),
            q: rows_in_order(&q),
            k: rows_in_order(&k),
            v: rows_in_order(&v),
            mask,
            plan,
            dropped,
        };
        Ok((tape, [q, k, v]))
    }

    pub(super) fn call<T: gemm::Real + Element>(&self) -> Call<'_, T> {
        Call {
            dims: self.plan.dims,
            q: matrices(&self.q),
            k: matrices(&self.k),
            v: matrices(&self.v),
            mask: match &self.mask {
                None => Mask::None,
                Some(mask) if mask.seen.dtype() == DType::Bool => Mask::Look(matrices(&mask.seen)),
                Some(mask) => Mask::Add(matrices(&mask.seen)),
            },
            scale: <T as Element>::from_f64(self.plan.scale),
            causal: self.plan.causal,
            dropout: self.dropped.as_ref().map(|(p, rng)| Dropout {
                rng: rng.clone(),
                threshold: (p * 4_294_967_296.0).round() as u64,
                scale: if *p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 },
            }),
        }
    }

    /// The result and the statistics of each query.
    pub(super) fn forward(&self) -> Result<(Tensor, Tensor)> {
        let Plan { dims, lead, .. } = &self.plan;
        let dtype = self.q.dtype();
        let mut out = Fresh::new(
            OP,
            dtype,
            lead,
            dims.queries,
            dims.value_width,
            self.time_first,
        )?;
        let mut stats = Fresh::new(OP, dtype, lead, dims.queries, 2, false)?;
        for_float!(OP, dtype, T => forward(&self.call::<T>(), out.target(), stats.target()));
        Ok((out.finish(), stats.finish()))
    }
}

struct Rule {
    tape: Tape,
    out: Tensor,
    stats: Tensor,
}

impl Backward for Rule {
    fn backward(&self, dy: &mut [Option<Tensor>], grads: &mut Grads<'_>) -> Result<()> {
        let dy = rows_in_order(&only(dy)?);
        let Tape {
            plan,
            q,
            k,
            v,
            mask,
            ..
        } = &self.tape;
        let (d, dtype) = (&plan.dims, q.dtype());
        let fresh = |wanted: bool, like: &Tensor, lead: &Shape, rows, cols| {
            wanted
                .then(|| Fresh::new(OP, dtype, lead, rows, cols, time_first(like)))
                .transpose()
        };
        let mut dq = fresh(grads.wants(0), q, &plan.lead, d.queries, d.width)?;
        let mut dk = fresh(grads.wants(1), k, &plan.kv_lead, d.keys, d.width)?;
        let mut dv = fresh(grads.wants(2), v, &plan.kv_lead, d.keys, d.value_width)?;
        for_float!(OP, dtype, T => {
            let call = self.tape.call::<T>();
            let saved = Saved {
                out: &matrices::<T>(&self.out),
                dout: &matrices::<T>(&dy),
                stats: self.stats.slice::<T>(),
            };
            let gradients = Gradients {
                dq: dq.as_mut().map(Fresh::target),
                dk: dk.as_mut().map(Fresh::target),
                dv: dv.as_mut().map(Fresh::target),
            };
            backward(&call, &saved, &gradients);
            if let Some(SeenMask { seen, shape }) = mask
                && let Some(layout) = Layout::contiguous(*shape).expand(seen.sizes())
            {
                grads.accumulate::<T>(3, shape, |out, accumulate| {
                    if !accumulate {
                        out.fill(0.0);
                    }
                    let (rank, strides) = (layout.shape.len(), &layout.strides);
                    let [row, col] = [rank - 2, rank - 1].map(|axis| strides[axis] as usize);
                    mask_gradient(&call, &saved, &Places { starts: starts(&layout), row, col }, out);
                })?;
            }
        });
        for (i, gradient) in [dq, dk, dv].into_iter().enumerate() {
            if let Some(gradient) = gradient {
                grads.add(i, gradient.finish())?;
            }
        }
        Ok(())
    }
}
