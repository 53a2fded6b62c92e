//! Who may touch a core's magazines, and the fast path.
//!
//! Only their core, and of what runs there only the outermost: code that is interrupted in the middle of changing a list
//! must not find it changed. Turning interrupts off would do, for about as much as the change itself costs. Instead, a
//! counter of the core (`HEAP` in [`sync::depth`](crate::sync::depth)) is raised on entry and lowered on exit, and who finds
//! it raised goes to the base allocator, whose lock turns interrupts off. The counter is one below zero at rest, so that
//! one instruction raises it and says whether it was: `inc; jnz`. That instruction also is what pins the code to its
//! core: whatever may move code from core to core looks at the counter first.
//!
//! ```text
//! value   meaning
//!    0    the core is not online: every call goes to the base (a fresh block's counters are zero)
//!   -1    at rest
//!    0    someone is using the magazines: 0 is what raising from rest gives
//!    1..  so is someone whom this one interrupted
//! ```

use core::ptr;

use super::list::Free;
use super::magazines::Magazines;
use crate::arch::{depth, slot};
use crate::sync::SLOT_HEAP;
use crate::sync::depth::HEAP;

/// Permission to use this core's magazines.
///
/// # Invariants
/// This one raised the core's counter from rest, and lowers it when it is dropped.
pub(super) struct Claim {
    magazines: &'static Magazines,
}

/// Whether somebody has the permission on this core, or interrupted the one who has. The core is online.
#[cfg(not(any(test, feature = "hosted")))]
pub(in crate::mem) fn is_claimed() -> bool {
    /// The counter at rest.
    const AT_REST: u8 = u8::MAX;
    depth::get::<HEAP>() != AT_REST
}

impl Claim {
    /// The permission, unless the core is not online or somebody whom this one interrupted has it.
    #[inline(always)]
    pub(super) fn new() -> Option<Self> {
        if !depth::claim::<HEAP>() {
            depth::lower::<HEAP>();
            return None;
        }
        // SAFETY: a core whose counter rests below zero is online: `core_online` set the word before it lowered the
        // counter. The code stays on the core as long as the counter is raised.
        let magazines = unsafe { &*ptr::with_exposed_provenance::<Magazines>(slot::get::<SLOT_HEAP>()) };
        // INVARIANT: raised from rest just now.
        Some(Self { magazines })
    }

    pub(super) fn magazines(&self) -> &'static Magazines {
        self.magazines
    }

    /// Takes an object of `class` from the core's list.
    #[inline(always)]
    pub(super) fn pop(&self, class: usize) -> Option<*mut u8> {
        let (list, room) = (&self.magazines.list[class], &self.magazines.room[class]);
        let object = list.get();
        if object.is_null() {
            return None;
        }
        // SAFETY: the list is the core's alone (invariant), and of what runs there, ours.
        list.set(unsafe { (*object).next });
        // INVARIANT: one object less, room for one more.
        room.set(room.get().wrapping_add(1));
        Some(object.cast())
    }

    /// Puts an object into the core's list of `class`. Says whether there was room.
    ///
    /// # Safety
    /// `object` is an object of `class`, which the caller gives up if it is put.
    #[inline(always)]
    #[must_use]
    pub(super) unsafe fn push(&self, class: usize, object: *mut u8) -> bool {
        let (list, room) = (&self.magazines.list[class], &self.magazines.room[class]);
        let left = room.get().wrapping_sub(1);
        room.set(left);
        if left < 0 {
            room.set(0);
            return false;
        }
        let object = object.cast::<Free>();
        // SAFETY: an object of a class has room for the links, and is the core's from here on.
        unsafe { (&raw mut (*object).next).write(list.get()) };
        list.set(object);
        true
    }
}

impl Drop for Claim {
    #[inline(always)]
    fn drop(&mut self) {
        depth::lower::<HEAP>();
    }
}
