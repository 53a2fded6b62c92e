//! Alarms: kernel messages with a time.
//!
//! An [`Alarm`] has a handler, which runs as a routine message on the core that set it, once its time has come; or a
//! semaphore, to which it gives a unit, in interrupt context, at that time. It rings once, or every so often, without
//! drift: the next time is the last one plus the period, however late the last one was. Times that have passed meanwhile
//! are counted as missed and left out. (Seed `kernel_messages.txt`, Other Uses; M18.)
//!
//! ```ignore
//! let alarm = Alarm::new(|ringing| println!("late by {:?}", ringing.late()));
//! alarm.set_every(Duration::from_millis(100));
//! // ...
//! alarm.cancel_sync();
//! ```
//!
//! # Two ways to cancel
//!
//! [`Alarm::cancel`] makes sure that the handler will not begin; it may be running, and goes on. It never waits, and may be
//! called anywhere, under the locks that the handler takes too. [`Alarm::cancel_sync`] returns when the handler does not
//! run and will not; it blocks for that, so it is for kthreads that hold nothing that the handler wants. Inside the handler
//! there is a [`Ringing`] to set the alarm again or to stop it, and no way to wait for itself: `cancel_sync` from there is
//! a panic. (Races, alarms.)
//!
//! # States
//!
//! ```text
//!            set               time                 message taken           handler returned
//!   Quiet --------> armed ------------> queued ----------------> running --------------------> Quiet
//!              ^                |  (while running: again) <--------------------- again: queued
//!              +--- periodic ---+
//! ```
//!
//! `armed`, `queued` and `running` are independent: a periodic alarm is armed for its next time while its handler runs, and
//! a time that comes while the handler runs has it run once more afterwards, however many they are. All of it is under one
//! lock of the alarm. What refers to the alarm, its timer while armed and its message while queued, holds a reference, so
//! an alarm may be dropped at any moment.
//!
//! # Hazards
//!
//! 1. *Cancelled when its timer has begun to fire.* The timer's function takes the lock, finds that the alarm is not armed,
//!    and does nothing.
//! 2. *Set again at that moment.* The function that was late finds the alarm armed for a later time, and does nothing; or
//!    armed for one that has come too, and rings for it, after taking the timer back.
//! 3. *Cancelled when its message waits.* The message is taken by its core as any other, and does not call the handler.
//! 4. *The last reference goes in interrupt context.* The handler's own things would be dropped there. So it is handed to
//!    the idle loop by the alarm's message.

mod inner;

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use inner::Inner;
pub use inner::{AlarmStats, Ringing};

use crate::kthread::sync::Semaphore;
use crate::time::Instant;

/// Something that happens at a time, or every so often. Dropping it cancels it, asynchronously.
pub struct Alarm {
    inner: Arc<Inner>,
}

impl Alarm {
    /// An alarm that calls `handler` when it rings: as a routine message, so in kthread context, where it may block. One
    /// call at a time. Not set yet. Allocates.
    #[must_use = "it rings as long as it is there"]
    pub fn new(handler: impl FnMut(&mut Ringing<'_>) + Send + 'static) -> Self {
        Self { inner: Inner::with_handler(handler) }
    }

    /// An alarm that gives a unit to `semaphore` when it rings, in interrupt context. Not set yet. Allocates.
    #[must_use = "it rings as long as it is there"]
    pub fn up(semaphore: &'static Semaphore) -> Self {
        Self { inner: Inner::with_semaphore(semaphore) }
    }

    /// Has it ring once, when `at` has come, on the running core; at once if it has passed. What it was set for before
    /// is forgotten. Any context but NMI.
    pub fn set_at(&self, at: Instant) {
        self.inner.set(at.as_nanos(), None);
    }

    /// Has it ring once, after `delay` from now. As [`set_at`](Self::set_at).
    pub fn set_after(&self, delay: Duration) {
        self.set_at(Instant::now() + delay);
    }

    /// Has it ring every `period`, the first time after one from now. As [`set_at`](Self::set_at).
    ///
    /// # Panics
    /// If the period is zero.
    pub fn set_every(&self, period: Duration) {
        self.set_every_from(Instant::now() + period, period);
    }

    /// Has it ring at `first` and every `period` after that. As [`set_at`](Self::set_at).
    ///
    /// # Panics
    /// If the period is zero.
    pub fn set_every_from(&self, first: Instant, period: Duration) {
        assert!(!period.is_zero(), "an alarm cannot ring all the time");
        self.inner.set(first.as_nanos(), Some(u64::try_from(period.as_nanos()).unwrap_or(u64::MAX)));
    }

    /// Asynchronous: its handler will not begin, unless the alarm is set again, but may be running. Says whether it was set
    /// or about to ring. Any context but NMI; never waits.
    pub fn cancel(&self) -> bool {
        self.inner.cancel()
    }

    /// Synchronous: its handler does not run when this returns, and will not, unless the alarm is set again. Says whether it
    /// was set or about to ring. Blocks.
    ///
    /// # Panics
    /// In its own handler; or if it would block here: a lock is held, interrupts are off, or this is a handler of an
    /// interrupt.
    pub fn cancel_sync(&self) -> bool {
        self.inner.cancel_sync()
    }

    /// What has become of it so far. Any context but NMI.
    #[must_use]
    pub fn stats(&self) -> AlarmStats {
        self.inner.stats()
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.inner.cancel();
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
