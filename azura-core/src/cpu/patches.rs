//! Windows of images as columns and back (im2col, col2im).

use super::threads::for_rows;
use std::ops::Range;

/// Fewer elements than this on a thread cost more in hand-over than they save.
const GRAIN: usize = super::threads::grain::ELEMENTS;

/// The windows of images: all sizes for rows and columns.
#[derive(Clone, Copy)]
pub(crate) struct Windows {
    /// Images times channels.
    pub planes: usize,
    pub image: [usize; 2],
    pub kernel: [usize; 2],
    pub dilation: [usize; 2],
    pub padding: [usize; 2],
    pub stride: [usize; 2],
    /// Windows along each axis.
    pub counts: [usize; 2],
}

impl Windows {
    /// Along one axis: the windows whose pixel number `tap` lies in the image, and where it lies for the first of them.
    fn inside(&self, axis: usize, tap: usize) -> (Range<usize>, usize) {
        let (shift, stride) = (tap * self.dilation[axis], self.stride[axis]);
        // Window w has it at w · stride + shift - padding.
        let first = self.padding[axis].saturating_sub(shift).div_ceil(stride);
        let last = (self.image[axis] + self.padding[axis])
            .saturating_sub(shift)
            .div_ceil(stride)
            .min(self.counts[axis]);
        let at = (first * stride + shift).saturating_sub(self.padding[axis]);
        (first.min(last)..last, at)
    }

    fn columns(&self) -> usize {
        self.counts[0] * self.counts[1]
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }
}

/// `out[plane, tap, window]` from `x[plane, row, column]`, zero outside the image.
pub(crate) fn unfold<T: Copy + Default + Send + Sync>(w: &Windows, x: &[T], out: &mut [T]) {
    let (columns, pixels) = (w.columns(), w.image[0] * w.image[1]);
    assert_eq!(x.len(), w.planes * pixels, "x is [planes, height, width]");
    assert_eq!(
        out.len(),
        w.planes * w.taps() * columns,
        "the result is [planes, taps, windows]"
    );
    if out.is_empty() {
        return;
    }
    for_rows(out, columns, GRAIN.div_ceil(columns), |first, rows| {
        for (i, row) in rows.chunks_exact_mut(columns).enumerate() {
            let (plane, tap) = ((first + i) / w.taps(), (first + i) % w.taps());
            let x = &x[plane * pixels..][..pixels];
            let (down, top) = w.inside(0, tap / w.kernel[1]);
            let (across, left) = w.inside(1, tap % w.kernel[1]);
            for (y, row) in row.chunks_exact_mut(w.counts[1]).enumerate() {
                if !down.contains(&y) || across.is_empty() {
                    row.fill(T::default());
                    continue;
                }
                let at = (top + (y - down.start) * w.stride[0]) * w.image[1] + left;
                row[..across.start].fill(T::default());
                row[across.end..].fill(T::default());
                let row = &mut row[across.clone()];
                if w.stride[1] == 1 {
                    row.copy_from_slice(&x[at..at + row.len()]);
                } else {
                    for (out, x) in row.iter_mut().zip(x[at..].iter().step_by(w.stride[1])) {
                        *out = *x;
                    }
                }
            }
        }
    });
}

/// `out[plane, row, column] += x[plane, tap, window]` for all taps and windows that meet there, in the order of the
/// taps: the gradient of [`unfold`].
pub(crate) fn fold<T>(w: &Windows, x: &[T], out: &mut [T])
where
    T: Copy + Send + Sync + std::ops::AddAssign,
{
    let (columns, pixels) = (w.columns(), w.image[0] * w.image[1]);
    assert_eq!(
        x.len(),
        w.planes * w.taps() * columns,
        "x is [planes, taps, windows]"
    );
    assert_eq!(
        out.len(),
        w.planes * pixels,
        "the result is [planes, height, width]"
    );
    if out.is_empty() || x.is_empty() {
        return;
    }
    let grain = GRAIN.div_ceil(pixels.max(w.taps() * columns));
    for_rows(out, pixels, grain, |first, planes| {
        for (i, out) in planes.chunks_exact_mut(pixels).enumerate() {
            let x = &x[(first + i) * w.taps() * columns..][..w.taps() * columns];
            for (tap, row) in x.chunks_exact(columns).enumerate() {
                let (down, top) = w.inside(0, tap / w.kernel[1]);
                let (across, left) = w.inside(1, tap % w.kernel[1]);
                if across.is_empty() {
                    continue;
                }
                for y in down.clone() {
                    let at = (top + (y - down.start) * w.stride[0]) * w.image[1] + left;
                    let row = &row[y * w.counts[1]..][across.clone()];
                    for (out, x) in out[at..].iter_mut().step_by(w.stride[1]).zip(row) {
                        *out += *x;
                    }
                }
            }
        }
    });
}
