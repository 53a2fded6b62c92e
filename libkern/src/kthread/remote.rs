//! Having other cores do something, and waiting for it.
//!
//! These are messages whose sender blocks until they are done; so their closures may borrow from its stack.

use core::cell::UnsafeCell;

use super::{Sleeper, Wait, WaitLock, assert_may_block, block, current, wake};
use crate::arch;
use crate::cpu::CoreSet;
use crate::kmsg::{self, Immediate, Routine};

/// What a sender waits for.
struct Latch {
    state: WaitLock<(usize, Option<Sleeper>)>,
}

impl Latch {
    fn new(count: usize) -> Self {
        Self { state: WaitLock::new((count, None)) }
    }

    /// Says that one of those awaited is done. The latch may be gone when this returns.
    fn count_down(&self) {
        let mut state = self.state.lock();
        state.0 -= 1;
        let sleeper = if state.0 == 0 { state.1.take() } else { None };
        drop(state);
        if let Some(sleeper) = sleeper {
            wake(sleeper);
        }
    }

    fn wait(&self, kind: &'static str) {
        let mut state = self.state.lock();
        if state.0 > 0 {
            state.1 = Some(current());
            block(state, Wait { kind, object: core::ptr::from_ref(self).addr() });
        }
    }
}

/// What a message on another core writes and its sender reads when it is done.
struct Outcome<R>(UnsafeCell<Option<R>>);

// SAFETY: the sender gives it up when it sends the message and reads it again when the latch says so.
unsafe impl<R: Send> Sync for Outcome<R> {}

/// Runs `f` on `core`, as a routine message, and returns what it returns. Blocks; on the running core it is a call.
///
/// # Panics
/// If there is no such core, or it is not up; or if it would block here.
pub fn call<R: Send>(core: usize, f: impl FnOnce() -> R + Send) -> R {
    assert_may_block(|| "kthread::call");
    if core == arch::core_id() {
        return f();
    }
    let (outcome, done) = (Outcome(UnsafeCell::new(None)), Latch::new(1));
    {
        let (outcome, done) = (&outcome, &done);
        let message = move |_: Routine| {
            let result = f();
            // SAFETY: the message's until it counts down.
            unsafe { *outcome.0.get() = Some(result) };
            done.count_down();
        };
        // SAFETY: what the closure borrows is good until `count_down`, for which this function waits below; and nothing
        // that borrows is dropped after that.
        unsafe { kmsg::send_routine_borrowing(core, message) };
    }
    done.wait("a call on another core");
    outcome.0.into_inner().expect("a call that is done has a result")
}

/// Runs `f` on every core that is up, with the core's number, and returns when all have run it. Blocks.
///
/// On the others it is a routine message, on this core a call; all run at the same time, as far as they have nothing else
/// to do.
///
/// # Panics
/// If it would block here.
pub fn call_all(f: impl Fn(usize) + Sync) {
    call_set(&CoreSet::all(), f);
}

/// As [`call_all`], on the cores of `set`.
///
/// # Panics
/// If one of them does not exist or is not up; or if it would block here.
pub fn call_set(set: &CoreSet, f: impl Fn(usize) + Sync) {
    assert_may_block(|| "kthread::call_set");
    let here = arch::core_id();
    let mut others = *set;
    others.remove(here);
    let done = Latch::new(others.len());
    for core in others.iter() {
        let (f, done) = (&f, &done);
        let message = move |_: Routine| {
            f(core);
            done.count_down();
        };
        // SAFETY: the closure's references are good until `count_down`, for which this function waits below.
        unsafe { kmsg::send_routine_borrowing(core, message) };
    }
    if set.contains(here) {
        f(here);
    }
    done.wait("calls on other cores");
}

/// Runs `f` on every core of `set` in interrupt context, as an immediate message, and returns when all have run it. Blocks.
///
/// # Panics
/// As [`call_set`].
pub fn interrupt_set(set: &CoreSet, f: impl Fn(usize) + Sync) {
    assert_may_block(|| "kthread::interrupt_set");
    let done = Latch::new(set.len());
    for core in set.iter() {
        let (f, done) = (&f, &done);
        let message = move |_: Immediate| {
            f(core);
            done.count_down();
        };
        // SAFETY: as in `call_set`.
        unsafe { kmsg::send_immediate_borrowing(core, message) };
    }
    done.wait("interrupts of other cores");
}
