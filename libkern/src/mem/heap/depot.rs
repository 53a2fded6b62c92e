//! Full magazines that no core has now: one depot for each class.
//!
//! Cores that free more than they allocate leave full magazines here, and cores that allocate more than they free fetch
//! them: one lock and a few instructions for a whole magazine.

use core::ptr;

use super::class::{CLASSES, magazine_bytes};
use super::list::{Free, List};
use crate::sync::IrqSpinLock;

/// What a depot may hold, in bytes, on a machine with plenty of memory.
const DEPOT_BYTES: usize = 64 * 1024;

/// Padded, so that two classes' locks share no line.
#[repr(align(64))]
struct Depot(IrqSpinLock<Full>);

/// # Invariants
/// `first` begins a list, by `next_list`, of `magazines` lists, each as long as a magazine of the class is. They belong
/// to the depot alone.
struct Full {
    first: *mut Free,
    magazines: usize,
}

// SAFETY: the objects belong to the depot alone (invariant of the type), whichever core it is that uses it.
unsafe impl Send for Full {}

static DEPOTS: [Depot; CLASSES] =
    [const { Depot(IrqSpinLock::new("heap depot", Full { first: ptr::null_mut(), magazines: 0 })) }; CLASSES];

/// Leaves a full magazine, or gives it back if there are enough.
///
/// # Safety
/// `magazine` begins a list of objects of `class`, as long as a magazine is, which the caller gives up.
pub(super) unsafe fn leave(class: usize, magazine: *mut Free, shift: u32) -> Result<(), *mut Free> {
    let mut depot = DEPOTS[class].0.lock();
    if depot.magazines >= ((DEPOT_BYTES >> shift) / magazine_bytes(class, shift)).max(4) {
        return Err(magazine);
    }
    // SAFETY: the first object of a list that is now the depot's.
    unsafe { (&raw mut (*magazine).next_list).write(depot.first) };
    // INVARIANT: the caller vouches for the length, and gave the objects up.
    depot.first = magazine;
    depot.magazines += 1;
    Ok(())
}

/// Fetches a full magazine, if there is one. It is the caller's.
pub(super) fn fetch(class: usize) -> Option<*mut Free> {
    let mut depot = DEPOTS[class].0.lock();
    let magazine = depot.first;
    if magazine.is_null() {
        return None;
    }
    // SAFETY: the list is the depot's (invariant of the type).
    depot.first = unsafe { (*magazine).next_list };
    depot.magazines -= 1;
    Some(magazine)
}

/// Fetches all that there is, as lists of `len` objects each.
pub(super) fn fetch_all(class: usize, len: usize) -> impl Iterator<Item = List> {
    core::iter::from_fn(move || {
        let magazine = fetch(class)?;
        // SAFETY: it is ours now, and as long as a magazine is (invariant of the depot).
        Some(unsafe { List::from_raw(magazine, len) })
    })
}

/// How many magazines there are. Zero if the lock is taken: for reports.
pub(super) fn magazines(class: usize) -> usize {
    DEPOTS[class].0.try_lock().map_or(0, |depot| depot.magazines)
}
