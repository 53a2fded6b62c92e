//! A core's timers with their lock held.

use core::ptr;

use super::record::{DOOMED, FLAGS, IDLE, Timer};
use super::state::State;
use super::stats::TimerStats;
use super::timers::{Setting, Timers, here};
use crate::arch::irq;
use crate::sync::atomic::Ordering;

/// A core's timers with their lock held, and interrupts off.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    pub(super) timers: &'static Timers,
    pub(super) state: &'a mut State,
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

/// Whether somebody who goes on has the lock already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IsHeld {
    /// It was taken on the short way.
    Yes,
    /// It has to be waited for.
    No,
}

impl Timers {
    /// Runs `f`, a few instructions that call nothing, with the lock held. Any context but NMI.
    #[inline(always)]
    pub(crate) fn with<R>(&'static self, f: impl FnOnce(Held<'_>) -> R) -> R {
        self.state.with(|state| f(Held { timers: self, state }))
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
