//! Each core's magazines: free objects that it can take and put back without asking anybody.
//!
//! # Structure
//!
//! For each class a core has a list that it takes from and puts into, and, sometimes, one full list beside it. When the
//! first runs empty the full one takes its place; when it is full it becomes the full one; only when that does not help
//! is a magazine exchanged with the depot, or objects with the base. So a core that allocates and frees in any pattern
//! shorter than a magazine meets nobody.
//!
//! # Bounds
//!
//! What a core may keep is bounded in bytes (its budget). A class counts with its magazine from the moment the
//! core uses it; when the sum would exceed the bound, other classes lose theirs, in turn.

use core::cell::Cell;
use core::ptr;

use super::base::BASE;
use super::class::{CLASSES, magazine_bytes, magazine_len};
use super::list::{Free, List};
use super::{books, depot};

/// A core's magazines.
///
/// # Invariants
/// For each class, `list` begins a list of objects that are the core's alone. A class that is in use has room for
/// `room` more objects in it, and with them it would be as long as a magazine is; one that is not has no list and no
/// room. `full` is null or begins a list as long as a magazine is. `kept` is the sum of `magazine_bytes` over the classes
/// in use and over the full lists.
#[repr(C)]
pub(super) struct Magazines {
    pub(super) list: [Cell<*mut Free>; CLASSES],
    pub(super) room: [Cell<i16>; CLASSES],
    full: [Cell<*mut Free>; CLASSES],
    in_use: Cell<u32>,
    kept: Cell<usize>,
    budget: Cell<usize>,
    /// The last request to give up what is kept that was answered.
    answered: Cell<usize>,
}

impl Magazines {
    pub(super) const fn new() -> Self {
        Self {
            list: [const { Cell::new(ptr::null_mut()) }; CLASSES],
            room: [const { Cell::new(0) }; CLASSES],
            full: [const { Cell::new(ptr::null_mut()) }; CLASSES],
            in_use: Cell::new(0),
            kept: Cell::new(0),
            budget: Cell::new(0),
            answered: Cell::new(0),
        }
    }

    /// Fills the list of `class`, which is empty, as far as there is memory.
    pub(super) fn refill(&self, class: usize) {
        let len = magazine_len(class, books::shift());
        self.begin_to_use(class);
        let full = self.full[class].replace(ptr::null_mut());
        let (list, count) = if !full.is_null() {
            self.keep(-(magazine_bytes(class, books::shift()) as isize));
            (full, len)
        } else if let Some(magazine) = depot::fetch(class) {
            (magazine, len)
        } else {
            let list = BASE.lock().take_list(class, len);
            let count = list.len();
            (list.into_raw(), count)
        };
        // INVARIANT: a list of `count` objects, ours, and room for the rest of a magazine.
        self.list[class].set(list);
        self.room[class].set((len - count) as i16);
    }

    /// Makes room in the list of `class`, which is as long as it may be.
    pub(super) fn make_room(&self, class: usize) {
        let (len, bytes) = (magazine_len(class, books::shift()), magazine_bytes(class, books::shift()));
        if self.begin_to_use(class) {
            return;
        }
        let list = self.list[class].replace(ptr::null_mut());
        // INVARIANT: the list, as long as a magazine because there was no room, goes as a whole.
        self.room[class].set(len as i16);
        if self.full[class].get().is_null() && self.kept.get() + bytes <= self.budget.get() {
            self.full[class].set(list);
            self.keep(bytes as isize);
            return;
        }
        // SAFETY: objects of the class, as many as a magazine has, which are nobody's now.
        unsafe {
            if let Err(list) = depot::leave(class, list, books::shift()) {
                BASE.lock().give_list(class, List::from_raw(list, len));
            }
        }
    }

    /// Brings a class into use, if it is not, with an empty list, and says whether it was not.
    fn begin_to_use(&self, class: usize) -> bool {
        let mask = 1 << class;
        if self.in_use.get() & mask != 0 {
            return false;
        }
        let bytes = magazine_bytes(class, books::shift());
        let mut others = (class + 1..CLASSES).chain(0..class);
        while self.kept.get() + bytes > self.budget.get() {
            let Some(other) = others.next() else { break };
            self.cease_to_use(other);
        }
        // INVARIANT: counted; no objects, and room for a magazine of them.
        self.in_use.set(self.in_use.get() | mask);
        self.room[class].set(magazine_len(class, books::shift()) as i16);
        self.keep(bytes as isize);
        true
    }

    /// Takes a class out of use, if it is in use, and gives its objects to the base.
    fn cease_to_use(&self, class: usize) {
        let mask = 1 << class;
        if self.in_use.get() & mask == 0 {
            return;
        }
        let (len, bytes) = (magazine_len(class, books::shift()), magazine_bytes(class, books::shift()) as isize);
        let list = self.list[class].replace(ptr::null_mut());
        let room = self.room[class].replace(0);
        let full = self.full[class].replace(ptr::null_mut());
        // INVARIANT: no list, no room, not counted.
        self.in_use.set(self.in_use.get() & !mask);
        self.keep(-bytes);
        let mut base = BASE.lock();
        // SAFETY: the lists were the core's alone, and are nobody's now; their lengths are as the invariant says.
        unsafe {
            base.give_list(class, List::from_raw(list, len - room as usize));
            if !full.is_null() {
                base.give_list(class, List::from_raw(full, len));
            }
        }
        drop(base);
        if !full.is_null() {
            self.keep(-bytes);
        }
    }

    /// Gives everything to the base, in answer to request number `asked`.
    pub(super) fn empty(&self, asked: usize) {
        self.answered.set(asked);
        (0..CLASSES).for_each(|class| self.cease_to_use(class));
    }

    /// Gives everything to the base if that has been asked for since it was last done.
    pub(super) fn answer(&self) {
        let asked = books::asked();
        if self.answered.get() != asked {
            self.empty(asked);
        }
    }

    /// Bounds what may be kept, in bytes.
    pub(super) fn set_budget(&self, bytes: usize) {
        self.budget.set(bytes);
    }

    fn keep(&self, bytes: isize) {
        let kept = self.kept.get().wrapping_add_signed(bytes);
        self.kept.set(kept);
        books::note_kept(kept);
    }
}
