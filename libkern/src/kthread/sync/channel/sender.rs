//! The sending side.

use alloc::sync::Arc;
use core::fmt;

use super::buffer::{Bounded, Buffer, Kind, Unbounded};
use super::error::{ChannelError, Closed, Full, Unsent};
use super::exchange::{Exchange, Side};
use crate::kthread::sync::limit::{Abortable, AbortableUntil, Aborted, Interrupted, Never, TimedOut, Until, Within};
use crate::time::{Duration, Instant};

/// The sending side of a channel. Clones send into the same channel, which closes when the last of them is gone.
pub struct Sender<T, K: Kind = Bounded> {
    exchange: Arc<Exchange<T, K::Buffer<T>>>,
}

impl<T> Sender<T, Bounded> {
    /// Sends a value, asleep while there is no room for it.
    ///
    /// Blocks: kthread context, no spin lock held, interrupts on.
    ///
    /// # Errors
    /// The value, if there are no receivers any more.
    ///
    /// # Panics
    /// If this context may not block.
    #[inline]
    #[track_caller]
    pub fn send(&self, value: T) -> Result<(), Unsent<T, Closed>> {
        self.exchange.send(value, Never).map_err(|unsent| Unsent { value: unsent.value, why: unsent.why.into() })
    }

    /// Sends a value if there is room. Any context.
    ///
    /// # Errors
    /// The value, if there is no room, or there are no receivers any more.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), Unsent<T, ChannelError<Full>>> {
        self.exchange.try_send(value)
    }

    /// [`send`](Self::send) for at most a time.
    ///
    /// # Errors
    /// The value, if the time is up first, or there are no receivers any more.
    ///
    /// # Panics
    /// If this context may not block.
    #[track_caller]
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), Unsent<T, ChannelError<TimedOut>>> {
        self.exchange.send(value, Within(timeout))
    }

    /// [`send`](Self::send) until a moment at the latest.
    ///
    /// # Errors
    /// The value, if the moment comes first, or there are no receivers any more.
    ///
    /// # Panics
    /// If this context may not block.
    #[track_caller]
    pub fn send_until(&self, value: T, deadline: Instant) -> Result<(), Unsent<T, ChannelError<TimedOut>>> {
        self.exchange.send(value, Until(deadline))
    }

    /// [`send`](Self::send), unless the kthread is asked to give up.
    ///
    /// # Errors
    /// The value, if it is asked first, or there are no receivers any more.
    ///
    /// # Panics
    /// If this context may not block.
    #[track_caller]
    pub fn send_abortable(&self, value: T) -> Result<(), Unsent<T, ChannelError<Aborted>>> {
        self.exchange.send(value, Abortable)
    }

    /// [`send`](Self::send) until a moment at the latest, unless the kthread is asked to give up.
    ///
    /// # Errors
    /// The value, if either comes first, or there are no receivers any more.
    ///
    /// # Panics
    /// If this context may not block.
    #[track_caller]
    pub fn send_abortable_until(
        &self,
        value: T,
        deadline: Instant,
    ) -> Result<(), Unsent<T, ChannelError<Interrupted>>> {
        self.exchange.send(value, AbortableUntil(deadline))
    }

    /// [`send`](Self::send)s each of the values.
    ///
    /// # Errors
    /// The first value for which there are no receivers any more. Those behind it are still in `values`, if that was lent.
    ///
    /// # Panics
    /// If this context may not block.
    #[track_caller]
    pub fn send_all(&self, values: impl IntoIterator<Item = T>) -> Result<(), Unsent<T, Closed>> {
        values.into_iter().try_for_each(|value| self.send(value))
    }

    /// For how many values there is room when none is there.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.exchange.look(|buffer, _| buffer.capacity())
    }
}

impl<T> Sender<T, Unbounded> {
    /// Sends a value; there is room. Any context; allocates.
    ///
    /// # Errors
    /// The value, if there are no receivers any more.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), Unsent<T, Closed>> {
        self.exchange.try_send(value).map_err(|unsent| match unsent.why {
            ChannelError::Closed => Unsent { value: unsent.value, why: Closed },
            ChannelError::GaveUp(Full) => unreachable!("a list is never full"),
        })
    }

    /// [`send`](Self::send)s each of the values.
    ///
    /// # Errors
    /// The first value for which there are no receivers any more. Those behind it are still in `values`, if that was lent.
    pub fn send_all(&self, values: impl IntoIterator<Item = T>) -> Result<(), Unsent<T, Closed>> {
        values.into_iter().try_for_each(|value| self.send(value))
    }
}

impl<T, K: Kind> Sender<T, K> {
    /// Of a new channel.
    pub(super) fn first(exchange: Arc<Exchange<T, K::Buffer<T>>>) -> Self {
        Self { exchange }
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

    /// Whether there are no receivers any more. Any context.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.exchange.look(|_, is_closed| is_closed)
    }
}

impl<T, K: Kind> Clone for Sender<T, K> {
    fn clone(&self) -> Self {
        self.exchange.join(Side::Senders);
        Self { exchange: Arc::clone(&self.exchange) }
    }
}

impl<T, K: Kind> Drop for Sender<T, K> {
    fn drop(&mut self) {
        self.exchange.leave(Side::Senders);
    }
}

impl<T, K: Kind> fmt::Debug for Sender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("len", &self.len()).field("is_closed", &self.is_closed()).finish()
    }
}
