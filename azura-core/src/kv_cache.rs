//! Keys and values of what was generated so far.

use crate::autograd::Edges;
use crate::buffer::Buffer;
use crate::dtype::{for_dtype, for_float};
use crate::shape::{self, Layout, Shape};
use crate::tensor::{Origin, Tensor};
use crate::{DType, Element, Error, Result};
use std::sync::Arc;

const OP: &str = "kv_cache";

/// Memory for the keys and values of one attention layer, taken once, that each step of a generation writes its own
/// rows of.
///
/// Outside autograd: it is for [`no_grad`](crate::no_grad). What [`KvCache::append`] returns are views; if one of them
/// still lives at the next step, the memory is copied first, so nobody's tensor changes.
///
/// ```
/// use azura_core::{AttentionOptions, DType, KvCache, Tensor};
/// let mut cache = KvCache::new(&[1, 2], 16, 4, 4, DType::F32)?;
/// for _ in 0..3 {
///     let x = Tensor::ones([1, 2, 1, 4], DType::F32)?;
///     let (keys, values) = cache.append(&x, &x)?;
///     x.scaled_dot_product_attention(&keys, &values, AttentionOptions::default())?;
/// }
/// assert_eq!(cache.len(), 3);
/// # Ok::<(), azura_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KvCache {
    keys: Rows,
    values: Rows,
    len: usize,
}

/// `lead + [capacity, width]`.
#[derive(Clone)]
struct Rows {
    buffer: Arc<Buffer>,
    layout: Layout,
    dtype: DType,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.dtype, &self.layout.shape[..])
    }
}

impl KvCache {
    /// Room for `capacity` positions of keys `lead + [_, width]` and values `lead + [_, value_width]`; `lead` is
    /// `[B, H]` for a batch of heads.
    ///
    /// # Errors
    /// [`Error::Shape`] if that is more than memory can hold, [`Error::DType`] if the dtype is not a float.
    pub fn new(
        lead: &[usize],
        capacity: usize,
        width: usize,
        value_width: usize,
        dtype: DType,
    ) -> Result<Self> {
        if !dtype.is_half() {
            for_float!(OP, dtype, _T => ());
        }
        let rows = |width: usize| {
            let sizes: Vec<usize> = lead.iter().copied().chain([capacity, width]).collect();
            let shape = Shape::new(OP, &sizes)?;
            let bytes = shape::checked_numel(OP, &shape)? * dtype.size();
            Ok::<_, Error>(Rows {
                buffer: Arc::new(Buffer::uninit(bytes)),
                layout: Layout::contiguous(shape),
                dtype,
            })
        };
        Ok(KvCache {
            keys: rows(width)?,
            values: rows(value_width)?,
            len: 0,
        })
    }

    /// How many positions are filled: the offset of the next one.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many positions there is room for.
    pub fn capacity(&self) -> usize {
        self.keys.layout.shape[self.keys.layout.shape.len() - 2]
    }

    /// Forgets all positions from `len` on, to go on from there.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Writes the next `T` positions, keys `[..., T, D]` and values `[..., T, E]`, and returns all of them so far.
    ///
    /// # Errors
    /// [`Error::Shape`] if sizes do not fit or the room is used up, [`Error::DType`] if the dtype is another,
    /// [`Error::NoGradient`] if a gradient would be cut: generate inside [`no_grad`](crate::no_grad).
    pub fn append(&mut self, keys: &Tensor, values: &Tensor) -> Result<(Tensor, Tensor)> {
        if Edges::of(&[keys, values]).recorded() {
            return Err(Error::NoGradient {
                op: OP,
                hint: "a cache is for generation; run the model inside `no_grad`",
            });
        }
        let new = self.keys.fits(keys)?;
        if self.values.fits(values)? != new {
            return Err(Error::shape(
                OP,
                "there must be as many values as keys",
                format!("{:?} and {:?}", keys.shape(), values.shape()),
            ));
        }
        let room = self.capacity() - self.len;
        if new > room {
            return Err(Error::shape(
                OP,
                format!("the cache has room for {} positions", self.capacity()),
                format!("{} and {new} more", self.len),
            ));
        }
        for_dtype!(self.keys.dtype, T => {
            self.keys.write::<T>(self.len, keys);
            self.values.write::<T>(self.len, values);
        });
        self.len += new;
        Ok((self.keys.view(self.len), self.values.view(self.len)))
    }
}

impl Rows {
    /// The number of rows in `x`, whose other sizes must be these.
    fn fits(&self, x: &Tensor) -> Result<usize> {
        x.expect_dtype(OP, self.dtype)?;
        let shape = &self.layout.shape;
        let axis = shape.len() - 2;
        let same = x.rank() == shape.len()
            && (0..shape.len()).all(|i| i == axis || x.shape()[i] == shape[i]);
        if !same {
            return Err(Error::shape(
                OP,
                format!(
                    "positions must have the sizes {:?} but for axis {axis}",
                    &shape[..]
                ),
                format!("{:?}", x.shape()),
            ));
        }
        Ok(x.shape()[axis])
    }

    /// Writes the rows of `x` from row `at` of each matrix on.
    fn write<T: Element>(&mut self, at: usize, x: &Tensor) {
        let rank = self.layout.shape.len();
        let (capacity, width) = (self.layout.shape[rank - 2], self.layout.shape[rank - 1]);
        let (matrix, part) = (capacity * width, x.shape()[rank - 2] * width);
        if part == 0 {
            return;
        }
        if Arc::get_mut(&mut self.buffer).is_none() {
            // Somebody looks at an earlier step.
            self.buffer = Arc::new(Buffer::from_slice(self.buffer.as_slice::<T>()));
        }
        let Some(buffer) = Arc::get_mut(&mut self.buffer) else {
            return;
        };
        let x = x.contiguous_detached();
        let matrices = buffer.as_mut_slice::<T>().chunks_exact_mut(matrix);
        for (to, from) in matrices.zip(x.slice::<T>().chunks_exact(part)) {
            to[at * width..at * width + part].copy_from_slice(from);
        }
    }

    /// The first `len` rows of each matrix.
    fn view(&self, len: usize) -> Tensor {
        let mut layout = self.layout;
        let axis = layout.shape.len() - 2;
        layout.shape[axis] = len;
        Tensor::view_of(Arc::clone(&self.buffer), layout, self.dtype, Origin::None)
    }
}
