//! Setting an alarm and cancelling it.

use super::inner::{Inner, NOT_SET, ONCE, State, me};
use super::post;
use crate::arch::{self, irq};
use crate::kthread;
use crate::time::timer::{self, Held, IsHeld, Setting, Tell, Timers};

/// What came of an attempt to set it.
enum Attempt {
    Done(Tell),
    /// It has moved here, and can be set now.
    Moved,
}

impl Inner {
    /// Has it ring once.
    #[inline]
    pub(super) fn set(&self, deadline_ns: u64) {
        let setting = Setting { deadline_ns, note: ONCE };
        let flags = irq::save_and_disable();
        let timers = timer::here();
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
        kthread::assert_may_block(|| "Alarm::cancel_sync");
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
}
