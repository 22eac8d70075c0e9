//! The engine of AzuraForge: tensors, automatic differentiation and kernels.
//!
//! ```
//! use azura_core::{DType, Init, Rng, Store, Tensor, optim::{Adam, Optimizer}};
//!
//! // y = 2 x + 1, learned from four points.
//! let store = Store::new(DType::F32);
//! let p = store.root(Rng::new(0));
//! let (w, b) = (p.param("w", &[1, 1], Init::Zeros)?, p.param("b", &[1], Init::Zeros)?);
//! let x = Tensor::from_slice(&[0.0f32, 1.0, 2.0, 3.0], [4, 1])?;
//! let y = Tensor::from_slice(&[1.0f32, 3.0, 5.0, 7.0], [4, 1])?;
//! let mut optimizer = Adam::new(&store)?;
//! let mut last = f32::INFINITY;
//! for _ in 0..500 {
//!     let loss = x.linear(&w.value(), Some(&b.value()))?.mse_loss(&y, Default::default())?;
//!     last = loss.item()?;
//!     loss.backward()?;
//!     optimizer.step(0.05)?;
//!     store.zero_grad();
//! }
//! assert!(last < 1e-4);
//! # Ok::<(), azura_core::Error>(())
//! ```
//!
//! | file         | what lives there                                              |
//! |--------------|---------------------------------------------------------------|
//! | `tensor`     | [`Tensor`]: a counted buffer seen through a shape             |
//! | `autograd`   | nodes, rules, [`grad`], [`no_grad`]                           |
//! | `param/`     | [`Store`], [`Scope`], [`Param`]: flat arenas of parameters    |
//! | `ops/`       | operations with their backward rules                          |
//! | `cpu/`       | loops on slices; the only user of threads and instruction sets|
//! | `buffer`     | the pool of memory                                            |
//! | `optim`      | optimisers: one pass over an arena                            |
//! | `rng`        | [`Rng`]: counter-based random numbers                         |
//! | `serial`     | safetensors files                                             |

mod autograd;
mod buffer;
mod cpu;
mod device;
mod dtype;
mod error;
#[cfg(feature = "ndarray")]
mod interop;
mod kv_cache;
mod ops;
pub mod optim;
mod param;
mod rng;
pub mod serial;
mod shape;
mod sizes;
mod tensor;

pub use autograd::{CustomOp, Traced, checkpoint, detect_anomaly, grad, no_grad, trace};
pub use buffer::{OutOfMemory, buffers_from_system, bytes_from_system, release_unused_memory};
pub use cpu::math::Num;
pub use cpu::simd::InstructionSet;
pub use cpu::threads::{in_parallel, threads, with_threads};
pub use device::Device;
pub use dtype::{DType, Element};
pub use error::{Error, Result};
pub use half::{bf16, f16};
pub use kv_cache::KvCache;
pub use ops::TopkOptions;
pub use ops::{Activation, AddmmOptions};
pub use ops::{AttentionOptions, RotaryPairs};
pub use ops::{AvgPoolOptions, LpPoolOptions, MaxPoolOptions};
pub use ops::{
    BceOptions, CrossEntropyOptions, CtcOptions, EmbeddingOptions, GaussianNllOptions,
    MultiMarginOptions, NllOptions, PoissonNllOptions, TripletOptions,
};
pub use ops::{ConvOptions, ConvTransposeOptions, Padding};
pub use ops::{Elementwise, Elementwise2};
pub use ops::{GridSampleMode, GridSampleOptions, GridSamplePadding};
pub use ops::{Indexing, PadMode, UnfoldOptions};
pub use ops::{InterpolateMode, InterpolateOptions, Resize};
pub use ops::{LstmOutput, RecurrentOptions, RecurrentOutput, RecurrentWeights};
pub use ops::{NormOptions, Normalized, ResponseOptions};
pub use ops::{Reduction, Rhs, Rounding};
pub use param::{Fan, Nonlinearity};
pub use param::{Gradients, Init, NamedBuffer, Param, Scope, Store};
pub use rng::Rng;
pub use sizes::{OutputSizes, PerAxis, Sizes};
pub use tensor::Tensor;
