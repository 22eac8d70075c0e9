//! `plots/mistakes.svg`: the pictures that a classifier took for something else, the surest mistakes first.

use azura_learner::app::Picture;

use super::svg::{Sheet, WIDTH, ink};

const ACROSS: usize = 8;
const SIDE: f64 = 84.0;
const STEP: f64 = 118.0;
const TOP: f64 = 72.0;

/// Draws the sheet; `None` without pictures.
pub fn mistakes(title: &str, pictures: &[Picture]) -> Option<String> {
    if pictures.is_empty() {
        return None;
    }
    let lines = pictures.len().div_ceil(ACROSS);
    let about = format!(
        "The {} surest mistakes among the test rows: what it is, what the model took it for, and how probable it said that is.",
        pictures.len()
    );
    let mut sheet = Sheet::new(TOP + STEP * lines as f64 + 12.0, title, &about);
    sheet.text(24.0, 54.0, "start", 12.0, ink::GREY, 400, &about);
    let step = (WIDTH - 48.0) / ACROSS as f64;
    for (i, picture) in pictures.iter().enumerate() {
        let x = 24.0 + step * (i % ACROSS) as f64;
        let y = TOP + STEP * (i / ACROSS) as f64;
        sheet.picture(x + (step - SIDE) / 2.0, y, SIDE, &picture.png);
        let middle = x + step / 2.0;
        let caption: String = picture.caption.chars().take(17).collect();
        sheet.text(
            middle,
            y + SIDE + 14.0,
            "middle",
            10.5,
            ink::BLACK,
            400,
            &caption,
        );
    }
    Some(sheet.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_inside_of_the_sheet() {
        assert_eq!(mistakes("t", &[]), None);
        let picture = Picture {
            caption: "3 as 8 0.97".to_string(),
            png: b"foobar!".to_vec(),
        };
        let svg = mistakes("t", &vec![picture; 9]).unwrap();
        assert_eq!(svg.matches("data:image/png;base64,Zm9vYmFyIQ==").count(), 9);
        assert!(
            svg.contains("3 as 8 0.97") && svg.contains("height=\"320\""),
            "{svg}"
        );
    }
}
