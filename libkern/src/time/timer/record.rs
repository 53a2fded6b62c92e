//! What a timer is made of.

use core::cell::UnsafeCell;
use core::marker::PhantomPinned;
use core::ptr::NonNull;

use super::wheel::Entry;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// In `home`: it is not armed, and may be.
pub(super) const IDLE: usize = 1;
/// In `home`: it is not armed, and must not be, because somebody waits for its `fire` to return.
pub(super) const DOOMED: usize = 2;
/// What is in `home` beside the address. None of them means that it is armed.
pub(super) const FLAGS: usize = IDLE | DOOMED;

/// What a timer calls when its time has come.
///
/// # Safety
/// Called with a timer that was armed, in interrupt context of the core that armed it, interrupts off, no lock held, not
/// before the deadline. The timer is disarmed: `fire` may arm it again, and nobody touches it any more otherwise, so that
/// it may be freed by whoever `fire` tells that it was called, even before `fire` returns.
pub type Fire = unsafe fn(NonNull<Timer>);

/// Something that happens on a core at a moment. What alarms and timeouts are made of.
///
/// Dropping one that is armed is a panic.
///
/// # Invariants
/// `home` is an address and one of [`FLAGS`] or none. The address is 0 or that of a core's timers; without a flag, it is
/// the latter, and the entry is in those timers' wheel. ([`Timers`](super::timers::Timers) says who changes it, and how.)
#[derive(Debug)]
#[repr(C)]
pub struct Timer {
    entry: UnsafeCell<Entry>,
    pub(super) home: AtomicUsize,
    pub(super) fire: Fire,
    /// What its armer noted. Changes under the lock of its home.
    pub(super) note: AtomicU64,
    _pinned: PhantomPinned,
}

// SAFETY: the entry is touched with the lock of the timers in whose wheel it is, or by who knows that it is in none.
unsafe impl Sync for Timer {}
// SAFETY: it may move while it is not armed (`arm` demands that it does not while it is).
unsafe impl Send for Timer {}

/// What became of a timer that was to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// It was armed, and does not fire.
    Disarmed,
    /// It was not armed: its `fire` has been called, or it was disarmed or never armed.
    Missed,
}

impl Timer {
    /// A timer that is not armed.
    #[cfg(not(all(loom, test)))]
    #[must_use]
    pub const fn new(fire: Fire) -> Self {
        Self {
            entry: UnsafeCell::new(Entry::new()),
            home: AtomicUsize::new(IDLE),
            fire,
            note: AtomicU64::new(0),
            _pinned: PhantomPinned,
        }
    }

    /// A timer that is not armed. Loom's types have no constant constructor.
    #[cfg(all(loom, test))]
    pub fn new(fire: Fire) -> Self {
        Self {
            entry: UnsafeCell::new(Entry::new()),
            home: AtomicUsize::new(IDLE),
            fire,
            note: AtomicU64::new(0),
            _pinned: PhantomPinned,
        }
    }

    /// A timer that is not armed and has a home, so that what belongs to it can be under its home's lock: the address of the
    /// running core's timers.
    pub(super) fn with_home(fire: Fire, home: usize) -> Self {
        let timer = Self::new(fire);
        timer.home.store(home | IDLE, Ordering::Relaxed);
        timer
    }

    /// Whether it is armed. Any context; stale at once, unless the caller knows who else arms and cancels it.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        // Relaxed: says nothing about anything else.
        self.home.load(Ordering::Relaxed) & FLAGS == 0
    }

    /// What is in the wheel. The pointer leads to the timer too, of which it is the first field.
    #[inline(always)]
    pub(super) fn entry(&self) -> NonNull<Entry> {
        NonNull::from(self).cast()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        assert!(!self.is_armed(), "a timer is dropped while it is armed");
    }
}
