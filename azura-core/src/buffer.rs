//! Memory for tensors: one pool with size classes, and the only place that allocates.
//!
//! A buffer comes back to the pool when its last owner drops it, so that after the first training
//! step every buffer is one that was used before: no page is touched for the first time again
//! (2.9 µs per 4 KiB page on the machine of benches/RESULTS.md, the largest single cost of a
//! training step that allocates afresh).

mod slab;

use crate::Element;
use std::alloc::{Layout as Memory, alloc_zeroed, dealloc};
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Cache line and the widest vector register.
const ALIGN: usize = 64;
/// Four classes per power of two waste at most a fifth of a buffer.
const STEPS: usize = 4;
const SMALLEST: usize = 64;
const CLASSES: usize = 48 * STEPS;

static POOL: [Free; CLASSES] = [const { Free::new() }; CLASSES];
static FROM_SYSTEM: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The payload of the panic that ends an operation for which the system has no memory.
///
/// It unwinds, so a server loses one request and a program can say what was needed; what existed before
/// the operation is untouched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes that were asked for at once.
    pub bytes: usize,
}

/// Memory of one class: a piece of a slab, or an allocation of its own, used from the first multiple of [`alignment`] on.
///
/// Asked for with the alignment that every allocator has, zeroed memory comes from the system untouched. With a larger one
/// it is cleared by hand, which fetches all its pages, those of the rounding to the class too.
#[derive(Clone, Copy, Debug)]
struct Block {
    start: NonNull<u8>,
    /// Bytes of the allocation before `start`; none of its own if it was cut from a slab.
    lead: Option<usize>,
}

// SAFETY: a block in the pool has no owner; whoever takes it out is the only one to hold it.
unsafe impl Send for Block {}

impl Block {
    /// Zeroed once, so that no byte is ever uninitialised in the sense of the language.
    fn new(size: usize) -> Option<Self> {
        if let Some(start) = slab::cut(size) {
            return Some(Block { start, lead: None });
        }
        // SAFETY: the size is not 0.
        let memory = NonNull::new(unsafe { alloc_zeroed(Block::memory(size)) })?;
        let lead = memory.as_ptr().align_offset(alignment(size));
        // SAFETY: bytes can be aligned by less than `alignment` steps, and the allocation is that much longer.
        let start = unsafe { memory.add(lead) };
        if size >= slab::HUGE {
            slab::ask_for_huge_pages(start, size);
        }
        Some(Block {
            start,
            lead: Some(lead),
        })
    }

    /// # Safety
    /// The block was made with this size, and nobody uses it any more.
    unsafe fn free(self, size: usize) {
        match self.lead {
            // SAFETY: `start - lead` is what `alloc_zeroed` returned for this size.
            Some(lead) => unsafe {
                dealloc(self.start.sub(lead).as_ptr(), Block::memory(size));
            },
            // SAFETY: the caller's contract.
            None => unsafe { slab::give_back(self.start, size) },
        }
    }

    fn memory(size: usize) -> Memory {
        // Sizes of classes are far below the limit of a layout: `Shape` lets no larger ones in.
        Memory::from_size_align(size + alignment(size), align_of::<u128>())
            .expect("a size of a class")
    }
}

/// Where an allocation of its own begins: large ones at a huge page. What lies before is not touched.
fn alignment(size: usize) -> usize {
    if size >= slab::HUGE {
        slab::HUGE
    } else {
        ALIGN
    }
}

/// The class that holds `bytes`, and the bytes of each of its blocks.
fn class_of(bytes: usize) -> (usize, usize) {
    if bytes <= SMALLEST {
        return (0, SMALLEST);
    }
    let power = (bytes - 1).ilog2();
    let base = 1usize << power;
    let step = (base / STEPS).max(1);
    let above = (bytes - base).div_ceil(step);
    (
        (power - SMALLEST.ilog2()) as usize * STEPS + above,
        base + above * step,
    )
}

/// How many buffers the pool had to fetch from the system since the program started.
///
/// A training loop that has done its first step leaves this number unchanged.
pub fn buffers_from_system() -> u64 {
    FROM_SYSTEM.load(Ordering::Relaxed)
}

/// How many bytes the pool fetched from the system since the program started: the difference around an operation is the
/// memory that it needs at once beyond what the pool had free.
pub fn bytes_from_system() -> u64 {
    BYTES.load(Ordering::Relaxed)
}

/// Gives the memory that no tensor uses back to the system. Each thread keeps up to 8 MiB of working memory of its kernels, which
/// is not counted here.
pub fn release_unused_memory() {
    for (class, blocks) in POOL.iter().enumerate() {
        let (power, above) = (class / STEPS + SMALLEST.ilog2() as usize, class % STEPS);
        let size = (1usize << power) + above * ((1usize << power) / STEPS);
        for block in blocks.with(std::mem::take) {
            // SAFETY: every block of this class was made with exactly this size, and those in the pool have no owner.
            unsafe { block.free(size) };
        }
    }
}

/// The free blocks of one class, under a lock that is held for as long as it takes to push or pop one.
///
/// Taking the lock is one atomic exchange and giving it back a plain store: two of the four that a `Mutex` needs for a buffer's
/// life, at 8 ns each, in operations of 150 ns. A thread that finds it taken lets others run until it is not.
struct Free {
    taken: AtomicBool,
    blocks: UnsafeCell<Vec<Block>>,
}

// SAFETY: the blocks are touched by `with` only, which excludes everybody else.
unsafe impl Sync for Free {}

impl Free {
    const fn new() -> Self {
        Free {
            taken: AtomicBool::new(false),
            blocks: UnsafeCell::new(Vec::new()),
        }
    }

    /// Runs `f` on the blocks; it must not come back here.
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut Vec<Block>) -> R) -> R {
        /// Gives the lock back, if `f` panics too.
        struct Taken<'a>(&'a AtomicBool);
        impl Drop for Taken<'_> {
            #[inline]
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        while self.taken.swap(true, Ordering::Acquire) {
            std::thread::yield_now();
        }
        let _taken = Taken(&self.taken);
        // SAFETY: `taken` was false and is now ours until `_taken` is dropped: nobody else has a reference.
        f(unsafe { &mut *self.blocks.get() })
    }
}

/// A block of memory of the pool. It has no element type of its own.
#[derive(Debug)]
pub(crate) struct Buffer {
    block: Block,
    bytes: usize,
}

// SAFETY: a buffer is plain memory. Shared references only read it; writing takes `&mut`.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A buffer whose content is whatever was there before; the caller writes every element it reads.
    pub fn uninit(bytes: usize) -> Self {
        let (class, size) = class_of(bytes);
        let reused = POOL[class].with(Vec::pop);
        let block = reused.unwrap_or_else(|| Self::fetch(size));
        Buffer { block, bytes }
    }

    /// Working memory of a thread, which is not counted and does not come from what tensors left.
    pub fn working(bytes: usize) -> Self {
        let (_, size) = class_of(bytes);
        let block = Self::fetch_uncounted(size);
        Buffer { block, bytes }
    }

    #[cold]
    fn fetch(size: usize) -> Block {
        FROM_SYSTEM.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(size as u64, Ordering::Relaxed);
        Self::fetch_uncounted(size)
    }

    fn fetch_uncounted(size: usize) -> Block {
        let again = || {
            // What is free in other classes may be enough.
            release_unused_memory();
            Block::new(size)
        };
        let block = Block::new(size).or_else(again);
        block.unwrap_or_else(|| std::panic::panic_any(OutOfMemory { bytes: size }))
    }

    pub fn zeroed(bytes: usize) -> Self {
        let buffer = Self::uninit(bytes);
        // SAFETY: the block holds at least `bytes` bytes and is ours alone.
        unsafe { buffer.block.start.write_bytes(0, bytes) };
        buffer
    }

    pub fn from_slice<T: Element>(values: &[T]) -> Self {
        let mut buffer = Self::uninit(size_of_val(values));
        buffer.as_mut_slice().copy_from_slice(values);
        buffer
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn as_slice<T: Element>(&self) -> &[T] {
        // SAFETY: the block is aligned to 64, holds `bytes` initialised bytes, and any bit pattern
        // is a value of the number types; bytes of bool buffers are only ever written as 0 or 1.
        unsafe {
            std::slice::from_raw_parts(
                self.block.start.as_ptr().cast(),
                self.bytes / size_of::<T>(),
            )
        }
    }

    pub fn as_mut_slice<T: Element>(&mut self) -> &mut [T] {
        // SAFETY: as in `as_slice`, and `&mut self` makes the access exclusive.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.block.start.as_ptr().cast(),
                self.bytes / size_of::<T>(),
            )
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        POOL[class_of(self.bytes).0].with(|blocks| blocks.push(self.block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_is_asked_and_waste_little() {
        for bytes in (1..5000).chain([1 << 20, (1 << 20) + 1, 3 << 28]) {
            let (class, size) = class_of(bytes);
            assert!(size >= bytes, "{bytes} bytes in a block of {size}");
            assert!(
                size <= SMALLEST || size * 4 <= bytes * 5 + 64,
                "{bytes} bytes waste {size}"
            );
            assert_eq!(
                class_of(size),
                (class, size),
                "a block must return to its own class"
            );
        }
    }

    #[test]
    fn memory_that_is_not_there_unwinds_and_says_how_much() {
        let bytes = 1 << 46;
        let payload = std::panic::catch_unwind(|| Buffer::uninit(bytes)).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&OutOfMemory { bytes }));
        assert_eq!(Buffer::uninit(64).bytes(), 64);
    }

    #[test]
    fn blocks_have_memory_of_their_own_before_and_after_it_was_given_back() {
        let sizes = [100, 5_000, 70_001, 70_001, 3_000_000, 40_000_000, 5_000];
        for _ in 0..2 {
            let mut buffers = sizes.map(Buffer::uninit);
            for (i, buffer) in (1..).zip(&mut buffers) {
                buffer.as_mut_slice::<u32>().fill(i);
            }
            for (i, buffer) in (1..).zip(&buffers) {
                assert!(buffer.as_slice::<u32>().iter().all(|&x| x == i));
                assert!(buffer.block.start.as_ptr().addr().is_multiple_of(ALIGN));
            }
            drop(buffers);
            release_unused_memory();
        }
    }

    #[test]
    fn a_dropped_buffer_is_used_again() {
        // A size no other test uses, so that parallel tests do not take the block.
        let bytes = 777_777;
        let first = Buffer::uninit(bytes).block.start;
        assert_eq!(Buffer::uninit(bytes).block.start, first);
    }
}
