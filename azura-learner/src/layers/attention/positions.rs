//! Where in a sequence something stands: added to its features, or as a turn of queries and keys.

use azura_core::{DType, RotaryPairs, Tensor};

use crate::error::{Error, Problem, Result};
use crate::layers::{Ctx, Dropout, Module};

/// Sines and cosines of positions `0..len` (Vaswani et al. 2017, arXiv:1706.03762): `[len, width]`.
///
/// `p[t, 2i] = sin(t / 10000^(2i/D))`, `p[t, 2i + 1] = cos(t / 10000^(2i/D))`
///
/// ```
/// use azura_core::DType;
/// let p = azura_learner::layers::sinusoidal_positions(3, 4, DType::F64)?.to_vec::<f64>()?;
/// assert_eq!(p[..4], [0.0, 1.0, 0.0, 1.0]);
/// assert_eq!(p[4..6], [1f64.sin(), 1f64.cos()]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
///
/// # Errors
/// [`Error::Core`] if the dtype is not a float or the size is more than memory can hold.
pub fn sinusoidal_positions(len: usize, width: usize, dtype: DType) -> Result<Tensor> {
    table(len, width, dtype, |t, column| {
        let angle = t * (10_000f64).powf(-((column / 2 * 2) as f64) / width as f64);
        if column % 2 == 0 {
            angle.sin()
        } else {
            angle.cos()
        }
    })
}

fn table(rows: usize, cols: usize, dtype: DType, f: impl Fn(f64, usize) -> f64) -> Result<Tensor> {
    // Sizes are checked before anything is taken.
    Tensor::zeros([rows, cols], dtype)?;
    let values = (0..rows).flat_map(|t| (0..cols).map(move |column| (t, column)));
    let values: Vec<f64> = values.map(|(t, column)| f(t as f64, column)).collect();
    Ok(Tensor::from_vec(values, [rows, cols])?.cast(dtype)?)
}

/// Adds [`sinusoidal_positions`] to features, then dropout.
///
/// | value  | shape       |
/// |--------|-------------|
/// | `x`    | `[..., T, D]` |
/// | result | `[..., T, D]` |
///
/// It has no parameters; `T` may be at most the length it was made for.
///
/// ```
/// use azura_core::{DType, Tensor};
/// use azura_learner::layers::{Ctx, Module, PositionalEncoding};
/// let positions = PositionalEncoding::new(4, 100, 0.1, DType::F32)?;
/// let y = positions.forward(&Tensor::zeros([2, 3, 4], DType::F32)?, &mut Ctx::eval())?;
/// assert_eq!(y.to_vec::<f32>()?[..4], [0.0, 1.0, 0.0, 1.0]);
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PositionalEncoding {
    table: Tensor,
    dropout: Dropout,
}

impl PositionalEncoding {
    /// For at most `max_len` positions of features `width` wide.
    ///
    /// # Errors
    /// [`Error::Config`] unless `0 <= dropout < 1`, [`Error::Core`] if the dtype is not a float.
    pub fn new(width: usize, max_len: usize, dropout: f64, dtype: DType) -> Result<Self> {
        Ok(PositionalEncoding {
            table: sinusoidal_positions(max_len, width, dtype)?,
            dropout: Dropout::new(dropout)?,
        })
    }

    /// The same for features that stand at positions `offset..`: the next part of a sequence.
    ///
    /// # Errors
    /// [`Error::Core`] if sizes do not fit or the positions go beyond the longest length.
    pub fn forward_from(&self, x: &Tensor, offset: usize, ctx: &mut Ctx) -> Result<Tensor> {
        let part = self.table.narrow(0, offset, x.dim(-2)?)?;
        self.dropout.forward(&x.clone().add(part)?, ctx)
    }
}

impl Module for PositionalEncoding {
    fn forward(&self, x: &Tensor, ctx: &mut Ctx) -> Result<Tensor> {
        self.forward_from(x, 0, ctx)
    }
}

/// Turns queries and keys by their positions (Su et al. 2021, arXiv:2104.09864); see [`Tensor::rotary`].
///
/// Pair `i` of position `t` turns by `t · base^(-2i/width)`.
///
/// ```
/// use azura_core::{DType, RotaryPairs, Tensor};
/// use azura_learner::layers::RotaryEmbedding;
/// let rotary = RotaryEmbedding::new(4, 100, 10_000.0, RotaryPairs::Halves, DType::F32)?;
/// let q = Tensor::ones([1, 2, 5, 4], DType::F32)?;
/// // The part of a sequence that begins at position 7.
/// assert_eq!(rotary.apply(&q, 7)?.shape(), q.shape());
/// # Ok::<(), azura_learner::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RotaryEmbedding {
    cos: Tensor,
    sin: Tensor,
    pairs: RotaryPairs,
}

impl RotaryEmbedding {
    /// For at most `max_len` positions of heads whose first `width` columns turn; 10,000 is the usual `base`.
    ///
    /// # Errors
    /// [`Error::Config`] if the width is odd or the base not positive, [`Error::Core`] if the dtype is not a float.
    pub fn new(
        width: usize,
        max_len: usize,
        base: f64,
        pairs: RotaryPairs,
        dtype: DType,
    ) -> Result<Self> {
        let problem = |key: &str, message: String| Error::Config(vec![Problem::new(key, message)]);
        if !width.is_multiple_of(2) {
            return Err(problem("width", format!("must be even, but is {width}")));
        }
        if !(base > 0.0 && base.is_finite()) {
            return Err(problem("base", format!("must be positive, but is {base}")));
        }
        let angle = |t: f64, i: usize| t * base.powf(-((2 * i) as f64) / width as f64);
        Ok(RotaryEmbedding {
            cos: table(max_len, width / 2, dtype, |t, i| angle(t, i).cos())?,
            sin: table(max_len, width / 2, dtype, |t, i| angle(t, i).sin())?,
            pairs,
        })
    }

    /// Queries or keys `[..., T, D]` at positions `offset..offset + T`, turned.
    ///
    /// # Errors
    /// [`Error::Core`] if sizes do not fit or the positions go beyond the longest length.
    pub fn apply(&self, x: &Tensor, offset: usize) -> Result<Tensor> {
        let part = |table: &Tensor| table.narrow(0, offset, x.dim(-2)?);
        Ok(x.rotary(&part(&self.cos)?, &part(&self.sin)?, self.pairs)?)
    }
}
