//! `plots/confusion.svg` and `plots/calibration.svg`: which classes a classifier takes for which, and whether its probabilities can be believed.

use std::collections::BTreeSet;

use azura_learner::data::{Table, Values};
use azura_learner::metrics::Confusion;

use super::svg::{Panel, Sheet, Stroke, WIDTH, ink};

/// Classes that a matrix shows at most: with more, numbers cannot be read.
const MOST: usize = 30;
const TOP: f64 = 96.0;
const LEFT: f64 = 150.0;

/// The classes of a column as texts; whole numbers count as classes too.
fn classes(rows: &Table, column: &str) -> Option<Vec<String>> {
    match rows.values(column).ok()? {
        Values::Text(texts) => Some(texts.clone()),
        Values::Number(numbers) if numbers.iter().all(|x| x.fract() == 0.0) => {
            Some(numbers.iter().map(|x| format!("{x:.0}")).collect())
        }
        _ => None,
    }
}

/// Whether the rows are those of a classifier: each has a probability, and truth and prediction are classes.
fn of_classifier(rows: &Table) -> Option<(Vec<String>, Vec<String>, Vec<f64>)> {
    let p = rows.numbers("probability").ok()?.to_vec();
    let (truth, prediction) = (classes(rows, "truth")?, classes(rows, "prediction")?);
    (!truth.is_empty()).then_some((truth, prediction, p))
}

/// Draws the matrix of confusions; `None` for rows of numbers, or of more classes than can be shown.
pub fn confusion(title: &str, rows: &Table) -> Option<String> {
    let (truth, prediction, _) = of_classifier(rows)?;
    let mut names: Vec<&String> = truth
        .iter()
        .chain(&prediction)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    if names.iter().all(|name| name.parse::<i64>().is_ok()) {
        names.sort_by_key(|name| name.parse::<i64>().unwrap_or_default());
    }
    if names.len() > MOST {
        return None;
    }
    let place = |name: &String| names.iter().position(|known| *known == name);
    let of = |column: &[String]| column.iter().filter_map(place).collect::<Vec<_>>();
    let (truth, prediction) = (of(&truth), of(&prediction));
    let counts = Confusion::of(&truth, &prediction, names.len()).ok()?.counts;
    let right: u64 = (0..names.len()).map(|i| counts[i][i]).sum();

    let cell = ((WIDTH - LEFT - 40.0) / names.len() as f64).min(56.0);
    let height = TOP + cell * names.len() as f64 + 40.0;
    let about = format!(
        "Rows are the true classes of {} test rows, columns what the model took them for: {right} are right.",
        truth.len()
    );
    let mut sheet = Sheet::new(height, title, &about);
    sheet.text(24.0, 54.0, "start", 12.0, ink::GREY, 400, &about);
    let size = (cell * 0.32).clamp(7.0, 13.0);
    for (i, name) in names.iter().enumerate() {
        let short: String = match name.chars().count() {
            0..=14 => (*name).clone(),
            _ => name.chars().take(13).chain(['…']).collect(),
        };
        let middle = cell * (i as f64 + 0.5);
        sheet.text(
            LEFT - 8.0,
            TOP + middle + 4.0,
            "end",
            size.max(9.0),
            ink::BLACK,
            400,
            &short,
        );
        // Columns are as wide as their cells: a name that is longer is cut to what fits.
        let fits = ((cell / (0.62 * size)) as usize).max(1);
        let head: String = short.chars().take(fits).collect();
        sheet.text(
            LEFT + middle,
            TOP - 8.0,
            "middle",
            size,
            ink::BLACK,
            400,
            &head,
        );
    }
    for (y, row) in counts.iter().enumerate() {
        let all = row.iter().sum::<u64>().max(1) as f64;
        for (x, &count) in row.iter().enumerate() {
            let share = count as f64 / all;
            let color = if x == y { ink::BLUE } else { ink::VERMILLION };
            let (left, top) = (LEFT + cell * x as f64, TOP + cell * y as f64);
            sheet.cell(left, top, cell, color, share);
            if count > 0 {
                let dark = if share > 0.55 { "#ffffff" } else { ink::BLACK };
                let (x, y) = (left + cell / 2.0, top + cell / 2.0 + 0.35 * size);
                sheet.text(x, y, "middle", size, dark, 400, &count.to_string());
            }
        }
    }
    Some(sheet.finish())
}

/// Bins of a reliability diagram.
const BINS: usize = 10;

/// Draws how often the model is right where it says how sure it is (Guo et al. 2017, arXiv:1706.04599); `None` for rows of numbers.
pub fn calibration(title: &str, rows: &Table) -> Option<String> {
    let (truth, prediction, p) = of_classifier(rows)?;
    let (mut sure, mut right, mut counts) = ([0.0; BINS], [0.0; BINS], [0usize; BINS]);
    for ((truth, prediction), &p) in truth.iter().zip(&prediction).zip(&p) {
        if !(0.0..=1.0).contains(&p) {
            return None;
        }
        let bin = ((p * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
        sure[bin] += p;
        right[bin] += f64::from(u8::from(truth == prediction));
        counts[bin] += 1;
    }
    let filled: Vec<usize> = (0..BINS).filter(|&bin| counts[bin] > 0).collect();
    let mean = |sums: &[f64; BINS]| -> Vec<f64> {
        filled
            .iter()
            .map(|&bin| sums[bin] / counts[bin] as f64)
            .collect()
    };
    let (sure, right) = (mean(&sure), mean(&right));
    let about = format!(
        "How often the model is right among {} test rows, by the probability that it gave; on the dashed line both are the same.",
        p.len()
    );
    let panel = Panel {
        top: 84.0,
        height: 300.0,
        x: (0.0, 1.0),
        y: (0.0, 1.0),
    };
    let mut sheet = Sheet::new(456.0, title, &about);
    let ticks: Vec<(f64, String)> = (0..=5)
        .map(|i| (f64::from(i) / 5.0, format!("{:.1}", f64::from(i) / 5.0)))
        .collect();
    panel.draw_y(
        &mut sheet,
        &ticks,
        "share that is right (and number of rows)",
    );
    panel.draw_x(&mut sheet, &ticks, "probability that the model gave");
    let even = Stroke {
        color: ink::GREY,
        width: 1.2,
        dash: "5 4",
    };
    let model = Stroke {
        color: ink::BLUE,
        width: 2.0,
        dash: "",
    };
    panel.draw(&mut sheet, &[0.0, 1.0], &[0.0, 1.0], even);
    panel.draw(&mut sheet, &sure, &right, model);
    for ((&bin, &x), &y) in filled.iter().zip(&sure).zip(&right) {
        sheet.dot(panel.px(x), panel.py(y), ink::BLUE);
        let count = counts[bin].to_string();
        let below = panel.py(y) + 20.0;
        sheet.text(panel.px(x), below, "middle", 11.0, ink::GREY, 400, &count);
    }
    Some(sheet.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(truth: &[&str], prediction: &[&str], p: &[f64]) -> Table {
        let texts = |column: &[&str]| column.iter().map(ToString::to_string).collect::<Vec<_>>();
        Table::new("test")
            .with("truth", texts(truth))
            .unwrap()
            .with("prediction", texts(prediction))
            .unwrap()
            .with("probability", p.to_vec())
            .unwrap()
    }

    #[test]
    fn a_matrix_shows_every_count() {
        let rows = table(
            &["cat", "cat", "dog", "dog", "dog"],
            &["cat", "dog", "dog", "dog", "dog"],
            &[0.9, 0.6, 0.8, 0.7, 0.99],
        );
        let svg = confusion("t", &rows).unwrap();
        assert!(
            svg.contains("of 5 test rows") && svg.contains("4 are right"),
            "{svg}"
        );
        assert!(svg.contains(">3<") && svg.contains(">cat<") && svg.contains(">dog<"));
        let svg = calibration("t", &rows).unwrap();
        assert!(!svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn numbers_are_no_classes() {
        let numbers = Table::new("t")
            .with("truth", vec![1.5])
            .unwrap()
            .with("prediction", vec![1.4])
            .unwrap();
        assert!(confusion("t", &numbers).is_none() && calibration("t", &numbers).is_none());
        let many: Vec<String> = (0..=MOST).map(|i| i.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let rows = table(&many, &many, &vec![1.0; many.len()]);
        assert!(confusion("t", &rows).is_none());
        assert!(calibration("t", &rows).is_some());
    }
}
