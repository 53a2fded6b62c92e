//! Waiters, the queues they stand in, and those who were let go and are still to be woken.

use core::ptr::NonNull;

use crate::kthread::{Sleeper, wake, wake_on};
use crate::sync::cell::UnsafeCell;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The waiter got what it wants.
    Granted,
    /// The time was up first.
    TimedOut,
    /// The kthread was asked to give up first.
    Aborted,
}

/// A kthread that waits for a `W`. Lies on its stack.
pub(super) struct Waiter<W> {
    sleeper: Sleeper,
    want: W,
    node: UnsafeCell<Node<W>>,
}

struct Node<W> {
    previous: Link<W>,
    next: Link<W>,
    verdict: Option<Verdict>,
}

type Link<W> = Option<NonNull<Waiter<W>>>;

impl<W: Copy> Waiter<W> {
    pub(super) fn new(sleeper: Sleeper, want: W) -> Self {
        Self { sleeper, want, node: UnsafeCell::new(Node { previous: None, next: None, verdict: None }) }
    }

    #[inline(always)]
    pub(super) fn want(&self) -> W {
        self.want
    }

    /// How its wait ended; `None` if it has not.
    ///
    /// # Safety
    /// The caller holds the lock of the waiter's queue.
    #[inline(always)]
    pub(super) unsafe fn verdict(&self) -> Option<Verdict> {
        // SAFETY: the caller's word; see "Who may touch what" in the module above.
        self.node.with(|node| unsafe { (*node).verdict })
    }

    /// How its wait ended. As an access of one who is alone with it, so that models find whoever else is not done with it.
    ///
    /// # Safety
    /// The caller is the waiter, and awake again; its limits are disarmed.
    #[inline(always)]
    pub(super) unsafe fn conclude(&self) -> Option<Verdict> {
        // SAFETY: the caller's word.
        self.node.with_mut(|node| unsafe { (*node).verdict })
    }

    #[inline(always)]
    fn link(&self) -> NonNull<Self> {
        NonNull::from(self)
    }
}

/// Waiters, first come first.
///
/// # Invariants
/// A chain from `first` to `last`, doubly linked. Each waiter in it is alive, stays where it is, and has no verdict. All of it
/// is used under one lock, the one that the queue is protected by.
pub(in crate::kthread::sync) struct Queue<W> {
    first: Link<W>,
    last: Link<W>,
}

// SAFETY: the waiters that the links lead to are used under the queue's lock only (invariant), wherever that is taken.
unsafe impl<W: Send> Send for Queue<W> {}

impl<W: Copy> Queue<W> {
    pub(in crate::kthread::sync) const fn new() -> Self {
        Self { first: None, last: None }
    }

    #[inline(always)]
    pub(in crate::kthread::sync) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// What the first one wants.
    #[inline(always)]
    pub(in crate::kthread::sync) fn first(&self) -> Option<W> {
        // SAFETY: it is alive, and what it wants never changes.
        self.first.map(|first| unsafe { first.as_ref() }.want)
    }

    /// Lets the first one go: it is out of the queue, and will be woken. Says what it wanted.
    #[inline(always)]
    pub(in crate::kthread::sync) fn grant(&mut self, woken: &mut Woken<W>) -> Option<W> {
        let first = self.unlink_first()?;
        woken.push(first);
        // SAFETY: it is alive until it is woken.
        Some(unsafe { first.as_ref() }.want)
    }

    /// Takes the first one out, granted.
    #[inline(always)]
    fn unlink_first(&mut self) -> Link<W> {
        let first = self.first?;
        // SAFETY: it is alive, and ours under the lock that protects the queue.
        let waiter = unsafe { first.as_ref() };
        self.first = waiter.node.with_mut(|node| {
            // SAFETY: as above.
            let node = unsafe { &mut *node };
            node.verdict = Some(Verdict::Granted);
            node.next.take()
        });
        match self.first {
            // SAFETY: as above.
            Some(next) => unsafe { next.as_ref() }.node.with_mut(|node| unsafe { (*node).previous = None }),
            None => self.last = None,
        }
        Some(first)
    }

    /// Lets the first one go: it is out of the queue, and to be woken by the caller, once the lock is free.
    ///
    /// # Panics
    /// If there is none.
    #[inline(always)]
    pub(in crate::kthread::sync) fn grant_first(&mut self) -> Sleeper {
        let first = self.unlink_first().expect("somebody queues");
        // SAFETY: it is alive until it is woken.
        unsafe { first.as_ref() }.sleeper
    }

    /// Lets all of them go.
    pub(in crate::kthread::sync) fn grant_all(&mut self, woken: &mut Woken<W>) {
        while self.grant(woken).is_some() {}
    }

    /// Puts a waiter last.
    ///
    /// # Safety
    /// It is in no queue, has no verdict, and stays where it is, alive, until it has one and is awake.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, waiter: &Waiter<W>) {
        let link = waiter.link();
        // SAFETY: nobody else knows the waiter yet.
        waiter.node.with_mut(|node| unsafe { (*node).previous = self.last });
        match self.last {
            // SAFETY: it is alive, and ours under the lock that protects the queue.
            Some(last) => unsafe { last.as_ref() }.node.with_mut(|node| unsafe { (*node).next = Some(link) }),
            None => self.first = Some(link),
        }
        self.last = Some(link);
    }

    /// Takes a waiter out, with this verdict. Waking it, if it sleeps, is the caller's business.
    ///
    /// # Safety
    /// It is in this queue.
    pub(super) unsafe fn remove(&mut self, waiter: &Waiter<W>, verdict: Verdict) {
        let (previous, next) = waiter.node.with_mut(|node| {
            // SAFETY: ours under the lock that protects the queue.
            let node = unsafe { &mut *node };
            node.verdict = Some(verdict);
            (node.previous.take(), node.next.take())
        });
        match previous {
            // SAFETY: it is alive, and ours under the lock that protects the queue.
            Some(previous) => unsafe { previous.as_ref() }.node.with_mut(|node| unsafe { (*node).next = next }),
            None => self.first = next,
        }
        match next {
            // SAFETY: as above.
            Some(next) => unsafe { next.as_ref() }.node.with_mut(|node| unsafe { (*node).previous = previous }),
            None => self.last = previous,
        }
    }
}

/// Waiters that have a verdict and sleep on: whoever decided wakes them, once the lock is free.
///
/// # Invariants
/// A chain by `next`. Each waiter in it is alive until it is woken, and nobody but the holder of this value wakes it.
#[must_use = "whoever was let go must be woken"]
pub(in crate::kthread::sync) struct Woken<W> {
    first: Link<W>,
    last: Link<W>,
}

impl<W: Copy> Woken<W> {
    #[inline(always)]
    pub(in crate::kthread::sync) fn nobody() -> Self {
        Self { first: None, last: None }
    }

    /// Wakes all of them, in the order in which they were let go, each on the core that it slept on. Says how many.
    #[inline(always)]
    pub(in crate::kthread::sync) fn wake(self) -> usize {
        self.wake_each(wake)
    }

    /// As [`wake`](Self::wake), but all on `core`.
    #[inline(always)]
    pub(in crate::kthread::sync) fn wake_on(self, core: usize) -> usize {
        self.wake_each(|sleeper| wake_on(sleeper, core))
    }

    #[inline(always)]
    fn wake_each(self, wake: impl Fn(Sleeper)) -> usize {
        let mut count = 0;
        let mut next = self.first;
        while let Some(waiter) = next {
            // SAFETY: alive until it is woken, and with its verdict nobody else changes it (invariant).
            let waiter = unsafe { waiter.as_ref() };
            // Everything that is needed of it, before it may go away.
            let sleeper = waiter.sleeper;
            // SAFETY: as above.
            next = waiter.node.with(|node| unsafe { (*node).next });
            wake(sleeper);
            count += 1;
        }
        count
    }

    /// Adds a waiter that was just taken out of its queue, under the queue's lock.
    #[inline(always)]
    pub(super) fn push(&mut self, waiter: NonNull<Waiter<W>>) {
        match self.last {
            // SAFETY: alive until it is woken (invariant); the lock under which it got its verdict is still held.
            Some(last) => unsafe { last.as_ref() }.node.with_mut(|node| unsafe { (*node).next = Some(waiter) }),
            None => self.first = Some(waiter),
        }
        self.last = Some(waiter);
    }
}
