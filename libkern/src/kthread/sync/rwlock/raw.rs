//! The lock in a reader-writer lock.
//!
//! One word: how many read, whether one writes, whether somebody queues. As long as nobody queues, everything is one
//! compare-and-swap or subtraction on it. Once somebody does, nobody passes him: whoever comes queues too, and who goes
//! lets those at the head go who can.
//!
//! | bits | |
//! |---|---|
//! | 0 | one writes |
//! | 1 | somebody queues |
//! | the rest | how many read |
//!
//! # Invariants
//!
//! - Never both: one writes, and some read.
//! - While the queue's lock is free, bit 1 says whether the queue has anybody. It is changed under that lock only.
//! - While bit 1 is set, only `serve` lets anybody in, under the lock; readers leave without it.
//!
//! # Hazards
//!
//! 1. *The last reader leaves while a writer goes to queue.* The writer sets bit 1 by compare-and-swap from a word that shows
//!    the reader; the reader's subtraction then shows it bit 1, and it serves, as soon as it has the lock, which the
//!    writer holds until it sleeps.
//! 2. *A writer at the head gives up.* Readers behind it can go if some read already: `left` serves.
//! 3. *Two serve at once*: the lock is one's at a time, and what there is to serve shows in the word.

use super::super::limit::{Interrupted, Limit};
use super::super::waiter::{Queue, Waitable, Woken, sleep};
use crate::kthread::{WaitGuard, WaitLock, assert_may_block};
use crate::sync::atomic::{AtomicUsize, Ordering};

const WRITER: usize = 1;
const QUEUED: usize = 2;
/// One reader.
const READER: usize = 4;

/// What a kthread wants of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A lock without what it protects.
pub(super) struct RawRwLock {
    word: AtomicUsize,
    queue: WaitLock<Queue<Access>>,
}

impl Access {
    /// The word with one more of these, if nobody stands against it.
    #[inline(always)]
    fn enter(self, word: usize) -> Option<usize> {
        match self {
            Access::Read => (word & (WRITER | QUEUED) == 0).then_some(word + READER),
            Access::Write => (word == 0).then_some(WRITER),
        }
    }
}

impl RawRwLock {
    /// A free lock.
    #[cfg(not(all(loom, test)))]
    pub(super) const fn new() -> Self {
        Self { word: AtomicUsize::new(0), queue: WaitLock::new(Queue::new()) }
    }

    /// A free lock.
    #[cfg(all(loom, test))]
    pub(super) fn new() -> Self {
        Self { word: AtomicUsize::new(0), queue: WaitLock::new(Queue::new()) }
    }

    #[inline(always)]
    #[track_caller]
    pub(super) fn lock<L: Limit>(&self, access: Access, limit: L) -> Result<(), L::Cut> {
        match access {
            Access::Read => assert_may_block(|| "RwLock::read"),
            Access::Write => assert_may_block(|| "RwLock::write"),
        }
        if self.try_lock(access) {
            return Ok(());
        }
        self.lock_slow(access, limit).map_err(|why| limit.cut(why))
    }

    #[inline(always)]
    pub(super) fn try_lock(&self, access: Access) -> bool {
        // Acquire: what was done under the lock before. Partners: `unlock_read`, `unlock_write`.
        self.word.fetch_update(Ordering::Acquire, Ordering::Relaxed, |word| access.enter(word)).is_ok()
    }

    #[cold]
    #[inline(never)]
    fn lock_slow<L: Limit>(&self, access: Access, limit: L) -> Result<(), Interrupted> {
        let queue = self.queue.lock();
        let enter_or_queue = |word| Some(access.enter(word).unwrap_or(word | QUEUED));
        // Acquire: as in `try_lock`. If it leads into the queue: for whom `serve` lets in without looking.
        let Ok(was) = self.word.fetch_update(Ordering::Acquire, Ordering::Relaxed, enter_or_queue) else {
            unreachable!("every word can be followed by one");
        };
        if access.enter(was).is_some() {
            return Ok(());
        }
        sleep(self, queue, access, limit.bounds())
    }

    /// A reader leaves. Any context.
    #[inline(always)]
    pub(super) fn unlock_read(&self) {
        // Release: partners in `try_lock`, `lock_slow` and `serve`, through other readers' subtractions.
        let was = self.word.fetch_sub(READER, Ordering::Release);
        if was == READER | QUEUED {
            self.hand_over(0);
        }
    }

    /// The writer leaves. Any context.
    #[inline(always)]
    pub(super) fn unlock_write(&self) {
        // Release: partners in `try_lock`, `lock_slow` and `serve`.
        if self.word.compare_exchange(WRITER, 0, Ordering::Release, Ordering::Relaxed).is_err() {
            self.hand_over(WRITER);
        }
    }

    /// Takes `leaver` out of the word, and lets others in.
    #[cold]
    #[inline(never)]
    fn hand_over(&self, leaver: usize) {
        let mut woken = Woken::nobody();
        let mut queue = self.queue.lock();
        // Release: as in `unlock_write`.
        self.word.fetch_and(!leaver, Ordering::Release);
        self.serve(&mut queue, &mut woken);
        drop(queue);
        woken.wake();
    }

    /// Lets those at the head in who can go in together.
    fn serve(&self, queue: &mut Queue<Access>, woken: &mut Woken<Access>) {
        while let Some(first) = queue.first() {
            let enter = |word: usize| first.enter(word & !QUEUED).map(|word| word | QUEUED);
            // Acquire: what was done under the lock before; whoever is let in learns of it by being woken. Partners:
            // `unlock_read`, `unlock_write`.
            if self.word.fetch_update(Ordering::Acquire, Ordering::Relaxed, enter).is_err() {
                return;
            }
            queue.grant(woken);
        }
        // Relaxed: tells who comes that nobody queues, and nothing else.
        self.word.fetch_and(!QUEUED, Ordering::Relaxed);
    }
}

// SAFETY: one lock, one queue in it, which is never replaced.
unsafe impl Waitable for RawRwLock {
    type State = Queue<Access>;
    type Want = Access;
    const KIND: &'static str = "reader-writer lock";

    #[inline(always)]
    fn lock(&self) -> WaitGuard<'_, Queue<Access>> {
        self.queue.lock()
    }

    #[inline(always)]
    fn queue(queue: &mut Queue<Access>, _access: Access) -> &mut Queue<Access> {
        queue
    }

    fn left(&self, queue: &mut Queue<Access>, _access: Access, woken: &mut Woken<Access>) {
        self.serve(queue, woken);
    }
}
