//! Kernels for the processor: plain functions on slices and sizes.
//!
//! No `Tensor`, no choice of dtype and no allocation of results lives here. Work is split over
//! outputs only, so the bits of a result do not depend on the number of threads.

pub(crate) mod attention;
pub(crate) mod conv;
pub(crate) mod ctc;
pub(crate) mod dropout;
pub(crate) mod embedding;
pub(crate) mod fold;
pub(crate) mod gemm;
pub(crate) mod grid_sample;
pub(crate) mod indexing;
mod lanes;
pub(crate) mod loss;
pub(crate) mod map;
pub mod math;
pub(crate) mod matrices;
pub(crate) mod max_pool;
pub(crate) mod norm;
pub(crate) mod normal;
pub(crate) mod optim;
pub(crate) mod orthogonal;
pub(crate) mod patches;
pub(crate) mod place;
pub(crate) mod random;
pub(crate) mod recurrent;
pub(crate) mod reduce;
pub(crate) mod resample;
pub(crate) mod rotary;
pub(crate) mod scan;
pub(crate) mod simd;
pub(crate) mod softmax;
pub(crate) mod sort;
pub(crate) mod spread;
mod strides;
pub mod threads;
