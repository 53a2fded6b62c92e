//! The one-shot interrupt.

use core::ptr::{self, NonNull};

use super::record::{Fire, IDLE, Timer};
use super::state::State;
use super::timers::Timers;
use super::wheel::{Entry, Next};
use crate::arch::clock;
use crate::sync::atomic::Ordering;

/// How many timers one interrupt fires at most.
pub(super) const FIRED: usize = 64;

impl Timers {
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
}
