//! Frames before there is a frame allocator: cut one after the other from the end of the largest free region below 4 GiB.
//!
//! Only the boot processor uses it. What it has given away is claimed in the memory map before the allocator gets
//! the rest.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::arch::PAGE_SIZE;
use crate::bootinfo::{Kind, MemoryMap};

/// Physical addresses: the lowest that may be given, and the end of what is left.
static START: AtomicU64 = AtomicU64::new(0);
static NEXT: AtomicU64 = AtomicU64::new(0);
static END: AtomicU64 = AtomicU64::new(0);

/// What `boot.s` maps.
const MAPPED: u64 = 4 << 30;

/// Chooses the region.
pub(super) fn begin(memory: &MemoryMap) {
    let region = memory.usable().filter(|region| region.end <= MAPPED).max_by_key(|region| region.len_bytes());
    if let Some(region) = region {
        START.store(region.start, Ordering::Relaxed);
        NEXT.store(region.end, Ordering::Relaxed);
        END.store(region.end, Ordering::Relaxed);
    }
}

/// One frame.
pub(super) fn take() -> Option<u64> {
    let next = NEXT.load(Ordering::Relaxed);
    let frame = next.checked_sub(PAGE_SIZE as u64)?;
    (frame >= START.load(Ordering::Relaxed) && next != 0).then(|| {
        NEXT.store(frame, Ordering::Relaxed);
        frame
    })
}

/// Claims in the map what was taken. Nothing can be taken afterwards. Gives the number of frames.
pub(super) fn end(memory: &mut MemoryMap) -> usize {
    let (next, end) = (NEXT.swap(0, Ordering::Relaxed), END.load(Ordering::Relaxed));
    memory.claim(next, end, Kind::Image);
    ((end - next) / PAGE_SIZE as u64) as usize
}
