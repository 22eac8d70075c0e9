//! From which size on a second thread is worth its hand-over: the least work of one part, kernel family by kernel family.
//!
//! A constant is a number of elements or multiply-adds, never a time and nothing that is asked of the machine: how a kernel is cut
//! follows from sizes and the budget, and the results do not follow from it at all.
//!
//! What a second thread brings at twice these, where it is just used (`cargo bench -p azura-benches --bench grain`; two cores of a virtual
//! machine with AVX-512, 2026-11-30), in microseconds:
//!
//! | constant | operation | 1 thread | 2 threads |
//! |---|---|---|---|
//! | `ELEMENTS` | addition | 3.9 | 3.4 |
//! | `INPUTS` | sums of rows (half as many: 2.1 and 2.5) | 4.0 | 3.6 |
//! | `SOFTMAX` | rows of 1024 | 6.2 | 5.0 |
//! | `SORT` | rows of 1024 | 16 | 12 |
//! | `RANDOM` | uniform | 42 | 25 |
//! | `DROPOUT` | dropout | 71 | 42 |
//! | `PRODUCT` | 64 × 64 × 128 | 7.2 | 5.8 |
//! | `ROW` | 1 × 256 × 128 | 3.7 | 3.1 |
//! | `DEPTHWISE` | 3 × 3, 16 planes of 32 × 32 | 32 | 19 |

/// Elements of a loop over them.
pub(crate) const ELEMENTS: usize = 16 * 1024;
/// Numbers that a reduction reads.
pub(crate) const INPUTS: usize = 64 * 1024;
/// Elements of an optimiser's step.
pub(crate) const OPTIMISER: usize = 32 * 1024;
/// Elements of rows of a softmax: an exponential each.
pub(crate) const SOFTMAX: usize = 8 * 1024;
/// Elements of rows that are sorted.
pub(crate) const SORT: usize = 1024;
/// Random numbers.
pub(crate) const RANDOM: usize = 8 * 1024;
/// Elements that are dropped or not: four decisions from one block of random bits.
pub(crate) const DROPOUT: usize = 32 * 1024;
/// Multiply-adds of a product of matrices: some 8 µs at 60 GFLOP/s, where handing out a part takes 1 to 2 µs.
pub(crate) const PRODUCT: usize = 1 << 18;
/// Multiply-adds of one row by a transposed matrix: as many numbers are read, which takes some 3 µs.
pub(crate) const ROW: usize = 1 << 14;
/// Multiply-adds of a convolution of single channels.
pub(crate) const DEPTHWISE: usize = 1 << 16;
