//! Compiles one generic loop for each instruction set and picks at run time.
//!
//! A kernel is a type with `#[inline(always)] fn run(self)`. [`dispatch`] runs it inside a function
//! that is allowed AVX-512 or AVX2 with FMA, where its loops are vectorised for that set.

use std::sync::OnceLock;

/// The widest instruction set that this processor has and that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstructionSet {
    /// Whatever the target guarantees.
    Portable,
    /// AVX2 with FMA.
    Avx2,
    /// AVX-512 F, DQ, BW and VL.
    Avx512,
}

impl InstructionSet {
    /// The set that kernels use in this process: the widest of the processor, or the one that the environment variable
    /// `AZURA_INSTRUCTIONS` names if that is narrower.
    pub fn current() -> Self {
        #[cfg(test)]
        if let Some(set) = FORCED.get() {
            return set;
        }
        static CURRENT: OnceLock<InstructionSet> = OnceLock::new();
        *CURRENT.get_or_init(|| {
            let widest = Self::detect();
            let wanted = std::env::var("AZURA_INSTRUCTIONS").ok();
            let wanted = wanted.and_then(|name| Self::from_name(&name));
            wanted.map_or(widest, |wanted| wanted.min(widest))
        })
    }

    /// The set called `portable`, `avx2` or `avx512`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "portable" => Some(InstructionSet::Portable),
            "avx2" | "avx2+fma" => Some(InstructionSet::Avx2),
            "avx512" => Some(InstructionSet::Avx512),
            _ => None,
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn detect() -> Self {
        if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
            InstructionSet::Portable
        } else if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
        {
            InstructionSet::Avx512
        } else {
            InstructionSet::Avx2
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detect() -> Self {
        InstructionSet::Portable
    }

    /// The name recorded in runs and model files.
    pub fn name(self) -> &'static str {
        match self {
            InstructionSet::Portable => "portable",
            InstructionSet::Avx2 => "avx2+fma",
            InstructionSet::Avx512 => "avx512",
        }
    }
}

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<InstructionSet>> = const { std::cell::Cell::new(None) };
}

/// Calls `f` once for each instruction set of this processor, which everything in it uses, on this thread alone.
#[cfg(test)]
pub(crate) fn for_each_set(mut f: impl FnMut(InstructionSet)) {
    use InstructionSet::{Avx2, Avx512, Portable};
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            FORCED.set(None);
        }
    }
    let widest = InstructionSet::current();
    for set in [Portable, Avx2, Avx512] {
        if set <= widest {
            FORCED.set(Some(set));
            let _restore = Restore;
            // A worker would take the widest set.
            super::threads::with_threads(1, || f(set));
        }
    }
}

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

/// Asks for the cache line at `p`: a hint, which nothing depends on.
#[inline(always)]
pub(crate) fn prefetch<T>(p: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint reads nothing, so any address will do; every x86-64 processor has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// Asks for `len` elements from `p` on.
#[inline(always)]
pub(crate) fn prefetch_all<T>(p: *const T, len: usize) {
    let before = p.addr() % LINE;
    let first = p.cast::<u8>().wrapping_sub(before);
    for at in (0..before + len * size_of::<T>()).step_by(LINE) {
        prefetch(first.wrapping_add(at));
    }
}

/// A loop to be compiled for each instruction set. `run` must be `#[inline(always)]`.
pub(crate) trait Kernel {
    fn run(self);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) {
    kernel.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) {
    kernel.run();
}

/// Runs `kernel` compiled for the widest instruction set of this processor.
#[inline]
pub(crate) fn dispatch<K: Kernel>(kernel: K) {
    #[cfg(target_arch = "x86_64")]
    match InstructionSet::current() {
        // SAFETY: `current` reports a set only after detecting each of its features.
        InstructionSet::Avx512 => return unsafe { run_avx512(kernel) },
        // SAFETY: as above.
        InstructionSet::Avx2 => return unsafe { run_avx2(kernel) },
        InstructionSet::Portable => {}
    }
    kernel.run();
}
