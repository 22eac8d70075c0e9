//! The one error type of the engine.
//!
//! A message reads `[op] rule, but got fact; hint`: what was asked, what must hold, what was
//! there instead and, where there is one, the remedy.

use crate::{DType, Device};

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong in azura-core.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Sizes that do not fit together, or an axis or index outside a tensor.
    #[error("[{op}] {rule}, but got {fact}")]
    Shape {
        /// The operation that refused.
        op: &'static str,
        /// The rule that must hold.
        rule: String,
        /// What was there instead, followed by a hint where there is one.
        fact: String,
    },
    /// An operand of a dtype that the operation does not take.
    #[error("[{op}] {rule}, but got {fact}")]
    DType {
        /// The operation that refused.
        op: &'static str,
        /// The rule that must hold.
        rule: String,
        /// What was there instead.
        fact: String,
    },
    /// An argument outside its range, such as a dropout probability of 2.
    #[error("[{op}] {rule}, but got {fact}")]
    Argument {
        /// The operation that refused.
        op: &'static str,
        /// The rule that must hold.
        rule: String,
        /// What was there instead.
        fact: String,
    },
    /// An operation on a dtype or device for which it has no kernel.
    #[error("[{op}] is not supported for {dtype} on {device}; {hint}")]
    Unsupported {
        /// The operation that refused.
        op: &'static str,
        /// The dtype asked for.
        dtype: DType,
        /// The device asked for.
        device: Device,
        /// What to do instead.
        hint: &'static str,
    },
    /// CUDA was asked for and cannot be used. There is no silent fallback to the CPU.
    #[error("[device] CUDA was requested but cannot be used: {reason}; use `cpu` instead")]
    CudaUnavailable {
        /// Why it cannot be used.
        reason: String,
    },
    /// `backward` ran over a part of a graph whose saved values were already released.
    #[error(
        "[backward] the graph of `{op}` was already used by an earlier backward pass; compute the loss again, or sum the losses and call backward once"
    )]
    GraphReleased {
        /// The operation whose saved values are gone.
        op: &'static str,
    },
    /// A gradient was asked of something that has no rule for it.
    #[error("[{op}] has no gradient: {hint}")]
    NoGradient {
        /// The operation without a rule.
        op: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// [`crate::detect_anomaly`] saw a NaN or an infinity come out of finite numbers.
    #[error(
        "[{op}] {pass}this operation made {what} of finite numbers, in a tensor of shape {shape:?}"
    )]
    Anomaly {
        /// The operation in which it was born.
        op: &'static str,
        /// Empty, or `the gradient of `.
        pass: &'static str,
        /// What was born.
        what: &'static str,
        /// The shape of the tensor it stands in.
        shape: Vec<usize>,
    },
    /// A parameter store refused a name, a shape or a dtype.
    #[error("[store] {0}")]
    Store(String),
    /// Bytes that are not a valid safetensors file.
    #[error("[safetensors] {name}: {what}")]
    Format {
        /// The file, or the name given for the bytes.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// The operating system refused to read or write.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn shape(
        op: &'static str,
        rule: impl Into<String>,
        fact: impl Into<String>,
    ) -> Self {
        Error::Shape {
            op,
            rule: rule.into(),
            fact: fact.into(),
        }
    }

    pub(crate) fn dtype(
        op: &'static str,
        rule: impl Into<String>,
        fact: impl Into<String>,
    ) -> Self {
        Error::DType {
            op,
            rule: rule.into(),
            fact: fact.into(),
        }
    }

    pub(crate) fn argument(
        op: &'static str,
        rule: impl Into<String>,
        fact: impl Into<String>,
    ) -> Self {
        Error::Argument {
            op,
            rule: rule.into(),
            fact: fact.into(),
        }
    }
}
