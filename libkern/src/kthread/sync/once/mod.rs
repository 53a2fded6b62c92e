//! What is done once, by whoever comes first, while the others sleep.
//!
//! ```text
//!   New ---1---> Running ---2---> Done
//!
//!   1  begin     under the lock, by the kthread that will do it
//!   2  finish    under the lock, by the same; lets all go who sleep
//! ```
//!
//! Done is final and read without the lock: one load. Doing it happens without the lock, may block, and cannot fail: a panic
//! is the end of the image. A kthread that comes back to what it is doing itself would sleep for ever, and panics instead.
//!
//! Unlike the boot's cells of `conquer-once`, nobody spins here; so what is done may take long, and may not be asked for in
//! interrupt handlers unless it is done ([`OnceLock::get`]).

use core::fmt;

use super::limit::{Limit, blocking};
use super::waiter::{Queue, Waitable, Woken, sleep};
use crate::kthread::{Sleeper, WaitGuard, WaitLock, assert_may_block, current};
use crate::sync::atomic::{AtomicBool, Ordering};

mod lock;
#[cfg(all(loom, test))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;

pub use lock::OnceLock;

/// Something that is done once.
///
/// ```no_run
/// use libkern::kthread::sync::Once;
///
/// static GREETING: Once = Once::new();
///
/// GREETING.call_once(|| println!("Hello!"));
/// ```
pub struct Once {
    is_done: AtomicBool,
    state: WaitLock<State>,
}

pub(super) struct State {
    /// Who does it, from the first who comes on.
    runner: Option<Sleeper>,
    queue: Queue<()>,
}

/// What there is to do for whoever comes.
enum Turn {
    Run,
    Return,
}

impl Once {
    /// It is not done.
    #[cfg(not(all(loom, test)))]
    pub const fn new() -> Self {
        Self { is_done: AtomicBool::new(false), state: WaitLock::new(State { runner: None, queue: Queue::new() }) }
    }

    /// It is not done.
    #[cfg(all(loom, test))]
    pub fn new() -> Self {
        Self { is_done: AtomicBool::new(false), state: WaitLock::new(State { runner: None, queue: Queue::new() }) }
    }

    blocking! {
        /// Calls `f` if nobody has before, or sleeps until it is done. Afterwards it is done. The limits are for the sleep, not
        /// for `f`. Panics too if called by `f`.
        ///
        /// Once it is done, any context.
        fn call_once, call_once_timeout, call_once_until, call_once_abortable, call_once_abortable_until <F: FnOnce()>(
            f: F) -> () = call_within;
        /// Sleeps until it is done, by whomever.
        ///
        /// Once it is done, any context.
        fn wait, wait_timeout, wait_until, wait_abortable, wait_abortable_until() -> () = wait_within;
    }

    /// Calls `f` if nobody has begun to do it, and says whether it did. Any context in which `f` may run.
    pub fn try_call(&self, f: impl FnOnce()) -> bool {
        let mut state = self.state.lock();
        if state.runner.is_some() {
            return false;
        }
        state.runner = Some(current());
        drop(state);
        self.run(f);
        true
    }

    /// Whether it is done. Any context.
    #[inline]
    #[must_use]
    pub fn is_done(&self) -> bool {
        // Acquire: what was done is there. Partner: `run`.
        self.is_done.load(Ordering::Acquire)
    }

    #[inline(always)]
    #[track_caller]
    fn call_within<F: FnOnce(), L: Limit>(&self, f: F, limit: L) -> Result<(), L::Cut> {
        if !self.is_done()
            && let Turn::Run = self.begin(limit)?
        {
            self.run(f);
        }
        Ok(())
    }

    #[inline(always)]
    #[track_caller]
    fn wait_within<L: Limit>(&self, limit: L) -> Result<(), L::Cut> {
        if self.is_done() {
            return Ok(());
        }
        assert_may_block(|| "Once::wait");
        self.sleep(self.state.lock(), limit)
    }

    /// Edge 1 for the first who comes, a sleep for the others.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn begin<L: Limit>(&self, limit: L) -> Result<Turn, L::Cut> {
        assert_may_block(|| "Once::call_once");
        let mut state = self.state.lock();
        match state.runner {
            None => {
                state.runner = Some(current());
                Ok(Turn::Run)
            }
            Some(runner) if runner == current() && !self.is_done() => {
                drop(state);
                panic!("kthread `{}` does once what it is doing already", current());
            }
            Some(_) => self.sleep(state, limit).map(|()| Turn::Return),
        }
    }

    fn sleep<L: Limit>(&self, state: WaitGuard<'_, State>, limit: L) -> Result<(), L::Cut> {
        // Relaxed: written under the lock.
        if self.is_done.load(Ordering::Relaxed) {
            return Ok(());
        }
        sleep(self, state, (), limit.bounds()).map_err(|why| limit.cut(why))
    }

    /// By whoever took edge 1: does it, and edge 2.
    fn run(&self, f: impl FnOnce()) {
        f();
        let mut woken = Woken::nobody();
        let mut state = self.state.lock();
        // Release: partner in `is_done`.
        self.is_done.store(true, Ordering::Release);
        state.queue.grant_all(&mut woken);
        drop(state);
        woken.wake();
    }
}

impl Default for Once {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("is_done", &self.is_done()).finish_non_exhaustive()
    }
}

// SAFETY: one lock, one queue in it, which is never replaced.
unsafe impl Waitable for Once {
    type State = State;
    type Want = ();
    const KIND: &'static str = "once";

    #[inline(always)]
    fn lock(&self) -> WaitGuard<'_, State> {
        self.state.lock()
    }

    #[inline(always)]
    fn queue(state: &mut State, (): ()) -> &mut Queue<()> {
        &mut state.queue
    }

    fn left(&self, _state: &mut State, (): (), _woken: &mut Woken<()>) {}
}
