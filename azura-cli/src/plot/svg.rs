//! A sheet to draw on: panels with scales, lines, legends.

use std::fmt::Write as _;

use super::axis::Tick;

/// Okabe and Ito's colours, on white, darkest first.
pub mod ink {
    /// Text and truth.
    pub const BLACK: &str = "#1b1f24";
    /// The model.
    pub const BLUE: &str = "#0072B2";
    /// The first baseline or the second curve.
    pub const VERMILLION: &str = "#D55E00";
    /// Another baseline.
    pub const GREEN: &str = "#009E73";
    /// Labels.
    pub const GREY: &str = "#57606a";
    /// Rulers.
    pub const RULE: &str = "#e4e8ec";
}

/// The width of every plot: GitHub shows a picture of a README at most this wide.
pub const WIDTH: f64 = 880.0;

const FONT: &str =
    "font-family=\"system-ui,-apple-system,'Segoe UI','Helvetica Neue',Arial,sans-serif\"";

/// How a line is drawn.
#[derive(Clone, Copy)]
pub struct Stroke {
    /// Colour.
    pub color: &'static str,
    /// Width.
    pub width: f64,
    /// Dash pattern; empty for a full line.
    pub dash: &'static str,
}

/// An SVG document in the making.
pub struct Sheet {
    body: String,
    height: f64,
    title: String,
    about: String,
}

impl Sheet {
    /// An empty sheet; `about` says in a sentence what is shown, for those who cannot see it.
    pub fn new(height: f64, title: &str, about: &str) -> Self {
        let mut sheet = Sheet {
            body: String::new(),
            height,
            title: escape(title),
            about: escape(about),
        };
        sheet.text(24.0, 32.0, "start", 16.0, ink::BLACK, 600, title);
        sheet
    }

    /// The finished document.
    pub fn finish(self) -> String {
        self.inline("")
    }

    /// The finished picture as a part of a page, on which no other one has the same `id`.
    pub fn inline(self, id: &str) -> String {
        let Sheet {
            body,
            height,
            title,
            about,
        } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
             role=\"img\" aria-labelledby=\"{id}t {id}d\" {FONT}>\n<title id=\"{id}t\">{title}</title>\n<desc id=\"{id}d\">{about}</desc>\n\
             <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"#ffffff\" stroke=\"#d0d7de\"/>\n{body}</svg>\n",
            WIDTH - 1.0,
            height - 1.0
        )
    }

    /// SVG text as it is, for what has attributes of its own.
    pub fn raw(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// A line of text.
    #[allow(clippy::too_many_arguments)] // The attributes of one SVG element.
    pub fn text(
        &mut self,
        x: f64,
        y: f64,
        anchor: &str,
        size: f64,
        color: &str,
        weight: u32,
        text: &str,
    ) {
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\" font-weight=\"{weight}\" fill=\"{color}\">{}</text>",
            escape(text)
        );
    }

    /// A legend in one row that ends at the right edge, on the title's line.
    pub fn legend(&mut self, entries: &[(String, Stroke)]) {
        // SVG cannot measure text; 6.6 units a character suits 13-unit sans-serif text.
        let widths: Vec<f64> = entries
            .iter()
            .map(|(name, _)| 34.0 + 6.6 * name.chars().count() as f64 + 18.0)
            .collect();
        let mut x = WIDTH - 24.0 - widths.iter().sum::<f64>() + 18.0;
        for ((name, stroke), width) in entries.iter().zip(widths) {
            self.line(x, 27.5, x + 26.0, 27.5, *stroke);
            self.text(x + 34.0, 32.0, "start", 13.0, ink::BLACK, 400, name);
            x += width;
        }
    }

    /// A straight line.
    pub fn line(&mut self, x1: f64, y1: f64, x2: f64, y2: f64, stroke: Stroke) {
        let _ = writeln!(
            self.body,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" {}/>",
            attributes(stroke)
        );
    }

    /// A dot with a white rim.
    pub fn dot(&mut self, x: f64, y: f64, color: &str) {
        let _ = writeln!(
            self.body,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"{color}\" stroke=\"#ffffff\" stroke-width=\"1.5\"/>"
        );
    }

    /// A square of a colour that covers by `share`, from 0 to 1.
    pub fn cell(&mut self, x: f64, y: f64, side: f64, color: &str, share: f64) {
        let _ = writeln!(
            self.body,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{side:.1}\" height=\"{side:.1}\" fill=\"{color}\" fill-opacity=\"{share:.3}\" \
             stroke=\"{}\" stroke-width=\"1\"/>",
            ink::RULE
        );
    }

    /// A PNG in a square, its pixels as squares.
    pub fn picture(&mut self, x: f64, y: f64, side: f64, png: &[u8]) {
        let _ = writeln!(
            self.body,
            "<image x=\"{x:.1}\" y=\"{y:.1}\" width=\"{side}\" height=\"{side}\" style=\"image-rendering:pixelated\" \
             href=\"data:image/png;base64,{}\"/>",
            base64(png)
        );
    }

    /// A line through points; a point that is not finite leaves a gap.
    pub fn path(&mut self, points: impl Iterator<Item = (f64, f64)>, stroke: Stroke) {
        let mut data = String::new();
        let mut pen_down = false;
        for (x, y) in points {
            if x.is_finite() && y.is_finite() {
                let _ = write!(data, "{}{x:.1} {y:.1}", if pen_down { "L" } else { "M" });
                pen_down = true;
            } else {
                pen_down = false;
            }
        }
        let _ = writeln!(
            self.body,
            "<path d=\"{data}\" fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\" {}/>",
            attributes(stroke)
        );
    }
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= group.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

fn attributes(stroke: Stroke) -> String {
    let dash = match stroke.dash {
        "" => String::new(),
        dash => format!(" stroke-dasharray=\"{dash}\""),
    };
    format!(
        "stroke=\"{}\" stroke-width=\"{}\"{dash}",
        stroke.color, stroke.width
    )
}

/// Text that is safe inside an element and an attribute.
pub fn escape(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .map(|c| match c {
            '<' => "&lt;".to_string(),
            '>' => "&gt;".to_string(),
            '&' => "&amp;".to_string(),
            '"' => "&quot;".to_string(),
            c => c.to_string(),
        })
        .collect()
}

/// A rectangle of the sheet with a scale for each axis.
#[derive(Clone, Copy)]
pub struct Panel {
    /// Top edge on the sheet.
    pub top: f64,
    /// Height on the sheet.
    pub height: f64,
    /// Smallest and largest value across.
    pub x: (f64, f64),
    /// Smallest and largest value up.
    pub y: (f64, f64),
}

const LEFT: f64 = 72.0;
const RIGHT: f64 = WIDTH - 24.0;

impl Panel {
    /// The place of a value across.
    pub fn px(&self, x: f64) -> f64 {
        LEFT + (x - self.x.0) / (self.x.1 - self.x.0) * (RIGHT - LEFT)
    }

    /// The place of a value up.
    pub fn py(&self, y: f64) -> f64 {
        self.top + self.height - (y - self.y.0) / (self.y.1 - self.y.0) * self.height
    }

    /// Rulers and labels up, with the axis' name above.
    pub fn draw_y(&self, sheet: &mut Sheet, ticks: &[Tick], name: &str) {
        for (value, label) in ticks {
            let y = self.py(*value);
            sheet.line(LEFT, y, RIGHT, y, RULE);
            sheet.text(LEFT - 10.0, y + 4.0, "end", 12.0, ink::GREY, 400, label);
        }
        sheet.text(24.0, self.top - 12.0, "start", 12.0, ink::GREY, 400, name);
    }

    /// The base line, its ticks and labels, with the axis' name in the middle below if there is one.
    pub fn draw_x(&self, sheet: &mut Sheet, ticks: &[Tick], name: &str) {
        let base = self.top + self.height;
        sheet.line(LEFT, base, RIGHT, base, AXIS);
        for (value, label) in ticks {
            let x = self.px(*value);
            sheet.line(x, base, x, base + 5.0, AXIS);
            sheet.text(x, base + 20.0, "middle", 12.0, ink::GREY, 400, label);
        }
        if !name.is_empty() {
            sheet.text(
                (LEFT + RIGHT) / 2.0,
                base + 40.0,
                "middle",
                12.0,
                ink::GREY,
                400,
                name,
            );
        }
    }

    /// A series as a line.
    pub fn draw(&self, sheet: &mut Sheet, xs: &[f64], ys: &[f64], stroke: Stroke) {
        let points = xs.iter().zip(ys).map(|(x, y)| (self.px(*x), self.py(*y)));
        sheet.path(points, stroke);
    }
}

const RULE: Stroke = Stroke {
    color: ink::RULE,
    width: 1.0,
    dash: "",
};

const AXIS: Stroke = Stroke {
    color: "#8c959f",
    width: 1.0,
    dash: "",
};

/// Smallest and largest finite value of several series, with some air; `None` if there is none.
pub fn range(series: &[&[f64]], air: f64) -> Option<(f64, f64)> {
    let finite = series
        .iter()
        .flat_map(|s| s.iter())
        .copied()
        .filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    if low > high {
        return None;
    }
    let span = high - low;
    // A flat line still needs a scale of some height around it.
    let air = if span > 0.0 {
        span * air
    } else {
        low.abs().max(1.0) * 0.1
    };
    Some((low - air, high + air))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_element() {
        let sheet = Sheet::new(100.0, "<script>&\"", "a\u{0}b");
        let svg = sheet.finish();
        assert!(svg.contains("&lt;script&gt;&amp;&quot;"));
        assert!(!svg.contains("<script>"));
        assert!(svg.contains(">ab<"));
    }

    #[test]
    fn a_flat_or_empty_series_has_a_range() {
        assert_eq!(range(&[&[f64::NAN]], 0.1), None);
        assert_eq!(range(&[&[5.0, 5.0]], 0.1), Some((4.5, 5.5)));
        assert_eq!(
            range(&[&[0.0, 10.0], &[f64::INFINITY]], 0.1),
            Some((-1.0, 11.0))
        );
    }

    #[test]
    fn a_missing_point_leaves_a_gap() {
        let mut sheet = Sheet::new(100.0, "", "");
        let stroke = Stroke {
            color: ink::BLUE,
            width: 1.0,
            dash: "",
        };
        sheet.path(
            [(0.0, 0.0), (1.0, f64::NAN), (2.0, 2.0), (3.0, 3.0)].into_iter(),
            stroke,
        );
        assert!(sheet.finish().contains("d=\"M0.0 0.0M2.0 2.0L3.0 3.0\""));
    }
}
