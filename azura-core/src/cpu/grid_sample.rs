//! Elements at the places that a grid names.

use super::math::Num;
use super::threads::{Shared, for_rows};
use crate::Element;

/// What lies between the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Between {
    Nearest,
    Linear,
    Cubic,
}

/// What lies outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outside {
    Zeros,
    Border,
    Reflection,
}

/// The operation and its sizes; an axis that is not there has size 1 and comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampler {
    pub batch: usize,
    pub channels: usize,
    pub x: [usize; 3],
    /// Places of one image.
    pub places: usize,
    /// Spatial axes, which a place of the grid names from the last to the first.
    pub axes: usize,
    pub between: Between,
    pub outside: Outside,
    pub align_corners: bool,
}

/// Four neighbours along each of three axes.
const MOST: usize = 64;

/// One neighbour along one axis.
#[derive(Clone, Copy, Default)]
struct Tap {
    /// `None` where 0 stands.
    index: Option<usize>,
    weight: f64,
    /// How the weight changes with the number in the grid.
    slope: f64,
}

/// One neighbour: where it is, its weight and that weight's slope along each axis.
#[derive(Clone, Copy, Default)]
struct Neighbour {
    at: usize,
    weight: f64,
    slopes: [f64; 3],
}

impl Sampler {
    fn plane(&self) -> usize {
        self.x.iter().product()
    }

    /// The place of `coordinate` between the elements of an axis, and its slope.
    fn unnormalised<T: Element + Num>(&self, coordinate: T, size: usize) -> (f64, f64) {
        // In the dtype itself, as PyTorch does: which element is nearest depends on it.
        let (one, half) = (T::lit(1.0), T::lit(0.5));
        if self.align_corners {
            let last = (size - 1) as f64;
            (
                ((coordinate + one) * half * T::lit(last)).to_f64(),
                last / 2.0,
            )
        } else {
            let size = size as f64;
            (
                (((coordinate + one) * T::lit(size) - one) * half).to_f64(),
                size / 2.0,
            )
        }
    }

    /// A place brought inside, and how it then moves with the one outside.
    fn inside(&self, place: f64, size: usize) -> (f64, f64) {
        let last = (size - 1) as f64;
        let clip = |place: f64, slope: f64| {
            if place <= 0.0 {
                (0.0, 0.0)
            } else if place >= last {
                (last, 0.0)
            } else {
                (place, slope)
            }
        };
        match self.outside {
            Outside::Zeros => (place, 1.0),
            Outside::Border => clip(place, 1.0),
            Outside::Reflection => {
                let (low, span) = if self.align_corners {
                    (0.0, last)
                } else {
                    (-0.5, size as f64)
                };
                if span == 0.0 {
                    return (0.0, 0.0);
                }
                let (from, sign) = if place < low {
                    (low - place, -1.0)
                } else {
                    (place - low, 1.0)
                };
                let rest = from % span;
                if (from / span).floor() % 2.0 == 0.0 {
                    clip(rest + low, sign)
                } else {
                    clip(span - rest + low, -sign)
                }
            }
        }
    }

    /// The neighbours of a number in the grid, and how many they are.
    fn taps<T: Element + Num>(&self, coordinate: T, size: usize) -> ([Tap; 4], usize) {
        let mut taps = [Tap::default(); 4];
        let (place, scale) = self.unnormalised(coordinate, size);
        let index = |i: f64| (i >= 0.0 && i < size as f64).then_some(i as usize);
        match self.between {
            Between::Nearest => {
                let (place, _) = self.inside(place, size);
                taps[0] = Tap {
                    index: index(place.round_ties_even()),
                    weight: 1.0,
                    slope: 0.0,
                };
                (taps, 1)
            }
            Between::Linear => {
                let (place, slope) = self.inside(place, size);
                let low = place.floor();
                for (i, sign) in [(0, -1.0), (1, 1.0)] {
                    let part = place - low;
                    taps[i] = Tap {
                        index: index(low + i as f64),
                        weight: if i == 0 { 1.0 - part } else { part },
                        slope: sign * slope * scale,
                    };
                }
                (taps, 2)
            }
            Between::Cubic => {
                let low = place.floor();
                let (weights, slopes) = cubic(place - low);
                for (i, tap) in taps.iter_mut().enumerate() {
                    let (at, _) = self.inside(low + i as f64 - 1.0, size);
                    *tap = Tap {
                        index: index(at),
                        weight: weights[i],
                        slope: slopes[i] * scale,
                    };
                }
                (taps, 4)
            }
        }
    }

    /// The neighbours of one place of the grid.
    fn neighbours<T: Element + Num>(&self, place: &[T], to: &mut [Neighbour; MOST]) -> usize {
        let mut axes = [([Tap::default(); 4], 1); 3];
        for (axis, (taps, count)) in axes.iter_mut().enumerate() {
            match (axis + self.axes).checked_sub(3) {
                // The grid names x first.
                Some(own) => {
                    (*taps, *count) = self.taps(place[self.axes - 1 - own], self.x[axis]);
                }
                None => {
                    taps[0] = Tap {
                        index: Some(0),
                        weight: 1.0,
                        slope: 0.0,
                    };
                }
            }
        }
        let mut count = 0;
        let [(depths, nz), (heights, ny), (widths, nx)] = &axes;
        for z in &depths[..*nz] {
            for y in &heights[..*ny] {
                for x in &widths[..*nx] {
                    let (Some(iz), Some(iy), Some(ix)) = (z.index, y.index, x.index) else {
                        continue;
                    };
                    to[count] = Neighbour {
                        at: (iz * self.x[1] + iy) * self.x[2] + ix,
                        weight: z.weight * y.weight * x.weight,
                        slopes: [
                            z.slope * y.weight * x.weight,
                            z.weight * y.slope * x.weight,
                            z.weight * y.weight * x.slope,
                        ],
                    };
                    count += 1;
                }
            }
        }
        count
    }

    /// `y [B, C, places]` from `x [B, C, …]` and `grid [B, places, axes]`. Threads share the images.
    pub(crate) fn forward<T: Element + Num>(&self, x: &[T], grid: &[T], y: &mut [T]) {
        let (plane, size) = (self.plane(), self.channels * self.places);
        if y.is_empty() {
            return;
        }
        for_rows(y, size, 1, |first, y| {
            let mut near = [Neighbour::default(); MOST];
            for (i, y) in y.chunks_exact_mut(size).enumerate() {
                let image = first + i;
                let x = &x[image * self.channels * plane..][..self.channels * plane];
                let grid = &grid[image * self.places * self.axes..][..self.places * self.axes];
                for (p, place) in grid.chunks_exact(self.axes).enumerate() {
                    let count = self.neighbours(place, &mut near);
                    for c in 0..self.channels {
                        let mut sum = T::lit(0.0);
                        for near in &near[..count] {
                            sum = T::lit(near.weight).mul_add(x[c * plane + near.at], sum);
                        }
                        y[c * self.places + p] = sum;
                    }
                }
            }
        });
    }

    /// The gradients of both; writes all of `dx` and `dgrid`.
    pub(crate) fn backward<T: Element + Num>(
        &self,
        x: &[T],
        grid: &[T],
        dy: &[T],
        dx: &mut [T],
        dgrid: &mut [T],
    ) {
        let size = self.channels * self.plane();
        dx.fill(T::lit(0.0));
        dgrid.fill(T::lit(0.0));
        if dx.is_empty() || dgrid.is_empty() {
            return;
        }
        let row = self.places * self.axes;
        assert_eq!(dx.len(), self.batch * size, "one gradient for each element");
        let dx = Shared(dx.as_mut_ptr());
        for_rows(dgrid, row, 1, |first, dgrid| {
            for (i, dgrid) in dgrid.chunks_exact_mut(row).enumerate() {
                let image = first + i;
                // SAFETY: `dx` has `size` elements for each image, and no image belongs to two threads.
                let dx =
                    unsafe { std::slice::from_raw_parts_mut(dx.get().add(image * size), size) };
                let dy = &dy[image * self.channels * self.places..];
                self.image(&x[image * size..], &grid[image * row..], dy, dx, dgrid);
            }
        });
    }

    fn image<T: Element + Num>(
        &self,
        x: &[T],
        grid: &[T],
        dy: &[T],
        dx: &mut [T],
        dgrid: &mut [T],
    ) {
        let plane = self.plane();
        let mut near = [Neighbour::default(); MOST];
        let places = grid.chunks_exact(self.axes);
        for (p, (place, to)) in places.zip(dgrid.chunks_exact_mut(self.axes)).enumerate() {
            let count = self.neighbours(place, &mut near);
            let mut slopes = [0.0; 3];
            for c in 0..self.channels {
                let dy = dy[c * self.places + p];
                for near in &near[..count] {
                    let at = c * plane + near.at;
                    dx[at] = T::lit(near.weight).mul_add(dy, dx[at]);
                    let value = x[at].to_f64() * dy.to_f64();
                    for (sum, slope) in slopes.iter_mut().zip(near.slopes) {
                        *sum += slope * value;
                    }
                }
            }
            for (own, to) in to.iter_mut().enumerate() {
                *to = T::from_f64(slopes[2 - own]);
            }
        }
    }
}

/// The weights of the elements at -1, 0, 1 and 2 for the place `t` in `[0, 1]` (Keys 1981, `a = -0.75`), and their slopes.
fn cubic(t: f64) -> ([f64; 4], [f64; 4]) {
    const A: f64 = -0.75;
    let near = |t: f64| {
        (
            ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0,
            (3.0 * (A + 2.0) * t - 2.0 * (A + 3.0)) * t,
        )
    };
    let far = |t: f64| {
        (
            ((A * t - 5.0 * A) * t + 8.0 * A) * t - 4.0 * A,
            (3.0 * A * t - 10.0 * A) * t + 8.0 * A,
        )
    };
    let all = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
    let signs = [1.0, 1.0, -1.0, -1.0];
    (
        all.map(|(weight, _)| weight),
        std::array::from_fn(|i| signs[i] * all[i].1),
    )
}
