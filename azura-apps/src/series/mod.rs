//! What apps about one series share: from a window of rows to the next change of the series.
//!
//! An app turns its table into a [`Frame`] (times, the series itself, features) and says how the series moves
//! ([`Step`]: by differences or by log returns). The rest is here: windows, split and scalers
//! ([`Fitted`]), the model ([`WindowLstm`]), scores with baselines, predictions for every window and forecasts of
//! many steps. Nothing here knows a column's name, a calendar or a file's format.

mod config;
mod fit;
mod forecast;
mod frame;
mod model;
mod score;
mod source;
mod step;

pub(crate) use config::check_data;
pub use config::{LossKind, ModelConfig};
pub use fit::{Fitted, SeriesData};
pub(crate) use fit::{Sizes, check_size, open, prepare};
pub(crate) use forecast::output_fields;
pub use forecast::{Future, forecast, predict};
pub use frame::Frame;
pub use model::WindowLstm;
pub use score::{Baseline, score};
pub use source::{Missing, Read, read};
pub use step::Step;
