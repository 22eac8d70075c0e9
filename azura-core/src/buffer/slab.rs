//! Blocks cut from slabs of huge pages (Linux).
//!
//! A page of 4 KiB lies anywhere in the memory of the machine, so parts of a matrix compete for places in the caches, more or less
//! of them from one run to the next, and kernels wait for addresses. In pages of 2 MiB a training step of a small GPT took 35 ms
//! where it took 40 to 81 without, one of a CNN 33 instead of 42 to 53.

/// A huge page.
pub(super) const HUGE: usize = 2 << 20;

#[cfg(target_os = "linux")]
mod linux {
    use super::HUGE;
    use crate::buffer::ALIGN;
    use std::alloc::{Layout, alloc_zeroed};
    use std::collections::BTreeMap;
    use std::ptr::{NonNull, with_exposed_provenance_mut};
    use std::sync::{Mutex, PoisonError};

    /// Sizes that are cut from slabs: smaller ones are not worth it, and larger ones have huge pages of their own, which go back to
    /// the system as a whole.
    const SMALLEST: usize = 4 << 10;
    const LARGEST: usize = 8 << 20;

    /// Bytes of a slab. Only what is touched takes memory.
    const SLAB: usize = 32 << 20;

    /// What separates two blocks: blocks of whole pages would all begin at the same place of a page, and share places in the
    /// first-level cache.
    const GAP: usize = ALIGN;

    /// All slabs. They stay for as long as the program does; what is given back gives up its pages and keeps its addresses.
    struct Slabs {
        /// The part of the last slab that nothing was cut from.
        next: usize,
        end: usize,
        /// Addresses of blocks that were given back, by their size.
        returned: BTreeMap<usize, Vec<usize>>,
    }

    static SLABS: Mutex<Slabs> = Mutex::new(Slabs {
        next: 0,
        end: 0,
        returned: BTreeMap::new(),
    });

    /// Memory that nobody has and whose bytes are initialised; none if it is not of a size for slabs, or there is none.
    pub(in crate::buffer) fn cut(size: usize) -> Option<NonNull<u8>> {
        if !(SMALLEST..=LARGEST).contains(&size) {
            return None;
        }
        let mut slabs = SLABS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(start) = slabs.returned.get_mut(&size).and_then(Vec::pop) {
            return NonNull::new(with_exposed_provenance_mut(start));
        }
        let needed = (size + GAP).next_multiple_of(GAP);
        if slabs.end - slabs.next < needed {
            // What is left of the last one was never touched.
            let layout = Layout::from_size_align(SLAB + HUGE, align_of::<u128>()).ok()?;
            // SAFETY: the size is not 0.
            let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
            slabs.next = memory.as_ptr().expose_provenance().next_multiple_of(HUGE);
            slabs.end = slabs.next + SLAB;
            let first = NonNull::new(with_exposed_provenance_mut(slabs.next))?;
            ask_for_huge_pages(first, SLAB);
        }
        let start = slabs.next;
        slabs.next += needed;
        NonNull::new(with_exposed_provenance_mut(start))
    }

    /// # Safety
    /// The block was cut with this size, and nobody uses it any more.
    pub(in crate::buffer) unsafe fn give_back(start: NonNull<u8>, size: usize) {
        const PAGE: usize = 4096;
        let start = start.as_ptr().expose_provenance();
        let first = start.next_multiple_of(PAGE);
        let bytes = ((start + size) / PAGE * PAGE).saturating_sub(first);
        // SAFETY: whole pages of a block that nobody uses: private memory, which is zero when it is touched again.
        unsafe {
            libc::madvise(
                with_exposed_provenance_mut(first),
                bytes,
                libc::MADV_DONTNEED,
            );
        }
        let mut slabs = SLABS.lock().unwrap_or_else(PoisonError::into_inner);
        slabs.returned.entry(size).or_default().push(start);
    }

    /// Asks for huge pages from `first` on, which begins one.
    pub(in crate::buffer) fn ask_for_huge_pages(first: NonNull<u8>, bytes: usize) {
        // SAFETY: advice changes neither what the memory holds nor who may use it; the pages are those of the allocation. If the
        // system knows no such advice, or has other pages, nothing happens.
        unsafe {
            libc::madvise(first.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE);
        }
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::{ask_for_huge_pages, cut, give_back};

/// No slabs here.
#[cfg(not(target_os = "linux"))]
mod other {
    use std::ptr::NonNull;

    pub(in crate::buffer) fn cut(_: usize) -> Option<NonNull<u8>> {
        None
    }

    /// # Safety
    /// Never called: nothing is cut.
    pub(in crate::buffer) unsafe fn give_back(_: NonNull<u8>, _: usize) {}

    pub(in crate::buffer) fn ask_for_huge_pages(_: NonNull<u8>, _: usize) {}
}

#[cfg(not(target_os = "linux"))]
pub(super) use other::{ask_for_huge_pages, cut, give_back};
