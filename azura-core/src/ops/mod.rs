//! Operations on tensors, one file per family: documentation, checks, forward and backward side by side.

mod attention;
mod conv;
mod dropout;
mod elementwise;
pub(crate) mod embedding;
mod grid_sample;
mod halves;
mod interpolate;
mod linalg;
mod loss;
mod norm;
mod pool;
mod random;
mod recurrent;
mod reduce;
mod softmax;
mod view;

pub use attention::{AttentionOptions, RotaryPairs};
pub use conv::{ConvOptions, ConvTransposeOptions, Padding};
pub use elementwise::{Activation, Elementwise, Elementwise2, Rhs, Rounding};
pub use embedding::EmbeddingOptions;
pub use grid_sample::{GridSampleMode, GridSampleOptions, GridSamplePadding};
pub use interpolate::{InterpolateMode, InterpolateOptions, Resize};
pub use linalg::AddmmOptions;
pub use loss::{
    BceOptions, CrossEntropyOptions, CtcOptions, GaussianNllOptions, MultiMarginOptions,
    NllOptions, PoissonNllOptions, Reduction, TripletOptions,
};
pub use norm::{NormOptions, Normalized, ResponseOptions};
pub use pool::{AvgPoolOptions, LpPoolOptions, MaxPoolOptions};
pub use recurrent::{LstmOutput, RecurrentOptions, RecurrentOutput, RecurrentWeights};
pub use reduce::TopkOptions;
pub(crate) use view::indices;
pub use view::{Indexing, PadMode, UnfoldOptions};
