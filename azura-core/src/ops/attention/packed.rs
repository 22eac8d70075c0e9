//! Attention of a sequence to itself, whose queries, keys and values lie side by side: nothing is split or joined.

use crate::autograd::{Edges, Grads, only};
use crate::buffer::Buffer;
use crate::cpu::attention::{Gradients, Saved, backward};
use crate::cpu::matrices::Target;
use crate::dtype::for_float;
use crate::shape::Layout;
use crate::tensor::Tensor;
use crate::{Error, Result};

use super::AttentionOptions;
use super::dot_product::Tape;
use super::layout::{matrices, rows_in_order, starts};

const OP: &str = "packed_attention";

impl Tensor {
    /// [`Tensor::scaled_dot_product_attention`] of queries, keys and values that one product made: the gradients are
    /// written side by side too, where cutting `self` into parts would have to join them.
    ///
    /// | value  | shape                                                          |
    /// |--------|----------------------------------------------------------------|
    /// | `self` | `[B, T, 3·E]`: queries, keys, values, each of `heads` heads    |
    /// | result | `[B, T, E]`: the outputs of all heads side by side             |
    ///
    /// The mask of the options is broadcast to `[B, heads, T, T]`.
    ///
    /// ```
    /// use azura_core::{AttentionOptions, Tensor};
    /// // One head of width 1: queries 1, keys 0, values 5 and 7.
    /// let x = Tensor::from_slice(&[1.0f32, 0.0, 5.0, 1.0, 0.0, 7.0], [1, 2, 3])?;
    /// let y = x.packed_attention(1, AttentionOptions::default())?;
    /// assert_eq!(y.to_vec::<f32>()?, [6.0, 6.0]);
    /// # Ok::<(), azura_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if `self` is not as above or the mask does not fit, [`Error::NoGradient`] if the mask needs a gradient,
    /// [`Error::Argument`] if heads of keys should be shared; the others of [`Tensor::scaled_dot_product_attention`].
    pub fn packed_attention(&self, heads: usize, options: AttentionOptions<'_>) -> Result<Tensor> {
        let parts = 3usize.saturating_mul(heads);
        let [batch, time, wide] = *self.shape() else {
            return Err(unfit(self, heads));
        };
        if parts == 0 || wide % parts != 0 {
            return Err(unfit(self, heads));
        }
        if options.enable_gqa {
            let rule = "heads of keys and values must be as many as those of queries";
            return Err(Error::argument(OP, rule, "enable_gqa"));
        }
        if options.mask.is_some_and(Tensor::needs_grad) {
            return Err(Error::NoGradient {
                op: OP,
                hint: "a mask that learns goes through `scaled_dot_product_attention`",
            });
        }
        if self.dtype().is_half() {
            return self.in_f32(OP, |x, wide| {
                let mask = match options.mask {
                    Some(mask) if mask.dtype().is_half() => Some(wide.of(mask)?),
                    mask => mask.cloned(),
                };
                let mask = mask.as_ref();
                x.packed_attention(heads, AttentionOptions { mask, ..options })
            });
        }
        let edges = Edges::of(&[self]);
        let x = self.contiguous_detached();
        let sizes = [batch, time, parts, wide / parts];
        let part = |x: &Tensor, i: usize| x.narrow(2, i * heads, heads)?.transpose(1, 2);
        let cut = x.reshape(sizes)?;
        let (tape, _) = Tape::new(&part(&cut, 0)?, &part(&cut, 1)?, &part(&cut, 2)?, options)?;
        let (out, stats) = tape.forward()?;
        // Queries lie with their heads side by side, and so does the result.
        let y = out.transpose(1, 2)?.reshape([batch, time, wide / 3])?;
        Ok(edges.record(OP, y, || {
            let shape = *self.sizes();
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?.reshape([batch, time, heads, wide / parts])?;
                let dy = rows_in_order(&dy.transpose(1, 2)?);
                let layout = Layout::contiguous(*cut.sizes());
                let mut buffer = Buffer::uninit(layout.numel() * cut.dtype().size());
                for_float!(OP, cut.dtype(), T => {
                    let starts = [0, 1, 2].map(|i| {
                        let mut part = layout.permute(&[0, 2, 1, 3]);
                        part.offset = i * wide / 3;
                        part.shape[1] = heads;
                        starts(&part)
                    });
                    let [dq, dk, dv] = Target::several(buffer.as_mut_slice::<T>(), starts, wide);
                    let saved = Saved {
                        out: &matrices::<T>(&out),
                        dout: &matrices::<T>(&dy),
                        stats: stats.slice::<T>(),
                    };
                    let gradients = Gradients { dq: Some(dq), dk: Some(dk), dv: Some(dv) };
                    backward(&tape.call::<T>(), &saved, &gradients);
                });
                grads.add(0, Tensor::from_buffer(buffer, shape, cut.dtype()))
            }
        }))
    }
}

fn unfit(x: &Tensor, heads: usize) -> Error {
    Error::shape(
        OP,
        format!("needs [B, T, 3·E] where the {heads} heads, not 0, divide E"),
        format!("{:?}", x.shape()),
    )
}
