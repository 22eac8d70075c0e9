//! Attention with many heads.

use azura_core::{AttentionOptions, Init, KvCache, Param, Scope, Tensor};

use super::mask::{Scores, unfit};
use crate::error::{Error, Problem, Result};
use crate::layers::Ctx;
use crate::layers::dropout::probability;

/// Attention with many heads (Vaswani et al. 2017, arXiv:1706.03762), as `torch.nn.MultiheadAttention` with
/// `batch_first`.
///
/// `out_proj(concat(head₁ … headₕ))`, `headᵢ = softmax(Qᵢ Kᵢᵀ / √(E/H) + mask) Vᵢ`
///
/// | value             | shape       |
/// |-------------------|-------------|
/// | query             | `[B, T, E]` or `[T, E]` |
/// | key, value        | `[B, S, Ek]`, `[B, S, Ev]` or without `B` |
/// | `in_proj_weight`  | `[3E, E]`; if `Ek` or `Ev` differ from `E`: `q_proj_weight` `[E, E]`, `k_proj_weight` `[E, Ek]`, `v_proj_weight` `[E, Ev]` |
/// | `in_proj_bias`    | `[3E]`      |
/// | `bias_k`, `bias_v`| `[1, 1, E]` with `add_bias_kv` |
/// | `out_proj.weight`, `out_proj.bias` | `[E, E]`, `[E]` |
/// | output            | as query    |
///
/// Matrices of the input begin Xavier uniform, `out_proj.weight` as that of `Linear`, biases at 0, `bias_k` and
/// `bias_v` Xavier normal.
///
/// ```
/// use azura_core::{DType, Rng, Store, Tensor};
/// use azura_learner::layers::{AttentionInputs, Ctx, MultiHeadAttention};
/// let store = Store::new(DType::F32);
/// let attention = MultiHeadAttention::new(8, 2, &store.root(Rng::new(0))).build()?;
/// let x = Tensor::ones([1, 5, 8], DType::F32)?;
/// let causal = AttentionInputs { is_causal: true, ..Default::default() };
/// let (y, _) = attention.forward(&x, &x, &x, causal, &mut Ctx::eval())?;
/// assert_eq!(y.shape(), [1, 5, 8]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MultiHeadAttention {
    weights: InProjection,
    in_bias: Option<Param>,
    bias_kv: Option<[Param; 2]>,
    out_weight: Param,
    out_bias: Option<Param>,
    embed: usize,
    heads: usize,
    add_zero_attn: bool,
    dropout: f64,
}

#[derive(Clone, Debug)]
enum InProjection {
    /// Query, key and value stacked: `[3E, E]`.
    Stacked(Param),
    Apart([Param; 3]),
}

/// The options of a [`MultiHeadAttention`] under construction.
#[derive(Clone)]
pub struct MultiHeadAttentionBuilder {
    scope: Scope,
    embed: usize,
    heads: usize,
    kdim: usize,
    vdim: usize,
    bias: bool,
    add_bias_kv: bool,
    add_zero_attn: bool,
    dropout: f64,
    xavier_out: bool,
}

/// What [`MultiHeadAttention::forward`] takes beside query, key and value. The default is none of it.
#[derive(Debug, Default)]
pub struct AttentionInputs<'a> {
    /// `[B, S]`, or `[S]` without a batch: true where a key is padding; of floats: added to the scores.
    pub key_padding_mask: Option<&'a Tensor>,
    /// `[T, S]` or `[B·H, T, S]`: true where a query may NOT look (the opposite of
    /// [`Tensor::scaled_dot_product_attention`], and PyTorch's meaning here); of floats: added to the scores.
    pub attn_mask: Option<&'a Tensor>,
    /// Nobody looks at later keys. PyTorch takes it as a hint beside an `attn_mask`; here it is enough.
    pub is_causal: bool,
    /// Also returns the weights, for which all T × S of them are made. PyTorch's default is true.
    pub need_weights: bool,
    /// Returns the weights of each head, `[B, H, T, S]`, instead of their mean `[B, T, S]`. PyTorch:
    /// `average_attn_weights=False`.
    pub weights_of_heads: bool,
    /// Keys and values of earlier positions, to which this call's are appended. Causality counts from there.
    pub cache: Option<&'a mut KvCache>,
}

impl MultiHeadAttentionBuilder {
    /// The width of keys; that of queries if not given.
    #[must_use]
    pub fn kdim(mut self, kdim: usize) -> Self {
        self.kdim = kdim;
        self
    }

    /// The width of values; that of queries if not given.
    #[must_use]
    pub fn vdim(mut self, vdim: usize) -> Self {
        self.vdim = vdim;
        self
    }

    /// Whether projections have biases; they do if not said otherwise.
    #[must_use]
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// Whether a learned key and value stand behind those of the sequence.
    #[must_use]
    pub fn add_bias_kv(mut self, add: bool) -> Self {
        self.add_bias_kv = add;
        self
    }

    /// Whether a key and value of zeros stand behind all others.
    #[must_use]
    pub fn add_zero_attn(mut self, add: bool) -> Self {
        self.add_zero_attn = add;
        self
    }

    /// The probability of dropping a weight, in training.
    #[must_use]
    pub fn dropout(mut self, dropout: f64) -> Self {
        self.dropout = dropout;
        self
    }

    /// Whether `out_proj.weight` too begins Xavier uniform, as in a whole Transformer.
    #[must_use]
    pub(crate) fn xavier_out(mut self, xavier: bool) -> Self {
        self.xavier_out = xavier;
        self
    }

    /// Registers the parameters.
    ///
    /// # Errors
    /// [`Error::Config`] if the heads do not divide the width or the dropout is not in `[0, 1]`.
    pub fn build(self) -> Result<MultiHeadAttention> {
        let (embed, heads, p) = (self.embed, self.heads, &self.scope);
        let problem = |key: &str, message: String| Error::Config(vec![Problem::new(key, message)]);
        if heads == 0 || embed == 0 || embed % heads != 0 {
            let message = format!("must divide the width {embed}, but is {heads}");
            return Err(problem("num_heads", message));
        }
        let dropout = probability(self.dropout)?;
        let xavier = Init::XavierUniform { gain: 1.0 };
        let weights = if self.kdim == embed && self.vdim == embed {
            // Too large a size is refused where the shape is checked.
            let shape = [3usize.saturating_mul(embed), embed];
            InProjection::Stacked(p.param("in_proj_weight", &shape, xavier)?)
        } else {
            let part = |name: &str, width: usize| p.param(name, &[embed, width], xavier);
            InProjection::Apart([
                part("q_proj_weight", embed)?,
                part("k_proj_weight", self.kdim)?,
                part("v_proj_weight", self.vdim)?,
            ])
        };
        let in_bias = self
            .bias
            .then(|| p.param("in_proj_bias", &[3usize.saturating_mul(embed)], Init::Zeros))
            .transpose()?;
        let own = |name: &str| {
            let std = (1.0 / embed as f64).sqrt();
            p.param(name, &[1, 1, embed], Init::Normal { mean: 0.0, std })
        };
        let bias_kv = self
            .add_bias_kv
            .then(|| Ok::<_, Error>([own("bias_k")?, own("bias_v")?]))
            .transpose()?;
        let out = p.at("out_proj");
        let out_init = if self.xavier_out {
            xavier
        } else {
            Init::Uniform {
                bound: 1.0 / (embed as f64).sqrt(),
            }
        };
        let out_weight = out.param("weight", &[embed, embed], out_init)?;
        let out_bias = self
            .bias
            .then(|| out.param("bias", &[embed], Init::Zeros))
            .transpose()?;
        Ok(MultiHeadAttention {
            weights,
            in_bias,
            bias_kv,
            out_weight,
            out_bias,
            embed,
            heads,
            add_zero_attn: self.add_zero_attn,
            dropout,
        })
    }
}

impl MultiHeadAttention {
    /// Attention of width `embed` with `heads` heads, to be built.
    #[expect(
        clippy::new_ret_no_self,
        reason = "as for the LSTM: options, then build"
    )]
    pub fn new(embed: usize, heads: usize, p: &Scope) -> MultiHeadAttentionBuilder {
        MultiHeadAttentionBuilder {
            scope: p.clone(),
            embed,
            heads,
            kdim: embed,
            vdim: embed,
            bias: true,
            add_bias_kv: false,
            add_zero_attn: false,
            dropout: 0.0,
            xavier_out: false,
        }
    }

    /// The width of queries and of the output.
    pub fn embed_dim(&self) -> usize {
        self.embed
    }

    /// An empty cache for `batch` sequences of at most `capacity` positions.
    ///
    /// # Errors
    /// If that is more than memory can hold.
    pub fn cache(&self, batch: usize, capacity: usize) -> Result<KvCache> {
        let width = self.embed / self.heads;
        let dtype = self.out_weight.value().dtype();
        Ok(KvCache::new(
            &[batch, self.heads],
            capacity,
            width,
            width,
            dtype,
        )?)
    }

    /// The output, and the weights if they are asked for.
    ///
    /// Weights of a query that may look at nothing are NaN, and its output is zeros without them, as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Core`] if sizes or dtypes do not fit.
    pub fn forward(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        inputs: AttentionInputs<'_>,
        ctx: &mut Ctx,
    ) -> Result<(Tensor, Option<Tensor>)> {
        if query.rank() == 2 {
            return self.without_batch(query, key, value, inputs, ctx);
        }
        let fits = [query, key, value].iter().all(|x| x.rank() == 3)
            && query.shape()[2] == self.embed
            && key.shape()[..2] == value.shape()[..2]
            && key.shape()[0] == query.shape()[0];
        if !fits {
            let rule = format!(
                "needs query [B, T, {}], key [B, S, _] and value [B, S, _]",
                self.embed
            );
            let fact = format!(
                "{:?}, {:?} and {:?}",
                query.shape(),
                key.shape(),
                value.shape()
            );
            return Err(unfit(rule, fact).into());
        }
        let (batch, queries) = (query.shape()[0], query.shape()[1]);
        if let Some(all) = self.packed(query, key, value, &inputs)? {
            let scores = Scores {
                batch,
                heads: self.heads,
                queries,
                keys: queries,
                own: 0,
                dtype: query.dtype(),
            };
            let mask = scores.mask(inputs.attn_mask, inputs.key_padding_mask, None)?;
            let dropout = if ctx.train { self.dropout } else { 0.0 };
            let options = AttentionOptions {
                mask: mask.as_ref(),
                is_causal: inputs.is_causal,
                dropout: (dropout > 0.0).then_some((dropout, &mut ctx.rng)),
                ..Default::default()
            };
            let y = all.packed_attention(self.heads, options)?;
            return Ok((self.out(&y)?, None));
        }
        let [q, k, v] = self.project(query, key, value)?;
        let (mut k, mut v) = (self.with_own(k, 0)?, self.with_own(v, 1)?);
        let own = usize::from(self.bias_kv.is_some()) + usize::from(self.add_zero_attn);
        let q = self.split(&q)?;
        (k, v) = (self.split(&k)?, self.split(&v)?);
        let mut before = 0;
        if let Some(cache) = inputs.cache {
            if own > 0 {
                let rule =
                    "a cache needs a layer without add_bias_kv and add_zero_attn".to_string();
                return Err(unfit(rule, "a layer with one of them".to_string()).into());
            }
            before = cache.len();
            (k, v) = cache.append(&k, &v)?;
        }
        let scores = Scores {
            batch,
            heads: self.heads,
            queries,
            keys: k.dim(2)? - own,
            own,
            dtype: query.dtype(),
        };
        // The kernel knows causality, but not keys that everyone may look at.
        let in_kernel = inputs.is_causal && own == 0 && !inputs.need_weights;
        let causal = (inputs.is_causal && !in_kernel).then_some(before);
        let mask = scores.mask(inputs.attn_mask, inputs.key_padding_mask, causal)?;
        let dropout = if ctx.train { self.dropout } else { 0.0 };
        let (y, weights) = if inputs.need_weights {
            let (y, weights) = self.with_weights(&q, &k, &v, mask, dropout, ctx)?;
            let weights = if inputs.weights_of_heads {
                weights
            } else {
                weights.mean(&[1], false)?
            };
            (y, Some(weights))
        } else {
            let options = AttentionOptions {
                mask: mask.as_ref(),
                is_causal: in_kernel,
                causal_offset: before,
                dropout: (dropout > 0.0).then_some((dropout, &mut ctx.rng)),
                ..Default::default()
            };
            (q.scaled_dot_product_attention(&k, &v, options)?, None)
        };
        let joined = y.transpose(1, 2)?.reshape([batch, queries, self.embed])?;
        Ok((self.out(&joined)?, weights))
    }

    /// The last product.
    fn out(&self, joined: &Tensor) -> Result<Tensor> {
        let bias = self.out_bias.as_ref().map(Param::value);
        Ok(joined.linear(&self.out_weight.value(), bias.as_ref())?)
    }

    /// Queries, keys and values side by side, `[B, T, 3E]`, if a sequence looks at itself and all that is asked for is the
    /// output: then they need not be cut apart.
    fn packed(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        inputs: &AttentionInputs<'_>,
    ) -> Result<Option<Tensor>> {
        let InProjection::Stacked(weight) = &self.weights else {
            return Ok(None);
        };
        let learned = |mask: Option<&Tensor>| mask.is_some_and(Tensor::needs_grad);
        let fits = std::ptr::eq(query, key)
            && std::ptr::eq(key, value)
            && inputs.cache.is_none()
            && !inputs.need_weights
            && self.bias_kv.is_none()
            && !self.add_zero_attn
            && !learned(inputs.attn_mask)
            && !learned(inputs.key_padding_mask);
        let bias = self.in_bias.as_ref().map(Param::value);
        fits.then(|| Ok(query.linear(&weight.value(), bias.as_ref())?))
            .transpose()
    }

    /// A single sequence as a batch of one.
    fn without_batch(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        inputs: AttentionInputs<'_>,
        ctx: &mut Ctx,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let padding = inputs
            .key_padding_mask
            .map(|mask| mask.unsqueeze(0))
            .transpose()?;
        let inputs = AttentionInputs {
            key_padding_mask: padding.as_ref(),
            ..inputs
        };
        let q = query.unsqueeze(0)?;
        // The same tensor stays the same, so that it is projected once.
        let same = [std::ptr::eq(query, key), std::ptr::eq(key, value)];
        let k = if same[0] {
            None
        } else {
            Some(key.unsqueeze(0)?)
        };
        let k = k.as_ref().unwrap_or(&q);
        let v = if same[1] {
            None
        } else {
            Some(value.unsqueeze(0)?)
        };
        let (y, weights) = self.forward(&q, k, v.as_ref().unwrap_or(k), inputs, ctx)?;
        let weights = weights.map(|weights| weights.squeeze(0)).transpose()?;
        Ok((y.squeeze(0)?, weights))
    }

    /// Queries, keys and values, `[B, T, E]`; those of one tensor by one product.
    fn project(&self, query: &Tensor, key: &Tensor, value: &Tensor) -> Result<[Tensor; 3]> {
        let bias = self.in_bias.as_ref().map(Param::value);
        let weights = match &self.weights {
            InProjection::Stacked(weight)
                if std::ptr::eq(query, key) && std::ptr::eq(key, value) =>
            {
                let all = query.linear(&weight.value(), bias.as_ref())?;
                return thirds(&all, 2);
            }
            InProjection::Stacked(weight) => thirds(&weight.value(), 0)?,
            InProjection::Apart(weights) => weights.each_ref().map(Param::value),
        };
        let biases = match &bias {
            Some(bias) => thirds(bias, 0)?.map(Some),
            None => [None, None, None],
        };
        Ok([
            query.linear(&weights[0], biases[0].as_ref())?,
            key.linear(&weights[1], biases[1].as_ref())?,
            value.linear(&weights[2], biases[2].as_ref())?,
        ])
    }

    /// The layer's own key (`which` 0) or value (1) behind those of the sequence.
    fn with_own(&self, x: Tensor, which: usize) -> Result<Tensor> {
        let (batch, one) = (x.shape()[0], [x.shape()[0], 1, self.embed]);
        let mut parts = vec![x];
        if let Some(bias) = &self.bias_kv {
            parts.push(bias[which].value().expand(one)?);
        }
        if self.add_zero_attn {
            parts.push(Tensor::zeros([batch, 1, self.embed], parts[0].dtype())?);
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        Ok(Tensor::cat(&parts.iter().collect::<Vec<_>>(), 1)?)
    }

    /// `[B, T, E]` as `[B, H, T, E/H]`, without a copy.
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, time) = (x.shape()[0], x.shape()[1]);
        let heads = x.reshape([batch, time, self.heads, self.embed / self.heads])?;
        Ok(heads.transpose(1, 2)?)
    }

    fn with_weights(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        mask: Option<Tensor>,
        dropout: f64,
        ctx: &mut Ctx,
    ) -> Result<(Tensor, Tensor)> {
        let scale = 1.0 / ((self.embed / self.heads) as f64).sqrt();
        let mut scores = q.clone().mul(scale)?.matmul(&k.transpose(-1, -2)?)?;
        if let Some(mask) = mask {
            scores = scores.add(mask)?;
        }
        let mut weights = scores.softmax(-1)?;
        if dropout > 0.0 {
            weights = weights.dropout(dropout, &mut ctx.rng)?;
        }
        Ok((weights.matmul(v)?, weights))
    }
}

/// Three equal parts, as one operation: their gradients are written side by side.
fn thirds(x: &Tensor, dim: isize) -> Result<[Tensor; 3]> {
    <[Tensor; 3]>::try_from(x.chunk(3, dim)?).map_err(|parts| {
        let fact = format!("{} parts of {:?}", parts.len(), x.shape());
        unfit(
            "query, key and value must be three equal parts".to_string(),
            fact,
        )
        .into()
    })
}
