//! What all cores' magazines have in common: how long they are, what they hold in all, and whether somebody wants it.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::sync::{Entry, Registry, per_core};

/// How often cores have been asked to empty their magazines.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// By how many bits magazines are shorter than they could be. Set before the first core has any.
static SHIFT: AtomicU32 = AtomicU32::new(0);

/// What each core may have in its magazines, in bytes, for reports.
static KEPT: Registry<AtomicUsize> = Registry::new();

per_core! {
    static KEPT_HERE: Entry<AtomicUsize> = Entry::new(AtomicUsize::new(0));
}

/// Takes the running core into the books, and says how many there are then. The first one decides by how many bits
/// magazines are shorter than they could be.
pub(super) fn enter_core(shift: u32) -> usize {
    if KEPT.iter().next().is_none() {
        SHIFT.store(shift, Ordering::Relaxed);
    }
    // SAFETY: shared between cores, which is what the entry is for.
    KEPT.enter(unsafe { KEPT_HERE.get_unguarded() });
    KEPT.iter().count()
}

/// What the cores may have in their magazines, in bytes: an upper bound.
pub(in crate::mem) fn kept_bytes() -> usize {
    KEPT.iter().map(|kept| kept.load(Ordering::Relaxed)).sum()
}

/// Asks all cores to empty their magazines, and says how often that has been done.
pub(super) fn ask() -> usize {
    // Relaxed: a hint. Who misses it now sees it at the next exchange.
    ASKED.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
}

/// How often cores have been asked.
pub(super) fn asked() -> usize {
    // Relaxed: a hint, see `ask`.
    ASKED.load(Ordering::Relaxed)
}

/// Notes for reports what this core may have in its magazines now.
pub(super) fn note_kept(bytes: usize) {
    // SAFETY: shared between cores. Relaxed: a figure for reports.
    unsafe { KEPT_HERE.get_unguarded() }.store(bytes, Ordering::Relaxed);
}

/// By how many bits magazines are shorter than they could be.
pub(super) fn shift() -> u32 {
    // Relaxed: set before the first core had magazines.
    SHIFT.load(Ordering::Relaxed)
}
