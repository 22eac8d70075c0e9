//! Plots as SVG, drawn by hand: what a run has learned, readable on any page.
//!
//! Colours are those of Okabe and Ito, which people with colour-blindness tell apart; lines also differ in dash and
//! width, and every plot says in a sentence what it shows.

mod axis;
mod classes;
mod curves;
mod forecast;
mod mistakes;
mod study;
mod svg;

pub use classes::{calibration, confusion};
pub use curves::curves;
pub use forecast::forecast;
pub use mistakes::mistakes;
pub use study::{Page, study};
