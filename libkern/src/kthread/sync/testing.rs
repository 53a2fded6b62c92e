//! kthreads for tests and models, on the clock of the test that starts them.

use crate::kthread::hosted::Clock;
use crate::kthread::{Sleeper, current};
use crate::time::{Duration, Instant};

#[cfg(not(all(loom, test)))]
pub(super) use threads::{Kthread, spawn, until};

pub(super) const MS: Duration = Duration::from_millis(1);

/// What the test's clock shows.
pub(super) fn now() -> Instant {
    let _ = Clock::mine();
    Instant::now()
}

/// Starts a thread of a model that shares the model's clock.
#[cfg(all(loom, test))]
pub(super) fn spawn<T: 'static>(f: impl FnOnce() -> T + 'static) -> loom::thread::JoinHandle<T> {
    let clock = Clock::mine();
    loom::thread::spawn(move || {
        clock.adopt();
        f()
    })
}

/// What a model's threads share. Never freed: when a model fails, its threads' stacks unwind, and whatever then asks loom for
/// anything turns the failure into an abort.
#[cfg(all(loom, test))]
pub(super) fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// What a model's thread owns, and leaves alone when the model fails. See [`leak`].
#[cfg(all(loom, test))]
pub(super) struct Owned<T>(core::mem::ManuallyDrop<T>);

#[cfg(all(loom, test))]
impl<T> Owned<T> {
    pub(super) fn new(value: T) -> Self {
        Self(core::mem::ManuallyDrop::new(value))
    }
}

#[cfg(all(loom, test))]
impl<T> core::ops::Deref for Owned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(all(loom, test))]
impl<T> core::ops::DerefMut for Owned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

#[cfg(all(loom, test))]
impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: once, at its end.
            unsafe { core::mem::ManuallyDrop::drop(&mut self.0) };
        }
    }
}

/// Runs a model with at most this many preemptions of one thread by another. Each model that needs a bound says why.
#[cfg(all(loom, test))]
pub(super) fn model_bounded(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(f);
}

/// Asks the running kthread, from another thread of a model, to give up.
#[cfg(all(loom, test))]
pub(super) fn aborter() -> impl FnOnce() + 'static {
    let me: Sleeper = current();
    move || me.abort_slot().request()
}

#[cfg(not(all(loom, test)))]
mod threads {
    use std::sync::mpsc;
    use std::thread::{self, JoinHandle};
    use std::time::{Duration, Instant};

    use super::{Clock, Sleeper, current};

    /// Longer than anything takes that happens at all.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A kthread that a test started.
    pub(in crate::kthread::sync) struct Kthread<T> {
        sleeper: Sleeper,
        thread: JoinHandle<T>,
    }

    /// Starts a kthread that shares the test's clock.
    pub(in crate::kthread::sync) fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Kthread<T> {
        let clock = Clock::mine();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            clock.adopt();
            tell.send(current()).expect("the test waits for it");
            f()
        });
        Kthread { sleeper: told.recv().expect("the thread starts"), thread }
    }

    impl<T> Kthread<T> {
        /// Waits until it sleeps.
        pub(in crate::kthread::sync) fn until_asleep(&self) -> &Self {
            until("it sleeps", || {
                assert!(!self.thread.is_finished(), "it ended without having slept");
                self.is_asleep()
            });
            self
        }

        /// Asks it to give up.
        pub(in crate::kthread::sync) fn abort(&self) {
            self.sleeper.abort_slot().request();
        }

        pub(in crate::kthread::sync) fn is_asleep(&self) -> bool {
            self.sleeper.waits_for().is_some()
        }

        pub(in crate::kthread::sync) fn is_running(&self) -> bool {
            !self.thread.is_finished()
        }

        /// Waits for its end.
        pub(in crate::kthread::sync) fn join(self) -> T {
            until("its end", || self.thread.is_finished());
            self.thread.join().expect("the kthread ends well")
        }
    }

    /// Waits until a condition holds that others bring about.
    pub(in crate::kthread::sync) fn until(what: &str, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < PATIENCE, "waited for {what} in vain");
            thread::yield_now();
        }
    }
}
