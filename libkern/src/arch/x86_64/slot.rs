//! Five words of the running core that upper layers may use, all zero when the core starts.
//!
//! For what must be found in one instruction, where a per-core variable takes three. Who uses which is said in
//! `sync::percore`.

use core::arch::asm;

use super::core_block::{self, offsets};

/// How many there are.
pub const SLOTS: usize = core_block::SLOTS;

/// Word `SLOT` of the running core. Any context; stale like [`core_id`](super::core_id).
#[inline(always)]
#[must_use]
pub fn get<const SLOT: usize>() -> usize {
    const { assert!(SLOT < SLOTS) };
    let word;
    // SAFETY: a read of this core's block.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) word, const offsets::SLOTS + SLOT * 8, options(nostack, preserves_flags, readonly))
    };
    word
}

/// Sets word `SLOT` of the running core. Any context.
#[inline(always)]
pub fn set<const SLOT: usize>(word: usize) {
    const { assert!(SLOT < SLOTS) };
    // SAFETY: the word is this core's, and means what its user says.
    unsafe {
        asm!("mov gs:[{}], {}", const offsets::SLOTS + SLOT * 8, in(reg) word, options(nostack, preserves_flags))
    };
}
