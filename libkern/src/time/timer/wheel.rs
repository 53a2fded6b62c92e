//! A hierarchy of wheels that keeps deadlines to the nanosecond.
//!
//! A deadline is read as sixteen hexadecimal digits, and so is the wheel's *base*, a moment that no occupied slot begins
//! before. The highest digit in which the two differ is the entry's *level*, and the deadline's digit there picks one of
//! the level's sixteen slots. So all entries of a level are due before all entries of the next, and within a level those
//! of a slot before those of the next slot: the first occupied slot of all holds the earliest deadline, and a bit for each
//! slot makes it four words to look at.
//!
//! ```text
//! base      0x0000_0000_0123_4567
//! deadline  0x0000_0000_0123_45a0   differs first in digit 1: level 1, slot a
//! deadline  0x0000_0000_0ff0_0000   differs first in digit 6: level 6, slot f
//! ```
//!
//! Which slot an entry is in depends on nothing but its deadline and the base, so inserting and removing are a few
//! instructions however many entries there are, and nothing has a resolution: the slots of level 0 are a nanosecond wide.
//!
//! # Searched or split
//!
//! A slot above level 0 is wide, and its list in no order. One of at most [`SEARCHED`] entries is searched for its
//! earliest, and left as it is. A longer one is *split* once its slot has begun: the base moves to the slot's beginning, and
//! with that its entries belong to lower levels, to which they are moved, [`MOVED`] of them at most each time that
//! somebody looks ([`Next::Again`]). So a core with a few timers is interrupted for the exact deadline of each and for
//! nothing else, and one with a million is interrupted once more per [`MOVED`] timers and level; no look takes long, and
//! an entry is moved at most once per level.
//!
//! # Rejected
//!
//! A heap: arming and cancelling take longer the more there is. A wheel of ticks: rounds deadlines, or looks at each tick.
//! The earliest deadline kept in each slot: becomes a lie when that entry is cancelled, and makes the wheel three times as
//! large, of which each core has one. Sixty-four slots to a level: fewer moves, for three times the memory.

use core::ptr::{self, NonNull};

/// Bits of a digit.
const DIGIT: u32 = 4;

/// Slots of a level.
const SLOTS: usize = 1 << DIGIT;

/// Slots in all, one for each value of each digit.
const ALL_SLOTS: usize = SLOTS * (u64::BITS / DIGIT) as usize;

/// The longest list that is searched for its earliest entry.
pub(super) const SEARCHED: usize = 8;

/// How many entries one look moves at most.
pub(super) const MOVED: usize = 64;

/// What is in a wheel.
///
/// # Invariants
/// While it is in a wheel it stays where it is, and only the wheel touches it.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Entry {
    next: *mut Entry,
    prev: *mut Entry,
    deadline_ns: u64,
    slot: u8,
}

impl Entry {
    /// An entry that is in no wheel.
    pub(super) const fn new() -> Self {
        Self { next: ptr::null_mut(), prev: ptr::null_mut(), deadline_ns: 0, slot: 0 }
    }

    /// What it was last inserted for.
    pub(super) fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }
}

/// What [`Wheel::take`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The earliest entry, which is due, and no longer in the wheel.
    Due(NonNull<Entry>),
    /// Nothing is due before this moment.
    At(u64),
    /// It has moved as many entries as it may: look again soon.
    Again,
    /// The wheel is empty.
    Never,
}

/// Entries by deadline.
///
/// # Invariants
/// An entry is in the slot that its deadline and the base say, but for those in the slot `splitting`. Each list is a ring; `heads` has the one that came first. The bit of a slot whose list
/// is not empty is set; that of an empty one is until somebody finds it so. Every slot with entries but `splitting` begins
/// after the base or, on level 0, at it.
#[derive(Debug)]
pub(super) struct Wheel {
    base_ns: u64,
    occupied: [u64; ALL_SLOTS / 64],
    /// The slot whose entries are being moved to lower levels; 0, which is never split, if there is none.
    splitting: u8,
    heads: [*mut Entry; ALL_SLOTS],
}

// SAFETY: the entries are the wheel's, wherever it is (invariant of `Entry`).
unsafe impl Send for Wheel {}

impl Wheel {
    /// An empty wheel.
    pub(super) const fn new() -> Self {
        Self { base_ns: 0, occupied: [0; ALL_SLOTS / 64], splitting: 0, heads: [ptr::null_mut(); ALL_SLOTS] }
    }

    /// The moment that nothing is inserted before. Only [`take`](Self::take) moves it, and not beyond the moment given there.
    pub(super) fn base_ns(&self) -> u64 {
        self.base_ns
    }

    /// Puts an entry in. (One with a deadline before the base might be taken late.)
    ///
    /// # Safety
    /// The entry is in no wheel, and the wheel's until it is removed or taken.
    #[inline(always)]
    pub(super) unsafe fn insert(&mut self, entry: NonNull<Entry>, deadline_ns: u64) {
        debug_assert!(deadline_ns >= self.base_ns, "{deadline_ns} is before {}", self.base_ns);
        // SAFETY: the caller's entry.
        unsafe {
            (*entry.as_ptr()).deadline_ns = deadline_ns;
            self.link(entry.as_ptr(), deadline_ns);
        }
    }

    /// Takes an entry out.
    ///
    /// # Safety
    /// The entry is in this wheel.
    #[inline(always)]
    pub(super) unsafe fn remove(&mut self, entry: NonNull<Entry>) {
        // SAFETY: the caller's word.
        unsafe { self.unlink(entry.as_ptr()) };
    }

    /// Takes the earliest entry out if it is due, or says when to look again. In the order of the deadlines, and in no
    /// particular one among equals.
    pub(super) fn take(&mut self, now_ns: u64) -> Next {
        let mut moves = MOVED;
        loop {
            if self.splitting != 0 && !self.split(&mut moves) {
                return Next::Again;
            }
            let Some(slot) = self.first() else {
                self.base_ns = self.base_ns.max(now_ns);
                return Next::Never;
            };
            let start = self.start_of(slot);
            let earliest = self.search(slot);
            if start > now_ns {
                // INVARIANT: no slot begins before the new base, and what differed from the old one in a digit differs
                // from the new one in the same digit, or it would lie in a slot that begins before.
                self.base_ns = self.base_ns.max(now_ns);
                return Next::At(earliest.map_or(start, |entry| self.deadline_of(entry)));
            }
            let due = match earliest {
                Some(entry) if self.deadline_of(entry) > now_ns => return Next::At(self.deadline_of(entry)),
                Some(entry) => entry,
                // They are all due at `start`.
                None if usize::from(slot) < SLOTS => self.heads[usize::from(slot)],
                None => {
                    // INVARIANT: no slot begins before this one. Its own entries are the exception that `splitting` names.
                    self.base_ns = start;
                    self.splitting = slot;
                    continue;
                }
            };
            // SAFETY: found in a list of this wheel.
            unsafe { self.unlink(due) };
            return NonNull::new(due).map_or(Next::Never, Next::Due);
        }
    }

    /// Takes the entry out if it is due; it is the only one. The short form of [`take`](Self::take).
    #[inline(always)]
    pub(super) fn take_only(&mut self, now_ns: u64) -> Option<NonNull<Entry>> {
        let slot = self.first()?;
        let entry = self.heads[usize::from(slot)];
        if self.deadline_of(entry) > now_ns {
            return None;
        }
        // INVARIANT: it was the only one, so all slots are empty, and begin after any base.
        self.heads[usize::from(slot)] = ptr::null_mut();
        self.splitting = 0;
        self.base_ns = self.base_ns.max(now_ns);
        NonNull::new(entry)
    }

    /// When to look next: not later than the earliest deadline. `None` if the wheel is empty.
    pub(super) fn next_deadline(&mut self) -> Option<u64> {
        if self.splitting != 0 && !self.heads[usize::from(self.splitting)].is_null() {
            return Some(self.base_ns);
        }
        let slot = self.first()?;
        Some(self.search(slot).map_or(self.start_of(slot), |entry| self.deadline_of(entry)))
    }

    /// Moves entries out of the slot that is being split. Whether it is empty now.
    fn split(&mut self, moves: &mut usize) -> bool {
        let slot = usize::from(self.splitting);
        while !self.heads[slot].is_null() {
            if *moves == 0 {
                return false;
            }
            *moves -= 1;
            let entry = self.heads[slot];
            // SAFETY: in a list of this wheel, and then in none. Its slot begins at the base, so it now belongs to a lower
            // level.
            unsafe {
                self.unlink(entry);
                let deadline_ns = (*entry).deadline_ns;
                self.link(entry, deadline_ns);
            }
        }
        self.splitting = 0;
        true
    }

    /// The first slot with entries; while one is being split, perhaps that one. Clears the bits that it finds wrong, each of
    /// which somebody set who inserted.
    #[inline(always)]
    fn first(&mut self) -> Option<u8> {
        loop {
            let word = self.occupied.iter().position(|&word| word != 0)?;
            let bit = self.occupied[word].trailing_zeros();
            let slot = word * 64 + bit as usize;
            if !self.heads[slot].is_null() {
                return Some(slot as u8);
            }
            self.occupied[word] &= self.occupied[word] - 1;
        }
    }

    /// When a slot begins.
    #[inline(always)]
    fn start_of(&self, slot: u8) -> u64 {
        let shift = u32::from(slot) / SLOTS as u32 * DIGIT;
        let digit = u64::from(slot) % SLOTS as u64;
        // Two steps, because the highest level's would be by 64.
        let above = u64::MAX << shift << DIGIT;
        self.base_ns & above | digit << shift
    }

    /// The slot's entry with the earliest deadline, unless the list is too long to be searched.
    #[inline(always)]
    fn search(&self, slot: u8) -> Option<*mut Entry> {
        let head = self.heads[usize::from(slot)];
        let mut earliest = head;
        // SAFETY: the slot is occupied, and entries of a list stay where they are (invariants of the two types).
        let mut entry = unsafe { (*head).next };
        for _ in 1..SEARCHED {
            if entry == head {
                return Some(earliest);
            }
            if self.deadline_of(entry) < self.deadline_of(earliest) {
                earliest = entry;
            }
            // SAFETY: as above.
            entry = unsafe { (*entry).next };
        }
        (entry == head).then_some(earliest)
    }

    #[inline(always)]
    fn deadline_of(&self, entry: *mut Entry) -> u64 {
        // SAFETY: callers have it from a list of this wheel.
        unsafe { (*entry).deadline_ns }
    }

    /// # Safety
    /// As for [`insert`](Self::insert).
    #[inline(always)]
    unsafe fn link(&mut self, entry: *mut Entry, deadline_ns: u64) {
        // One that differs in no digit belongs to level 0, as one that differs in the lowest does.
        let highest = 63 - ((deadline_ns ^ self.base_ns) | 1).leading_zeros();
        let shift = highest & !(DIGIT - 1);
        let slot = shift as usize * (SLOTS / DIGIT as usize) + (deadline_ns >> shift) as usize % SLOTS;
        let head = self.heads[slot];
        // SAFETY: the caller's entry; what is in a list is the wheel's.
        unsafe {
            (*entry).slot = slot as u8;
            if head.is_null() {
                (*entry).next = entry;
                (*entry).prev = entry;
                self.heads[slot] = entry;
                self.occupied[slot / 64] |= 1 << (slot % 64);
            } else {
                let tail = (*head).prev;
                (*entry).next = head;
                (*entry).prev = tail;
                (*tail).next = entry;
                (*head).prev = entry;
            }
        }
    }

    /// # Safety
    /// The entry is in this wheel.
    #[inline(always)]
    unsafe fn unlink(&mut self, entry: *mut Entry) {
        // SAFETY: the caller's entry, whose neighbours are in the same list.
        unsafe {
            let slot = (*entry).slot;
            let next = (*entry).next;
            if next == entry {
                self.heads[usize::from(slot)] = ptr::null_mut();
                return;
            }
            let prev = (*entry).prev;
            (*next).prev = prev;
            (*prev).next = next;
            if self.heads[usize::from(slot)] == entry {
                self.heads[usize::from(slot)] = next;
            }
        }
    }
}

#[cfg(test)]
#[path = "wheel_tests.rs"]
mod tests;
