//! Shapes and selections: what changes where elements stand, and never what they are.
//!
//! Views share the buffer; the rest copies, each element once. What computes with the elements lives elsewhere.
//!
//! | file      | what lives there                                                             |
//! |-----------|------------------------------------------------------------------------------|
//! | `reshape` | the same elements under other sizes: reshape, flatten, squeeze, expand       |
//! | `axes`    | axes in another order                                                        |
//! | `part`    | views of some elements: narrow, slices, flip, diagonals                      |
//! | `split`   | one tensor cut into several views: split, chunk, unbind                       |
//! | `join`    | several tensors to one, or one repeated: cat, stack, repeat, roll, meshgrid  |
//! | `index`   | reading at indices: index_select, gather                                     |
//! | `scatter` | writing and adding at indices                                                |
//! | `mask`    | masks and triangles                                                          |
//! | `pad`     | padding                                                                      |
//! | `patches` | windows of images as columns, channels as pixels                             |
//! | `make`    | tensors made from numbers: ranges, identities, one-hot                       |

/// The gradient of the only input, of shape `$from`, from that of the result: `$body` writes or, if `$add` is true, adds to
/// `$dx`. Halves are summed in f32.
macro_rules! accumulate {
    ($op:expr, $grads:expr, $dy:expr, $from:expr, |$d:ident, $dx:ident, $add:ident| $body:expr) => {{
        let dy: $crate::tensor::Tensor = $dy.contiguous_detached();
        let dtype = dy.dtype();
        if dtype.is_half() {
            let dy = dy.cast($crate::DType::F32)?;
            let $d = dy.slice::<f32>();
            let dx = $crate::tensor::Tensor::fill_new::<f32>($from, |$dx| {
                let $add = false;
                $body
            });
            $grads.add(0, dx.cast(dtype)?)
        } else {
            $crate::dtype::for_float!($op, dtype, T => {
                let $d = dy.slice::<T>();
                $grads.accumulate::<T>(0, &$from, |$dx, $add| $body)
            })
        }
    }};
}

mod axes;
mod index;
mod join;
mod make;
mod mask;
mod pad;
mod part;
mod patches;
mod reshape;
mod scatter;
mod split;

pub(crate) use index::indices;
pub use make::Indexing;
pub use pad::PadMode;
pub use patches::UnfoldOptions;

use crate::shape;
use crate::{Error, Result};

/// The axis `dim` of a tensor; a number counts as one axis of size 1, as in PyTorch.
fn axis(op: &'static str, dim: isize, rank: usize) -> Result<usize> {
    shape::axis(op, dim, rank.max(1))
}

/// The axes `dims`, each named once.
fn axes(op: &'static str, dims: &[isize], rank: usize) -> Result<Vec<usize>> {
    let axes = dims
        .iter()
        .map(|&dim| axis(op, dim, rank))
        .collect::<Result<Vec<_>>>()?;
    if (1..axes.len()).any(|i| axes[..i].contains(&axes[i])) {
        return Err(Error::shape(
            op,
            "each axis may be named once",
            format!("{dims:?}"),
        ));
    }
    Ok(axes)
}
