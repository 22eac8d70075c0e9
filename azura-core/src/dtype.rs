//! The element types of a tensor.

use std::fmt;

/// The type of a tensor's elements, known at run time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DType {
    /// 32-bit IEEE 754 floating point: values, parameters and gradients.
    F32,
    /// 64-bit IEEE 754 floating point: gradient checks and data preparation.
    F64,
    /// 64-bit signed integers: labels and indices.
    I64,
    /// 32-bit unsigned integers: token ids and indices.
    U32,
    /// Truth values, one byte each, 0 or 1: masks.
    Bool,
}

impl DType {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            DType::F32 | DType::U32 => 4,
            DType::F64 | DType::I64 => 8,
            DType::Bool => 1,
        }
    }

    /// Whether elements are floating point numbers. Only those have gradients.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::I64 => "i64",
            DType::U32 => "u32",
            DType::Bool => "bool",
        })
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for i64 {}
    impl Sealed for u32 {}
    impl Sealed for bool {}
}

/// A Rust type that is the element of a tensor: `f32`, `f64`, `i64`, `u32` or `bool`.
pub trait Element: Copy + Send + Sync + PartialEq + fmt::Debug + sealed::Sealed + 'static {
    /// The dtype that stands for it.
    const DTYPE: DType;
    /// The nearest value to `x`; `bool` is `x != 0`.
    fn from_f64(x: f64) -> Self;
    /// The value as an `f64`; exact but for 64-bit integers beyond 2⁵³.
    fn to_f64(self) -> f64;
}

macro_rules! element {
    ($($ty:ty => $dtype:ident),*) => {$(
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;
            #[inline(always)]
            fn from_f64(x: f64) -> Self { x as $ty }
            #[inline(always)]
            fn to_f64(self) -> f64 { self as f64 }
        }
    )*};
}
element!(f32 => F32, f64 => F64, i64 => I64, u32 => U32);

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x != 0.0
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(u8::from(self))
    }
}

/// Runs `$body` with `$T` standing for the element type of `$dtype`.
macro_rules! for_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::DType::Bool => {
                type $T = bool;
                $body
            }
        }
    };
}

/// Runs `$body` with `$T` standing for `f32` or `f64`; any other dtype returns an error that names `$op`.
macro_rules! for_float {
    ($op:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            other => {
                return Err($crate::Error::dtype(
                    $op,
                    "takes f32 or f64",
                    format!("{other}; cast it first with `cast`"),
                ));
            }
        }
    };
}

/// Runs `$body` with `$T` standing for `i64`, `u32` or `bool`; any other dtype returns an error that names `$op`.
macro_rules! for_integer {
    ($op:expr, $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::DType::Bool => {
                type $T = bool;
                $body
            }
            other => {
                return Err($crate::Error::dtype(
                    $op,
                    "takes i64, u32 or bool",
                    format!("{other}; cast it first with `cast`"),
                ));
            }
        }
    };
}
pub(crate) use {for_dtype, for_float, for_integer};
