//! Two rings, one each way, in one piece of memory.

use core::fmt;

use crate::bell::{self, Bell};
use crate::memory::{Memory, WORD};
use crate::message::Message;
use crate::spsc::{self, Layout, Receiver, RecvError, SendError, Sender};
use crate::sync::{Ordering, fence};

/// Which of two sides somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It sends by the first ring: the parent, by custom.
    First,
    /// It sends by the second ring.
    Second,
}

/// One side of two rings.
#[derive(Debug)]
pub struct Duplex<M, B> {
    /// To the other side.
    pub sender: Sender<M, B>,
    /// From the other side.
    pub receiver: Receiver<M, B>,
}

impl<M: Memory + Clone, B: Bell + Clone> Duplex<M, B> {
    /// That side of two rings of `capacity` words each, from the first word of `memory` on, which nobody has used yet.
    ///
    /// # Panics
    /// As [`Layout::new`].
    pub fn new(memory: M, capacity: usize, side: Side, bell: B) -> Self {
        let first = Layout::new(0, capacity);
        let second = Layout::new(first.words(), capacity);
        let (to, from) = match side {
            Side::First => (first, second),
            Side::Second => (second, first),
        };
        Self { sender: Sender::new(memory.clone(), to, bell.clone()), receiver: Receiver::new(memory, from, bell) }
    }
}

/// Why a [`call`](Duplex::call) gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// Its message was not sent.
    Send(SendError),
    /// It was, and no answer was received.
    Recv(RecvError),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Send(error) => error.fmt(f),
            CallError::Recv(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CallError {}

impl<M: Memory, B: Bell> Duplex<M, B> {
    /// Sends a message and receives the next one, as [`Sender::send`] and [`Receiver::recv`] would, but goes to sleep at once
    /// with waking the other side: for a question and its answer, or an answer and the next question. Says how long what it
    /// received is.
    ///
    /// # Errors
    /// [`CallError::Send`], [`CallError::Recv`]. If the other side is gone, the message may be sent all the same.
    #[inline(always)]
    pub fn call(&mut self, message: &[u8], into: &mut [u8]) -> Result<usize, CallError> {
        let since = self.receiver.bell().prepare();
        self.receiver.announce();
        if let Err(error) = self.sender.publish(message) {
            return self.call_slowly(error, message, into);
        }
        // Once for both: what was published comes before the look whether somebody sleeps, and that this side does, before the
        // look whether something has come. Partners: those in `bell::wake` and `bell::announce`.
        fence(Ordering::SeqCst);
        let is_asleep = bell::take_sleeper(self.sender.sleeps());
        let bell = self.receiver.bell();
        // Hazard 3: first whether it is closed.
        if bell.is_closed() || !self.receiver.is_empty() {
            if is_asleep {
                bell.ring();
            }
        } else {
            // If it is interrupted, the look that follows decides.
            let waited = if is_asleep { bell.ring_and_wait(since) } else { bell.wait(since) };
            if waited.is_err() && self.receiver.is_empty() {
                self.receiver.withdraw();
                return Err(CallError::Recv(RecvError::Interrupted));
            }
        }
        self.receiver.withdraw();
        match self.receiver.take(into) {
            Ok(len) => Ok(len),
            Err(error) => self.recv_slowly(error, into),
        }
    }

    /// The message was sent, and nothing is there yet, or something is wrong.
    #[cold]
    #[inline(never)]
    fn recv_slowly(&mut self, error: RecvError, into: &mut [u8]) -> Result<usize, CallError> {
        if error != RecvError::Empty {
            return Err(CallError::Recv(error));
        }
        self.receiver.recv(into).map_err(CallError::Recv)
    }

    /// The message was not published.
    #[cold]
    #[inline(never)]
    fn call_slowly(&mut self, error: SendError, message: &[u8], into: &mut [u8]) -> Result<usize, CallError> {
        self.receiver.withdraw();
        if error != SendError::Full {
            return Err(CallError::Send(error));
        }
        self.sender.send(message).map_err(CallError::Send)?;
        self.receiver.recv(into).map_err(CallError::Recv)
    }

    /// As [`call`](Self::call), with typed messages.
    ///
    /// # Errors
    /// As [`call`](Self::call), and [`RecvError::Malformed`].
    #[inline(always)]
    pub fn call_message<S: Message, R: Message>(&mut self, message: &S) -> Result<R, CallError> {
        let mut bytes = R::EMPTY;
        let received = match self.call(message.to_bytes().as_ref(), bytes.as_mut()) {
            Ok(len) => Ok(len),
            Err(CallError::Recv(error)) => Err(error),
            Err(error) => return Err(error),
        };
        spsc::typed(received, &bytes).map_err(CallError::Recv)
    }
}

/// Bytes that two rings of `capacity` words each take.
#[must_use]
pub const fn len(capacity: usize) -> usize {
    2 * Layout::new(0, capacity).words() * WORD
}
