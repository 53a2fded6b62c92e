//! Counting semaphores: what everything else here could be built on, and the field's word for it.
//!
//! `units` is one word: units that are free or, negative, units that sleepers lack. So taking and giving units without
//! anybody asleep is one locked instruction each. Whoever leaves the word negative, or finds it so, goes on under the lock,
//! where sleepers queue and where `bank` keeps units that were given to sleepers in general and to nobody yet.
//!
//! ```text
//!   down(n)   had = units -= n        had >= n: done
//!             lack = n - max(had, 0)  lock; nobody queues and bank >= lack: bank -= lack, done; else queue for lack, sleep
//!   up(n)     had = units += n        had >= 0: done
//!                                     lock; bank += min(n, -had); serve
//!   leave(n)  under the lock          out of the queue; had = units += n; bank += min(n, max(-had, 0)) - lack; serve
//!   serve     under the lock          while bank >= what the first one lacks: bank -= that; let it go
//! ```
//!
//! # Invariant
//!
//! When nobody is on his way between the word and the lock, `units` is the bank less all that the queue lacks, if anybody
//! queues, and the bank is less than the first one lacks; if nobody queues, the bank is empty. On the way the bank is ahead
//! or behind: an `up` that has raised the word, and not the bank yet, may be overtaken by a `leave` that takes back what
//! that `up` will pay; then the bank is negative for a moment.
//!
//! # Hazards
//!
//! 1. *`up` between the word and the queue* (K12): it finds the word negative and pays into the bank, and `down`, when it has
//!    the lock, takes it from there and does not sleep. There is nothing to unwind, because nothing was prepared.
//! 2. *The time is up, or an abort comes, when a unit is on its way to the sleeper*: both are decided under the lock. If the
//!    unit came first, `down` succeeded. Else the sleeper leaves, and its part is for the next.
//! 3. *Many small takers starve a large one*: the word is negative as long as anybody queues, so newcomers queue behind.
//!
//! Units go to whom came first. A large request at the head holds up small ones behind it, by intention.

use core::fmt;

use super::limit::{Interrupted, Limit, blocking};
use super::waiter::{Queue, Waitable, Woken, sleep};
use crate::kthread::{Sleeper, WaitGuard, WaitLock, assert_may_block, unlock_and_wake, unlock_and_wake_on};
use crate::sync::atomic::{AtomicIsize, Ordering};

#[cfg(all(loom, test))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;

/// Units that kthreads take, sleeping until there are any, and that anybody gives.
///
/// ```no_run
/// use libkern::kthread::sync::Semaphore;
///
/// static FREE_BUFFERS: Semaphore = Semaphore::new(16);
///
/// FREE_BUFFERS.down(); // in a kthread
/// // ...
/// FREE_BUFFERS.up(); // anywhere, interrupt handlers included
/// ```
pub struct Semaphore {
    units: AtomicIsize,
    slow: WaitLock<Slow>,
}

pub(super) struct Slow {
    queue: Queue<Request>,
    bank: isize,
}

/// What a sleeper wants.
#[derive(Clone, Copy)]
pub(super) struct Request {
    /// All that it asked for.
    units: isize,
    /// What it could not have at once.
    lack: isize,
}

/// A number of units as the word counts them.
#[inline(always)]
const fn signed(units: usize) -> isize {
    assert!(units <= isize::MAX as usize, "more units than a semaphore can count");
    units as isize
}

impl Semaphore {
    /// A semaphore that has this many units.
    ///
    /// # Panics
    /// If these are more than `isize::MAX`.
    #[cfg(not(all(loom, test)))]
    pub const fn new(units: usize) -> Self {
        Self { units: AtomicIsize::new(signed(units)), slow: WaitLock::new(Slow { queue: Queue::new(), bank: 0 }) }
    }

    /// A semaphore that has this many units.
    #[cfg(all(loom, test))]
    pub fn new(units: usize) -> Self {
        Self { units: AtomicIsize::new(signed(units)), slow: WaitLock::new(Slow { queue: Queue::new(), bank: 0 }) }
    }

    blocking! {
        /// Takes a unit, asleep until there is one.
        fn down, down_timeout, down_until, down_abortable, down_abortable_until() -> () = take_one;
        /// Takes `units` units at once, asleep until there are as many, and has none before.
        fn down_many, down_many_timeout, down_many_until, down_many_abortable, down_many_abortable_until(
            units: usize) -> () = take_many;
    }

    /// Takes a unit if there is one and nobody waits for it. Any context.
    #[inline]
    #[must_use = "the unit may not have been taken"]
    pub fn try_down(&self) -> bool {
        self.try_down_many(1)
    }

    /// Takes `units` units if there are as many and nobody waits for them, and else none. Any context.
    #[inline]
    #[must_use = "the units may not have been taken"]
    pub fn try_down_many(&self, units: usize) -> bool {
        let units = signed(units);
        // Acquire: what was done before the units were given comes before what is done with them. Partner: `give`.
        let take = |has: isize| (has >= units).then(|| has - units);
        self.units.fetch_update(Ordering::Acquire, Ordering::Relaxed, take).is_ok()
    }

    /// Gives a unit, and says whether that woke somebody, who goes on on the core on which it went to sleep. Any context.
    #[inline]
    pub fn up(&self) -> bool {
        self.give_one(unlock_and_wake)
    }

    /// As [`up`](Self::up), but whoever is woken goes on on `core`. Any context.
    ///
    /// # Panics
    /// If somebody is woken and there is no such core.
    #[inline]
    pub fn up_on(&self, core: usize) -> bool {
        self.give_one(|slow, sleeper| unlock_and_wake_on(slow, sleeper, core))
    }

    /// Gives `units` units, and says how many that woke. Any context; takes as long as it takes to wake them.
    ///
    /// # Panics
    /// If there are more than `isize::MAX` units then.
    #[inline]
    pub fn up_many(&self, units: usize) -> usize {
        self.give(signed(units), Woken::wake)
    }

    /// As [`up_many`](Self::up_many), but whoever is woken goes on on `core`. Any context.
    ///
    /// # Panics
    /// If somebody is woken and there is no such core, or there are more than `isize::MAX` units then.
    #[inline]
    pub fn up_many_on(&self, units: usize, core: usize) -> usize {
        self.give(signed(units), |woken| woken.wake_on(core))
    }

    /// How many units are free; zero if somebody waits. Out of date at once.
    #[must_use]
    pub fn available(&self) -> usize {
        self.units.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    #[inline(always)]
    fn take_one<L: Limit>(&self, limit: L) -> Result<(), L::Cut> {
        self.take(1, limit)
    }

    #[inline(always)]
    fn take_many<L: Limit>(&self, units: usize, limit: L) -> Result<(), L::Cut> {
        // No units are there always, even for one who does not care to queue.
        if units == 0 { Ok(()) } else { self.take(signed(units), limit) }
    }

    #[inline(always)]
    fn take<L: Limit>(&self, units: isize, limit: L) -> Result<(), L::Cut> {
        assert_may_block(|| "Semaphore::down");
        // Acquire: what was done before the units were given comes before what is done with them. Partner: `give`.
        let had = self.units.fetch_sub(units, Ordering::Acquire);
        if had >= units {
            return Ok(());
        }
        self.take_slow(Request { units, lack: units - had.max(0) }, limit).map_err(|why| limit.cut(why))
    }

    /// Takes what the word did not have.
    #[cold]
    #[inline(never)]
    fn take_slow<L: Limit>(&self, request: Request, limit: L) -> Result<(), Interrupted> {
        let mut slow = self.slow.lock_with_interrupts_on();
        // Where somebody queues, the bank has less than that one lacks; but that may be more than this one does.
        if slow.bank >= request.lack && slow.queue.is_empty() {
            slow.bank -= request.lack;
            return Ok(());
        }
        sleep(self, slow, request, limit.bounds())
    }

    #[inline(always)]
    fn give(&self, units: isize, wake: impl FnOnce(Woken<Request>) -> usize) -> usize {
        // Release: partner in `take` and `try_down_many`. What reads the word later reads it through other changes of it,
        // which all are read-modify-write, and so continue what this one releases.
        let had = self.units.fetch_add(units, Ordering::Release);
        if had >= 0 {
            // For one unit this takes longer than anybody will wait.
            assert!(units == 1 || had.checked_add(units).is_some(), "more units than a semaphore can count");
            return 0;
        }
        wake(self.pay(units.min(-had)))
    }

    #[inline(always)]
    fn give_one(&self, wake: impl FnOnce(WaitGuard<'_, Slow>, Sleeper)) -> bool {
        // Release: as in `give`.
        self.units.fetch_add(1, Ordering::Release) < 0 && self.pay_one(wake)
    }

    /// Gives a unit to those who sleep, now or in a moment. It lets at most one of them go, because the bank had less than
    /// the first one lacks, and has nothing left when that one goes.
    #[cold]
    #[inline(never)]
    fn pay_one(&self, wake: impl FnOnce(WaitGuard<'_, Slow>, Sleeper)) -> bool {
        let mut slow = self.slow.lock();
        let bank = slow.bank + 1;
        if slow.queue.first().is_none_or(|first| bank < first.lack) {
            slow.bank = bank;
            return false;
        }
        slow.bank = 0;
        let sleeper = slow.queue.grant_first();
        wake(slow, sleeper);
        true
    }

    /// Gives units to those who sleep for them, now or in a moment.
    #[cold]
    #[inline(never)]
    fn pay(&self, units: isize) -> Woken<Request> {
        let mut woken = Woken::nobody();
        let mut slow = self.slow.lock();
        slow.bank += units;
        slow.serve(&mut woken);
        woken
    }
}

impl Slow {
    /// Lets those go for whom the bank suffices, first come first.
    #[inline(always)]
    fn serve(&mut self, woken: &mut Woken<Request>) {
        while let Some(first) = self.queue.first().filter(|first| self.bank >= first.lack) {
            self.bank -= first.lack;
            self.queue.grant(woken);
        }
    }
}

// SAFETY: one lock, one queue in it, which is never replaced.
unsafe impl Waitable for Semaphore {
    type State = Slow;
    type Want = Request;
    const KIND: &'static str = "semaphore";

    #[inline(always)]
    fn lock(&self) -> WaitGuard<'_, Slow> {
        self.slow.lock()
    }

    #[inline(always)]
    fn queue(slow: &mut Slow, _request: Request) -> &mut Queue<Request> {
        &mut slow.queue
    }

    fn left(&self, slow: &mut Slow, request: Request, woken: &mut Woken<Request>) {
        // Release: the units go on to others, with all that they stood for. Partners: `take` and `try_down_many`.
        let had = self.units.fetch_add(request.units, Ordering::Release);
        slow.bank += request.units.min((-had).max(0)) - request.lack;
        slow.serve(woken);
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("available", &self.available()).finish_non_exhaustive()
    }
}
