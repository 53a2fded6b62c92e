//! Alarms: kernel messages with a time.
//!
//! An [`Alarm`] has a handler, which runs as a routine message on the core on which it was set, once its time has come; or a
//! semaphore, to which it gives a unit at that time, in the interrupt. It rings once, or every so often, without drift: the
//! next time is the last one plus the period, however late the last one was. Times that have passed meanwhile are counted
//! as missed and left out. (Seed `kernel_messages.txt`, Other Uses; M18.)
//!
//! ```ignore
//! let alarm = Alarm::new(|ringing| println!("late by {:?}", ringing.late()));
//! alarm.set_every(Duration::from_millis(100));
//! // ...
//! alarm.cancel_sync();
//!
//! alarm::after(Duration::from_secs(1), || println!("once, and nobody needs to keep it"));
//! ```
//!
//! # Two ways to cancel, and two types
//!
//! [`cancel`](Handle::cancel) makes sure that the handler will not begin; it may be running, and goes on. It never waits, and
//! may be called anywhere, under the locks that the handler takes too. [`cancel_sync`](Alarm::cancel_sync) returns when the
//! handler does not run and will not; it blocks for that. The original's authors ran into each of the deadlocks that this
//! invites (races, alarms), so who can wait is a matter of types:
//!
//! - An [`Alarm`] belongs to the kthread that made it. It cannot be sent to another, nor shared, so no handler can have
//!   it, and none can wait for itself.
//! - Anybody may have a [`Handle`], which sets and cancels, asynchronously. Its owner lends it (an alarm dereferences to
//!   it), and copies of it go anywhere, into handlers too.
//! - A handler is given a [`Ringing`], to set its alarm again or to stop it.
//!
//! ```compile_fail
//! use libkern::alarm::Alarm;
//! let other = Alarm::new(|_| {});
//! // It would wait for itself, if it were its own: a handler cannot have an alarm at all.
//! let alarm = Alarm::new(move |_| {
//!     other.cancel_sync();
//! });
//! ```
//!
//! ```compile_fail
//! use libkern::alarm::Alarm;
//! let alarm = Alarm::new(|_| {});
//! // Only its owner may wait for it.
//! alarm.handle().cancel_sync();
//! ```
//!
//! What types do not see is a lock that the owner holds across `cancel_sync` and the handler wants; that is a deadlock like
//! any other between kthreads.
//!
//! # Where and when
//!
//! On the core on which it was set last; set while it is ringing, on the core on which it does. Its time is the moment that
//! its core's timer interrupts for. From there a handler waits for its turn as any routine message, behind those sent before
//! it and until what runs on the core blocks; [`Ringing::late`] says how long that has been, and [`AlarmStats`] the longest
//! so far. A handler runs once at a time, in kthread context, and may block.
//!
//! # Rejected
//!
//! A lock of the alarm's own: setting and cancelling would take two. References for the timer and from handle to handle
//! counted as it is set and cancelled: four locked instructions, for what is needed once, when it is dropped. Handlers in
//! the interrupt: whoever needs that has [`Timer`](crate::time::timer::Timer).

mod inner;
mod post;
mod ring;
mod ringing;
mod set;

#[cfg(all(loom, test))]
mod model;
#[cfg(all(not(loom), test))]
mod tests;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::mem;
use core::ops::Deref;
use core::ptr;
use core::time::Duration;

pub use inner::AlarmStats;
use inner::{Action, Inner, LONGEST_PERIOD_NS};
pub use ringing::Ringing;

use crate::kthread::sync::Semaphore;
use crate::sync::cell::UnsafeCell;
use crate::time::Instant;

/// Something that happens at a time, or every so often. The kthread that made it owns it, and can wait until it does not
/// ring; everything else there is to do with it is its [`Handle`]'s. Dropping it cancels it, asynchronously and for good.
#[must_use = "it rings only as long as it is there"]
pub struct Alarm {
    handle: Handle,
    /// Whoever has it may wait for the handler. The handler, which goes from kthread to kthread, must not have it.
    _stays: PhantomData<*mut ()>,
}

/// Sets and cancels an [`Alarm`]. Of one whose owner is gone, it does nothing.
#[derive(Clone)]
pub struct Handle {
    inner: Arc<Inner>,
}

impl Alarm {
    /// An alarm that calls `handler` when it rings: as a routine message, so in kthread context, where it may block. One
    /// call at a time. Not set yet. Allocates.
    pub fn new(mut handler: impl FnMut(&mut Ringing<'_>) + Send + 'static) -> Self {
        let handler: inner::Handler = Box::new(move |alarm, call| handler(&mut Ringing::new(alarm, call)));
        Self::with(Action::Call(UnsafeCell::new(Some(handler))))
    }

    /// An alarm that gives a unit to `semaphore` when it rings, in interrupt context. Not set yet. Allocates.
    pub fn up(semaphore: impl Deref<Target = Semaphore> + Send + Sync + 'static) -> Self {
        Self::with(Action::Up(Box::new(semaphore)))
    }

    fn with(action: Action) -> Self {
        Self { handle: Handle { inner: ring::alarm(action) }, _stays: PhantomData }
    }

    /// Synchronous: its handler does not run when this returns, and will not, unless the alarm is set again by a handle; what
    /// the handler sets meanwhile does not count. Says whether it was set or about to ring. Blocks. (That of a semaphore
    /// gives no unit any more.)
    ///
    /// # Panics
    /// If it would block here: a lock is held, interrupts are off, or this is a handler of an interrupt.
    pub fn cancel_sync(&self) -> bool {
        self.handle.inner.cancel_sync()
    }

    /// A handle that can go anywhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    fn detach(self) {
        let this = mem::ManuallyDrop::new(self);
        // SAFETY: moved out once, of what is not dropped.
        unsafe { ptr::read(&this.handle) }.inner.detach();
    }
}

impl Deref for Alarm {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.handle.inner.kill();
    }
}

impl Handle {
    /// Has it ring once, when `at` has come, on the running core; at once if it has passed. What it was set for before
    /// is forgotten. Any context but NMI.
    #[inline]
    pub fn set_at(&self, at: Instant) {
        self.inner.set(at.as_nanos());
    }

    /// Has it ring once, after `delay` from now. As [`set_at`](Self::set_at).
    #[inline]
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
        let period_ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).min(LONGEST_PERIOD_NS);
        self.inner.set_periodic(first.as_nanos(), period_ns);
    }

    /// Asynchronous: its handler will not begin, unless the alarm is set again, but may be running. Says whether it was set
    /// or about to ring. Any context but NMI; never waits.
    #[inline]
    pub fn cancel(&self) -> bool {
        self.inner.cancel()
    }

    /// Whether it is set or about to ring. Any context but NMI; stale at once.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.inner.is_set()
    }

    /// What has become of it so far. Any context but NMI.
    #[must_use]
    pub fn stats(&self) -> AlarmStats {
        self.inner.stats()
    }
}

/// Calls `f` once `at` has come, as a routine message on the running core. Any context but NMI. Allocates.
pub fn at(at: Instant, f: impl FnOnce() + Send + 'static) {
    let mut f = Some(f);
    let alarm = Alarm::new(move |_| {
        if let Some(f) = f.take() {
            f();
        }
    });
    alarm.set_at(at);
    alarm.detach();
}

/// Calls `f` after `delay` from now. As [`at`].
pub fn after(delay: Duration, f: impl FnOnce() + Send + 'static) {
    at(Instant::now() + delay, f);
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("is_set", &self.is_set()).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm").field(&self.handle).finish()
    }
}
