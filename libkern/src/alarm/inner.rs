//! What an alarm is made of, and what its timer and its message do to it.
//!
//! ```text
//!              set                come_due             ring              ring
//!   Quiet ------------> set -----------------> queued -------> running -------> Quiet
//!                      |   ^                     ^                  |
//!                      +---+ periodic            +------------------+ due again
//! ```
//!
//! `set`, `queued` and `running` are independent of each other: a periodic alarm is set for its next time while its handler
//! runs for the last, and any alarm can be set again at any moment. What binds them: there is one message, which is in one
//! inbox at most (`queued`), and is not sent while the handler runs, so that no handler runs twice at once. A time that comes
//! meanwhile makes the alarm `due`; the message is then sent when the handler returns, behind what else waits there, and once
//! however many times have come.
//!
//! # One lock
//!
//! All of it is under the lock of the core's timers that the alarm's timer has as its home, the lock that arming and
//! cancelling take anyway. So setting an alarm costs no more than arming a timer. Setting it on another core moves it there:
//! the home changes under the old lock, and from then on the new one counts. While the timer is being fired it does not
//! move, and rings on its old core once more.
//!
//! # Hazards
//!
//! 1. *Cancelled when its timer has begun to fire.* From the wheel to [`come_due`](Inner::come_due) the lock is free for a
//!    moment. What is noted with the timer says whether the alarm is still set, and for what; if it is not, or is armed
//!    once more, the call finds nothing to do.
//! 2. *Dropped at that moment.* The owner waits until the timer is not being fired, which takes as long as `come_due` and
//!    the sending of a message do, or an up; no lock is held meanwhile that either wants.
//! 3. *Dropped when the message is in an inbox, or the handler runs.* The message has a reference of its own. Whoever is the
//!    last to need the handler drops it: the owner, or the message's function in kthread context.
//! 4. *A handler that has a handle of its own alarm.* It is dropped with the owner, not with the last reference.
//! 5. *A handler that always sets its alarm again*, and is waited for. What it sets while its owner waits is not set.
//! 6. *A handler slower than its period.* See above: it has the core for one call, and others are next.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::mem;
use core::num::NonZeroUsize;
use core::ops::Deref;
use core::time::Duration;

use super::post::{Letter, Open};
use crate::arch::{self, irq};
use crate::kthread;
use crate::kthread::sync::Semaphore;
use crate::sync::cell::UnsafeCell;
use crate::time::timer::{Fire, Held, Timer, Timers};

pub(super) type Handler = Box<dyn FnMut(&Inner, Call) + Send>;
pub(super) type SharedSemaphore = Box<dyn Deref<Target = Semaphore> + Send + Sync>;

/// Noted with a timer whose alarm is set: it rings once.
pub(super) const ONCE: u64 = 0;
/// Its alarm is not set. What else is noted is a period.
pub(super) const NOT_SET: u64 = u64::MAX;

/// The longest period, in nanoseconds.
pub(super) const LONGEST_PERIOD_NS: u64 = NOT_SET - 1;

/// What it does when its time has come.
pub(super) enum Action {
    /// Calls this, in a routine message. Gone once the alarm is dead and it does not run any more.
    Call(UnsafeCell<Option<Handler>>),
    /// Gives it a unit.
    Up(SharedSemaphore),
}

/// An alarm.
///
/// # Invariants
/// `state` is touched with the lock of the timer's home; so is the handler, unless `running`, when it is its kthread's. One
/// reference belongs to the message while it is `queued` or its function runs. The owner keeps another one until the alarm
/// is dead and its timer is not being fired.
pub(super) struct Inner {
    pub(super) timer: Timer,
    pub(super) letter: Letter,
    pub(super) action: Action,
    pub(super) state: UnsafeCell<State>,
    /// A unit for the owner when the handler has returned.
    pub(super) is_quiet: Semaphore,
}

// SAFETY: what is shared is used as the invariant says.
unsafe impl Sync for Inner {}
// SAFETY: handlers may run on any core.
unsafe impl Send for Inner {}

pub(super) struct State {
    /// The core whose timers are the home.
    pub(super) core: usize,
    /// The owner is gone: it is not set any more.
    pub(super) is_dead: bool,
    /// Nobody owns it, so it is dead when it has rung and is not set again.
    pub(super) is_detached: bool,
    /// The handler is to be called.
    pub(super) due: bool,
    pub(super) queued: bool,
    /// In which kthread the handler runs.
    pub(super) running: Option<NonZeroUsize>,
    /// The owner waits for the handler's return.
    pub(super) owner_waits: bool,
    /// When a periodic one rings next.
    pub(super) next_ns: u64,
    /// What it rings for.
    pub(super) rang_for_ns: u64,
    /// How often it should have rung since the handler was called last.
    pub(super) missed: u64,
    pub(super) stats: AlarmStats,
}

/// What has become of an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmStats {
    /// How often its time came.
    pub rung: u64,
    /// How many times of a periodic one were left out because they had passed, and how many came while its handler was
    /// still to run, or to return, for the one before.
    pub missed: u64,
    /// The longest time from the moment it was set for to its handler's beginning, or to the unit for its semaphore.
    pub worst_lateness: Duration,
}

/// What a handler is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// What the alarm was set for.
    pub(super) at_ns: u64,
    /// How often it should have rung since the last call.
    pub(super) missed: u64,
}

impl Inner {
    pub(super) fn new(action: Action, fire: Fire, ring: Open) -> Arc<Self> {
        let flags = irq::save_and_disable();
        let (timer, core) = (Timer::here(fire), arch::core_id());
        // SAFETY: the innermost.
        unsafe { irq::restore(flags) };
        let state = State {
            core,
            is_dead: false,
            is_detached: false,
            due: false,
            queued: false,
            running: None,
            owner_waits: false,
            next_ns: 0,
            rang_for_ns: 0,
            missed: 0,
            stats: AlarmStats::default(),
        };
        let alarm = Arc::new(Self {
            timer,
            letter: Letter::new(ring),
            action,
            state: UnsafeCell::new(state),
            is_quiet: Semaphore::new(0),
        });
        alarm.locked(|held, _| held.set_note(&alarm.timer, NOT_SET));
        alarm
    }

    /// Runs `f` with the lock.
    pub(super) fn locked<R>(&self, mut f: impl FnMut(&mut Held<'_>, &mut State) -> R) -> R {
        Timers::with_home(&self.timer, |mut held| {
            // SAFETY: the lock is held, and nobody else calls this in `f`.
            self.state.with_mut(|state| f(&mut held, unsafe { &mut *state }))
        })
    }

    /// Waits until its timer is not being fired.
    pub(super) fn wait_for_fire(&self) {
        while self.locked(|held, _| held.is_firing(&self.timer)) {
            arch::relax();
        }
    }

    /// The owner is gone.
    pub(super) fn kill(&self) {
        let handler = self.locked(|held, state| {
            self.forget(held, state);
            held.doom(&self.timer);
            state.is_dead = true;
            self.retire(state)
        });
        self.wait_for_fire();
        drop(handler);
    }

    /// The owner is gone, but the alarm is to ring first, if it is set.
    pub(super) fn detach(self: Arc<Self>) {
        let is_idle = self.locked(|held, state| {
            state.is_detached = true;
            held.note(&self.timer) == NOT_SET && !state.due && !state.queued && state.running.is_none()
        });
        // What was the owner's reference is nobody's, until the handler has returned for the last time.
        let alarm = Arc::into_raw(self);
        if is_idle {
            // SAFETY: just made; it will not ring, so nobody else takes it back.
            let alarm = unsafe { Arc::from_raw(alarm) };
            alarm.kill();
        }
    }

    /// The handler of a dead alarm, once nobody needs it.
    pub(super) fn retire(&self, state: &mut State) -> Option<Handler> {
        let Action::Call(handler) = &self.action else { return None };
        if !state.is_dead || state.queued || state.running.is_some() {
            return None;
        }
        // SAFETY: the lock is held, and it does not run.
        handler.with_mut(|handler| unsafe { (*handler).take() })
    }

    pub(super) fn is_set(&self) -> bool {
        self.locked(|held, state| state.due || held.note(&self.timer) != NOT_SET)
    }

    pub(super) fn stats(&self) -> AlarmStats {
        self.locked(|_, state| state.stats)
    }

    /// It is not set any more. Whether it was, or was about to ring.
    pub(super) fn forget(&self, held: &mut Held<'_>, state: &mut State) -> bool {
        if held.is_armed(&self.timer) {
            // SAFETY: as just seen; called with the lock of its home.
            unsafe { held.disarm(&self.timer) };
        }
        let was_set = held.note(&self.timer) != NOT_SET;
        held.set_note(&self.timer, NOT_SET);
        mem::take(&mut state.due) | was_set
    }
}

/// A number for the running kthread that no other one has now.
pub(super) fn me() -> NonZeroUsize {
    NonZeroUsize::new(kthread::current().addr()).expect("a kthread has an address")
}
