//! Arming and cancelling where nothing is special: a few dozen instructions that save no registers, because whatever calls
//! functions is left to functions of its own, which end the matter.

use super::held::IsHeld;
use super::record::Timer;
use super::timers::{Setting, Timers};
use crate::arch::irq;
use crate::sync::atomic::Ordering;

impl Timers {
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
}
