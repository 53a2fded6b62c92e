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
use core::mem::offset_of;
use core::num::NonZeroUsize;
use core::ops::Deref;
use core::ptr::NonNull;
use core::time::Duration;

use super::post::{self, Letter};
use crate::arch::{self, clock, irq};
use crate::kthread;
use crate::kthread::sync::Semaphore;
use crate::sync::cell::UnsafeCell;
use crate::time::timer::{Held, IsHeld, Setting, Tell, Timer, Timers};

pub(super) type Handler = Box<dyn FnMut(&Inner, Call) + Send>;
pub(super) type SharedSemaphore = Box<dyn Deref<Target = Semaphore> + Send + Sync>;

/// Noted with a timer whose alarm is set: it rings once.
const ONCE: u64 = 0;
/// Its alarm is not set. What else is noted is a period.
const NOT_SET: u64 = u64::MAX;

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
    timer: Timer,
    letter: Letter,
    action: Action,
    state: UnsafeCell<State>,
    /// A unit for the owner when the handler has returned.
    is_quiet: Semaphore,
}

// SAFETY: what is shared is used as the invariant says.
unsafe impl Sync for Inner {}
// SAFETY: handlers may run on any core.
unsafe impl Send for Inner {}

struct State {
    /// The core whose timers are the home.
    core: usize,
    /// The owner is gone: it is not set any more.
    is_dead: bool,
    /// Nobody owns it, so it is dead when it has rung and is not set again.
    is_detached: bool,
    /// The handler is to be called.
    due: bool,
    queued: bool,
    /// In which kthread the handler runs.
    running: Option<NonZeroUsize>,
    /// The owner waits for the handler's return.
    owner_waits: bool,
    /// When a periodic one rings next.
    next_ns: u64,
    /// What it rings for.
    rang_for_ns: u64,
    /// How often it should have rung since the handler was called last.
    missed: u64,
    stats: AlarmStats,
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

/// What is to be done once the lock is free.
enum Then {
    Nothing,
    Up,
    Send,
}

/// What came of an attempt to set it.
enum Attempt {
    Done(Tell),
    /// It has moved here, and can be set now.
    Moved,
}

impl Inner {
    pub(super) fn new(action: Action) -> Arc<Self> {
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
    fn locked<R>(&self, mut f: impl FnMut(&mut Held<'_>, &mut State) -> R) -> R {
        Timers::with_home(&self.timer, |mut held| {
            // SAFETY: the lock is held, and nobody else calls this in `f`.
            self.state.with_mut(|state| f(&mut held, unsafe { &mut *state }))
        })
    }

    /// Has it ring once.
    #[inline]
    pub(super) fn set(&self, deadline_ns: u64) {
        let setting = Setting { deadline_ns, note: ONCE };
        let flags = irq::save_and_disable();
        let timers = crate::time::timer::here();
        // SAFETY: called with the lock.
        let not_due = || self.state.with_mut(|state| unsafe { (*state).due = false });
        // SAFETY: this is the short way, and that its end.
        let otherwise = |is_held| unsafe { self.set_slowly(timers, setting, is_held, flags) };
        // SAFETY: it stays where it is while it is armed (the owner's reference); only under the lock of its home is it armed.
        // Interrupts are off, and the flags the innermost.
        unsafe { timers.arm_or(&self.timer, setting, flags, |home| timers.is_idle_home(home), not_due, otherwise) };
    }

    /// # Safety
    /// The caller is [`set`](Self::set), on its short way.
    #[inline(never)]
    unsafe fn set_slowly(&self, timers: &'static Timers, setting: Setting, is_held: IsHeld, flags: irq::Flags) {
        let attempt = |mut held: Held<'_>| {
            // SAFETY: called with the lock of the home.
            self.state.with_mut(|state| self.attempt(&mut held, unsafe { &mut *state }, setting))
        };
        // SAFETY: the caller's word.
        let attempted =
            unsafe { timers.with_held(is_held, flags, |held| held.is_home(&self.timer).then(|| attempt(held))) };
        if !matches!(attempted, Some(Attempt::Done(_))) {
            self.set_from_anywhere(setting, |_| true);
        }
    }

    /// Has it ring at a moment and then in every period.
    pub(super) fn set_periodic(&self, first_ns: u64, period_ns: u64) {
        self.set_from_anywhere(Setting { deadline_ns: first_ns, note: period_ns }, |_| true);
    }

    /// Has it ring once more, unless somebody waits for the handler's return, and for silence after that.
    pub(super) fn set_by_handler(&self, deadline_ns: u64) {
        self.set_from_anywhere(Setting { deadline_ns, note: ONCE }, |state| !state.owner_waits);
    }

    #[inline(never)]
    fn set_from_anywhere(&self, setting: Setting, may: fn(&State) -> bool) {
        loop {
            let attempt = self.locked(|held, state| {
                let core = state.core;
                may(state).then(|| (self.attempt(held, state, setting), core))
            });
            match attempt {
                None | Some((Attempt::Done(Tell::Nobody), _)) => return,
                Some((Attempt::Done(Tell::Core), core)) => return post::tell(core),
                Some((Attempt::Moved, _)) => {}
            }
        }
    }

    /// Forgets what it was set for, and sets it if it may be armed here.
    fn attempt(&self, held: &mut Held<'_>, state: &mut State, setting: Setting) -> Attempt {
        self.forget(held, state);
        if state.is_dead {
            return Attempt::Done(Tell::Nobody);
        }
        if !held.is_here() && !held.is_firing(&self.timer) {
            state.core = arch::core_id();
            // SAFETY: not armed, as was just seen to, and not being fired.
            unsafe { held.move_here(&self.timer) };
            return Attempt::Moved;
        }
        state.next_ns = setting.deadline_ns;
        // SAFETY: not armed; it stays where it is, by the owner's reference.
        Attempt::Done(unsafe { held.arm(&self.timer, setting) })
    }

    /// It is not set any more. Whether it was, or was about to ring.
    fn forget(&self, held: &mut Held<'_>, state: &mut State) -> bool {
        if held.is_armed(&self.timer) {
            // SAFETY: as just seen; called with the lock of its home.
            unsafe { held.disarm(&self.timer) };
        }
        let was_set = held.note(&self.timer) != NOT_SET;
        held.set_note(&self.timer, NOT_SET);
        state.missed = 0;
        mem::take(&mut state.due) | was_set
    }

    /// Its handler does not begin any more. Whether it would have.
    #[inline]
    pub(super) fn cancel(&self) -> bool {
        let flags = irq::save_and_disable();
        let timers = Timers::home_of(&self.timer);
        let also = || {
            // SAFETY: called with the lock.
            self.state.with_mut(|state| unsafe { (*state).due = false });
            true
        };
        // SAFETY: this is the short way, and that its end.
        let otherwise = |is_held| unsafe { self.cancel_slowly(timers, is_held, flags) };
        // SAFETY: interrupts are off, and the flags the innermost.
        unsafe { timers.disarm_or(&self.timer, Some(NOT_SET), flags, also, otherwise) }
    }

    /// # Safety
    /// The caller is [`cancel`](Self::cancel), on its short way.
    #[inline(never)]
    unsafe fn cancel_slowly(&self, timers: &'static Timers, is_held: IsHeld, flags: irq::Flags) -> bool {
        // SAFETY: the caller's word; then that the lock is that of the home.
        let cancelled = unsafe {
            timers.with_held(is_held, flags, |mut held| {
                let is_home = held.is_home(&self.timer);
                is_home.then(|| self.state.with_mut(|state| self.forget(&mut held, &mut *state)))
            })
        };
        cancelled.unwrap_or_else(|| self.locked(|held, state| self.forget(held, state)))
    }

    /// As [`cancel`](Self::cancel); and the handler does not run any more, nor is a unit on its way.
    pub(super) fn cancel_sync(&self) -> bool {
        kthread::assert_may_block("Alarm::cancel_sync");
        let (was_set, running) = self.locked(|held, state| {
            state.owner_waits = state.running.is_some();
            (self.forget(held, state), state.running)
        });
        if let Some(running) = running {
            assert!(running != me(), "an alarm's handler waits for its own end");
            self.is_quiet.down();
        }
        self.wait_for_fire();
        was_set
    }

    /// Waits until its timer is not being fired.
    fn wait_for_fire(&self) {
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
    fn retire(&self, state: &mut State) -> Option<Handler> {
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

    /// The time has come, unless it was cancelled or set again meanwhile.
    fn come_due(&self, held: &mut Held<'_>, state: &mut State, now_ns: u64) -> Then {
        let note = held.note(&self.timer);
        if note == NOT_SET || held.is_armed(&self.timer) {
            return Then::Nothing;
        }
        state.stats.rung += 1;
        if note == ONCE {
            state.rang_for_ns = held.deadline_ns(&self.timer);
            held.set_note(&self.timer, NOT_SET);
        } else {
            let passed = now_ns.saturating_sub(state.next_ns) / note;
            state.miss(passed);
            // The last of those that have come.
            state.rang_for_ns = state.next_ns + passed * note;
            state.next_ns = state.rang_for_ns.saturating_add(note);
            let setting = Setting { deadline_ns: state.next_ns, note };
            // SAFETY: not armed. These are the running core's timers: there is nobody to tell.
            let _ = unsafe { held.arm(&self.timer, setting) };
        }
        if let Action::Up(_) = self.action {
            state.note_lateness(now_ns);
            return Then::Up;
        }
        if mem::replace(&mut state.due, true) {
            state.miss(1);
        }
        if state.running.is_some() || mem::replace(&mut state.queued, true) { Then::Nothing } else { Then::Send }
    }

    /// Sends the message.
    ///
    /// # Safety
    /// `queued` was set by the caller, so nobody else sends it.
    unsafe fn send(self: Arc<Self>, core: usize) {
        let letter = NonNull::from(&self.letter);
        // Its reference.
        let _ = Arc::into_raw(self);
        // SAFETY: in no inbox, by the caller's word; the reference keeps it where it is.
        unsafe { post::send(letter, core) };
    }

    /// The message has been taken: calls the handler if it is still due, and sends the message again if it is due once more.
    fn ring(self: Arc<Self>) {
        let call = self.locked(|_, state| {
            state.queued = false;
            mem::take(&mut state.due).then(|| {
                state.running = Some(me());
                state.note_lateness(clock::now_ns());
                Call { at_ns: state.rang_for_ns, missed: mem::take(&mut state.missed) }
            })
        });
        let Some(call) = call else {
            // Cancelled meanwhile. From here on the message may be in an inbox again: nothing but its own reference is left
            // to this function.
            let handler = self.locked(|_, state| self.retire(state));
            drop(handler);
            return;
        };
        if let Action::Call(handler) = &self.action {
            handler.with_mut(|handler| {
                // SAFETY: `running` is this kthread.
                if let Some(handler) = unsafe { &mut *handler } {
                    handler(&self, call);
                }
            });
        }
        self.returned();
    }

    /// The handler has returned, and does not run until the message is taken once more.
    fn returned(self: Arc<Self>) {
        let (handler, owner_waits, again, is_over) = self.locked(|held, state| {
            state.running = None;
            // It was not sent while the handler ran.
            state.queued = state.due;
            let is_set = state.due || held.note(&self.timer) != NOT_SET;
            let is_over = state.is_detached && !is_set && !mem::replace(&mut state.is_dead, true);
            if is_over {
                held.doom(&self.timer);
            }
            (self.retire(state), mem::take(&mut state.owner_waits), state.queued.then_some(state.core), is_over)
        });
        drop(handler);
        if owner_waits {
            self.is_quiet.up();
        }
        if is_over {
            self.wait_for_fire();
            // SAFETY: the reference that `detach` left, for which this is the last ring.
            unsafe { Arc::decrement_strong_count(Arc::as_ptr(&self)) };
        }
        if let Some(core) = again {
            // SAFETY: `queued` was set just now.
            unsafe { self.send(core) };
        }
    }
}

impl State {
    fn miss(&mut self, times: u64) {
        self.missed += times;
        self.stats.missed += times;
    }

    fn note_lateness(&mut self, now_ns: u64) {
        let late = Duration::from_nanos(now_ns.saturating_sub(self.rang_for_ns));
        self.stats.worst_lateness = self.stats.worst_lateness.max(late);
    }
}

/// A number for the running kthread that no other one has now.
fn me() -> NonZeroUsize {
    NonZeroUsize::new(kthread::current().addr()).expect("a kthread has an address")
}

/// What the timer calls.
///
/// # Safety
/// As for `timer::Fire`. The timer is an [`Inner`]'s.
unsafe fn fire(timer: NonNull<Timer>) {
    let alarm = timer.as_ptr().wrapping_byte_sub(offset_of!(Inner, timer)).cast::<Inner>().cast_const();
    // SAFETY: the owner waits until its timer is not being fired.
    let this = unsafe { &*alarm };
    let now_ns = clock::now_ns();
    let (then, core) = this.locked(|held, state| (this.come_due(held, state, now_ns), state.core));
    match (then, &this.action) {
        (Then::Nothing, _) => {}
        (Then::Up, Action::Up(semaphore)) => {
            semaphore.up();
        }
        // SAFETY: it is alive, and in an `Arc`; `queued` was set just now.
        (Then::Send, _) => unsafe {
            Arc::increment_strong_count(alarm);
            Arc::from_raw(alarm).send(core);
        },
        (Then::Up, Action::Call(_)) => unreachable!("a handler is not a semaphore"),
    }
}

/// What the message calls, in kthread context.
///
/// # Safety
/// The letter was taken from an inbox, and is an [`Inner`]'s.
unsafe fn ring(letter: NonNull<Letter>) {
    let alarm = letter.as_ptr().wrapping_byte_sub(offset_of!(Inner, letter)).cast::<Inner>().cast_const();
    // SAFETY: the message's reference, which is this function's now.
    unsafe { Arc::from_raw(alarm) }.ring();
}
