//! Blocks cut from slabs of huge pages (Linux).
//!
//! A page of 4 KiB lies anywhere in the memory of the machine, so parts of a matrix compete for places in the caches, more or less
//! of them from one run to the next, and kernels wait for addresses. In pages of 2 MiB a training step of a small GPT took 35 ms
//! where it took 40 to 80 without, one of a CNN 33 instead of 42 to 53.

#[cfg(not(target_os = "linux"))]
use std::ptr::NonNull;

/// Sizes that are cut from slabs: smaller ones are not worth it.
#[cfg(target_os = "linux")]
const SMALLEST: usize = 4 << 10;

/// A huge page.
#[cfg(target_os = "linux")]
const HUGE: usize = 2 << 20;

/// Bytes of a slab, and more for a block that needs more. Only what is touched takes memory.
#[cfg(target_os = "linux")]
const SLAB: usize = 32 << 20;

/// What separates two blocks: blocks of whole pages would all begin at the same place of a page, and share places in the first-level
/// cache.
#[cfg(target_os = "linux")]
const GAP: usize = super::ALIGN;

#[cfg(target_os = "linux")]
mod linux {
    use super::{GAP, HUGE, SLAB, SMALLEST};
    use std::alloc::{Layout, alloc_zeroed};
    use std::collections::HashMap;
    use std::ptr::NonNull;
    use std::sync::{Mutex, PoisonError};

    /// All slabs. They stay for as long as the program does; what is given back gives up its pages and keeps its addresses.
    struct Slabs {
        /// The part of the last slab that nothing was cut from.
        next: usize,
        end: usize,
        /// Addresses of blocks that were given back, by their size.
        returned: Option<HashMap<usize, Vec<usize>>>,
    }

    static SLABS: Mutex<Slabs> = Mutex::new(Slabs {
        next: 0,
        end: 0,
        returned: None,
    });

    pub(in crate::buffer) fn cut(size: usize) -> Option<NonNull<u8>> {
        if size < SMALLEST {
            return None;
        }
        let mut slabs = SLABS.lock().unwrap_or_else(PoisonError::into_inner);
        let returned = slabs.returned.as_mut().and_then(|all| all.get_mut(&size));
        if let Some(start) = returned.and_then(Vec::pop) {
            return NonNull::new(std::ptr::with_exposed_provenance_mut(start));
        }
        let needed = size + GAP;
        if slabs.end - slabs.next < needed {
            // What is left of the last one was never touched.
            let bytes = needed.next_multiple_of(HUGE).max(SLAB);
            let layout = Layout::from_size_align(bytes + HUGE, align_of::<u128>()).ok()?;
            // SAFETY: the size is not 0.
            let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
            let first = memory.as_ptr().expose_provenance();
            slabs.next = first.next_multiple_of(HUGE);
            slabs.end = slabs.next + bytes;
            // SAFETY: advice changes neither what the memory holds nor who may use it; the pages are those of the allocation. If the system
            // knows no such advice, or has other pages, nothing happens.
            unsafe {
                let first = std::ptr::with_exposed_provenance_mut(slabs.next);
                libc::madvise(first, bytes, libc::MADV_HUGEPAGE);
            }
        }
        let start = slabs.next;
        slabs.next += needed.next_multiple_of(GAP);
        NonNull::new(std::ptr::with_exposed_provenance_mut(start))
    }

    /// # Safety
    /// The block was cut with this size, and nobody uses it any more.
    pub(in crate::buffer) unsafe fn give_back(start: NonNull<u8>, size: usize) {
        const PAGE: usize = 4096;
        let start = start.as_ptr().expose_provenance();
        let (first, end) = (start.next_multiple_of(PAGE), (start + size) / PAGE * PAGE);
        if first < end {
            // SAFETY: whole pages of a block that nobody uses: private memory, which is zero when it is touched again.
            unsafe {
                let first = std::ptr::with_exposed_provenance_mut(first);
                libc::madvise(first, end - (first as usize), libc::MADV_DONTNEED);
            }
        }
        let mut slabs = SLABS.lock().unwrap_or_else(PoisonError::into_inner);
        let returned = slabs.returned.get_or_insert_default();
        returned.entry(size).or_default().push(start);
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::{cut, give_back};

/// No slabs here.
#[cfg(not(target_os = "linux"))]
pub(super) fn cut(_: usize) -> Option<NonNull<u8>> {
    None
}

/// # Safety
/// Never called: nothing is cut.
#[cfg(not(target_os = "linux"))]
pub(super) unsafe fn give_back(_: NonNull<u8>, _: usize) {}
