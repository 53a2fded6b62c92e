//! Panics that end one kthread, and not the image.
//!
//! Panics abort here: the stable toolchain cannot unwind without `std`. So nothing on the stack of who panics is ever
//! dropped. What remains possible, and sound whatever the kthread was doing, is that it never goes on: the panic handler
//! returns to nobody, and code has to be right although a function that it calls never returns. Who is spawned by
//! [`spawn_contained`](Builder::spawn_contained) has chosen that. Its panic is logged with a backtrace and told to who joins
//! it; it then sleeps for ever, and its stack, with all that is on it and all that others borrow from it, stays as it is.
//!
//! What is lost by that is not safety but what only the kthread could have done:
//!
//! - Its stack, its struct, and what these own, are never free again: a leak for each panic.
//! - A [`Mutex`](super::sync::Mutex) that it has stays locked, units of a semaphore that it took are not given back, and who
//!   it has promised an answer waits for ever, as long as no timeout ends that. A deadlock is reported as any other, and the
//!   list of all kthreads shows who panicked.
//!
//! The panic ends the image nevertheless where the core itself could not go on, or nobody would be left to know: with a
//! spin lock held or interrupts off, in an interrupt handler or an immediate message, in the heap, with memory exhausted, in
//! a panic, and by a fault (a stack overflow, a null pointer). And where it is not this kthread's: what it has others do
//! by a message or a [`call`](super::call()), they do on kthreads of their own.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::ptr::{self, NonNull};

use super::pool::SpawnError;
use super::spawn::Builder;
use super::switch::{block, current};
use super::sync::{Completion, Mutex};
use super::{Wait, WaitLock};
use crate::arch::irq;
use crate::mem;
use crate::sync::depth;

/// A kthread panicked and ended alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    message: String,
}

impl Panicked {
    /// What the panic said.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the kthread panicked: {}", self.message)
    }
}

impl core::error::Error for Panicked {}

/// How a kthread ended, once it has.
struct Outcome<T> {
    result: Mutex<Option<Result<T, Panicked>>>,
    end: Completion,
}

impl<T> Outcome<T> {
    fn end_with(&self, result: Result<T, Panicked>) {
        *self.result.lock() = Some(result);
        self.end.complete();
    }
}

/// What a kthread finds of itself when it panics. On its stack.
pub(super) struct Contained {
    outcome: *const (),
    /// Tells the outcome, and so whoever joins.
    ///
    /// # Safety
    /// Its argument is `outcome`.
    end_with: unsafe fn(*const (), Panicked),
}

/// # Safety
/// The outcome is one of a `T`, and alive.
unsafe fn end_with<T>(outcome: *const (), panicked: Panicked) {
    // SAFETY: the caller's word.
    unsafe { &*outcome.cast::<Outcome<T>>() }.end_with(Err(panicked));
}

impl Builder<'_> {
    /// As [`spawn`](Builder::spawn), but a panic of `f` ends this kthread alone, where that is possible: then everything on
    /// its stack is leaked and nothing of it dropped, and a lock that it has stays locked. The module's head says more.
    ///
    /// # Errors
    /// As [`spawn`](Builder::spawn).
    ///
    /// # Panics
    /// As [`spawn`](Builder::spawn).
    pub fn spawn_contained<F, T>(self, f: F) -> Result<ContainedHandle<T>, SpawnError>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let outcome = Arc::new(Outcome { result: Mutex::new(None), end: Completion::new() });
        let theirs = Arc::clone(&outcome);
        let kthread = self.spawn(move || {
            let contained = Contained { outcome: ptr::from_ref(&*theirs).cast(), end_with: end_with::<T> };
            // SAFETY: the running kthread is alive.
            let me = unsafe { current().0.as_ref() };
            me.contained.set(Some(NonNull::from(&contained)));
            let result = f();
            me.contained.set(None);
            theirs.end_with(Ok(result));
        })?;
        Ok(ContainedHandle { outcome, id: kthread.id() })
    }
}

/// The right to wait for the end of a kthread that may panic. Dropping it lets the kthread go its way.
#[must_use = "dropping it detaches the kthread"]
pub struct ContainedHandle<T> {
    outcome: Arc<Outcome<T>>,
    id: u64,
}

impl<T> ContainedHandle<T> {
    /// Waits until the kthread has ended, and gives what it returned. Blocks.
    ///
    /// # Errors
    /// If it panicked.
    ///
    /// # Panics
    /// If it would block here: a lock is held, interrupts are off, or this is a handler.
    pub fn join(self) -> Result<T, Panicked> {
        self.outcome.end.wait();
        self.outcome.result.lock().take().expect("a kthread that has ended has said how")
    }

    /// Whether it has ended. Any context.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.outcome.end.is_complete()
    }

    /// The number that no other kthread has, as dumps show it. Any context.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }
}

impl<T> fmt::Debug for ContainedHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainedHandle").field("id", &self.id).field("is_finished", &self.is_finished()).finish()
    }
}

/// The running kthread's way to end alone, which it then has no more: a panic on that way ends the image.
pub(crate) struct EndAlone {
    contained: NonNull<Contained>,
}

/// The way to end alone, if the running kthread may, and if nothing here stands against it.
pub(crate) fn may_end_alone() -> Option<EndAlone> {
    let is_whole = depth::may_block() && irq::enabled() && !mem::is_in_heap();
    if !is_whole || mem::exhausted() {
        return None;
    }
    // SAFETY: the running kthread is alive.
    let contained = unsafe { current().0.as_ref() }.contained.take()?;
    Some(EndAlone { contained })
}

impl EndAlone {
    /// Tells who joins, and never goes on.
    pub(crate) fn end(self, message: String) -> ! {
        // SAFETY: it lies on this stack, below in the calls, and its outcome is held there.
        unsafe {
            let Contained { outcome, end_with } = *self.contained.as_ref();
            end_with(outcome, Panicked { message });
        }
        /// In which nobody is looked for.
        static FOR_EVER: WaitLock<()> = WaitLock::new(());
        loop {
            block(FOR_EVER.lock(), Wait { kind: "nothing any more: it panicked", object: 0 });
        }
    }
}
