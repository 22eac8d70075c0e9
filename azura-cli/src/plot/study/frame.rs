//! A rectangle on a sheet with a scale for each axis; unlike [`Panel`](super::super::svg::Panel) it stands anywhere.

use crate::plot::axis::{self, Tick};
use crate::plot::svg::{Sheet, Stroke, ink};

/// Rulers.
pub const RULE: Stroke = Stroke {
    color: ink::RULE,
    width: 1.0,
    dash: "",
};

/// Base lines.
pub const AXIS: Stroke = Stroke {
    color: "#8c959f",
    width: 1.0,
    dash: "",
};

/// Where and how values stand.
#[derive(Clone, Copy)]
pub struct Frame {
    /// Left edge.
    pub left: f64,
    /// Top edge.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Smallest and largest value across.
    pub x: (f64, f64),
    /// Smallest and largest value up.
    pub y: (f64, f64),
}

impl Frame {
    /// The place of a value across; what is beyond an edge stands at it.
    pub fn px(&self, x: f64) -> f64 {
        let part = (x - self.x.0) / (self.x.1 - self.x.0);
        self.left + part.clamp(0.0, 1.0) * self.width
    }

    /// The place of a value up; what is beyond an edge stands at it.
    pub fn py(&self, y: f64) -> f64 {
        let part = (y - self.y.0) / (self.y.1 - self.y.0);
        self.top + (1.0 - part.clamp(0.0, 1.0)) * self.height
    }

    /// Rulers and labels up, with the axis' name above.
    pub fn up(&self, sheet: &mut Sheet, name: &str) {
        let count = (self.height / 44.0).max(2.0) as usize;
        for (value, label) in axis::linear(self.y.0, self.y.1, count) {
            let y = self.py(value);
            sheet.line(self.left, y, self.left + self.width, y, RULE);
            sheet.text(
                self.left - 8.0,
                y + 4.0,
                "end",
                12.0,
                ink::GREY,
                400,
                &label,
            );
        }
        sheet.text(
            self.left - 48.0,
            self.top - 12.0,
            "start",
            12.0,
            ink::GREY,
            400,
            name,
        );
    }

    /// The base line with ticks, and the axis' name below.
    pub fn across(&self, sheet: &mut Sheet, ticks: &[Tick], name: &str) {
        let base = self.top + self.height;
        sheet.line(self.left, base, self.left + self.width, base, AXIS);
        for (value, label) in ticks {
            let x = self.px(*value);
            sheet.line(x, base, x, base + 4.0, AXIS);
            sheet.text(x, base + 18.0, "middle", 12.0, ink::GREY, 400, label);
        }
        let middle = self.left + self.width / 2.0;
        sheet.text(middle, base + 36.0, "middle", 12.0, ink::GREY, 400, name);
    }

    /// Ticks of whole numbers across.
    pub fn counts(&self) -> Vec<Tick> {
        let ticks = axis::linear(self.x.0, self.x.1, 8);
        ticks
            .into_iter()
            .filter(|(value, _)| value.fract() == 0.0)
            .collect()
    }
}

/// A mark with what the pointer shows over it; `tip` is escaped already.
pub fn mark(sheet: &mut Sheet, x: f64, y: f64, color: &str, hollow: bool, tip: &str) {
    let fill = match hollow {
        true => format!("fill=\"#ffffff\" stroke=\"{color}\" stroke-width=\"1.5\""),
        false => format!("fill=\"{color}\" fill-opacity=\"0.85\""),
    };
    sheet.raw(&format!(
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" {fill}><title>{tip}</title></circle>"
    ));
}

/// A scale for values of which some may be far out: those stand at the edge. `None` if no value is a number.
pub fn scale(values: &[f64]) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    let at = |part: f64| sorted[((sorted.len() - 1) as f64 * part).round() as usize];
    // Nine tenths of the values decide; the rest may be twice as far out as these are wide.
    let (low, high) = (at(0.05), at(0.95));
    let room = 2.0 * (high - low);
    let (low, high) = match room > 0.0 {
        true => (first.max(low - room), last.min(high + room)),
        false => (first, last),
    };
    let air = match high > low {
        true => 0.05 * (high - low),
        false => low.abs().max(1e-6) * 0.1,
    };
    Some((low - air, high + air))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wild_value_does_not_flatten_the_others() {
        let mut values: Vec<f64> = (0..40).map(f64::from).collect();
        values.push(1e9);
        let (low, high) = scale(&values).unwrap();
        assert!(low <= 0.0 && high < 200.0, "{low} {high}");
        assert_eq!(scale(&[f64::NAN]), None);
        assert_eq!(scale(&[2.0]), Some((1.8, 2.2)));
    }
}
