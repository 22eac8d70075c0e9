//! Numbers and times as people read them.

use std::time::Duration;

/// Four significant digits, without an exponent where it is not needed.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_string();
    }
    let size = value.abs();
    if value == 0.0 {
        return "0".to_string();
    }
    if !(1e-4..1e6).contains(&size) {
        return format!("{value:.2e}");
    }
    let digits = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
    format!("{value:.digits$}")
}

/// `987`, `9.1k`, `2.3M`.
pub fn count(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.1}M", v / 1e6),
        v if v >= 1e4 => format!("{:.0}k", v / 1e3),
        v if v >= 1e3 => format!("{:.1}k", v / 1e3),
        v => format!("{v:.0}"),
    }
}

/// `640 B`, `12.3 KiB`, `1.5 GiB`.
pub fn bytes(value: u64) -> String {
    let mut size = value as f64;
    if size < 1024.0 {
        return format!("{value} B");
    }
    let mut unit = "";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    format!("{size:.1} {unit}")
}

/// `1 epoch`, `12 epochs`.
pub fn counted(count: usize, what: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{} {what}{end}", thousands(count))
}

/// `9,876,543`
pub fn thousands(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

/// `0.4 s`, `12.3 s`, `1m 02s`, `2h 05m`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..=59 => format!("{seconds:.1} s"),
        60..=3599 => format!("{}m {:02}s", whole / 60, whole % 60),
        _ => format!("{}h {:02}m", whole / 3600, whole % 3600 / 60),
    }
}

/// `0:41`, `12:05`, `2:05:00`.
pub fn clock(left: Duration) -> String {
    let whole = left.as_secs();
    match whole {
        0..=3599 => format!("{}:{:02}", whole / 60, whole % 60),
        _ => format!(
            "{}:{:02}:{:02}",
            whole / 3600,
            whole % 3600 / 60,
            whole % 60
        ),
    }
}

/// Speed and time left, from the steps that this process made.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    began: Option<std::time::Instant>,
    steps: u64,
    rows: usize,
}

impl Pace {
    /// One more step of so many rows.
    pub fn step(&mut self, rows: usize) {
        // The first step also warms caches, so the clock starts after it.
        if self.began.is_none() {
            self.began = Some(std::time::Instant::now());
            return;
        }
        self.steps += 1;
        self.rows += rows;
    }

    /// Rows in a second; 0 before it can be known.
    pub fn rows_per_second(&self) -> f64 {
        match self.began {
            Some(began) if self.steps > 0 => {
                self.rows as f64 / began.elapsed().as_secs_f64().max(1e-9)
            }
            _ => 0.0,
        }
    }

    /// Time for so many steps more.
    pub fn left(&self, steps: u64) -> Option<Duration> {
        let began = self.began.filter(|_| self.steps > 0)?;
        let each = began.elapsed().as_secs_f64() / self.steps as f64;
        Some(Duration::from_secs_f64((each * steps as f64).min(1e9)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.871_23, "0.8712"),
            (1_234.56, "1235"),
            (12.345, "12.35"),
            (-0.5, "-0.5000"),
            (3e-7, "3.00e-7"),
            (2.5e9, "2.50e9"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(thousands(1), "1");
        assert_eq!(thousands(52_309), "52,309");
        assert_eq!(thousands(1_000_000), "1,000,000");
        assert_eq!(bytes(640), "640 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
        assert_eq!(count(9_123.0), "9.1k");
        assert_eq!(duration(62.0), "1m 02s");
        assert_eq!(duration(0.44), "0.4 s");
        assert_eq!(clock(Duration::from_secs(7_500)), "2:05:00");
    }
}
