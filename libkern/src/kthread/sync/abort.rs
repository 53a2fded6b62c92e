//! Asking a kthread to give up what it waits for.
//!
//! Each kthread has an [`AbortSlot`], one word:
//!
//! ```text
//!                 +--------- 2 -----------+
//!                 v                       |
//!   Idle ---1---> Requested               |
//!    | ^ ^                ^               |
//!    | | +---- 6 ---+     | 6             |
//!    3 4            |     |               |
//!    v |            |     |               |
//!   Armed ---5---> Busy --+        (a sleep that finds Requested ends before it begins)
//!
//!   1  request       nobody sleeps abortably: kept for the next one who would
//!   2  arm, take     the request is used up
//!   3  arm           the kthread is about to sleep, under the lock of what it sleeps on
//!   4  disarm        it is awake
//!   5  request       whoever takes this edge, and nobody else, may touch the sleep
//!   6  request       to Idle if the sleep was ended by that, to Requested if it had ended already
//! ```
//!
//! One request ends at most one sleep, and is kept until it has: it may come before the sleep, during it, or too late.
//! Requests do not add up. Whoever does one piece of work after another for others (a kthread that serves system calls)
//! calls [`take`](AbortSlot::take) in between, so that a request that was meant for the last piece does not end the next.
//!
//! # Hazards
//!
//! 1. *The sleep ends while a request is at it*, and its memory is a stack frame that goes away. [`disarm`](AbortSlot::disarm)
//!    waits while the slot is Busy, which is for as long as the sleep's canceller runs: it takes one lock and wakes.
//!    (Races, kthreads 11.)
//! 2. *The next sleep has the same address.* The word says what is armed now, and edge 5 is a compare-and-swap.
//! 3. *Lock order.* The slot is armed under the lock of what the kthread sleeps on, and a request takes that lock. Arming is
//!    one compare-and-swap that waits for nobody, so there is no circle.
//!
//! Rejected: a lock around the slot, held while the sleep is cancelled. It would have to be taken before the lock of what
//! the kthread sleeps on, on every sleep that can be aborted, for the sake of the few that are.

use core::ptr::{self, NonNull};

use crate::arch;
use crate::sync::atomic::{AtomicPtr, Ordering};

/// How a sleep is ended from outside.
#[cfg_attr(all(feature = "hosted", not(test)), allow(dead_code, reason = "there, nobody aborts"))]
pub(super) struct Target {
    /// Ends the sleep that `context` describes, unless it has ended; says whether it did. Any context.
    pub(super) cancel: unsafe fn(context: NonNull<()>) -> bool,
    pub(super) context: NonNull<()>,
}

/// Nothing is armed, nothing requested. No address of a [`Target`], nor is the next two.
const IDLE: *mut Target = ptr::null_mut();
const REQUESTED: *mut Target = ptr::without_provenance_mut(1);
const BUSY: *mut Target = ptr::without_provenance_mut(2);

const _: () = assert!(align_of::<Target>() > 2);

/// A kthread's word of whether it is asked to give up.
///
/// # Invariants
/// An armed target, and what its context describes, stay as they are until the slot is disarmed.
#[derive(Debug)]
pub(crate) struct AbortSlot {
    word: AtomicPtr<Target>,
}

/// [`AbortSlot::arm`] found a request, and has used it up.
#[derive(Debug)]
pub(super) struct AlreadyRequested;

impl AbortSlot {
    /// Nobody has asked.
    #[cfg(not(all(loom, test)))]
    pub(crate) const fn new() -> Self {
        Self { word: AtomicPtr::new(IDLE) }
    }

    /// Nobody has asked.
    #[cfg(all(loom, test))]
    pub(crate) fn new() -> Self {
        Self { word: AtomicPtr::new(IDLE) }
    }

    /// Ends the abortable sleep that the kthread is in, or, if it is in none, the next one. Any context. The slot must
    /// outlast the call, so its kthread must.
    #[cfg_attr(all(feature = "hosted", not(test)), allow(dead_code, reason = "there, nobody aborts"))]
    pub(crate) fn request(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = match word {
                // The other request is on its way to do the same.
                REQUESTED | BUSY => return,
                IDLE => REQUESTED,
                _ => BUSY,
            };
            // Acquire: the target's contents. Partner: `arm`. Release, for 1: what led to the request comes before what
            // its kthread does about it. Partners: `arm` and `take`.
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if next == REQUESTED => return,
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        // SAFETY: armed, and `disarm` waits while the slot is Busy (invariant of the type).
        let ended = unsafe { ((*word).cancel)((*word).context) };
        // Release: the sleep was last touched before. Partner: `disarm`.
        self.word.store(if ended { IDLE } else { REQUESTED }, Ordering::Release);
    }

    /// Uses up a request, and says whether there was one. By the slot's kthread.
    pub(crate) fn take(&self) -> bool {
        // Acquire: see `request`.
        self.word.compare_exchange(REQUESTED, IDLE, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Whether a request waits for a sleep to end. Any context.
    #[cfg_attr(any(test, feature = "hosted"), allow(dead_code, reason = "the host pools no kthreads"))]
    pub(crate) fn is_requested(&self) -> bool {
        self.word.load(Ordering::Relaxed) == REQUESTED
    }

    /// Lets requests end the sleep that `target` describes. By the slot's kthread, under the lock that its canceller takes.
    ///
    /// # Errors
    /// If a request is there already: it is used up, and nothing is armed.
    ///
    /// # Safety
    /// The slot is disarmed before `target` or what it refers to goes away or changes.
    pub(super) unsafe fn arm(&self, target: &Target) -> Result<(), AlreadyRequested> {
        let target = ptr::from_ref(target).cast_mut();
        // Release: whoever requests finds the target complete. Partner: `request`.
        match self.word.compare_exchange(IDLE, target, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(_) => {
                // Only this kthread arms, so the word cannot have been anything but Requested.
                let requested = self.take();
                assert!(requested, "a kthread sleeps once at a time");
                Err(AlreadyRequested)
            }
        }
    }

    /// Ends what [`arm`](Self::arm) began: afterwards nobody touches the target. By the slot's kthread; waits while a
    /// request is ending the sleep.
    pub(super) fn disarm(&self, target: &Target) {
        let target = ptr::from_ref(target).cast_mut();
        // Relaxed: nobody has touched anything.
        if self.word.compare_exchange(target, IDLE, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return;
        }
        // Acquire: the canceller is done with the sleep. Partner: `request`.
        while self.word.load(Ordering::Acquire) == BUSY {
            arch::relax();
        }
    }
}
