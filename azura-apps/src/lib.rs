//! # azura-apps
//!
//! The apps that come with AzuraForge. Each is a folder and a cargo feature:
//!
//! | feature   | app         | what it predicts                                             |
//! |-----------|-------------|--------------------------------------------------------------|
//! | `weather` | [`Weather`] | the next hour's temperature from hourly observations         |
//! | `stock`   | [`Stock`]   | the next trading day's log return, reported as a price       |
//! | `tabular` | [`Tabular`] | one column of any table from the others                      |
//! | `text`    | [`Text`]    | the next character of a text, and so new text                |
//!
//! An app says what its data, its model and its scores are ([`azura_learner::App`]); training, saving
//! and serving follow from that. What weather and stock have in common, a regression from a window of rows to the
//! next change of a series, is in [`series`].
//!
//! ```no_run
//! use azura_learner::Source;
//! let registry = azura_apps::builtin();
//! let weather = registry.get("weather")?;
//! let training = weather.start(&serde_json::json!({ "train": { "epochs": 3 } }), &Source::Bundled)?;
//! println!("{} training samples", training.summary().train);
//! # Ok::<(), azura_learner::Error>(())
//! ```

#![forbid(unsafe_code)]

mod bundled;
#[cfg(any(feature = "weather", feature = "stock"))]
pub mod series;
#[cfg(feature = "stock")]
pub mod stock;
#[cfg(feature = "tabular")]
pub mod tabular;
#[cfg(feature = "text")]
pub mod text;
#[cfg(feature = "weather")]
pub mod weather;

use azura_learner::Registry;

pub use bundled::Bundled;
#[cfg(feature = "stock")]
pub use stock::Stock;
#[cfg(feature = "tabular")]
pub use tabular::Tabular;
#[cfg(feature = "text")]
pub use text::Text;
#[cfg(feature = "weather")]
pub use weather::Weather;

/// The apps of the features that are on.
///
/// A program with apps of its own adds them: `azura_apps::builtin().with(&MyApp)`.
pub fn builtin() -> Registry {
    let registry = Registry::new();
    #[cfg(feature = "weather")]
    let registry = registry.with(&Weather);
    #[cfg(feature = "stock")]
    let registry = registry.with(&Stock);
    #[cfg(feature = "tabular")]
    let registry = registry.with(&Tabular);
    #[cfg(feature = "text")]
    let registry = registry.with(&Text);
    registry
}
