//! The heap of an isolated process: what `alloc` allocates from, by [`program!`](crate::program).
//!
//! `talc` manages it. This module fetches memory for it, [`GROWTH`] bytes or what is asked for, which takes frames only where
//! it is touched, and stays the heap's. Where none is to be had, an allocation fails; what the program cannot do without, it
//! panics for.
//!
//! # Hazards
//!
//! *A handler of faults allocates, and the fault was the allocator's.* It would wait for itself. So the heap's lock waits for
//! nobody: it panics, which ends the process.

use core::alloc::Layout;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use lock_api::{GuardNoSend, RawMutex};
use mcp_abi::process::PAGE_LEN;
use talc::TalcLock;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;

use crate::memory::{self, Rights};

/// How many bytes of addresses are mapped at a time, at least.
const GROWTH: usize = 256 << 10;

/// What a heap's own words take at most, the first one's and those of a further part.
const OVERHEAD: usize = PAGE_LEN;

/// A heap. There is one in a program.
pub type Heap = TalcLock<Exclusive, Fresh>;

/// An empty one.
#[must_use]
pub const fn new() -> Heap {
    TalcLock::new(Fresh)
}

/// Memory that nobody has used.
#[derive(Debug)]
pub struct Fresh;

// SAFETY: it touches the heap by `talc` only, and mapping memory does not allocate.
unsafe impl Source for Fresh {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let wanted = layout.size().checked_add(layout.align() + OVERHEAD).ok_or(())?;
        let len = wanted.max(GROWTH).checked_next_multiple_of(PAGE_LEN).ok_or(())?;
        let start = memory::map(len, Rights::ReadWrite).map_err(drop)?;
        // SAFETY: mapped just now, and nobody else's.
        unsafe { talc.claim(ptr::with_exposed_provenance_mut(start), len) }.map(drop).ok_or(())
    }
}

/// The lock: see the hazard above.
#[derive(Debug)]
pub struct Exclusive(AtomicBool);

// SAFETY: whoever finds it locked does not go on.
unsafe impl RawMutex for Exclusive {
    const INIT: Self = Self(AtomicBool::new(false));
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        assert!(self.try_lock(), "an allocation in the handler of a fault that came in the allocator");
    }

    fn try_lock(&self) -> bool {
        !self.0.swap(true, Ordering::Acquire)
    }

    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}
