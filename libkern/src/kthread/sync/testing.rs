//! kthreads for tests and models, on the clock of the test that starts them.

use crate::kthread::hosted::Clock;
use crate::kthread::{Sleeper, current};
use crate::time::{Duration, Instant};

#[cfg(not(all(loom, test)))]
pub(super) use threads::{Kthread, spawn};

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

    use super::{Clock, Sleeper, current};

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
            while self.sleeper.waits_for().is_none() {
                assert!(!self.thread.is_finished(), "it ended without having slept");
                thread::yield_now();
            }
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
            self.thread.join().expect("the kthread ends well")
        }
    }
}
