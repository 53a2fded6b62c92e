//! A core's timers.
//!
//! ```text
//!                +------------------- 4 -------------------+
//!                v                                         |
//!   idle ---1--> armed ---2--> firing (idle, and the core's marker) ---3--> idle
//!    ^             |              |   ^
//!    +------5------+              +-6-+
//! ```
//!
//! 1. [`Timers::arm_or`]: into the wheel of the running core, which becomes the timer's *home*.
//! 2. [`Timers::serve`]: the deadline has come. Under the lock: out of the wheel, and the core's marker set to the timer.
//!    Without it: `fire` is called.
//! 3. `fire` has returned: the marker is cleared. The timer is not touched, because it may be gone.
//! 4. `fire` arms its timer again, as in 1.
//! 5. [`Timers::disarm_or`], [`Timers::retract`]: out of the home's wheel, by whatever core.
//! 6. [`Timers::retract`]: who cancels synchronously finds it firing. `home` is DOOMED, with which edge 4 does nothing,
//!    until the marker is cleared. So what is waited for is one call of `fire`, even of a `fire` that arms its timer for a
//!    moment that has come already.
//!
//! # Who touches what
//!
//! A timer's entry, and its `home`, change under the lock of the home, and once more under that of the new home as it is
//! armed elsewhere. `home` is read without it to find the lock, and read again under it. The marker is written by its own core only. So is the hardware's timer, with interrupts
//! off: a core that cancels another's last timer leaves that one an interrupt that finds nothing to do.
//!
//! # Hazards
//!
//! 1. *Cancelled while it fires.* Edge 2 is taken under the lock, so a canceller with the lock that finds the timer neither
//!    armed nor in the marker knows that `fire` has returned. Without the lock it would not: `fire` may arm its timer
//!    and return between the two looks. (Races, alarms: the handler uses what is being unset.)
//! 2. *Freed by whom `fire` woke.* From the call of `fire` on, the marker is a number. A new timer at the same address may
//!    be taken for the old one while the old call lasts, and then waits for its end without need.
//! 3. *`fire` takes locks.* None is held when it is called.
//! 4. *`fire` arms timers.* They leave the hardware alone, as long as [`Timers::serve`] is to look again before it ends.
//! 5. *A backlog.* [`FIRED`](super::serve::FIRED) calls are the most of one interrupt. Then everybody else has the core for as long as these
//!    have taken, before the next. (Races, alarms: what has gathered while interrupts were off.)

use core::ptr;

use super::lock::Lock;
use super::record::{FLAGS, IDLE, Timer};
use super::state::State;
use crate::sync::atomic::{AtomicPtr, Ordering};

/// The timers of a core.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Timers {
    /// The timer that this core is firing. Never followed.
    pub(super) firing: AtomicPtr<Timer>,
    pub(super) state: Lock<State>,
}

/// What a timer is armed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) deadline_ns: u64,
    /// Whatever its armer wants to find under the lock.
    pub(crate) note: u64,
}

impl Timers {
    /// None.
    #[cfg(not(all(loom, test)))]
    pub(super) const fn new() -> Self {
        Self { firing: AtomicPtr::new(ptr::null_mut()), state: Lock::new(State::new()) }
    }

    /// None. Loom's types have no constant constructor.
    #[cfg(all(loom, test))]
    pub(super) fn new() -> Self {
        Self { firing: AtomicPtr::new(ptr::null_mut()), state: Lock::new(State::new()) }
    }

    /// The timers that `home` leads to.
    #[inline(always)]
    pub(super) fn of(home: usize) -> Option<&'static Self> {
        // SAFETY: 0, or the address of a core's timers, which live for ever (invariant of `Timer`).
        unsafe { ptr::with_exposed_provenance::<Self>(home & !FLAGS).as_ref() }
    }

    /// The timers that are the `home` of a timer that is armed.
    ///
    /// # Safety
    /// `home` was a timer's, and has no flag.
    #[inline(always)]
    pub(super) unsafe fn at(home: usize) -> &'static Self {
        // SAFETY: by the invariant of `Timer`, and they live for ever.
        unsafe { &*ptr::with_exposed_provenance::<Self>(home) }
    }

    /// The timer's home, or what was that a moment ago.
    ///
    /// # Panics
    /// If the timer has no home: it was made without one, and never armed.
    #[inline(always)]
    pub(crate) fn home_of(timer: &Timer) -> &'static Self {
        // Relaxed: leads to a lock.
        Self::of(timer.home.load(Ordering::Relaxed)).expect("the timer has a home")
    }

    /// Whether these are the home of an idle timer with this `home`.
    #[inline(always)]
    pub(crate) fn is_idle_home(&'static self, home: usize) -> bool {
        home == self.address() | IDLE
    }

    /// The `home` of a timer that is armed here.
    #[inline(always)]
    pub(crate) fn address(&'static self) -> usize {
        ptr::from_ref(self).expose_provenance()
    }

    /// Whether this core is firing the timer.
    pub(crate) fn is_firing(&self, timer: &Timer) -> bool {
        // Acquire: pairs with the store in `serve` that clears it.
        ptr::eq(self.firing.load(Ordering::Acquire), timer)
    }

    /// # Safety
    /// The timer is not armed, and stays where it is until it is not armed any more. `state` is that of these timers.
    #[inline(always)]
    pub(super) unsafe fn enter(
        &'static self,
        state: &mut State,
        timer: &Timer,
        Setting { deadline_ns, note }: Setting,
    ) {
        // SAFETY: in no wheel, because it is not armed; from here on it is in this one, until it is not armed any more.
        unsafe { state.wheel.insert(timer.entry(), deadline_ns) };
        state.armed += 1;
        // Relaxed, both: who acts on them takes the lock first. INVARIANT: it is in the wheel.
        timer.note.store(note, Ordering::Relaxed);
        timer.home.store(self.address(), Ordering::Relaxed);
    }

    /// # Safety
    /// The timer is armed, and this is its home. `state` is that of these timers.
    #[inline(always)]
    pub(super) unsafe fn leave(&'static self, state: &mut State, timer: &Timer) {
        // SAFETY: in this wheel (invariant of `Timer`).
        unsafe { state.wheel.remove(timer.entry()) };
        // Relaxed: who arms it next takes a lock, or was told by the canceller.
        timer.home.store(self.address() | IDLE, Ordering::Relaxed);
        state.counts.cancelled += 1;
        state.armed -= 1;
    }

    /// Another core's hardware is not within reach: that core is interrupted once more.
    #[inline(always)]
    pub(super) fn none_is_left(&'static self, state: &mut State) {
        if ptr::eq(self, here()) {
            state.disarm();
        }
    }
}

#[cfg(not(any(test, feature = "hosted")))]
crate::sync::per_core! {
    static TIMERS: Timers = Timers::new();
}

/// The running core's. Stale like every core's; with interrupts off it is not.
#[cfg(not(any(test, feature = "hosted")))]
#[inline(always)]
pub(crate) fn here() -> &'static Timers {
    // SAFETY: they may be shared, and callers for whom it matters that they are this core's have interrupts off.
    unsafe { TIMERS.get_unguarded() }
}

/// Those of `core`.
///
/// # Panics
/// If there is no such core.
#[cfg(not(any(test, feature = "hosted")))]
pub(crate) fn on(core: usize) -> &'static Timers {
    TIMERS.on(core)
}

#[cfg(any(test, feature = "hosted"))]
std::thread_local! {
    static HERE: core::cell::Cell<Option<&'static Timers>> = const { core::cell::Cell::new(None) };
}

/// Those that the calling thread chose last.
///
/// # Panics
/// If it has chosen none.
#[cfg(any(test, feature = "hosted"))]
pub(crate) fn here() -> &'static Timers {
    HERE.get().expect("a thread that uses timers has entered a test clock (`time::timer::TestClock`)")
}

/// Chooses the timers that the calling thread uses from now on, and gives those that it used.
#[cfg(any(test, feature = "hosted"))]
pub(super) fn choose(timers: Option<&'static Timers>) -> Option<&'static Timers> {
    HERE.replace(timers)
}
