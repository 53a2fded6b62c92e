//! What each core has at a fixed place: counters, slots, the interrupt flag.
//!
//! The counterpart of the block behind GS. Only the thread that is the core touches its block, but for a test's last look,
//! so every access is relaxed.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};

use super::MAX_CORES;

/// How many one-byte counters a block has. See `depth`.
pub(super) const LANES: usize = 8;

/// How many words for upper layers a block has. See `slot`.
pub(super) const SLOTS: usize = 5;

pub(super) struct Block {
    pub(super) lanes: [AtomicU8; LANES],
    pub(super) slots: [AtomicUsize; SLOTS],
    pub(super) interrupts_on: AtomicBool,
}

static BLOCKS: [Block; MAX_CORES] = [const {
    Block {
        lanes: [const { AtomicU8::new(0) }; LANES],
        slots: [const { AtomicUsize::new(0) }; SLOTS],
        interrupts_on: AtomicBool::new(true),
    }
}; MAX_CORES];

impl Block {
    /// What a core finds that starts: in the first half of its counters, which keep it from blocking, nothing; and
    /// interrupts on. A thread that panicked may have left something else behind.
    fn start(&self) {
        self.lanes[..LANES / 2].iter().for_each(|lane| lane.store(0, Relaxed));
        self.interrupts_on.store(true, Relaxed);
    }
}

/// Says that a thread becomes `core`.
pub(super) fn start(core: usize) {
    BLOCKS[core].start();
}

/// The block of `core`.
pub(super) fn of(core: usize) -> &'static Block {
    &BLOCKS[core]
}
