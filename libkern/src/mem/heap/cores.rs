//! What the cores keep together: how much each may, and how it comes back.
//!
//! When memory runs out, whoever needs it empties its own magazines and all depots, and *asks* the other cores to
//! empty theirs, by raising [`ASKED`]: they see it when they next exchange a magazine or go idle. Taking from them by
//! force would need a lock in the fast path, a locked instruction for each operation of every core of every day, to save
//! at most the budget of each core that is busy elsewhere on the one day when memory runs out.

use core::ops::RangeInclusive;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::base::BASE;
use super::claim::Claim;
use super::class::{CLASSES, magazine_len};
use super::depot;
use super::magazines::Magazines;
use crate::arch::{depth, slot};
use crate::sync::depth::HEAP;
use crate::sync::{Entry, Registry, SLOT_HEAP, per_core, without_interrupts};

/// What a core may keep at least and at most, in bytes.
const BUDGET: RangeInclusive<usize> = 16 * 1024..=128 * 1024;

/// On machines with less memory than this, magazines are a quarter as long.
const SMALL_MACHINE: usize = 32 << 20;

/// How often cores have been asked to empty their magazines.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// By how many bits magazines are shorter than they could be. Set before the first core has any.
static SHIFT: AtomicU32 = AtomicU32::new(0);

/// What each core may have in its magazines, in bytes, for reports.
static KEPT: Registry<AtomicUsize> = Registry::new();

per_core! {
    static MAGAZINES: Magazines = Magazines::new();
    static KEPT_HERE: Entry<AtomicUsize> = Entry::new(AtomicUsize::new(0));
}

/// Lets the running core use magazines. Once for each core, when it has its own per-core variables; again is harmless.
pub(in crate::mem) fn core_online(total_bytes: usize) {
    without_interrupts(|off| {
        if slot::get::<SLOT_HEAP>() != 0 {
            return;
        }
        if KEPT.iter().next().is_none() {
            SHIFT.store(if total_bytes < SMALL_MACHINE { 2 } else { 0 }, Ordering::Relaxed);
        }
        // SAFETY: shared between cores, which is what the entry is for.
        KEPT.enter(unsafe { KEPT_HERE.get_unguarded() });
        let cores = KEPT.iter().count();
        MAGAZINES.with(off, |magazines| {
            magazines.set_budget((total_bytes / 64 / cores).clamp(*BUDGET.start(), *BUDGET.end()));
            slot::set::<SLOT_HEAP>(ptr::from_ref(magazines).expose_provenance());
        });
        // From zero, where the counter is when the core starts.
        depth::lower::<HEAP>();
    });
}

/// Empties this core's magazines and all depots, and asks the other cores to empty theirs.
pub(in crate::mem) fn trim() {
    give_back(Claim::new().as_ref());
}

/// Empties this core's magazines if that has been asked for since it last did. For a core that is about to go idle.
pub(in crate::mem) fn answer() {
    if let Some(claim) = Claim::new() {
        claim.magazines().answer();
    }
}

/// What the cores may have in their magazines, in bytes: an upper bound.
pub(in crate::mem) fn kept_bytes() -> usize {
    KEPT.iter().map(|kept| kept.load(Ordering::Relaxed)).sum()
}

/// Objects of `class` that are in its depot.
pub(super) fn in_depot(class: usize) -> usize {
    depot::magazines(class) * magazine_len(class, shift())
}

/// As [`trim`], for one who has the claim already, or cannot have it.
pub(super) fn give_back(claim: Option<&Claim>) {
    // Relaxed: a hint. Who misses it now sees it at the next exchange.
    let asked = ASKED.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    if let Some(claim) = claim {
        claim.magazines().empty(asked);
    }
    for class in 0..CLASSES {
        for list in depot::fetch_all(class, magazine_len(class, shift())) {
            // SAFETY: objects of the class that were in the depot, and are ours.
            unsafe { BASE.lock().give_list(class, list) };
        }
    }
}

/// How often cores have been asked.
pub(super) fn asked() -> usize {
    // Relaxed: a hint, see `give_back`.
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
