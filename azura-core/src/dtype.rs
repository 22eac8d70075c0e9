//! The element types of a tensor.

use half::{bf16, f16};
use std::fmt;

/// The type of a tensor's elements, known at run time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DType {
    /// 32-bit IEEE 754 floating point: values, parameters and gradients.
    F32,
    /// 64-bit IEEE 754 floating point: gradient checks and data preparation.
    F64,
    /// 16-bit IEEE 754 floating point: storage. Operations compute in f32 and round the result.
    F16,
    /// The upper half of an f32: storage with the range of f32 and 8 bits of precision.
    /// Operations compute in f32 and round the result.
    BF16,
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
            DType::F16 | DType::BF16 => 2,
            DType::Bool => 1,
        }
    }

    /// Whether elements are floating point numbers. Only those have gradients.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64) || self.is_half()
    }

    /// Whether elements are floating point numbers of 16 bits: stored so, computed with in f32.
    pub fn is_half(self) -> bool {
        matches!(self, DType::F16 | DType::BF16)
    }

    /// Whether the number is an integer or truth value of this dtype; floats have all numbers, rounded.
    pub(crate) fn has(self, value: f64) -> bool {
        // 2⁶³ is the first number beyond an i64.
        const BEYOND: f64 = 9_223_372_036_854_775_808.0;
        let whole = value.fract() == 0.0;
        match self {
            DType::I64 => whole && (-BEYOND..BEYOND).contains(&value),
            DType::U32 => whole && (0.0..=f64::from(u32::MAX)).contains(&value),
            DType::Bool => value == 0.0 || value == 1.0,
            _ => true,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
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
    impl Sealed for half::f16 {}
    impl Sealed for half::bf16 {}
    impl Sealed for i64 {}
    impl Sealed for u32 {}
    impl Sealed for bool {}
}

/// A Rust type that is the element of a tensor: `f32`, `f64`, `f16`, `bf16`, `i64`,
/// `u32` or `bool`.
pub trait Element:
    Copy + Default + Send + Sync + PartialEq + PartialOrd + fmt::Debug + sealed::Sealed + 'static
{
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

macro_rules! half_element {
    ($($ty:ty => $dtype:ident),*) => {$(
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;
            #[inline(always)]
            fn from_f64(x: f64) -> Self { <$ty>::from_f64(x) }
            #[inline(always)]
            fn to_f64(self) -> f64 { <$ty>::to_f64(self) }
        }
    )*};
}
half_element!(f16 => F16, bf16 => BF16);

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

/// Runs `$body` with `$T` standing for the element type of `$dtype`: for what moves elements.
macro_rules! for_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F16 => {
                type $T = half::f16;
                $body
            }
            $crate::DType::BF16 => {
                type $T = half::bf16;
                $body
            }
            other => $crate::dtype::for_number!(other, $T => $body),
        }
    };
}

/// The same for dtypes that are computed with; the caller has widened the others.
macro_rules! for_number {
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
            $crate::DType::F16 | $crate::DType::BF16 => {
                unreachable!("halves are widened before they are computed with")
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
                    "takes floats",
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
pub(crate) use {for_dtype, for_float, for_integer, for_number};
