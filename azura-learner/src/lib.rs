//! # azura-learner
//!
//! Layers, losses, training, data and model files: what turns the tensors of `azura-core` into
//! models that are trained, saved and used.
//!
//! | module       | what it holds                                                                 |
//! |--------------|-------------------------------------------------------------------------------|
//! | [`layers`]   | `Linear`, `Lstm`, `Dropout`, activations, `Sequential`; the trait [`Module`]  |
//! | [`loss`]     | `mse`, `mae`, `huber`, `cross_entropy`; a [`Loss`] is a sum and its weight    |
//! | [`data`]     | tables, splits, scalers, windows, the seeded loader; [`Dataset`] and [`Batch`]|
//! | [`train`]    | [`Trainer`], its configuration, observers, checkpoints, exact resume          |
//! | [`app`]      | [`App`]: data, model and scores of one kind of problem; [`Registry`]          |
//! | [`run`]      | train or resume an app in a folder: from a configuration to a model file      |
//! | [`model`]    | the model file: weights, preprocessing, signature and scores in one file      |
//! | [`metrics`], [`baselines`] | honest numbers and what they must be compared with              |
//!
//! The crate knows no terminal and no network: it reports through observers and returns errors.

#![forbid(unsafe_code)]

pub mod app;
pub mod baselines;
pub mod data;
pub mod error;
pub mod fs;
pub mod layers;
pub mod loss;
pub mod metrics;
pub mod model;
pub mod optim;
pub mod run;
pub mod schedule;
mod sealed;
pub mod train;

pub use app::{App, AppConfig, DynApp, Predictor, Registry, Source};
pub use data::{Batch, Dataset};
pub use error::{Class, Error, Problem, Result};
pub use layers::{Ctx, Module};
pub use loss::Loss;
pub use model::{ModelFile, ModelInfo};
pub use train::{Event, Fit, Model, Observer, Outcome, StopFlag, Supervised, TrainConfig, Trainer, Training};
