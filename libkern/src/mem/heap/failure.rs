//! The last allocation that failed, for the report.

use core::alloc::Layout;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The size and the alignment of the last object for which there was no memory; zero if there was none.
static FAILED: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

/// Notes that there was no memory. Null, for the caller to return.
#[cold]
pub(super) fn failed(layout: Layout) -> *mut u8 {
    // Relaxed: for the report only, which may mix up two failures of the same moment.
    FAILED[0].store(layout.size(), Ordering::Relaxed);
    FAILED[1].store(layout.align(), Ordering::Relaxed);
    ptr::null_mut()
}

/// The last object for which there was no memory.
pub(in crate::mem) fn last_failure() -> Option<Layout> {
    let [size, align] = FAILED.each_ref().map(|word| word.load(Ordering::Relaxed));
    Layout::from_size_align(size, align).ok().filter(|_| size > 0)
}
