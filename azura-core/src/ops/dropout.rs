//! Dropout: no mask of elements is kept, the generator makes it again in backward.

use crate::autograd::{Edges, Grads, only};
use crate::cpu::dropout::{self as kernel, Affine, Scale};
use crate::dtype::for_float;
use crate::tensor::Tensor;
use crate::{Error, Result, Rng};

/// -λα of SELU: what a unit gives that gets nothing (Klambauer et al. 2017).
const SATURATED: f64 = -1.758_099_340_847_376_6;

impl Tensor {
    /// Each element set to 0 with probability `p`, the others divided by `1 - p`
    /// (Srivastava et al. 2014). For training; at evaluation time do not call it.
    ///
    /// Element `i` is decided by number `i` of the sequence taken from `rng`, so the result depends
    /// neither on threads nor on the instruction set.
    ///
    /// # Errors
    /// [`Error::Argument`] if `p` is not in `[0, 1]`, [`Error::DType`] if the dtype is not a float.
    pub fn dropout(&self, p: f64, rng: &mut Rng) -> Result<Tensor> {
        check("dropout", p)?;
        if self.dtype().is_half() {
            return self.in_f32("dropout", |x, _| x.dropout(p, rng));
        }
        let start = reserve(rng, self.numel());
        let edges = Edges::of(&[self]);
        let y = self.drop_elements(p, &start)?;
        Ok(edges.record("dropout", y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                grads.add(0, only(dy)?.drop_elements(p, &start)?)
            }
        }))
    }

    fn drop_elements(&self, p: f64, start: &Rng) -> Result<Tensor> {
        let x = self.contiguous_detached();
        let scale = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
        for_float!("dropout", x.dtype(), T => Ok(Tensor::fill_new::<T>(*x.sizes(), |out| {
            kernel::dropout(x.slice(), p, &Scale(scale as T), 0.0, start, out);
        })))
    }

    /// Dropout that keeps the mean and variance of inputs that have mean 0 and variance 1, for networks of
    /// [`Tensor::selu`] units (Klambauer et al. 2017, arXiv:1706.02515).
    ///
    /// A dropped element becomes SELU's lower limit `-λα`, and all become `a y + b` with
    /// `a = 1/√((1 - p)(1 + p λ²α²))` and `b = a p λα`.
    ///
    /// # Errors
    /// Those of [`Tensor::dropout`].
    pub fn alpha_dropout(&self, p: f64, rng: &mut Rng) -> Result<Tensor> {
        let op = "alpha_dropout";
        check(op, p)?;
        if self.dtype().is_half() {
            return self.in_f32(op, |x, _| x.alpha_dropout(p, rng));
        }
        let start = reserve(rng, self.numel());
        let edges = Edges::of(&[self]);
        let [scale, shift, dropped] = alpha(p);
        let x = self.contiguous_detached();
        let y = for_float!(op, x.dtype(), T => Tensor::fill_new::<T>(*x.sizes(), |out| {
            let keep = Affine { scale: scale as T, shift: shift as T };
            kernel::dropout(x.slice(), p, &keep, dropped as T, &start, out);
        }));
        Ok(edges.record(op, y, || {
            move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| {
                let dy = only(dy)?.contiguous_detached();
                for_float!(op, dy.dtype(), T => grads.add(0, Tensor::fill_new::<T>(*dy.sizes(), |dx| {
                    kernel::dropout(dy.slice(), p, &Scale(scale as T), 0.0, &start, dx);
                })))
            }
        }))
    }

    /// Whole channels set to 0 with probability `p`, the others divided by `1 - p`
    /// (Tompson et al. 2015, arXiv:1411.4280).
    ///
    /// | value  | shape           |
    /// |--------|-----------------|
    /// | `x`    | `[N, C, ...]`   |
    /// | result | the same        |
    ///
    /// PyTorch: `feature_dropout`, what `dropout1d` to `dropout3d` do.
    ///
    /// # Errors
    /// Those of [`Tensor::dropout`]; [`Error::Shape`] if there are fewer than two axes.
    pub fn feature_dropout(&self, p: f64, rng: &mut Rng) -> Result<Tensor> {
        features("feature_dropout", self, p, rng, None)
    }

    /// [`Tensor::alpha_dropout`] of whole channels of `[N, C, ...]`. PyTorch: `feature_alpha_dropout`.
    ///
    /// # Errors
    /// Those of [`Tensor::feature_dropout`].
    pub fn feature_alpha_dropout(&self, p: f64, rng: &mut Rng) -> Result<Tensor> {
        let op = "feature_alpha_dropout";
        check(op, p)?;
        features(op, self, p, rng, Some(alpha(p)))
    }

    /// [`Tensor::feature_dropout`] of `[N, C, L]`, or of one `[C, L]`.
    ///
    /// # Errors
    /// Those of [`Tensor::dropout`]; [`Error::Shape`] for other numbers of axes.
    pub fn dropout1d(&self, p: f64, rng: &mut Rng) -> Result<Tensor> {
        spatial("dropout1d", self, 1, p, rng)
    }

    /// [`Tensor::feature_dropout`] of `[N, C, H, W]`.
    ///
    /// PyTorch takes `[N, C, L]` here too, with a warning, and means something else by `[C, H, W]` elsewhere: use
    /// [`Tensor::dropout1d`] for the one and `unsqueeze(0)` for the other.
    ///
    /// # Errors
    /// Those of [`Tensor::dropout`]; [`Error::Shape`] for other numbers of axes.
    pub fn dropout2d(&self, p: f64, rng: &mut Rng) -> Result<Tensor> {
        spatial("dropout2d", self, 2, p, rng)
    }

    /// [`Tensor::feature_dropout`] of `[N, C, D, H, W]`, or of one `[C, D, H, W]`.
    ///
    /// # Errors
    /// Those of [`Tensor::dropout`]; [`Error::Shape`] for other numbers of axes.
    pub fn dropout3d(&self, p: f64, rng: &mut Rng) -> Result<Tensor> {
        spatial("dropout3d", self, 3, p, rng)
    }
}

fn check(op: &'static str, p: f64) -> Result<()> {
    if (0.0..=1.0).contains(&p) {
        Ok(())
    } else {
        Err(Error::argument(op, "p must lie in [0, 1]", p.to_string()))
    }
}

fn reserve(rng: &mut Rng, n: usize) -> Rng {
    rng.reserve(n.div_ceil(kernel::PER_BLOCK) as u64)
}

/// Scale and shift of an element that stays, and what a dropped one becomes. Nothing but 0 if all go, as in
/// PyTorch.
fn alpha(p: f64) -> [f64; 3] {
    if p == 1.0 {
        return [0.0; 3];
    }
    let a = 1.0 / ((SATURATED * SATURATED * p + 1.0) * (1.0 - p)).sqrt();
    [a, -SATURATED * a * p, SATURATED * a * (1.0 - p)]
}

fn spatial(op: &'static str, x: &Tensor, axes: usize, p: f64, rng: &mut Rng) -> Result<Tensor> {
    let unbatched = axes != 2 && x.rank() == axes + 1;
    if x.rank() != axes + 2 && !unbatched {
        return Err(Error::shape(
            op,
            format!(
                "x must have {} axes: batch, channels and {axes} more",
                axes + 2
            ),
            format!("shape {:?}", x.shape()),
        ));
    }
    if unbatched {
        features(op, &x.unsqueeze(0)?, p, rng, None)?.squeeze(0)
    } else {
        features(op, x, p, rng, None)
    }
}

/// `x · scale + shift` with one scale, and with `alpha` one shift, for each channel.
fn features(
    op: &'static str,
    x: &Tensor,
    p: f64,
    rng: &mut Rng,
    alpha: Option<[f64; 3]>,
) -> Result<Tensor> {
    check(op, p)?;
    if x.rank() < 2 {
        return Err(Error::shape(
            op,
            "x must have two axes, batch and channels, or more",
            format!("shape {:?}", x.shape()),
        ));
    }
    if x.dtype().is_half() {
        return x.in_f32(op, |x, _| features(op, &x, p, rng, alpha));
    }
    let x = x.clone().floats(op)?;
    let shape: Vec<usize> = (0..x.rank())
        .map(|axis| if axis < 2 { x.shape()[axis] } else { 1 })
        .collect();
    let start = reserve(rng, shape.iter().product());
    let channels = |kept: f64, dropped: f64| {
        let zeros = Tensor::zeros(&shape, x.dtype())?;
        for_float!(op, x.dtype(), T => Ok(Tensor::fill_new::<T>(*zeros.sizes(), |out| {
            let keep = Affine { scale: 0.0, shift: kept as T };
            kernel::dropout(zeros.slice(), p, &keep, dropped as T, &start, out);
        })))
    };
    let kept = match alpha {
        Some([scale, ..]) => scale,
        None if p < 1.0 => 1.0 / (1.0 - p),
        None => 0.0,
    };
    let scale: Tensor = channels(kept, 0.0)?;
    let edges = Edges::of(&[&x]);
    let mut y = x.detach().mul(&scale)?;
    if let Some([_, shift, dropped]) = alpha {
        y = y.add(channels(shift, dropped)?)?;
    }
    Ok(edges.record(op, y, || {
        move |dy: &mut [Option<Tensor>], grads: &mut Grads<'_>| grads.add(0, only(dy)?.mul(&scale)?)
    }))
}
