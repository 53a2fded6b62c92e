//! A core's timers.
//!
//! ```text
//!                +------------------- 4 -------------------+
//!                v                                         |
//!   idle ---1--> armed ---2--> firing (the core's marker; no ARMED) ---3--> idle
//!    ^             |              |   ^
//!    +------5------+              +-6-+
//! ```
//!
//! 1. [`Timers::arm`]: into the wheel of the running core, which becomes the timer's *home*.
//! 2. [`Timers::serve`]: the deadline has come. Under the lock: out of the wheel, the core's marker set to the timer, and
//!    then `home` loses ARMED. Without it: `fire` is called.
//! 3. `fire` has returned: the marker is cleared. The timer is not touched, because it may be gone.
//! 4. `fire` arms its timer again, as in 1.
//! 5. [`Timers::take_out`], [`Timers::retract`]: out of the home's wheel, by whatever core.
//! 6. [`Timers::retract`]: who cancels synchronously finds it firing. `home` gets DOOMED, with which edge 4 does nothing,
//!    until the marker is cleared. So what is waited for is one call of `fire`, even of a `fire` that arms its timer for a
//!    moment that has come already.
//!
//! # Who touches what
//!
//! A timer's entry, and ARMED in its `home`, change under the lock of the home. `home` is read without it to find the lock,
//! and read again under it. The marker is written by its own core only. So is the hardware's timer, with interrupts
//! off: a core that cancels another's last timer leaves that one an interrupt that finds nothing to do.
//!
//! # Hazards
//!
//! 1. *Cancelled while it fires.* The marker is set and ARMED goes under the lock, so a canceller with the lock that finds
//!    neither ARMED nor the marker knows that `fire` has returned. Without the lock it would not: `fire` may arm its timer
//!    and return between the two looks. (Races, alarms: the handler uses what is being unset.)
//! 2. *Freed by whom `fire` woke.* From the call of `fire` on, the marker is a number. A new timer at the same address may
//!    be taken for the old one while the old call lasts, and then waits for its end without need.
//! 3. *`fire` takes locks.* None is held when it is called.
//! 4. *`fire` arms timers.* They leave the hardware alone: [`Timers::serve`] looks again before it ends.
//! 5. *A backlog.* [`FIRED`] calls are the most of one interrupt. Then everybody else has the core for as long as these
//!    have taken, before the next. (Races, alarms: what has gathered while interrupts were off.)

use core::ptr;

use super::lock::Lock;
use super::record::{ARMED, DOOMED, FLAGS, Timer};
use super::stats::TimerStats;
use super::wheel::{Next, Wheel};
use crate::arch::{self, clock};
use crate::sync::atomic::{AtomicPtr, Ordering};

/// How many timers one interrupt fires at most.
pub(super) const FIRED: usize = 64;

/// The timers of a core.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Timers {
    /// The timer that this core is firing. Never followed.
    firing: AtomicPtr<Timer>,
    state: Lock<State>,
}

#[derive(Debug)]
struct State {
    armed: usize,
    /// The hardware interrupts at this moment, or earlier; the end of time if it is not armed. While timers are served: the
    /// moment at which that began.
    wakes_at_ns: u64,
    is_serving: bool,
    counts: TimerStats,
    wheel: Wheel,
}

/// Why a timer was not armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is armed.
    Armed,
    /// It is being cancelled, and its `fire` has not returned yet.
    Doomed,
}

/// What a synchronous canceller finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retracted {
    pub(super) was_armed: bool,
    /// It is doomed, and somebody has to wait and to take that back.
    pub(super) is_firing: bool,
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

    /// Edges 1 and 4.
    ///
    /// # Safety
    /// As for [`Timer::arm`]; these are the running core's timers, and interrupts are off.
    #[inline(always)]
    pub(super) unsafe fn arm(&'static self, timer: &Timer, deadline_ns: u64) -> Result<(), Refused> {
        self.state.with_interrupts_off(|state| {
            // Relaxed: who changes it has this lock, or must not do so now (the caller's word).
            let home = timer.home.load(Ordering::Relaxed);
            if home & FLAGS != 0 {
                return Err(if home & ARMED != 0 { Refused::Armed } else { Refused::Doomed });
            }
            let deadline_ns = if deadline_ns < state.wakes_at_ns { state.lead(deadline_ns) } else { deadline_ns };
            // SAFETY: not armed, so in no wheel; from here on it is this one's, until ARMED goes (the caller's word).
            unsafe { state.wheel.insert(timer.entry(), deadline_ns) };
            state.armed += 1;
            // INVARIANT: it is in the wheel. Relaxed: who acts on it takes the lock first.
            timer.home.store(ptr::from_ref(self).expose_provenance() | ARMED, Ordering::Relaxed);
            Ok(())
        })
    }

    /// Edge 5, if the timer's `home` is still the one given, which has ARMED and leads here.
    #[inline(always)]
    pub(super) fn take_out(&'static self, timer: &Timer, home: usize) -> bool {
        self.state.with(|state| {
            // Relaxed: as long as it leads here with ARMED, it changes under this lock only.
            let is_home = timer.home.load(Ordering::Relaxed) == home;
            if is_home {
                self.remove(state, timer, home);
            }
            is_home
        })
    }

    /// Edge 5 if it is armed, and the beginning of edge 6 if it is being fired. `None` if these are not its home any more.
    pub(super) fn retract(&'static self, timer: &Timer) -> Option<Retracted> {
        self.state.with(|state| {
            // Relaxed: as long as it leads here, all of it that matters here changes under this lock only.
            let home = timer.home.load(Ordering::Relaxed);
            if home & !FLAGS != ptr::from_ref(self).addr() {
                return None;
            }
            let was_armed = home & ARMED != 0;
            if was_armed {
                self.remove(state, timer, home);
            }
            let is_firing = self.is_firing(timer);
            if is_firing {
                // Relaxed: for `arm`, called by that `fire`, which takes this lock.
                timer.home.fetch_or(DOOMED, Ordering::Relaxed);
            }
            Some(Retracted { was_armed, is_firing })
        })
    }

    #[inline(always)]
    fn remove(&'static self, state: &mut State, timer: &Timer, home: usize) {
        // SAFETY: `home` has ARMED, so it is in this wheel (invariant of `Timer`).
        unsafe { state.wheel.remove(timer.entry()) };
        // Relaxed: who arms it next takes a lock, or was told by the canceller.
        timer.home.store(home & !ARMED, Ordering::Relaxed);
        state.counts.cancelled += 1;
        state.armed -= 1;
        if state.armed == 0 && ptr::eq(self, here()) {
            state.disarm();
        }
    }

    /// Whether this core is firing the timer.
    pub(super) fn is_firing(&self, timer: &Timer) -> bool {
        // Acquire: pairs with the store in `serve` that clears it.
        ptr::eq(self.firing.load(Ordering::Acquire), timer)
    }

    /// Edges 2 and 3, for each timer that is due; and sets the hardware for the next.
    ///
    /// On the core whose timers these are, in interrupt context.
    pub(super) fn serve(&'static self) {
        let began_ns = clock::now_ns();
        let (mut now_ns, mut fired) = (began_ns, 0);
        let mut is_spent = false;
        loop {
            let due = self.state.with_interrupts_off(|state| {
                if fired == 0 {
                    is_spent = state.begin(now_ns);
                }
                let next = if fired < FIRED || state.armed == 0 { state.wheel.take(now_ns) } else { Next::Again };
                let Next::Due(entry) = next else {
                    state.end(next, began_ns, is_spent);
                    return None;
                };
                let timer = entry.cast::<Timer>();
                // SAFETY: it was in the wheel, so it is there until its `fire` is called.
                let (deadline_ns, due) = unsafe { (entry.as_ref().deadline_ns(), timer.as_ref()) };
                state.account(now_ns.saturating_sub(deadline_ns));
                let fire = due.fire;
                // Relaxed, both: who draws conclusions from them has the lock.
                self.firing.store(timer.as_ptr(), Ordering::Relaxed);
                due.home.store(ptr::from_ref(self).expose_provenance(), Ordering::Relaxed);
                Some((fire, timer))
            });
            let Some((fire, timer)) = due else { return };
            // SAFETY: it was armed, and these are the circumstances that `Fire` names.
            unsafe { fire(timer) };
            // Release: who sees that it is not being fired any more sees all that `fire` did. Partner: `is_firing`.
            self.firing.store(ptr::null_mut(), Ordering::Release);
            fired += 1;
            now_ns = clock::now_ns();
        }
    }

    /// When the wheel is to be looked at next: not later than the earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.state.with(|state| state.wheel.next_deadline())
    }

    pub(super) fn stats(&self) -> TimerStats {
        self.state.with(|state| TimerStats { armed: state.armed, ..state.counts })
    }
}

impl State {
    const fn new() -> Self {
        Self { armed: 0, wakes_at_ns: u64::MAX, is_serving: false, counts: TimerStats::new(), wheel: Wheel::new() }
    }

    /// Sees to it that the core is interrupted for a deadline before all others, and gives the deadline that counts: one
    /// that has passed is now.
    #[inline(always)]
    fn lead(&mut self, deadline_ns: u64) -> u64 {
        let now_ns = clock::now_ns();
        let deadline_ns = deadline_ns.max(now_ns);
        if !self.is_serving {
            self.wakes_at_ns = deadline_ns;
            arch::timer::arm(deadline_ns - now_ns);
        }
        deadline_ns
    }

    /// Nothing is armed any more.
    #[inline(always)]
    fn disarm(&mut self) {
        if !self.is_serving {
            self.wakes_at_ns = u64::MAX;
            arch::timer::disarm();
        }
    }

    /// Whether the hardware's timer is spent.
    fn begin(&mut self, now_ns: u64) -> bool {
        let is_spent = self.wakes_at_ns <= now_ns;
        self.counts.interrupts += 1;
        self.is_serving = true;
        self.wakes_at_ns = now_ns;
        is_spent
    }

    fn account(&mut self, late_ns: u64) {
        self.armed -= 1;
        self.counts.fired += 1;
        self.counts.late_sum_ns += late_ns;
        self.counts.late_max_ns = self.counts.late_max_ns.max(late_ns);
    }

    fn end(&mut self, next: Next, began_ns: u64, is_spent: bool) {
        self.is_serving = false;
        if next == Next::Never {
            self.wakes_at_ns = u64::MAX;
            if !is_spent {
                arch::timer::disarm();
            }
            return;
        }
        // Anew: the looks have taken time.
        let now_ns = clock::now_ns();
        self.wakes_at_ns = match next {
            Next::At(deadline_ns) => deadline_ns.max(now_ns),
            _ => now_ns + (now_ns - began_ns),
        };
        arch::timer::arm(self.wakes_at_ns - now_ns);
    }
}

#[cfg(not(any(test, feature = "hosted")))]
crate::sync::per_core! {
    static TIMERS: Timers = Timers::new();
}

/// The running core's. Stale like every core's; with interrupts off it is not.
#[cfg(not(any(test, feature = "hosted")))]
#[inline(always)]
pub(super) fn here() -> &'static Timers {
    // SAFETY: they may be shared, and callers for whom it matters that they are this core's have interrupts off.
    unsafe { TIMERS.get_unguarded() }
}

/// Those of `core`.
///
/// # Panics
/// If there is no such core.
#[cfg(not(any(test, feature = "hosted")))]
pub(super) fn on(core: usize) -> &'static Timers {
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
pub(super) fn here() -> &'static Timers {
    HERE.get().expect("a thread that uses timers has entered a test clock (`time::timer::TestClock`)")
}

/// Chooses the timers that the calling thread uses from now on, and gives those that it used.
#[cfg(any(test, feature = "hosted"))]
pub(super) fn choose(timers: Option<&'static Timers>) -> Option<&'static Timers> {
    HERE.replace(timers)
}
