//! The lock in a mutex: who has it, who waits for it.
//!
//! One word says who has the lock: 0, or the owner's address, and with it, in bit 0, whether somebody queues. While nobody
//! does, locking is one compare-and-swap, and unlocking one subtraction of the address, which leaves 0. The bit, and
//! everything else while it is set, are changed under the queue's lock.
//!
//! ```text
//!            1                     3
//!   free <-------> owned by A <----------> owned by A, contended
//!            2         ^                        |
//!                      +----------- 4 ----------+  (owned by B, who was first; contended if others queue)
//!
//!   1, 2  lock, unlock    compare-and-swap, subtraction
//!   3     lock_slow       under the queue's lock: the bit, then into the queue
//!   4     hand_over       after a subtraction that leaves the bit, which is to say: locked, with nobody's name on it;
//!                         under the queue's lock: the owner is whoever was first; woken afterwards
//! ```
//!
//! From 4 to free where all who queued have given up.
//!
//! # Fairness
//!
//! First come, first served: the lock goes from hand to hand, and who comes by cannot take it in between. The price is that
//! a contended lock changes hands no faster than kthreads are woken. What is short and contended wants a spin lock.
//!
//! # Hazards
//!
//! 1. *Unlocked between the failed attempt and the queue*: `lock_slow` looks again under the lock, and sets the bit by
//!    compare-and-swap from what it saw; the owner's subtraction leaves the bit from then on.
//! 2. *Locked twice by one kthread* would be a sleep for ever. The word says who has it, so it is a panic.
//! 3. *A sleeper gives up*: it leaves the bit, and the owner's `hand_over` finds nobody.

use super::super::limit::{Interrupted, Limit};
use super::super::waiter::{Queue, Waitable, Woken, sleep};
use crate::kthread::{WaitGuard, WaitLock, assert_may_block, current};
use crate::sync::atomic::{AtomicUsize, Ordering};

/// Nobody has the lock.
const FREE: usize = 0;
/// Somebody queues, or has.
const CONTENDED: usize = 1;

/// Who has the lock, which is the running kthread. Whoever unlocks it need not ask again.
#[derive(Clone, Copy)]
pub(in crate::kthread::sync) struct Owner(usize);

/// A lock without what it protects.
pub(in crate::kthread::sync) struct RawMutex {
    word: AtomicUsize,
    queue: WaitLock<Queue<usize>>,
}

impl RawMutex {
    /// A free lock.
    #[cfg(not(all(loom, test)))]
    pub(super) const fn new() -> Self {
        Self { word: AtomicUsize::new(FREE), queue: WaitLock::new(Queue::new()) }
    }

    /// A free lock.
    #[cfg(all(loom, test))]
    pub(super) fn new() -> Self {
        Self { word: AtomicUsize::new(FREE), queue: WaitLock::new(Queue::new()) }
    }

    /// Edge 1, or 3 and a sleep.
    #[inline(always)]
    #[track_caller]
    pub(in crate::kthread::sync) fn lock<L: Limit>(&self, limit: L) -> Result<Owner, L::Cut> {
        assert_may_block(|| "Mutex::lock");
        let me = current().addr();
        if !self.take(me) {
            self.lock_slow(me, limit).map_err(|why| limit.cut(why))?;
        }
        Ok(Owner(me))
    }

    /// Edge 1, if it leads anywhere.
    #[inline(always)]
    pub(super) fn try_lock(&self) -> Option<Owner> {
        let me = current().addr();
        self.take(me).then_some(Owner(me))
    }

    #[inline(always)]
    fn take(&self, me: usize) -> bool {
        // Acquire: what the last owner did comes before. Partners: `unlock` and `hand_over`.
        self.word.compare_exchange(FREE, me, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Edge 3, or 1 after all.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn lock_slow<L: Limit>(&self, me: usize, limit: L) -> Result<(), Interrupted> {
        let queue = self.queue.lock();
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & !CONTENDED == me {
                drop(queue);
                panic!("kthread `{}` locks a mutex that it has locked already", current());
            }
            let next = if word == FREE { me } else { word | CONTENDED };
            // Acquire: as in `take`.
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(FREE) => return Ok(()),
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        sleep(self, queue, me, limit.bounds())
    }

    /// Edge 2, or 4. By the owner; any context.
    #[inline(always)]
    pub(in crate::kthread::sync) fn unlock(&self, Owner(me): Owner) {
        // Release: partner in `take` and `lock_slow`.
        if self.word.fetch_sub(me, Ordering::Release) != me {
            self.hand_over();
        }
    }

    #[cold]
    #[inline(never)]
    fn hand_over(&self) {
        let mut woken = Woken::nobody();
        let mut queue = self.queue.lock();
        // While the bit is set, the word changes under the lock only.
        match queue.grant(&mut woken) {
            Some(next) => {
                let contended = if queue.is_empty() { 0 } else { CONTENDED };
                // Relaxed: the next owner learns by being woken that it is.
                self.word.store(next | contended, Ordering::Relaxed);
            }
            // Release: partner in `take` and `lock_slow`.
            None => self.word.store(FREE, Ordering::Release),
        }
        drop(queue);
        woken.wake();
    }

    pub(super) fn is_locked(&self) -> bool {
        self.word.load(Ordering::Relaxed) != FREE
    }
}

/// What is wanted is the lock for the kthread of that address.
// SAFETY: one lock, one queue in it, which is never replaced.
unsafe impl Waitable for RawMutex {
    type State = Queue<usize>;
    type Want = usize;
    const KIND: &'static str = "mutex";

    #[inline(always)]
    fn lock(&self) -> WaitGuard<'_, Queue<usize>> {
        self.queue.lock()
    }

    #[inline(always)]
    fn queue(queue: &mut Queue<usize>, _kthread: usize) -> &mut Queue<usize> {
        queue
    }

    fn left(&self, _queue: &mut Queue<usize>, _kthread: usize, _woken: &mut Woken<usize>) {}
}
