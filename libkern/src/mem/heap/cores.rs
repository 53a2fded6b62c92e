//! What the cores keep together: how much each may, and how it comes back.
//!
//! When memory runs out, whoever needs it empties its own magazines and all depots, and *asks* the other cores to
//! empty theirs, by raising a count ([`books::ask`]): they see it when they next exchange a magazine or go idle. Taking from them by
//! force would need a lock in the fast path, a locked instruction for each operation of every core of every day, to save
//! at most the budget of each core that is busy elsewhere on the one day when memory runs out.

use core::ops::RangeInclusive;
use core::ptr;

use super::base::BASE;
use super::books;
use super::claim::Claim;
use super::class::{CLASSES, magazine_len};
use super::depot;
use super::magazines::Magazines;
use crate::arch::{depth, slot};
use crate::sync::depth::HEAP;
use crate::sync::{SLOT_HEAP, per_core, without_interrupts};

/// What a core may keep at least and at most, in bytes.
const BUDGET: RangeInclusive<usize> = 16 * 1024..=128 * 1024;

/// On machines with less memory than this, magazines are a quarter as long.
const SMALL_MACHINE: usize = 32 << 20;

per_core! {
    static MAGAZINES: Magazines = Magazines::new();
}

/// Lets the running core use magazines. Once for each core, when it has its own per-core variables; again is harmless.
pub(in crate::mem) fn core_online(total_bytes: usize) {
    without_interrupts(|off| {
        if slot::get::<SLOT_HEAP>() != 0 {
            return;
        }
        let cores = books::enter_core(if total_bytes < SMALL_MACHINE { 2 } else { 0 });
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

/// Objects of `class` that are in its depot.
pub(super) fn in_depot(class: usize) -> usize {
    depot::magazines(class) * magazine_len(class, books::shift())
}

/// As [`trim`], for one who has the claim already, or cannot have it.
pub(super) fn give_back(claim: Option<&Claim>) {
    let asked = books::ask();
    if let Some(claim) = claim {
        claim.magazines().empty(asked);
    }
    for class in 0..CLASSES {
        for list in depot::fetch_all(class, magazine_len(class, books::shift())) {
            // SAFETY: objects of the class that were in the depot, and are ours.
            unsafe { BASE.lock().give_list(class, list) };
        }
    }
}
