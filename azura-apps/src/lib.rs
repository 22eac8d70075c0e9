//! # azura-apps
//!
//! The apps that come with AzuraForge. Each is a folder and a cargo feature:
//!
//! | feature    | app           | what it predicts                                             |
//! |------------|---------------|--------------------------------------------------------------|
//! | `forecast` | [`Forecast`]  | the next steps of any series                                 |
//! | `weather`  | [`Weather`]   | the next hours' temperature from hourly observations         |
//! | `stock`    | [`Stock`]     | the coming trading days' log returns, reported as prices     |
//! | `tabular`  | [`Tabular`]   | one column of any table from the others                      |
//! | `text`     | [`Text`]      | the next character of a text, and so new text                |
//! | `image`    | [`Image`]     | which of some classes a picture shows                        |
//! | `voice`    | [`Voice`]     | the next sample of a sound, and so new sound                 |
//! | `sound`    | [`SoundApp`]  | the class of a recording, such as the word that is spoken    |
//! | `signal`   | [`Signal`]    | the class of a series of one or several channels             |
//!
//! An app says what its data, its model and its scores are ([`azura_learner::App`]); training, saving
//! and serving follow from that. Weather and stock are presets of forecast: other defaults and what they know of their
//! columns, in the frame of [`forecast`].
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
#[cfg(any(feature = "sound", feature = "signal"))]
mod classes;
#[cfg(any(feature = "voice", feature = "sound"))]
mod files;
#[cfg(feature = "forecast")]
pub mod forecast;
#[cfg(feature = "image")]
pub mod image;
#[cfg(any(
    feature = "tabular",
    feature = "image",
    feature = "sound",
    feature = "signal"
))]
mod probability;
#[cfg(feature = "signal")]
pub mod signal;
#[cfg(feature = "sound")]
pub mod sound;
#[cfg(feature = "stock")]
pub mod stock;
#[cfg(feature = "tabular")]
pub mod tabular;
#[cfg(feature = "text")]
pub mod text;
#[cfg(any(feature = "text", feature = "voice"))]
mod tokens;
#[cfg(feature = "voice")]
pub mod voice;
#[cfg(feature = "weather")]
pub mod weather;

use azura_learner::Registry;

pub use bundled::Bundled;
#[cfg(feature = "forecast")]
pub use forecast::Forecast;
#[cfg(feature = "image")]
pub use image::Image;
#[cfg(feature = "signal")]
pub use signal::Signal;
#[cfg(feature = "sound")]
pub use sound::SoundApp;
#[cfg(feature = "stock")]
pub use stock::Stock;
#[cfg(feature = "tabular")]
pub use tabular::Tabular;
#[cfg(feature = "text")]
pub use text::Text;
#[cfg(feature = "voice")]
pub use voice::Voice;
#[cfg(feature = "weather")]
pub use weather::Weather;

/// The apps of the features that are on.
///
/// A program with apps of its own adds them: `azura_apps::builtin().with(&MyApp)`.
pub fn builtin() -> Registry {
    let registry = Registry::new();
    #[cfg(feature = "weather")]
    let registry = registry.with(const { &Weather::new() });
    #[cfg(feature = "stock")]
    let registry = registry.with(const { &Stock::new() });
    #[cfg(feature = "forecast")]
    let registry = registry.with(const { &Forecast::new() });
    #[cfg(feature = "tabular")]
    let registry = registry.with(&Tabular);
    #[cfg(feature = "text")]
    let registry = registry.with(&Text);
    #[cfg(feature = "image")]
    let registry = registry.with(&Image);
    #[cfg(feature = "voice")]
    let registry = registry.with(&Voice);
    #[cfg(feature = "sound")]
    let registry = registry.with(&SoundApp);
    #[cfg(feature = "signal")]
    let registry = registry.with(&Signal);
    registry
}
