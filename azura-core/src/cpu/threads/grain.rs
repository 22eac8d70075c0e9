//! From which size on a second thread is worth its hand-over: the least work of one part, kernel family by kernel family.
//!
//! A constant is a number of elements or multiply-adds, never a time and nothing that is asked of the machine: how a kernel is cut
//! follows from sizes and the budget, and the results do not follow from it at all.
pub(crate) const ELEMENTS: usize = 16 * 1024;
pub(crate) const INPUTS: usize = 32 * 1024;
pub(crate) const SOFTMAX: usize = 8 * 1024;
pub(crate) const SORT: usize = 1024;
pub(crate) const RANDOM: usize = 8 * 1024;
pub(crate) const DROPOUT: usize = 32 * 1024;
pub(crate) const PRODUCT: usize = 1 << 18;
pub(crate) const DEPTHWISE: usize = 1 << 16;
