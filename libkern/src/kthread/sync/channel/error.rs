//! Why something was not sent or received.

use core::convert::Infallible;
use core::fmt;

/// The other side of the channel is gone: nobody will receive what would be sent, or all has been received and nobody will
/// send more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// The channel has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The channel has nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty;

/// Why an attempt that does not last for ever came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelError<E> {
    /// The other side of the channel is gone. It does not come back.
    Closed,
    /// The attempt ended: [`Full`], [`Empty`], [`TimedOut`](super::super::TimedOut), [`Aborted`](super::super::Aborted) or
    /// [`Interrupted`](super::super::Interrupted).
    GaveUp(E),
}

/// A value that was not sent, and why.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Unsent<T, E> {
    /// What was to be sent.
    pub value: T,
    /// Why it was not.
    pub why: E,
}

impl From<ChannelError<Infallible>> for Closed {
    fn from(error: ChannelError<Infallible>) -> Self {
        match error {
            ChannelError::Closed => Closed,
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other side of the channel is gone")
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is full")
    }
}

impl fmt::Display for Empty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is empty")
    }
}

impl<E: fmt::Display> fmt::Display for ChannelError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChannelError::Closed => Closed.fmt(f),
            ChannelError::GaveUp(why) => why.fmt(f),
        }
    }
}

impl<T, E: fmt::Display> fmt::Display for Unsent<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not sent: {}", self.why)
    }
}

/// Without the value, which need not have a `Debug`.
impl<T, E: fmt::Debug> fmt::Debug for Unsent<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").field("why", &self.why).finish_non_exhaustive()
    }
}

impl core::error::Error for Closed {}
impl core::error::Error for Full {}
impl core::error::Error for Empty {}
impl<E: fmt::Debug + fmt::Display> core::error::Error for ChannelError<E> {}
impl<T, E: fmt::Debug + fmt::Display> core::error::Error for Unsent<T, E> {}
