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
//! 5. *A backlog.* [`FIRED`] calls are the most of one interrupt. Then everybody else has the core for as long as these
//!    have taken, before the next. (Races, alarms: what has gathered while interrupts were off.)

use core::ptr::{self, NonNull};

use super::lock::Lock;
use super::record::{DOOMED, FLAGS, Fire, IDLE, Timer};
use super::state::State;
use super::stats::TimerStats;
use super::wheel::{Entry, Next};
use crate::arch::{clock, irq};
use crate::sync::atomic::{AtomicPtr, Ordering};

/// How many timers one interrupt fires at most.
pub(super) const FIRED: usize = 64;

/// The timers of a core.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Timers {
    /// The timer that this core is firing. Never followed.
    firing: AtomicPtr<Timer>,
    state: Lock<State>,
}

/// A core's timers with their lock held, and interrupts off.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    timers: &'static Timers,
    state: &'a mut State,
}

/// What a timer is armed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) deadline_ns: u64,
    /// Whatever its armer wants to find under the lock.
    pub(crate) note: u64,
}

/// Whether somebody who goes on has the lock already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IsHeld {
    /// It was taken on the short way.
    Yes,
    /// It has to be waited for.
    No,
}

/// Who has to be told that a timer was armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Tell {
    /// Nobody.
    Nobody,
    /// The core whose timers these are has to [`program`] its hardware.
    Core,
}

/// What a synchronous canceller finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retracted {
    pub(super) was_armed: bool,
    /// It is doomed, and somebody has to wait and to take that back.
    pub(super) is_firing: bool,
}

impl Held<'_> {
    /// Whether these timers are the home of this one, and it is armed.
    pub(crate) fn is_armed(&self, timer: &Timer) -> bool {
        // Relaxed: with the lock of the home held, it stays.
        timer.home.load(Ordering::Relaxed) == self.timers.address()
    }

    /// Arms a timer, whose home these then are. On another core than theirs, that one may have to be told.
    ///
    /// # Safety
    /// It is not armed. It stays where it is until it is not armed any more.
    pub(crate) unsafe fn arm(&mut self, timer: &Timer, Setting { mut deadline_ns, note }: Setting) -> Tell {
        let mut tell = Tell::Nobody;
        if deadline_ns < self.state.wakes_at_ns {
            let lead = self.state.lead(deadline_ns, ptr::eq(self.timers, here()));
            deadline_ns = lead.deadline_ns;
            if lead.must_tell {
                tell = Tell::Core;
            }
        }
        // SAFETY: the caller's word.
        unsafe { self.timers.enter(self.state, timer, Setting { deadline_ns, note }) };
        tell
    }

    /// Takes a timer out.
    ///
    /// # Safety
    /// It is armed, and these are its home.
    pub(crate) unsafe fn disarm(&mut self, timer: &Timer) {
        // SAFETY: the caller's word.
        unsafe { self.timers.leave(self.state, timer) };
        if self.state.armed == 0 {
            self.timers.none_is_left(self.state);
        }
    }

    /// When it is due, or was.
    pub(crate) fn deadline_ns(&self, timer: &Timer) -> u64 {
        // SAFETY: the entry changes under the lock of the home, which is held.
        unsafe { timer.entry().as_ref() }.deadline_ns()
    }

    /// Whether these are its home.
    pub(crate) fn is_home(&self, timer: &Timer) -> bool {
        // Acquire: pairs with `move_here`.
        timer.home.load(Ordering::Acquire) & !FLAGS == self.timers.address()
    }

    /// Whether these are the running core's timers. Interrupts are off, so that it stays so.
    pub(crate) fn is_here(&self) -> bool {
        ptr::eq(self.timers, here())
    }

    /// Whether it is being fired: its `fire` has been called, or will be as soon as the lock is free.
    pub(crate) fn is_firing(&self, timer: &Timer) -> bool {
        self.timers.is_firing(timer)
    }

    /// Makes the running core's timers the home of a timer, whose home these were. From here on their lock counts.
    ///
    /// # Safety
    /// It is neither armed nor being fired.
    pub(crate) unsafe fn move_here(&mut self, timer: &Timer) {
        // Release: what was done under this lock comes before what is done under the other. Partners: `arm_or`, `with_home`.
        timer.home.store(here().address() | IDLE, Ordering::Release);
    }

    /// Sees to it that a timer is not armed on the short way any more.
    pub(crate) fn doom(&mut self, timer: &Timer) {
        // Relaxed: the lock.
        timer.home.store(self.timers.address() | DOOMED, Ordering::Relaxed);
    }

    /// What the timer's armer noted.
    pub(crate) fn note(&self, timer: &Timer) -> u64 {
        // Relaxed: the lock.
        timer.note.load(Ordering::Relaxed)
    }

    /// Notes something else.
    pub(crate) fn set_note(&mut self, timer: &Timer, note: u64) {
        // Relaxed: the lock.
        timer.note.store(note, Ordering::Relaxed);
    }
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

    /// Whether these are the home of an idle timer with this `home`.
    #[inline(always)]
    pub(crate) fn is_idle_home(&'static self, home: usize) -> bool {
        home == self.address() | IDLE
    }

    /// The timers that `home` leads to.
    #[inline(always)]
    pub(super) fn of(home: usize) -> Option<&'static Self> {
        // SAFETY: 0, or the address of a core's timers, which live for ever (invariant of `Timer`).
        unsafe { ptr::with_exposed_provenance::<Self>(home & !FLAGS).as_ref() }
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

    /// Runs `f`, a few instructions that call nothing, with the lock of the timer's home held. Any context but NMI.
    ///
    /// # Panics
    /// If the timer has no home: it was made without one, and never armed.
    pub(crate) fn with_home<R>(timer: &Timer, mut f: impl FnMut(Held<'_>) -> R) -> R {
        loop {
            let result = Self::home_of(timer).with(|held| held.is_home(timer).then(|| f(held)));
            if let Some(result) = result {
                return result;
            }
        }
    }

    /// Runs `f`, a few instructions that call nothing, with the lock held. Any context but NMI.
    #[inline(always)]
    pub(crate) fn with<R>(&'static self, f: impl FnOnce(Held<'_>) -> R) -> R {
        self.state.with(|state| f(Held { timers: self, state }))
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

    /// Edges 1 and 4, the short way: if nobody has the lock, and the timer's `home` is one that `may` be armed. Calls `also`
    /// under the lock. Else `otherwise`, with or without the lock, as it is told; it releases it and restores `flags`.
    ///
    /// # Safety
    /// As for [`Timer::arm`]. Interrupts are off, and `flags` are from turning them off. These are the running core's timers.
    /// What `may` be armed is idle.
    #[inline(always)]
    pub(crate) unsafe fn arm_or(
        &'static self,
        timer: &Timer,
        setting: Setting,
        flags: irq::Flags,
        may: impl FnOnce(usize) -> bool,
        also: impl FnOnce(),
        otherwise: impl FnOnce(IsHeld),
    ) {
        if !self.state.try_acquire() {
            return otherwise(IsHeld::No);
        }
        // Acquire: pairs with `Held::move_here`.
        if !may(timer.home.load(Ordering::Acquire)) {
            return otherwise(IsHeld::Yes);
        }
        also();
        // SAFETY: acquired; the reference is gone when it is released. The timer is not armed; the innermost flags.
        unsafe {
            let state = self.state.acquired();
            if setting.deadline_ns < state.wakes_at_ns {
                return self.arm_leading(timer, setting, flags);
            }
            self.enter(state, timer, setting);
            self.state.release();
            irq::restore(flags);
        }
    }

    /// The end of the short way for a timer that is due before all others.
    ///
    /// # Safety
    /// The caller is [`arm_or`](Self::arm_or).
    #[inline(never)]
    unsafe fn arm_leading(&'static self, timer: &Timer, setting: Setting, flags: irq::Flags) {
        // SAFETY: acquired; the reference is gone when it is released. The timer is not armed; the innermost flags.
        unsafe {
            let state = self.state.acquired();
            let deadline_ns = state.lead(setting.deadline_ns, true).deadline_ns;
            self.enter(state, timer, Setting { deadline_ns, ..setting });
            self.state.release();
            irq::restore(flags);
        }
    }

    /// Edge 5, the short way: if nobody has the lock, and the timer is armed here. Notes something else if told so, and calls
    /// `also`, under the lock. Else `otherwise`, as in [`arm_or`](Self::arm_or).
    ///
    /// # Safety
    /// Interrupts are off, and `flags` are from turning them off.
    #[inline(always)]
    pub(crate) unsafe fn disarm_or<R>(
        &'static self,
        timer: &Timer,
        note: Option<u64>,
        flags: irq::Flags,
        also: impl FnOnce() -> R,
        otherwise: impl FnOnce(IsHeld) -> R,
    ) -> R {
        if !self.state.try_acquire() {
            return otherwise(IsHeld::No);
        }
        // Relaxed: while it is armed here, it changes under this lock only.
        if timer.home.load(Ordering::Relaxed) != self.address() {
            return otherwise(IsHeld::Yes);
        }
        let result = also();
        if let Some(note) = note {
            // Relaxed: the lock.
            timer.note.store(note, Ordering::Relaxed);
        }
        // SAFETY: acquired; the reference is gone when it is released. Armed, here; the innermost flags.
        unsafe {
            let state = self.state.acquired();
            if state.armed == 1 {
                self.disarm_last(timer, flags);
            } else {
                self.leave(state, timer);
                self.state.release();
                irq::restore(flags);
            }
        }
        result
    }

    /// The end of the short way for a core's only timer.
    ///
    /// # Safety
    /// The caller is [`disarm_or`](Self::disarm_or).
    #[inline(never)]
    unsafe fn disarm_last(&'static self, timer: &Timer, flags: irq::Flags) {
        // SAFETY: acquired; the reference is gone when it is released. Armed, here; the innermost flags.
        unsafe {
            let state = self.state.acquired();
            self.leave(state, timer);
            self.none_is_left(state);
            self.state.release();
            irq::restore(flags);
        }
    }

    /// Goes on where the short way ended: runs `f` with the lock, releases it, and restores `flags`.
    ///
    /// # Safety
    /// Interrupts are off, and `flags` are from turning them off. The lock is held as `is_held` says.
    pub(crate) unsafe fn with_held<R>(
        &'static self,
        is_held: IsHeld,
        flags: irq::Flags,
        f: impl FnOnce(Held<'_>) -> R,
    ) -> R {
        if is_held == IsHeld::No {
            self.state.acquire();
        }
        // SAFETY: acquired, and not released before the reference is gone; the innermost flags.
        unsafe {
            let result = f(Held { timers: self, state: self.state.acquired() });
            self.state.release();
            irq::restore(flags);
            result
        }
    }

    /// # Safety
    /// The timer is not armed, and stays where it is until it is not armed any more. `state` is that of these timers.
    #[inline(always)]
    unsafe fn enter(&'static self, state: &mut State, timer: &Timer, Setting { deadline_ns, note }: Setting) {
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
    unsafe fn leave(&'static self, state: &mut State, timer: &Timer) {
        // SAFETY: in this wheel (invariant of `Timer`).
        unsafe { state.wheel.remove(timer.entry()) };
        // Relaxed: who arms it next takes a lock, or was told by the canceller.
        timer.home.store(self.address() | IDLE, Ordering::Relaxed);
        state.counts.cancelled += 1;
        state.armed -= 1;
    }

    /// Another core's hardware is not within reach: that core is interrupted once more.
    #[inline(always)]
    fn none_is_left(&'static self, state: &mut State) {
        if ptr::eq(self, here()) {
            state.disarm();
        }
    }

    /// The `home` of a timer that is armed here.
    #[inline(always)]
    pub(crate) fn address(&'static self) -> usize {
        ptr::from_ref(self).expose_provenance()
    }

    /// Edge 5 if it is armed, and the beginning of edge 6 if it is being fired. `None` if these are not its home any more.
    pub(super) fn retract(&'static self, timer: &Timer) -> Option<Retracted> {
        self.with(|mut held| {
            // Relaxed: as long as it leads here, all of it that matters here changes under this lock only.
            if timer.home.load(Ordering::Relaxed) & !FLAGS != self.address() {
                return None;
            }
            let was_armed = held.is_armed(timer);
            if was_armed {
                // SAFETY: as just seen.
                unsafe { held.disarm(timer) };
            }
            let is_firing = self.is_firing(timer);
            if is_firing {
                // Relaxed: for `arm`, called by that `fire`, which takes this lock.
                timer.home.store(self.address() | DOOMED, Ordering::Relaxed);
            }
            Some(Retracted { was_armed, is_firing })
        })
    }

    /// The second half of edge 6: `fire` has returned, so the timer may be armed again.
    pub(super) fn pardon(&'static self, timer: &Timer) {
        self.with(|_| {
            // Relaxed, both: whoever else has doomed it has this lock, as had who armed it since, if that was here.
            if timer.home.load(Ordering::Relaxed) == self.address() | DOOMED {
                timer.home.store(self.address() | IDLE, Ordering::Relaxed);
            }
        });
    }

    /// Whether this core is firing the timer.
    pub(crate) fn is_firing(&self, timer: &Timer) -> bool {
        // Acquire: pairs with the store in `serve` that clears it.
        ptr::eq(self.firing.load(Ordering::Acquire), timer)
    }

    /// Edges 2 and 3, for each timer that is due; and sets the hardware for the next.
    ///
    /// On the core whose timers these are, in interrupt context.
    pub(super) fn serve(&'static self) {
        let now_ns = clock::now_ns();
        if !self.state.try_acquire() {
            self.state.acquire();
        }
        // SAFETY: acquired; the reference is gone when it is released.
        let state = unsafe { self.state.acquired() };
        match state.take_only(now_ns) {
            Some(entry) => {
                // It was the last: what its `fire` arms is armed as always.
                let timer = self.begin_to_fire(state, entry, now_ns);
                // SAFETY: acquired above; it was armed, and these are the circumstances that `Fire` names.
                unsafe {
                    self.state.release();
                    self.fire(timer);
                }
            }
            None => {
                // SAFETY: acquired above.
                unsafe { self.state.release() };
                self.serve_all(now_ns);
            }
        }
    }

    #[inline(never)]
    fn serve_all(&'static self, began_ns: u64) {
        let (mut now_ns, mut fired) = (began_ns, 0);
        let mut is_spent = false;
        loop {
            let due = self.state.with_interrupts_off(|state| {
                if fired == 0 {
                    is_spent = state.begin(now_ns);
                }
                let next = if fired < FIRED || state.armed == 0 { state.take(now_ns) } else { Next::Again };
                if let Next::Due(entry) = next {
                    return Some(self.begin_to_fire(state, entry, now_ns));
                }
                state.end(next, began_ns, is_spent);
                None
            });
            let Some(timer) = due else { return };
            // SAFETY: it was armed, and these are the circumstances that `Fire` names.
            unsafe { self.fire(timer) };
            fired += 1;
            now_ns = clock::now_ns();
        }
    }

    /// Edge 2, under the lock: the entry has been taken from the wheel.
    #[inline(always)]
    fn begin_to_fire(&'static self, state: &mut State, entry: NonNull<Entry>, now_ns: u64) -> (Fire, NonNull<Timer>) {
        let timer = entry.cast::<Timer>();
        // SAFETY: it was in the wheel, so it is there until its `fire` is called.
        let (deadline_ns, due) = unsafe { (entry.as_ref().deadline_ns(), timer.as_ref()) };
        state.account(now_ns.saturating_sub(deadline_ns));
        // Relaxed, both: who draws conclusions from them has the lock.
        self.firing.store(timer.as_ptr(), Ordering::Relaxed);
        due.home.store(self.address() | IDLE, Ordering::Relaxed);
        (due.fire, timer)
    }

    /// The rest of edge 2, and edge 3.
    ///
    /// # Safety
    /// As for [`Fire`].
    #[inline(always)]
    unsafe fn fire(&self, (fire, timer): (Fire, NonNull<Timer>)) {
        // SAFETY: the caller's word.
        unsafe { fire(timer) };
        // Release: who sees that it is not being fired any more sees all that `fire` did. Partner: `is_firing`.
        self.firing.store(ptr::null_mut(), Ordering::Release);
    }

    /// When the wheel is to be looked at next: not later than the earliest deadline.
    pub(super) fn next_deadline(&'static self) -> Option<u64> {
        self.with(|held| held.state.wheel.next_deadline())
    }

    pub(super) fn stats(&'static self) -> TimerStats {
        self.with(|held| TimerStats { armed: held.state.armed, ..held.state.counts })
    }
}

/// Has the running core's hardware armed as its timers want it: another core has armed one of them. Any context but NMI.
#[cfg(not(any(test, feature = "hosted")))]
pub(crate) fn program() {
    let flags = irq::save_and_disable();
    here().state.with_interrupts_off(State::program);
    // SAFETY: the innermost.
    unsafe { irq::restore(flags) };
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
