//! Where a tensor lives. A device that is not there is an error, never a silent change to another.

use crate::{Error, Result};
use std::{fmt, str::FromStr};

/// A place where tensors are stored and operations run.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Device {
    /// The processor and its memory.
    #[default]
    Cpu,
    /// The CUDA device of this index.
    Cuda(usize),
}

impl Device {
    /// Succeeds if this build and machine can use the device.
    ///
    /// # Errors
    /// [`Error::CudaUnavailable`] with the reason.
    ///
    /// ```
    /// use azura_core::Device;
    /// assert!(Device::Cpu.check().is_ok());
    /// let error = Device::Cuda(0).check().unwrap_err().to_string();
    /// assert!(error.contains("built without CUDA"));
    /// ```
    pub fn check(self) -> Result<()> {
        match self {
            Device::Cpu => Ok(()),
            Device::Cuda(index) => Err(Error::CudaUnavailable {
                reason: format!("this build lacks it (device cuda:{index}, built without CUDA)"),
            }),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// Reads `cpu`, `cuda` (the first device) or `cuda:N`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Device::Cuda)
                .ok_or_else(|| {
                    Error::argument(
                        "device",
                        "is `cpu`, `cuda` or `cuda:N`",
                        format!("`{text}`"),
                    )
                }),
        }
    }
}
