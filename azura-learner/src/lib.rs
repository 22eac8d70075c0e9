//! # azura-learner
//!
//! Layers, losses, training, data and model files: what turns the tensors of `azura-core` into
//! models that are trained, saved and used.
//!
//! A multi-layer perceptron learns to tell the inside of a circle from the outside:
//!
//! ```
//! use azura_core::{DType, Rng, Store, Tensor};
//! use azura_learner::layers::{Linear, Relu, Sequential};
//! use azura_learner::{Fit, Supervised, TensorDataset, TrainConfig, Trainer, loss};
//!
//! // 512 points of the square, labelled 1 inside of the circle.
//! let mut rng = Rng::new(7);
//! let points: Vec<f32> = (0..1024).map(|_| rng.uniform() as f32 * 2.0 - 1.0).collect();
//! let inside = |p: &[f32]| u32::from(p[0] * p[0] + p[1] * p[1] < 0.6);
//! let labels: Vec<u32> = points.chunks(2).map(inside).collect();
//! let data = TensorDataset::new([
//!     Tensor::from_vec(points, [512, 2])?,
//!     Tensor::from_vec(labels, [512])?,
//! ])?;
//!
//! let store = Store::new(DType::F32);
//! let p = store.root(Rng::new(0));
//! let mlp = Sequential::new()
//!     .with(Linear::new(2, 32, &p.at("hidden"))?)
//!     .with(Relu)
//!     .with(Linear::new(32, 2, &p.at("classes"))?);
//! let model = Supervised::new(mlp, loss::cross_entropy);
//!
//! let config = TrainConfig { epochs: 20, lr: 0.02, ..TrainConfig::default() };
//! let outcome = Trainer::new().run(&mut Fit::new(store, model, data, config))?;
//! assert!(outcome.best.unwrap().value < 0.2);
//! # Ok::<(), azura_learner::Error>(())
//! ```
//!
//! # The parts
//!
//! | module       | what it holds                                                                 |
//! |--------------|-------------------------------------------------------------------------------|
//! | [`layers`]   | linear, convolutions, pools, norms, recurrent, attention, Transformers, embeddings, dropout, activations, shapes, `Sequential` and `Residual`; the trait [`Module`] |
//! | [`loss`]     | `mse`, `huber`, `quantile`, `cross_entropy`, likelihoods, `kl_div`; a [`Loss`] is a sum and its weight |
//! | [`data`]     | tables, splits, scalers, windows, the seeded loader; [`Dataset`] and [`Batch`]|
//! | [`train`]    | [`Trainer`], its configuration, observers, checkpoints, exact resume          |
//! | [`app`]      | [`App`]: data, model and scores of one kind of problem; [`Registry`]          |
//! | [`run`]      | train or resume an app in a folder: from a configuration to a model file      |
//! | [`generate`] | text from a model: options, the draw of a token, what a model must offer       |
//! | [`model`]    | the model file: weights, preprocessing, signature and scores in one file      |
//! | [`metrics`], [`baselines`] | honest numbers and what they must be compared with              |
//! | [`schedule`], [`optim`] | learning rates over time, optimisers by configuration              |
//! | [`tune`]     | hyper-parameter search: spaces, samplers, pruners, studies on any function    |
//! | [`error`], [`fs`] | one error type with a class for each exit code; files written whole      |
//!
//! # Three levels
//!
//! * **By hand**: layers, `loss.backward()` and an optimiser of `azura-core`; nothing here is needed.
//! * **[`Trainer`] and [`Fit`]**, as above: batches in a seeded order, clipping, schedules, validation,
//!   early stopping, checkpoints, and a resume that gives the same bits.
//! * **[`App`]**: one type says what the data, the model and the scores are. It then has a typed
//!   configuration with a JSON Schema, runs in a folder ([`run::train`]), a model file that carries its
//!   preprocessing, and predictions from it ([`Registry::open`], [`Predictor`]).
//!
//! # What holds everywhere
//!
//! * The crate knows no terminal and no network: it reports through observers and returns errors.
//! * Names, defaults and semantics are PyTorch's; sequences are batch-first.
//! * The same configuration gives the same bits on the same instruction set, for any number of threads,
//!   interrupted or not.
//! * A gradient that does not arrive is an error ([`Error::NoGradient`]), and so is one that arrives where nothing is
//!   trained; a number that stops being finite is an error ([`Error::Diverged`]) and is never saved.
//! * A file is written whole or not at all, and a changed bit in it is refused.

#![forbid(unsafe_code)]

pub mod app;
pub mod baselines;
pub mod data;
pub mod error;
pub mod fs;
pub mod generate;
pub mod layers;
mod lbfgs;
pub mod loss;
pub mod metrics;
pub mod model;
pub mod optim;
pub mod run;
pub mod schedule;
mod sealed;
pub mod summary;
pub mod train;
pub mod tune;

pub use app::{App, AppConfig, DynApp, Predictor, Registry, Source};
pub use data::{Batch, Dataset};
pub use error::{Class, Error, Problem, Result};
pub use generate::{GenerateOptions, Generated};
pub use layers::{Ctx, Module};
pub use loss::Loss;
pub use model::{ModelFile, ModelInfo};
pub use train::{
    Event, Fit, Model, Observer, Outcome, StopFlag, Supervised, TensorDataset, TrainConfig,
    Trainer, Training,
};
