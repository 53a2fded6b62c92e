//! Ringing: from the timer's interrupt to the handler's return.

use alloc::sync::Arc;
use core::mem;
use core::mem::offset_of;
use core::ptr::NonNull;
use core::time::Duration;

use super::inner::{Action, Call, Inner, NOT_SET, ONCE, State, me};
use super::post::{self, Letter};
use crate::arch::clock;
use crate::time::timer::{Held, Setting, Timer};

/// An alarm that does this when it rings.
pub(super) fn alarm(action: Action) -> Arc<Inner> {
    Inner::new(action, fire, ring)
}

/// What is to be done once the lock is free.
enum Then {
    Nothing,
    Up,
    Send,
}

impl Inner {
    /// The time has come, unless it was cancelled or set again meanwhile.
    fn come_due(&self, held: &mut Held<'_>, state: &mut State, now_ns: u64) -> Then {
        let note = held.note(&self.timer);
        if note == NOT_SET || held.is_armed(&self.timer) {
            return Then::Nothing;
        }
        state.stats.rung += 1;
        if !state.due {
            // The first since the handler was called, or since what it was set for before was forgotten.
            state.missed = 0;
        }
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
                Call { at_ns: state.rang_for_ns, missed: state.missed }
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
