//! Data on its way from a file to a batch.
//!
//! A [`Table`] holds named columns, read from CSV or JSON with errors that name file, line and column.
//! [`split_by_time`] cuts what came of it into training, validation and test, a scaler learns from the
//! training rows ([`StandardScaler`], [`MinMaxScaler`]), a [`WindowPlan`] says which rows make a sample and
//! [`Windows`] hands them out as tensors, in the order of a [`Loader`].
//!
//! Pictures have a folder of their own, [`image`], sound has [`audio`], and what training changes about samples is in [`augment`].
//!
//! Nothing here knows a model, an app, a terminal or the network.

pub mod audio;
pub mod augment;
mod column;
mod csv;
mod csv_dialect;
mod csv_guard;
mod csv_write;
mod cycle;
mod dataset;
mod error;
pub mod image;
mod image_rows;
mod json;
mod loader;
mod scale;
mod scale_min_max;
mod scale_standard;
mod split;
mod table;
mod time;
mod transform;
mod windows;

pub use self::csv::{read_csv, read_csv_all, read_csv_all_from, read_csv_from, read_csv_head};
pub use column::{Column, Kind, Values, check_memory};
pub use cycle::Cycle;
pub use dataset::{Batch, Dataset, sha256_file, sha256_path};
pub(crate) use error::listed;
pub use error::{DataError, DataErrorKind, DataResult, nearest, quoted};
pub use image_rows::{ImageRows, Normalise};
pub use json::{from_json_rows, from_json_rows_all};
pub use loader::{Epoch, Loader, LoaderConfig};
pub use scale::{Scale, Scaler, ScalerKind};
pub use scale_min_max::MinMaxScaler;
pub use scale_standard::StandardScaler;
pub use split::{
    PartSize, Parts, Split, random_folds, split_by_time, split_random, split_stratified,
    stratified_folds,
};
pub use table::Table;
pub use time::Timestamp;
pub use transform::{Transform, log_returns, price_after};
pub use windows::{WindowPlan, Windows};
