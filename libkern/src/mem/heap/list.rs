//! Free objects, linked through themselves.
//!
//! A magazine is such a list. It needs no memory of its own, so that a core's magazines are a few hundred bytes however
//! much they hold, and handing a full one over is handing over a pointer. The price is that freeing writes to the object
//! and taking reads from it: to the line that the last owner used last and the next one will use first.

use core::ptr;

/// What a free object begins with.
pub(super) struct Free {
    /// The next object of the same list.
    pub(super) next: *mut Free,
    /// In the first object of a list in a depot: the first object of the next list.
    pub(super) next_list: *mut Free,
}

const _: () = assert!(size_of::<Free>() <= super::class::size_of_class(0), "every object has room for the links");

/// A list of free objects of one class, and its length.
///
/// # Invariants
/// The objects belong to the list alone, and there are `len` of them.
#[derive(Debug)]
pub(super) struct List {
    first: *mut Free,
    len: usize,
}

impl List {
    pub(super) const fn new() -> Self {
        Self { first: ptr::null_mut(), len: 0 }
    }

    /// A list of objects that are linked already.
    ///
    /// # Safety
    /// `first` is null or begins a list of `len` objects that belong to the caller, who gives them up.
    pub(super) unsafe fn from_raw(first: *mut Free, len: usize) -> Self {
        Self { first, len }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The first object: the list is the caller's to keep together.
    pub(super) fn into_raw(self) -> *mut Free {
        self.first
    }

    /// # Safety
    /// `object` is an object of the list's class that the caller gives up.
    pub(super) unsafe fn push(&mut self, object: *mut u8) {
        let object = object.cast::<Free>();
        // SAFETY: the object is ours from here on, long enough and aligned for the links, as all objects of classes are.
        unsafe { (&raw mut (*object).next).write(self.first) };
        self.first = object;
        self.len += 1;
    }

    pub(super) fn pop(&mut self) -> Option<*mut u8> {
        if self.len == 0 {
            return None;
        }
        let object = self.first;
        // SAFETY: the list is not empty, and its objects are its own (invariant of the type).
        self.first = unsafe { (*object).next };
        self.len -= 1;
        Some(object.cast())
    }
}
