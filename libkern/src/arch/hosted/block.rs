//! What each core has at a fixed place: counters, slots, the interrupt flag.
//!
//! The counterpart of the block behind GS. Only the thread that is the core touches its block, but for a test's last look,
//! so every access is relaxed.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};

use super::depth::LANES;
use super::slot::SLOTS;
use super::{MAX_CORES, core_id};

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

pub(super) fn here() -> &'static Block {
    &BLOCKS[core_id()]
}
