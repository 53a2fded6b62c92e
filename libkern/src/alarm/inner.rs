//! An alarm's state, and what its timer and its message do to it. See the module above.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr::NonNull;
use core::time::Duration;

use crate::arch::{self, clock, irq};
use crate::kmsg::{self, Message};
use crate::kthread::sync::Semaphore;
use crate::kthread::{self, WaitLock};
use crate::time::Instant;
use crate::time::timer::{Cancel, Timer};

type Handler = Box<dyn FnMut(&mut Ringing<'_>) + Send>;

enum Action {
    /// Calls this, in a routine message.
    Call(UnsafeCell<Handler>),
    /// Gives it a unit.
    Up(&'static Semaphore),
}

/// What an alarm is made of.
///
/// # Invariants
/// One reference belongs to the timer while `armed`, or while it fires; one to the message while it is in an inbox. The
/// handler is used by the message's function only, which runs once at a time (`running`).
pub(super) struct Inner {
    timer: Timer,
    message: UnsafeCell<Message>,
    action: Action,
    state: WaitLock<State>,
    /// Units for those who wait until the handler does not run.
    is_quiet: Semaphore,
}

// SAFETY: the message and the handler are used as the invariant says.
unsafe impl Sync for Inner {}
// SAFETY: handlers may run on any core.
unsafe impl Send for Inner {}

#[derive(Default)]
struct State {
    /// When it rings next, in nanoseconds of the clock, if it is armed.
    deadline: u64,
    period: Option<u64>,
    armed: bool,
    /// The message is in an inbox.
    queued: bool,
    /// The handler is to be called by the message in the inbox, or when it returns.
    due: bool,
    /// The number of the kthread in which the handler runs.
    running: Option<u64>,
    /// How many wait for the handler's return.
    waiting: usize,
    /// For the next call of the handler: what it rings for.
    rang_for: u64,
    missed: u64,
    stats: AlarmStats,
}

/// What has become of an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmStats {
    /// How often its time came.
    pub rung: u64,
    /// How many times of a periodic one were left out because they had passed, and how many came while its handler was
    /// still to run for the one before.
    pub missed: u64,
    /// The longest time from the moment it was set for to its timer's interrupt.
    pub worst_lateness: Duration,
}

impl Inner {
    pub(super) fn with_handler(handler: impl FnMut(&mut Ringing<'_>) + Send + 'static) -> Arc<Self> {
        Self::new(Action::Call(UnsafeCell::new(Box::new(handler))))
    }

    pub(super) fn with_semaphore(semaphore: &'static Semaphore) -> Arc<Self> {
        Self::new(Action::Up(semaphore))
    }

    fn new(action: Action) -> Arc<Self> {
        Arc::new(Self {
            timer: Timer::new(fire),
            message: UnsafeCell::new(Message::new(ring)),
            action,
            state: WaitLock::new(State::default()),
            is_quiet: Semaphore::new(0),
        })
    }

    pub(super) fn set(self: &Arc<Self>, deadline: u64, period: Option<u64>) {
        let mut state = self.state.lock();
        self.disarm(&mut state);
        state.due = false;
        state.period = period;
        self.arm(&mut state, deadline);
    }

    pub(super) fn cancel(&self) -> bool {
        let mut state = self.state.lock();
        self.disarm(&mut state) | core::mem::take(&mut state.due)
    }

    pub(super) fn cancel_sync(&self) -> bool {
        kthread::assert_may_block("Alarm::cancel_sync");
        let mut state = self.state.lock();
        let was_set = self.disarm(&mut state) | core::mem::take(&mut state.due);
        if let Some(running) = state.running {
            assert!(running != kthread::id(), "an alarm's handler waits for its own end");
            state.waiting += 1;
            drop(state);
            self.is_quiet.down();
        }
        was_set
    }

    pub(super) fn stats(&self) -> AlarmStats {
        self.state.lock().stats
    }

    /// Arms the timer, which is not armed.
    fn arm(self: &Arc<Self>, state: &mut State, deadline: u64) {
        state.deadline = deadline;
        state.armed = true;
        // The timer's reference.
        let _ = Arc::into_raw(Arc::clone(self));
        // SAFETY: it stays in the alarm, which its reference keeps alive.
        unsafe { self.timer.arm(deadline) };
    }

    /// Makes sure that the timer's function will do nothing. Says whether it would have.
    fn disarm(&self, state: &mut State) -> bool {
        if !core::mem::take(&mut state.armed) {
            return false;
        }
        if self.timer.cancel() == Cancel::Disarmed {
            // SAFETY: the reference that the timer had. It is not the last one: the caller has one.
            unsafe { Arc::decrement_strong_count(self) };
        }
        true
    }

    /// The time has come. Says what the interrupt is to do once the lock is free.
    fn come_due(self: &Arc<Self>, state: &mut State, now: u64) -> Next {
        if !state.armed || now < state.deadline {
            return Next::Nothing;
        }
        // Only if this fires for an earlier setting: then the timer is armed once more.
        self.disarm(state);
        state.stats.rung += 1;
        let late = Duration::from_nanos(now - state.deadline);
        state.stats.worst_lateness = state.stats.worst_lateness.max(late);
        state.rang_for = state.deadline;
        if let Some(period) = state.period {
            let passed = (now - state.deadline) / period;
            state.missed += passed;
            state.stats.missed += passed;
            let next = state.deadline.saturating_add((passed + 1).saturating_mul(period));
            self.arm(state, next);
        }
        if let Action::Up(semaphore) = &self.action {
            return Next::Up(semaphore);
        }
        if core::mem::replace(&mut state.due, true) {
            state.missed += 1;
            state.stats.missed += 1;
        }
        if state.running.is_some() || core::mem::replace(&mut state.queued, true) {
            return Next::Nothing;
        }
        Next::Post
    }

    /// Sends the message, with a reference.
    ///
    /// # Safety
    /// `queued` was set by the caller, so that nobody else sends it. Interrupts are off.
    unsafe fn post(self: Arc<Self>) {
        // SAFETY: the address of a field.
        let message = unsafe { NonNull::new_unchecked(self.message.get()) };
        let _ = Arc::into_raw(self);
        // SAFETY: in no inbox, by the caller's word; the reference keeps it where it is.
        unsafe { kmsg::post_routine(arch::core_id(), message) };
    }
}

enum Next {
    Nothing,
    Up(&'static Semaphore),
    Post,
}

/// What the timer calls.
///
/// # Safety
/// The timer is an [`Inner`]'s, which has a reference for this.
unsafe fn fire(timer: NonNull<Timer>) {
    // SAFETY: the timer's reference, which is this function's now.
    let alarm = unsafe { Arc::from_raw(timer.as_ptr().byte_sub(offset_of!(Inner, timer)).cast::<Inner>().cast_const()) };
    let mut state = alarm.state.lock();
    let next = alarm.come_due(&mut state, clock::now_ns());
    // Where this is the last reference, what the handler has is dropped by the idle loop. (Hazard 4)
    let hands_over = matches!(next, Next::Nothing)
        && Arc::strong_count(&alarm) == 1
        && matches!(alarm.action, Action::Call(_))
        && !core::mem::replace(&mut state.queued, true);
    drop(state);
    match next {
        // SAFETY: `queued` was set just now; interrupts are off.
        Next::Nothing if hands_over => unsafe { alarm.post() },
        Next::Nothing => {}
        Next::Up(semaphore) => {
            semaphore.up();
        }
        // SAFETY: as above.
        Next::Post => unsafe { alarm.post() },
    }
}

/// What the message calls: the handler, if it is still due, as often as it has become due meanwhile.
///
/// # Safety
/// As for a message's function. The message is an [`Inner`]'s, which has a reference for this.
unsafe fn ring(message: NonNull<Message>) {
    // SAFETY: the message's reference, which is this function's now.
    let alarm = unsafe { Arc::from_raw(message.as_ptr().byte_sub(offset_of!(Inner, message)).cast::<Inner>().cast_const()) };
    // SAFETY: routine messages run in kthread context.
    unsafe { irq::enable() };
    let Action::Call(handler) = &alarm.action else { return };
    let mut state = alarm.state.lock();
    state.queued = false;
    while core::mem::take(&mut state.due) {
        state.running = Some(kthread::id());
        let (at, missed) = (state.rang_for, core::mem::take(&mut state.missed));
        drop(state);
        // SAFETY: `running` keeps other messages of this alarm from being sent.
        let handler = unsafe { &mut *handler.get() };
        handler(&mut Ringing { alarm: &alarm, at, missed });
        state = alarm.state.lock();
        state.running = None;
        for _ in 0..core::mem::take(&mut state.waiting) {
            alarm.is_quiet.up();
        }
    }
}

/// What a handler is told, and what it can do about its own alarm.
pub struct Ringing<'a> {
    alarm: &'a Arc<Inner>,
    at: u64,
    missed: u64,
}

impl Ringing<'_> {
    /// How long ago the alarm's time was, by now.
    #[must_use]
    pub fn late(&self) -> Duration {
        Duration::from_nanos(clock::now_ns().saturating_sub(self.at))
    }

    /// How many times of the alarm were left out since the handler was called last.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Has the alarm ring once, when `at` has come. As `Alarm::set_at`.
    pub fn set_at(&mut self, at: Instant) {
        self.alarm.set(at.as_nanos(), None);
    }

    /// Has the alarm ring once, after `delay` from now. As `Alarm::set_after`.
    pub fn set_after(&mut self, delay: Duration) {
        self.set_at(Instant::now() + delay);
    }

    /// Keeps the alarm from ringing again.
    pub fn stop(&mut self) {
        self.alarm.cancel();
    }
}
