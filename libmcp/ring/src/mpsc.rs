//! Many senders, one receiver, messages up to a length.
//!
//! Senders trust each other, and the receiver trusts none: they are the vcores of one process, say. (Those who do not trust
//! each other have a ring each.) A slot is a word that says whose turn it is, one with the message's length, and the
//! message. Slots are used in turn, again and again; the n-th time around a slot goes
//!
//! ```text
//!   2n  empty  -- a sender that has drawn its ticket writes, and publishes -->  2n + 1  full
//!   2n + 1     -- the receiver copies, and gives it back -------------------->  2n + 2
//! ```
//!
//! Tickets are drawn from a word that the senders share, and only for a slot that is seen to be empty: who has one has room.
//! A sender that dies between ticket and message leaves a slot that is never full, and the receiver waits there for ever;
//! it dies with all others who could send, unless the parent arranged that differently.

use crate::bell::{self, Bell, Interrupted};
use crate::memory::{self, Memory, WORD};
use crate::spsc::{RecvError, SendError};
use crate::sync::{AtomicU64, Ordering};

/// As in [`spsc`](crate::spsc).
const HEADER: usize = 16;
const TICKET: usize = 0;
const RECEIVER_SLEEPS: usize = 1;
const SENDERS_SLEEP: usize = 8;

/// In a slot.
const TURN: usize = 0;
const LEN: usize = 1;
const MESSAGE: usize = 2;

/// How often a sender tries to get a ticket before it takes the ring for full. Who is refused that often was overtaken by
/// as many, or is being lied to.
const ATTEMPTS: usize = 64;

/// What all sides have agreed on. None ever reads it from shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    first: usize,
    slots: usize,
    message_words: usize,
}

impl Layout {
    /// A ring of `slots` messages of at most `longest` bytes, whose first word is `first`.
    ///
    /// # Panics
    /// If the number of slots is no power of two.
    #[must_use]
    pub const fn new(first: usize, slots: usize, longest: usize) -> Self {
        assert!(slots.is_power_of_two(), "a ring's number of slots is a power of two");
        Self { first, slots, message_words: memory::words(longest) }
    }

    /// Words that it takes.
    #[must_use]
    pub const fn words(&self) -> usize {
        HEADER + self.slots * (MESSAGE + self.message_words)
    }

    /// The longest message, in bytes.
    #[must_use]
    pub const fn longest(&self) -> usize {
        self.message_words * WORD
    }

    fn header<'a>(&self, memory: &'a impl Memory, word: usize) -> &'a AtomicU64 {
        memory.word(self.first + word)
    }

    fn slot<'a, M: Memory>(&self, memory: &'a M, ticket: u64) -> Slot<'a, M> {
        let slot = ticket as usize & (self.slots - 1);
        let first = self.first + HEADER + slot * (MESSAGE + self.message_words);
        // A turn wraps when its slot has been used 2^63 times.
        Slot { memory, first, empty: (ticket / self.slots as u64).wrapping_mul(2) }
    }
}

/// The slot of a ticket.
struct Slot<'a, M> {
    memory: &'a M,
    first: usize,
    /// What the turn is while it is empty for this ticket.
    empty: u64,
}

impl<'a, M: Memory> Slot<'a, M> {
    fn turn(&self) -> &'a AtomicU64 {
        self.memory.word(self.first + TURN)
    }

    fn len(&self) -> &'a AtomicU64 {
        self.memory.word(self.first + LEN)
    }

    fn message(&self, n: usize) -> &'a AtomicU64 {
        self.memory.word(self.first + MESSAGE + n)
    }
}

/// A sending side, of which there may be many.
#[derive(Clone, Debug)]
pub struct Sender<M, B> {
    memory: M,
    layout: Layout,
    bell: B,
}

impl<M: Memory, B: Bell> Sender<M, B> {
    /// A sender.
    pub fn new(memory: M, layout: Layout, bell: B) -> Self {
        Self { memory, layout, bell }
    }

    /// Sends a message if there is room. Does not block.
    ///
    /// # Errors
    /// [`SendError::Full`], also if too many others send; [`SendError::TooLong`], [`SendError::Closed`].
    pub fn try_send(&self, message: &[u8]) -> Result<(), SendError> {
        if self.bell.is_closed() {
            return Err(SendError::Closed);
        }
        if message.len() > self.layout.longest() {
            return Err(SendError::TooLong);
        }
        let slot = self.draw().ok_or(SendError::Full)?;
        slot.len().store(message.len() as u64, Ordering::Relaxed);
        memory::store(message, |n| slot.message(n));
        // Release: the message. Partner: `Receiver::take`.
        slot.turn().store(slot.empty + 1, Ordering::Release);
        bell::wake(self.memory.word(self.layout.first + RECEIVER_SLEEPS), &self.bell);
        Ok(())
    }

    /// Sends a message, asleep until there is room.
    ///
    /// # Errors
    /// [`SendError::TooLong`], [`SendError::Closed`], [`SendError::Interrupted`].
    pub fn send(&self, message: &[u8]) -> Result<(), SendError> {
        loop {
            match self.try_send(message) {
                Err(SendError::Full) => {}
                done => return done,
            }
            let since = self.bell.prepare();
            let sleeps = self.layout.first + SENDERS_SLEEP;
            bell::announce(self.memory.word(sleeps));
            match self.try_send(message) {
                // Not taken back afterwards: it may be somebody else's by then.
                Err(SendError::Full) => self.bell.wait(since)?,
                done => return done,
            }
        }
    }

    /// A slot that is empty, and this sender's.
    fn draw(&self) -> Option<Slot<'_, M>> {
        let tickets = self.layout.header(&self.memory, TICKET);
        let mut ticket = tickets.load(Ordering::Relaxed);
        for _ in 0..ATTEMPTS {
            let slot = self.layout.slot(&self.memory, ticket);
            // Acquire: the receiver has read what was there. Partner: `Receiver::take`.
            let turn = slot.turn().load(Ordering::Acquire);
            if turn == slot.empty {
                // Relaxed: the ticket gives the right to a slot, and orders nothing.
                let next = ticket.wrapping_add(1);
                match tickets.compare_exchange(ticket, next, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => return Some(slot),
                    Err(now) => ticket = now,
                }
            } else {
                let now = tickets.load(Ordering::Relaxed);
                if now == ticket {
                    return None;
                }
                ticket = now;
            }
        }
        None
    }
}

/// The receiving side.
#[derive(Debug)]
pub struct Receiver<M, B> {
    memory: M,
    layout: Layout,
    bell: B,
    /// The ticket whose message is next.
    next: u64,
    is_corrupt: bool,
}

impl<M: Memory, B: Bell> Receiver<M, B> {
    /// The receiver of a ring that nobody has used yet.
    pub fn new(memory: M, layout: Layout, bell: B) -> Self {
        Self { memory, layout, bell, next: 0, is_corrupt: false }
    }

    /// Receives a message into the beginning of `into`, if there is one, and says how long it is. Does not block.
    ///
    /// # Errors
    /// [`RecvError::Empty`], [`RecvError::TooLong`], [`RecvError::Closed`], [`RecvError::Corrupt`].
    pub fn try_recv(&mut self, into: &mut [u8]) -> Result<usize, RecvError> {
        match self.take(into) {
            Err(RecvError::Empty) if self.bell.is_closed() => self.take(into).map_err(|error| match error {
                RecvError::Empty => RecvError::Closed,
                other => other,
            }),
            done => done,
        }
    }

    /// Receives a message, asleep until there is one.
    ///
    /// # Errors
    /// As [`RecvError`] says, but for [`RecvError::Empty`].
    pub fn recv(&mut self, into: &mut [u8]) -> Result<usize, RecvError> {
        self.recv_by(into, B::wait)
    }

    /// As [`recv`](Self::recv), where `wait` is what waits for the bell, since when is its argument.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_by(
        &mut self,
        into: &mut [u8],
        mut wait: impl FnMut(&B, u64) -> Result<(), Interrupted>,
    ) -> Result<usize, RecvError> {
        loop {
            match self.take(into) {
                Err(RecvError::Empty) => {}
                done => return done,
            }
            let since = self.bell.prepare();
            let sleeps = self.layout.first + RECEIVER_SLEEPS;
            bell::announce(self.memory.word(sleeps));
            let done = self.try_recv(into);
            let waited = if done == Err(RecvError::Empty) { wait(&self.bell, since) } else { Ok(()) };
            bell::withdraw(self.memory.word(sleeps));
            if done != Err(RecvError::Empty) {
                return done;
            }
            waited?;
        }
    }

    fn take(&mut self, into: &mut [u8]) -> Result<usize, RecvError> {
        if self.is_corrupt {
            return Err(RecvError::Corrupt);
        }
        let slot = self.layout.slot(&self.memory, self.next);
        // Acquire: the message. Partner: `Sender::try_send`.
        let turn = slot.turn().load(Ordering::Acquire);
        if turn == slot.empty {
            return Err(RecvError::Empty);
        }
        // Once: it may be another one the next moment.
        let len = slot.len().load(Ordering::Relaxed);
        if turn != slot.empty + 1 || len > self.layout.longest() as u64 {
            self.is_corrupt = true;
            return Err(RecvError::Corrupt);
        }
        let len = len as usize;
        let received = match into.get_mut(..len) {
            Some(into) => {
                memory::load(into, |n| slot.message(n));
                Ok(len)
            }
            None => Err(RecvError::TooLong(len)),
        };
        // Release: the copy is made. Partner: `Sender::draw`.
        slot.turn().store(slot.empty.wrapping_add(2), Ordering::Release);
        self.next = self.next.wrapping_add(1);
        bell::wake(self.memory.word(self.layout.first + SENDERS_SLEEP), &self.bell);
        received
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
