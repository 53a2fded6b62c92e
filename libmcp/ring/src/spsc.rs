//! One sender, one receiver, messages of any length that fits.
//!
//! A message is a word with its length in bytes, and as many words as it fills. Indices count words, and never wrap.

use core::fmt;

use crate::bell::{self, Bell, Interrupted};
use crate::memory::{self, LINE, Memory, WORD};
use crate::message::Message;
use crate::sync::{AtomicU64, Ordering};

/// Words before the places: a cache line that the sender writes, and one that the receiver does. In each is the word by
/// which the *other* asks to be woken by its owner, who looks there often.
const HEADER: usize = 2 * LINE;
const PRODUCED: usize = 0;
const RECEIVER_SLEEPS: usize = 1;
const CONSUMED: usize = LINE;
const SENDER_SLEEPS: usize = LINE + 1;

/// What both sides have agreed on. Neither ever reads it from shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Of the sender's line.
    first: usize,
    capacity: usize,
}

impl Layout {
    /// A ring of `capacity` words whose first word is `first`, where a cache line begins.
    ///
    /// # Panics
    /// If none does; if the capacity is no power of two, or less than 2.
    #[must_use]
    pub const fn new(first: usize, capacity: usize) -> Self {
        assert!(capacity.is_power_of_two() && capacity >= 2, "a ring's capacity is a power of two");
        assert!(first.is_multiple_of(LINE), "a ring begins where a cache line does");
        Self { first, capacity }
    }

    /// Words that it takes: whole lines.
    #[must_use]
    pub const fn words(&self) -> usize {
        (HEADER + self.capacity).next_multiple_of(LINE)
    }

    /// The longest message, in bytes.
    #[must_use]
    pub const fn longest(&self) -> usize {
        (self.capacity - 1) * WORD
    }

    /// The line that the sender writes.
    #[inline(always)]
    fn of_sender<'a>(&self, memory: &'a impl Memory) -> &'a [AtomicU64; LINE] {
        memory.line(self.first)
    }

    /// The line that the receiver writes.
    #[inline(always)]
    fn of_receiver<'a>(&self, memory: &'a impl Memory) -> &'a [AtomicU64; LINE] {
        memory.line(self.first + LINE)
    }

    /// The place of the word that is counted as `index`.
    #[inline(always)]
    fn place<'a>(&self, memory: &'a impl Memory, index: u64) -> &'a AtomicU64 {
        memory.word(self.first + HEADER + (index as usize & (self.capacity - 1)))
    }
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// There is no room now.
    Full,
    /// There never is.
    TooLong,
    /// The other side is gone.
    Closed,
    /// The other side does not keep to the protocol. From now on nothing can be sent.
    Corrupt,
    /// The wait was ended.
    Interrupted,
}

/// Why no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// There is none now.
    Empty,
    /// One was, of so many bytes, and there was no room for it. It is gone.
    TooLong(usize),
    /// One was, and it is none of that type. It is gone.
    Malformed,
    /// The other side is gone, and so are all its messages.
    Closed,
    /// The other side does not keep to the protocol. From now on nothing can be received.
    Corrupt,
    /// The wait was ended.
    Interrupted,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Full => "there is no room",
            SendError::TooLong => "the message is too long",
            SendError::Closed => "the other side is gone",
            SendError::Corrupt => "the other side does not keep to the protocol",
            SendError::Interrupted => "the wait was ended",
        })
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvError::Empty => f.write_str("there is no message"),
            RecvError::TooLong(len) => write!(f, "there was no room for a message of {len} bytes"),
            RecvError::Malformed => f.write_str("the message was none of its type"),
            RecvError::Closed => f.write_str("the other side is gone"),
            RecvError::Corrupt => f.write_str("the other side does not keep to the protocol"),
            RecvError::Interrupted => f.write_str("the wait was ended"),
        }
    }
}

impl core::error::Error for SendError {}
impl core::error::Error for RecvError {}

impl From<Interrupted> for SendError {
    fn from(Interrupted: Interrupted) -> Self {
        SendError::Interrupted
    }
}

impl From<Interrupted> for RecvError {
    fn from(Interrupted: Interrupted) -> Self {
        RecvError::Interrupted
    }
}

/// The sending side.
///
/// # Invariants
/// `produced - consumed <= capacity`; both only grow.
#[derive(Debug)]
pub struct Sender<M, B> {
    memory: M,
    layout: Layout,
    bell: B,
    produced: u64,
    /// As it was when it was looked at last.
    consumed: u64,
    is_corrupt: bool,
}

impl<M: Memory, B: Bell> Sender<M, B> {
    /// The sender of a ring that nobody has used yet.
    pub fn new(memory: M, layout: Layout, bell: B) -> Self {
        Self { memory, layout, bell, produced: 0, consumed: 0, is_corrupt: false }
    }

    /// What wakes the other side.
    pub fn bell(&self) -> &B {
        &self.bell
    }

    /// Sends a message if there is room. Does not block.
    ///
    /// # Errors
    /// [`SendError::Full`], [`SendError::TooLong`], [`SendError::Closed`], [`SendError::Corrupt`].
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        if self.bell.is_closed() { Err(SendError::Closed) } else { self.put(message) }
    }

    /// Sends a message, asleep until there is room.
    ///
    /// # Errors
    /// As [`SendError`] says, but for [`SendError::Full`].
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_by(message, B::wait)
    }

    /// As [`send`](Self::send), where `wait` is what waits for the bell, since when is its argument: until a deadline, say.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_by(
        &mut self,
        message: &[u8],
        mut wait: impl FnMut(&B, u64) -> Result<(), Interrupted>,
    ) -> Result<(), SendError> {
        loop {
            match self.try_send(message) {
                Err(SendError::Full) => {}
                done => return done,
            }
            let since = self.bell.prepare();
            bell::announce(&self.layout.of_receiver(&self.memory)[SENDER_SLEEPS - LINE]);
            let done = self.try_send(message);
            let waited = if done == Err(SendError::Full) { wait(&self.bell, since) } else { Ok(()) };
            bell::withdraw(&self.layout.of_receiver(&self.memory)[SENDER_SLEEPS - LINE]);
            if done != Err(SendError::Full) {
                return done;
            }
            waited?;
        }
    }

    /// Sends a typed message, asleep until there is room.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_message<T: Message>(&mut self, message: &T) -> Result<(), SendError> {
        self.send(message.to_bytes().as_ref())
    }

    #[inline(always)]
    fn put(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.publish(message)?;
        bell::wake(self.sleeps(), &self.bell);
        Ok(())
    }

    /// The word by which the other side says that it sleeps.
    #[inline(always)]
    pub(crate) fn sleeps(&self) -> &AtomicU64 {
        &self.layout.of_sender(&self.memory)[RECEIVER_SLEEPS]
    }

    /// Publishes a message, and looks for nobody who sleeps.
    #[inline(always)]
    pub(crate) fn publish(&mut self, message: &[u8]) -> Result<(), SendError> {
        let layout = self.layout;
        if message.len() > layout.longest() {
            return Err(SendError::TooLong);
        }
        let words = 1 + memory::words(message.len()) as u64;
        self.find_room(words)?;
        let (memory, produced) = (&self.memory, self.produced);
        layout.place(memory, produced).store(message.len() as u64, Ordering::Relaxed);
        memory::store(message, |n| layout.place(memory, produced + 1 + n as u64));
        self.produced = produced + words;
        // Release: the message. Partner: `Receiver::available`.
        layout.of_sender(memory)[PRODUCED].store(produced + words, Ordering::Release);
        Ok(())
    }

    #[inline(always)]
    fn find_room(&mut self, words: u64) -> Result<(), SendError> {
        let capacity = self.layout.capacity as u64;
        if self.is_corrupt {
            return Err(SendError::Corrupt);
        }
        if capacity - (self.produced - self.consumed) >= words {
            return Ok(());
        }
        // Acquire: the receiver has read what was there. Partner: `Receiver::give_back`.
        let consumed = self.layout.of_receiver(&self.memory)[CONSUMED - LINE].load(Ordering::Acquire);
        // No less than before, and no more than there was.
        if consumed < self.consumed || consumed > self.produced {
            self.is_corrupt = true;
            return Err(SendError::Corrupt);
        }
        self.consumed = consumed;
        if capacity - (self.produced - consumed) >= words { Ok(()) } else { Err(SendError::Full) }
    }
}

/// The receiving side.
///
/// # Invariants
/// `produced - consumed <= capacity`; both only grow.
#[derive(Debug)]
pub struct Receiver<M, B> {
    memory: M,
    layout: Layout,
    bell: B,
    consumed: u64,
    /// As it was when it was looked at last.
    produced: u64,
    is_corrupt: bool,
}

impl<M: Memory, B: Bell> Receiver<M, B> {
    /// The receiver of a ring that nobody has used yet.
    pub fn new(memory: M, layout: Layout, bell: B) -> Self {
        Self { memory, layout, bell, consumed: 0, produced: 0, is_corrupt: false }
    }

    /// What wakes the other side.
    pub fn bell(&self) -> &B {
        &self.bell
    }

    /// Receives a message into the beginning of `into`, if there is one, and says how long it is. Does not block.
    ///
    /// # Errors
    /// [`RecvError::Empty`], [`RecvError::TooLong`], [`RecvError::Closed`], [`RecvError::Corrupt`].
    pub fn try_recv(&mut self, into: &mut [u8]) -> Result<usize, RecvError> {
        match self.take(into) {
            // Hazard 3: first whether it is closed.
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

    /// As [`recv`](Self::recv), where `wait` is what waits for the bell, since when is its argument: until a deadline, say.
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
            bell::announce(&self.layout.of_sender(&self.memory)[RECEIVER_SLEEPS]);
            let done = self.try_recv(into);
            let waited = if done == Err(RecvError::Empty) { wait(&self.bell, since) } else { Ok(()) };
            self.withdraw();
            if done != Err(RecvError::Empty) {
                return done;
            }
            waited?;
        }
    }

    /// Receives a typed message, asleep until there is one.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), and [`RecvError::Malformed`].
    pub fn recv_message<T: Message>(&mut self) -> Result<T, RecvError> {
        let mut bytes = T::EMPTY;
        let received = self.recv(bytes.as_mut());
        typed(received, &bytes)
    }

    /// Says that this side is about to sleep; a fence comes later.
    #[inline(always)]
    pub(crate) fn announce(&self) {
        bell::announce_unfenced(&self.layout.of_sender(&self.memory)[RECEIVER_SLEEPS]);
    }

    /// Says that this side is awake.
    #[inline(always)]
    pub(crate) fn withdraw(&self) {
        bell::withdraw(&self.layout.of_sender(&self.memory)[RECEIVER_SLEEPS]);
    }

    /// Whether nothing has come, as far as a look tells. What has is judged by who takes it.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        // Acquire: as in `available`.
        self.produced == self.consumed
            && self.layout.of_sender(&self.memory)[PRODUCED].load(Ordering::Acquire) == self.consumed
            && !self.is_corrupt
    }

    /// As [`try_recv`](Self::try_recv), but does not look whether the other side is gone.
    #[inline(always)]
    pub(crate) fn take(&mut self, into: &mut [u8]) -> Result<usize, RecvError> {
        let available = self.available()?;
        let (layout, memory, consumed) = (self.layout, &self.memory, self.consumed);
        // Once: it may be another one the next moment.
        let len = layout.place(memory, consumed).load(Ordering::Relaxed);
        // Most are as long as is expected; and how long that is may be known.
        let is_expected = len == into.len() as u64;
        let words = 1 + if is_expected { into.len() as u64 } else { len }.div_ceil(WORD as u64);
        if words > available {
            self.is_corrupt = true;
            return Err(RecvError::Corrupt);
        }
        // It fits into the ring.
        let len = len as usize;
        let received = if is_expected {
            memory::load(into, |n| layout.place(memory, consumed + 1 + n as u64));
            Ok(into.len())
        } else if let Some(into) = into.get_mut(..len) {
            memory::load(into, |n| layout.place(memory, consumed + 1 + n as u64));
            Ok(len)
        } else {
            Err(RecvError::TooLong(len))
        };
        self.give_back(words);
        received
    }

    /// How many words there are: at least one.
    #[inline(always)]
    fn available(&mut self) -> Result<u64, RecvError> {
        if self.is_corrupt {
            return Err(RecvError::Corrupt);
        }
        if self.produced == self.consumed {
            // Acquire: the messages. Partner: `Sender::put`.
            let produced = self.layout.of_sender(&self.memory)[PRODUCED].load(Ordering::Acquire);
            // No less than before, and no more than there is room for.
            if produced < self.consumed || produced - self.consumed > self.layout.capacity as u64 {
                self.is_corrupt = true;
                return Err(RecvError::Corrupt);
            }
            self.produced = produced;
        }
        match self.produced - self.consumed {
            0 => Err(RecvError::Empty),
            available => Ok(available),
        }
    }

    #[inline(always)]
    fn give_back(&mut self, words: u64) {
        self.consumed += words;
        let line = self.layout.of_receiver(&self.memory);
        // Release: the copy is made. Partner: `Sender::find_room`.
        line[CONSUMED - LINE].store(self.consumed, Ordering::Release);
        bell::wake(&line[SENDER_SLEEPS - LINE], &self.bell);
    }
}

/// The message that `bytes` are, of which so many were received.
#[inline(always)]
pub(crate) fn typed<T: Message>(received: Result<usize, RecvError>, bytes: &T::Bytes) -> Result<T, RecvError> {
    let len = received.map_err(|error| match error {
        RecvError::TooLong(_) => RecvError::Malformed,
        other => other,
    })?;
    let is_whole = len == bytes.as_ref().len();
    is_whole.then(|| T::from_bytes(bytes)).flatten().ok_or(RecvError::Malformed)
}

#[cfg(all(test, not(loom)))]
mod tests;
