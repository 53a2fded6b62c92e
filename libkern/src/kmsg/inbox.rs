//! A core's two queues, and how it goes to sleep without missing anything.
//!
//! # Queue
//!
//! `last` points at the message sent last, and each message at the one sent before it. A send is one exchange of `last`
//! and one store that links the message to what the exchange found. Between the two the message is in the queue with its
//! link unwritten; the sender has interrupts off for these two instructions, so that whoever takes the queue may wait for
//! the link. Taking is one exchange for the whole queue, which is then turned round, so that messages run in the order of
//! the sends' exchanges. An empty queue is a null `last`, and nothing else is.
//!
//! # Going to sleep
//!
//! ```text
//! receiver, interrupts off                    sender, interrupts off
//!   1  state := HALTS  (exchange)               a  last := message  (exchange)
//!   2  look at both queues                      b  if the queue was empty, and state is HALTS:
//!   3a empty:  sti; hlt                               state := LOOKS  (compare and exchange)
//!   3b not:    go on at 4                             if it was HALTS still: send an interrupt
//!   4  if state is HALTS: state := LOOKS  (the same)
//! ```
//!
//! The exchanges at 1 and a are full barriers, so either the receiver sees the message at 2 or the sender sees HALTS at b,
//! or both, which costs an interrupt and loses nothing. A sender that found the queue not empty relies on the one that
//! found it empty: that one's exchange came earlier, so what holds for it at 2 holds for both, and it has not been taken
//! yet. One that finds LOOKS where another sender has put it relies on that one's interrupt, which comes: nothing
//! interrupts a sender between a and the end of b. The interrupt that arrives between 2 and the `hlt` is held back by the
//! cleared flag until the instruction after `sti`, which is the `hlt`, which it ends.
//!
//! Each change to HALTS is undone once, by a sender or by the core itself, which thereby knows that it was the
//! one. So cores that halt, and have not been sent for, can be counted.
//!
//! # Going to ring 3 (M15)
//!
//! A core that leaves for a process says LEFT, and looks. It may come back and leave again without a word, having looked; so
//! LEFT is the core's to undo. Senders that find it interrupt the core, and leave it: one that undid it late, for a message
//! that the core has found by itself meanwhile, would keep the next sender from interrupting a core that has left again.
//! What that costs is an interrupt where a core that had left is in the kernel, and would have looked.

use core::ptr::{self, NonNull};

use super::message::{List, Message, unlinked};
use crate::arch;
use crate::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

/// The core will look at its queues before it halts or leaves the kernel.
const LOOKS: u8 = 0;
/// It may not look until it is interrupted.
const HALTS: u8 = 1;
/// The same, and it has something to do.
const LEFT: u8 = 2;

/// What a core was that has been sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Was {
    /// It would have looked.
    Looking,
    /// It would not have looked until it is interrupted: it had halted,
    Halting,
    /// or was, or might be, in ring 3.
    Away,
}

/// What a core has been sent and has not taken yet.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) immediate: Queue,
    pub(super) routine: Queue,
    state: AtomicU8,
}

impl Inbox {
    /// Where the routine queue's word is.
    #[cfg(not(all(loom, test)))]
    #[allow(dead_code, reason = "for assembly, which the host has none of")]
    pub(super) const ROUTINE_LAST: usize = core::mem::offset_of!(Inbox, routine) + core::mem::offset_of!(Queue, last);

    #[cfg(not(all(loom, test)))]
    pub(super) const fn new() -> Self {
        Self { immediate: Queue::new(), routine: Queue::new(), state: AtomicU8::new(LOOKS) }
    }

    #[cfg(all(loom, test))]
    fn new() -> Self {
        let queue = || Queue { last: AtomicPtr::new(ptr::null_mut()) };
        Self { immediate: queue(), routine: queue(), state: AtomicU8::new(LOOKS) }
    }

    /// Says that this core will not look unless it is interrupted, and whether both queues were empty after that. On the
    /// inbox's own core, interrupts off. To be undone by [`call_back`](Self::call_back) in either case.
    #[must_use]
    pub(super) fn may_halt(&self) -> bool {
        self.announce(HALTS)
    }

    /// As [`may_halt`](Self::may_halt), of a core that goes to ring 3. Need not be undone.
    #[must_use]
    pub(super) fn may_leave(&self) -> bool {
        self.announce(LEFT)
    }

    #[inline(always)]
    fn announce(&self, state: u8) -> bool {
        // SeqCst and the fence: the exchange comes before the looks. Pairs with `Queue::push` and `call_back`.
        self.state.swap(state, Ordering::SeqCst);
        fence_after_exchange();
        self.routine.is_empty() && self.immediate.is_empty()
    }

    /// Whether the core has said that it halts and nobody has undone that. A hint: it may be undone the next moment.
    #[cfg(not(all(loom, test)))]
    pub(super) fn is_halting(&self) -> bool {
        self.state.load(Ordering::Relaxed) == HALTS
    }

    /// Has the core not be one that halts, and says what it was. On the inbox's own core; or by a sender after a `push` that
    /// found its queue empty, which must interrupt the core if it was not looking.
    #[inline(always)]
    #[must_use]
    pub(super) fn call_back(&self) -> Was {
        fence_after_exchange();
        // SeqCst: after the push's exchange. Pairs with `announce`.
        let mut state = self.state.load(Ordering::SeqCst);
        if state == HALTS {
            match self.state.compare_exchange(HALTS, LOOKS, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Was::Halting,
                Err(now) => state = now,
            }
        }
        if state == LOOKS { Was::Looking } else { Was::Away }
    }
}

/// Messages, the last one first.
///
/// # Invariants
/// `last` is null or a message that was pushed and not taken, as is every message reachable from it by `next`.
#[derive(Debug)]
pub(super) struct Queue {
    last: AtomicPtr<Message>,
}

impl Queue {
    #[cfg(not(all(loom, test)))]
    const fn new() -> Self {
        Self { last: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Puts a message in, and says whether it is the only one. Any core and context, interrupts off.
    ///
    /// # Safety
    /// The message is in no queue or list, and the caller's, who gives it up.
    #[inline(always)]
    pub(super) unsafe fn push(&self, message: NonNull<Message>) -> bool {
        // SAFETY: the caller's message. Relaxed: published by the exchange.
        let next = unsafe { &(*message.as_ptr()).next };
        next.store(unlinked(), Ordering::Relaxed);
        // Release for the message's content, pairing with `take`; SeqCst for `call_back`.
        let before = self.last.swap(message.as_ptr(), Ordering::SeqCst);
        // Release: pairs with `take`. From here on the message is the receiver's.
        next.store(before, Ordering::Release);
        before.is_null()
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        // SeqCst: after the exchange in `announce`; elsewhere a hint.
        self.last.load(Ordering::SeqCst).is_null()
    }

    /// Takes all messages, in the order in which they were sent. On the queue's own core, interrupts off.
    #[inline(always)]
    pub(super) fn take(&self, mut look: impl FnMut(&Message)) -> List {
        let mut list = List::new();
        // Acquire: pairs with the exchange in `push`, of the last message and, since each exchange reads the one before,
        // of all others.
        let mut next = NonNull::new(self.last.swap(ptr::null_mut(), Ordering::Acquire));
        while let Some(message) = next {
            // SAFETY: what was in the queue belongs to the taker now.
            let link = unsafe { &(*message.as_ptr()).next };
            // Acquire: pairs with the store that links.
            let mut before = link.load(Ordering::Acquire);
            while before == unlinked() {
                // Its sender is between two instructions with interrupts off.
                arch::relax();
                before = link.load(Ordering::Acquire);
            }
            // SAFETY: as above.
            unsafe {
                look(message.as_ref());
                list.push_front(message);
            }
            next = NonNull::new(before);
        }
        list
    }
}

/// A full barrier, given that the last access was an exchange: on x86 that is one. Loom knows exchanges as no more than
/// acquire and release, so its models have the fence.
#[inline(always)]
fn fence_after_exchange() {
    #[cfg(all(loom, test))]
    crate::sync::atomic::fence(Ordering::SeqCst);
    #[cfg(not(all(loom, test)))]
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
}

#[cfg(all(loom, test))]
mod model {
    // The core itself is no part of the model; and loom's `Arc` aborts where it is dropped after a deadlock was found.
    use std::sync::Arc;
    use std::vec::Vec;

    use loom::sync::{Condvar, Mutex};
    use loom::thread;

    use super::super::message::Here;
    use super::*;

    /// # Safety
    /// None is needed.
    unsafe fn nothing(_: NonNull<Message>, _: Here) {}

    /// A core with an interrupt line: what `hlt` waits for.
    struct Core {
        inbox: Inbox,
        interrupted: Mutex<bool>,
        line: Condvar,
        /// Announcements that nobody has undone. Loom need not know.
        halting: std::sync::atomic::AtomicIsize,
    }

    impl Core {
        fn new() -> Arc<Self> {
            let (interrupted, line) = (Mutex::new(false), Condvar::new());
            Arc::new(Self { inbox: Inbox::new(), interrupted, line, halting: 0.into() })
        }

        fn interrupt(&self) {
            *self.interrupted.lock().unwrap() = true;
            self.line.notify_one();
        }

        fn halt(&self) {
            let mut interrupted = self.interrupted.lock().unwrap();
            while !*interrupted {
                interrupted = self.line.wait(interrupted).unwrap();
            }
            *interrupted = false;
        }

        /// Says whether an interrupt is needed.
        fn call_back(&self) -> bool {
            let was = self.inbox.call_back();
            if was == Was::Halting {
                self.halting.fetch_sub(1, Ordering::SeqCst);
            }
            was != Was::Looking
        }

        fn send_routine(&self, number: u64) {
            let mut message = Box::new(Message::new(nothing));
            message.since = number;
            // SAFETY: a fresh message, given up.
            let first = unsafe { self.inbox.routine.push(NonNull::from(Box::leak(message))) };
            if first && self.call_back() {
                self.interrupt();
            }
        }

        fn send_immediate(&self, number: u64) {
            let mut message = Box::new(Message::new(nothing));
            message.since = number;
            // SAFETY: a fresh message, given up.
            if unsafe { self.inbox.immediate.push(NonNull::from(Box::leak(message))) } {
                self.interrupt();
            }
        }

        /// What the idle loop does until it has had `count` messages.
        fn receive(&self, count: usize) -> Vec<u64> {
            let mut numbers = Vec::new();
            loop {
                drain(&self.inbox.immediate, &mut numbers);
                drain(&self.inbox.routine, &mut numbers);
                if numbers.len() == count {
                    return numbers;
                }
                self.halting.fetch_add(1, Ordering::SeqCst);
                if self.inbox.may_halt() {
                    self.halt();
                }
                self.call_back();
            }
        }

        /// The same of a core that has a process, to which it goes in between.
        fn receive_in_ring_3(&self, count: usize) -> Vec<u64> {
            let mut numbers = Vec::new();
            loop {
                drain(&self.inbox.routine, &mut numbers);
                if numbers.len() == count {
                    return numbers;
                }
                if self.inbox.may_leave() {
                    self.halt();
                    // A trap that finds nothing goes back without a word.
                    while self.inbox.routine.is_empty() {
                        self.halt();
                    }
                }
            }
        }
    }

    fn drain(queue: &Queue, numbers: &mut Vec<u64>) {
        let mut list = queue.take(|_| ());
        while let Some(message) = list.pop() {
            // SAFETY: leaked by `send`, and taken once.
            numbers.push(unsafe { Box::from_raw(message.as_ptr()) }.since);
        }
    }

    /// All interleavings with up to so many switches of thread that no wait forces: enough for a sender and a receiver that
    /// go wrong in each step of the protocol, and few enough for seconds.
    fn model(f: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(f);
    }

    #[test]
    fn no_message_is_lost_when_the_core_goes_to_sleep() {
        model(|| {
            let core = Core::new();
            let senders: Vec<_> = [1, 2]
                .into_iter()
                .map(|number| {
                    let core = core.clone();
                    thread::spawn(move || core.send_routine(number))
                })
                .collect();
            let mut numbers = core.receive(2);
            numbers.sort_unstable();
            assert_eq!(numbers, [1, 2]);
            for sender in senders {
                sender.join().unwrap();
            }
            assert_eq!(core.halting.load(Ordering::SeqCst), 0, "each announcement is undone once");
        });
    }

    #[test]
    fn no_message_is_lost_when_the_core_goes_to_ring_3() {
        model(|| {
            let core = Core::new();
            let senders: Vec<_> = [1, 2]
                .into_iter()
                .map(|number| {
                    let core = core.clone();
                    thread::spawn(move || core.send_routine(number))
                })
                .collect();
            let mut numbers = core.receive_in_ring_3(2);
            numbers.sort_unstable();
            assert_eq!(numbers, [1, 2]);
            for sender in senders {
                sender.join().unwrap();
            }
            assert_eq!(core.halting.load(Ordering::SeqCst), 0, "it has never halted");
        });
    }

    #[test]
    fn immediate_messages_interrupt_once_for_all_that_wait() {
        model(|| {
            let core = Core::new();
            let sender = {
                let core = core.clone();
                thread::spawn(move || {
                    core.send_immediate(1);
                    core.send_immediate(2);
                })
            };
            assert_eq!(core.receive(2), [1, 2]);
            sender.join().unwrap();
        });
    }

    #[test]
    fn one_sender_s_messages_arrive_in_order() {
        model(|| {
            let core = Core::new();
            let sender = {
                let core = core.clone();
                thread::spawn(move || (1..=3).for_each(|number| core.send_routine(number)))
            };
            assert_eq!(core.receive(3), [1, 2, 3]);
            sender.join().unwrap();
        });
    }
}
