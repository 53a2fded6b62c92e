//! The receiving side.

use alloc::sync::Arc;
use core::fmt;

use super::buffer::{Bounded, Buffer, Kind};
use super::error::{ChannelError, Closed, Empty};
use super::exchange::{Exchange, Side};
use crate::kthread::sync::limit::{Abortable, AbortableUntil, Aborted, Interrupted, Never, TimedOut, Until, Within};
use crate::time::{Duration, Instant};

/// The receiving side of a channel. Clones receive from the same channel, each value once among them; it closes when the
/// last of them is gone, and what was not received is dropped.
pub struct Receiver<T, K: Kind = Bounded> {
    exchange: Arc<Exchange<T, K::Buffer<T>>>,
}

impl<T, K: Kind> Receiver<T, K> {
    /// Of a new channel.
    pub(super) fn first(exchange: Arc<Exchange<T, K::Buffer<T>>>) -> Self {
        Self { exchange }
    }

    /// Receives a value, asleep until there is one.
    ///
    /// Blocks: kthread context, no spin lock held, interrupts on.
    ///
    /// # Errors
    /// If nothing is left and there are no senders any more.
    ///
    /// # Panics
    /// If this context may not block.
    #[inline]
    #[track_caller]
    pub fn recv(&self) -> Result<T, Closed> {
        self.exchange.receive(Never).map_err(Closed::from)
    }

    /// Receives a value if there is one. Any context; may free what held it.
    ///
    /// # Errors
    /// If there is nothing, or nothing is left and there are no senders any more.
    #[inline]
    pub fn try_recv(&self) -> Result<T, ChannelError<Empty>> {
        self.exchange.try_receive()
    }

    /// [`recv`](Self::recv) for at most a time.
    ///
    /// # Errors
    /// If the time is up first, or nothing is left and there are no senders any more.
    ///
    /// # Panics
    /// If this context may not block.
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, ChannelError<TimedOut>> {
        self.exchange.receive(Within(timeout))
    }

    /// [`recv`](Self::recv) until a moment at the latest.
    ///
    /// # Errors
    /// If the moment comes first, or nothing is left and there are no senders any more.
    ///
    /// # Panics
    /// If this context may not block.
    #[track_caller]
    pub fn recv_until(&self, deadline: Instant) -> Result<T, ChannelError<TimedOut>> {
        self.exchange.receive(Until(deadline))
    }

    /// [`recv`](Self::recv), unless the kthread is asked to give up.
    ///
    /// # Errors
    /// If it is asked first, or nothing is left and there are no senders any more.
    ///
    /// # Panics
    /// If this context may not block.
    #[track_caller]
    pub fn recv_abortable(&self) -> Result<T, ChannelError<Aborted>> {
        self.exchange.receive(Abortable)
    }

    /// [`recv`](Self::recv) until a moment at the latest, unless the kthread is asked to give up.
    ///
    /// # Errors
    /// If either comes first, or nothing is left and there are no senders any more.
    ///
    /// # Panics
    /// If this context may not block.
    #[track_caller]
    pub fn recv_abortable_until(&self, deadline: Instant) -> Result<T, ChannelError<Interrupted>> {
        self.exchange.receive(AbortableUntil(deadline))
    }

    /// The values to come, until there are no senders any more. Its `next` blocks, like [`recv`](Self::recv).
    pub fn iter(&self) -> Iter<'_, T, K> {
        Iter { receiver: self }
    }

    /// The values that are there. Its `next` does not block.
    pub fn try_iter(&self) -> TryIter<'_, T, K> {
        TryIter { receiver: self }
    }

    /// How many values wait to be received. Out of date at once. Any context.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exchange.look(|buffer, _| buffer.len())
    }

    /// Whether no value waits to be received. Out of date at once. Any context.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there are no senders any more. Any context.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.exchange.look(|_, is_closed| is_closed)
    }
}

impl<T, K: Kind> Clone for Receiver<T, K> {
    fn clone(&self) -> Self {
        self.exchange.join(Side::Receivers);
        Self { exchange: Arc::clone(&self.exchange) }
    }
}

impl<T, K: Kind> Drop for Receiver<T, K> {
    fn drop(&mut self) {
        self.exchange.leave(Side::Receivers);
    }
}

impl<T, K: Kind> fmt::Debug for Receiver<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).field("is_closed", &self.is_closed()).finish()
    }
}

/// See [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T, K: Kind = Bounded> {
    receiver: &'a Receiver<T, K>,
}

/// See [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a, T, K: Kind = Bounded> {
    receiver: &'a Receiver<T, K>,
}

/// What a [`Receiver`] becomes in a loop. Its `next` blocks.
#[derive(Debug)]
pub struct IntoIter<T, K: Kind = Bounded> {
    receiver: Receiver<T, K>,
}

impl<T, K: Kind> Iterator for Iter<'_, T, K> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T, K: Kind> Iterator for TryIter<'_, T, K> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

impl<T, K: Kind> Iterator for IntoIter<T, K> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<'a, T, K: Kind> IntoIterator for &'a Receiver<T, K> {
    type Item = T;
    type IntoIter = Iter<'a, T, K>;

    fn into_iter(self) -> Iter<'a, T, K> {
        self.iter()
    }
}

impl<T, K: Kind> IntoIterator for Receiver<T, K> {
    type Item = T;
    type IntoIter = IntoIter<T, K>;

    fn into_iter(self) -> IntoIter<T, K> {
        IntoIter { receiver: self }
    }
}
