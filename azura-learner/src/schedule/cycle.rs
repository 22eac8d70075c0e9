//! Rates that rise and fall.

use std::f64::consts::PI;

/// One rise and one long fall (Smith & Topin 2018, arXiv:1708.07120). PyTorch: `OneCycleLR`, with its defaults.
///
/// The rate rises from `max / div` to `max` and falls to `max / div / final_div`; in three phases it first falls back to
/// `max / div`, as fast as it rose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycle {
    /// The highest rate.
    pub max: f64,
    /// The number of steps.
    pub total: f64,
    /// The part of all steps in which the rate rises.
    pub rise: f64,
    /// The highest rate over the first one.
    pub div: f64,
    /// The first rate over the last one.
    pub final_div: f64,
    /// Along straight lines, not cosines.
    pub linear: bool,
    /// In three phases.
    pub three_phase: bool,
}

impl OneCycle {
    /// PyTorch's defaults: a rise in 30 % of the steps, from `max / 25`, to `max / 250000` at the end.
    pub fn new(max: f64, total: f64) -> Self {
        OneCycle {
            max,
            total,
            rise: 0.3,
            div: 25.0,
            final_div: 1e4,
            linear: false,
            three_phase: false,
        }
    }

    /// The rate of step `t`, counted from 0; the last one after the end.
    pub fn lr(&self, t: f64) -> f64 {
        let first = self.max / self.div;
        let last = first / self.final_div;
        let top = self.rise * self.total - 1.0;
        let end = (self.total - 1.0).max(1.0);
        let phases: &[(f64, f64, f64)] = if self.three_phase {
            &[
                (top, first, self.max),
                (2.0 * top, self.max, first),
                (end, first, last),
            ]
        } else {
            &[(top, first, self.max), (end, self.max, last)]
        };
        let mut begin = 0.0;
        for (k, &(end, from, to)) in phases.iter().enumerate() {
            if t <= end || k + 1 == phases.len() {
                let part = (t.min(end.max(begin)) - begin) / (end - begin).max(f64::MIN_POSITIVE);
                return if self.linear {
                    from + (to - from) * part
                } else {
                    to + (from - to) / 2.0 * (1.0 + (PI * part).cos())
                };
            }
            begin = end;
        }
        last
    }
}

/// How the height of the cycles of [`Cyclic`] changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heights {
    /// Always the same. PyTorch: `triangular`.
    Same,
    /// Half as high each time. PyTorch: `triangular2`.
    Halved,
    /// Times this number every step. PyTorch: `exp_range`.
    Times(f64),
}

/// Up and down along straight lines, again and again (Smith 2015, arXiv:1506.01186). PyTorch: `CyclicLR`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cyclic {
    /// The lowest rate.
    pub base: f64,
    /// The highest rate.
    pub max: f64,
    /// Steps up.
    pub up: f64,
    /// Steps down.
    pub down: f64,
    /// How the height changes.
    pub heights: Heights,
}

impl Cyclic {
    /// The rate of step `t`, counted from 0.
    pub fn lr(&self, t: f64) -> f64 {
        let length = self.up + self.down;
        if length <= 0.0 || t.is_infinite() {
            return self.base;
        }
        let cycle = (1.0 + t / length).floor();
        let x = 1.0 + t / length - cycle;
        let ratio = self.up / length;
        let part = if x < ratio {
            x / ratio
        } else {
            (x - 1.0) / (ratio - 1.0)
        };
        let height = match self.heights {
            Heights::Same => 1.0,
            Heights::Halved => 0.5f64.powf(cycle - 1.0),
            Heights::Times(gamma) => gamma.powf(t),
        };
        self.base + (self.max - self.base) * part * height
    }
}
