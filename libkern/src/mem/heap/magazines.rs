//! Each core's magazines: free objects that it can take and put back without asking anybody.
//!
//! # Structure
//!
//! For each class a core has a list that it takes from and puts into, and, sometimes, one full list beside it. When the
//! first runs empty the full one takes its place; when it is full it becomes the full one; only when that does not help
//! is a magazine exchanged with the depot, or objects with the base. So a core that allocates and frees in any pattern
//! shorter than a magazine meets nobody.
//!
//! # Who may touch them
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
//!
//! # Bounds
//!
//! What a core may keep is bounded in bytes ([`Magazines::budget`]). A class counts with its magazine from the moment the
//! core uses it; when the sum would exceed the bound, other classes lose theirs, in turn.
//!
//! # Giving back
//!
//! When memory runs out, whoever needs it empties its own magazines and all depots, and *asks* the other cores to
//! empty theirs, by raising [`ASKED`]: they see it when they next exchange a magazine or go idle. Taking from them by
//! force would need a lock in the fast path, a locked instruction for each operation of every core of every day, to save
//! at most the budget of each core that is busy elsewhere on the one day when memory runs out.

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::base::BASE;
use super::class::{CLASSES, magazine_bytes, magazine_len};
use super::list::{Free, List};
use super::{depot, failed};
use crate::arch::{depth, slot};
use crate::sync::depth::HEAP;
use crate::sync::{Entry, Registry, SLOT_HEAP, per_core, without_interrupts};

/// What a core may keep at least and at most, in bytes.
const BUDGET: core::ops::RangeInclusive<usize> = 16 * 1024..=128 * 1024;

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

/// A core's magazines.
///
/// # Invariants
/// For each class, `list` begins a list of objects that are the core's alone. A class that is in use has room for
/// `room` more objects in it, and with them it would be as long as a magazine is; one that is not has no list and no
/// room. `full` is null or begins a list as long as a magazine is. `kept` is the sum of `magazine_bytes` over the classes
/// in use and over the full lists.
#[repr(C)]
pub(super) struct Magazines {
    list: [Cell<*mut Free>; CLASSES],
    room: [Cell<i16>; CLASSES],
    full: [Cell<*mut Free>; CLASSES],
    in_use: Cell<u32>,
    kept: Cell<usize>,
    budget: Cell<usize>,
    /// The value of [`ASKED`] that this core has answered.
    answered: Cell<usize>,
}

/// Permission to use this core's magazines.
///
/// # Invariants
/// This one raised the core's counter from rest, and lowers it when it is dropped.
pub(super) struct Claim {
    magazines: &'static Magazines,
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

/// An object of `class`, when the core's list is empty. Null if there is no memory anywhere.
#[cold]
#[inline(never)]
pub(super) fn refill(claim: Claim, class: usize) -> *mut u8 {
    let magazines = claim.magazines;
    magazines.answer();
    magazines.refill(class);
    let object = claim.pop(class).or_else(|| {
        give_back(Some(&claim));
        magazines.refill(class);
        claim.pop(class)
    });
    object.unwrap_or_else(|| failed(class_layout(class)))
}

/// Frees an object of `class`, when there is no room in the core's list.
///
/// # Safety
/// `object` is an object of `class` that the caller gives up.
#[cold]
#[inline(never)]
pub(super) unsafe fn flush(claim: Claim, class: usize, object: *mut u8) {
    claim.magazines.answer();
    claim.magazines.make_room(class);
    // SAFETY: the caller's word.
    let put = unsafe { claim.push(class, object) };
    assert!(put, "a magazine that was emptied has room");
}

/// Frees an object of `class` for code that may not use the magazines.
///
/// # Safety
/// `object` is an object of `class` that the caller gives up.
#[cold]
#[inline(never)]
pub(super) unsafe fn give_to_base(class: usize, object: *mut u8) {
    // SAFETY: the caller's word.
    unsafe { BASE.lock().give(class, object) };
}

/// Lets the running core use magazines. Once for each core, when it has its own per-core variables; again is harmless.
pub(super) fn core_online(total_bytes: usize) {
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
            magazines.budget.set((total_bytes / 64 / cores).clamp(*BUDGET.start(), *BUDGET.end()));
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
        claim.magazines.answer();
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

fn give_back(claim: Option<&Claim>) {
    // Relaxed: a hint. Who misses it now sees it at the next exchange.
    let asked = ASKED.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    if let Some(claim) = claim {
        claim.magazines.empty();
        claim.magazines.answered.set(asked);
    }
    for class in 0..CLASSES {
        for list in depot::fetch_all(class, magazine_len(class, shift())) {
            // SAFETY: objects of the class that were in the depot, and are ours.
            unsafe { BASE.lock().give_list(class, list) };
        }
    }
}

fn shift() -> u32 {
    // Relaxed: set before the first core had magazines.
    SHIFT.load(Ordering::Relaxed)
}

fn class_layout(class: usize) -> Layout {
    Layout::from_size_align(super::class::size_of_class(class), 1).expect("sizes of classes are small")
}

impl Magazines {
    const fn new() -> Self {
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
    fn refill(&self, class: usize) {
        let len = magazine_len(class, shift());
        self.begin_to_use(class);
        let full = self.full[class].replace(ptr::null_mut());
        let (list, count) = if !full.is_null() {
            self.keep(-(magazine_bytes(class, shift()) as isize));
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
    fn make_room(&self, class: usize) {
        let (len, bytes) = (magazine_len(class, shift()), magazine_bytes(class, shift()));
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
            if let Err(list) = depot::leave(class, list, shift()) {
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
        let bytes = magazine_bytes(class, shift());
        let mut others = (class + 1..CLASSES).chain(0..class);
        while self.kept.get() + bytes > self.budget.get() {
            let Some(other) = others.next() else { break };
            self.cease_to_use(other);
        }
        // INVARIANT: counted; no objects, and room for a magazine of them.
        self.in_use.set(self.in_use.get() | mask);
        self.room[class].set(magazine_len(class, shift()) as i16);
        self.keep(bytes as isize);
        true
    }

    /// Takes a class out of use, if it is in use, and gives its objects to the base.
    fn cease_to_use(&self, class: usize) {
        let mask = 1 << class;
        if self.in_use.get() & mask == 0 {
            return;
        }
        let (len, bytes) = (magazine_len(class, shift()), magazine_bytes(class, shift()) as isize);
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

    fn empty(&self) {
        (0..CLASSES).for_each(|class| self.cease_to_use(class));
    }

    fn answer(&self) {
        let asked = ASKED.load(Ordering::Relaxed);
        if self.answered.replace(asked) != asked {
            self.empty();
        }
    }

    fn keep(&self, bytes: isize) {
        let kept = self.kept.get().wrapping_add_signed(bytes);
        self.kept.set(kept);
        // SAFETY: shared between cores. Relaxed: a figure for reports.
        unsafe { KEPT_HERE.get_unguarded() }.store(kept, Ordering::Relaxed);
    }
}
