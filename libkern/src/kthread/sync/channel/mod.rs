//! Channels: values from any number of kthreads, or interrupt handlers, to any number of kthreads.
//!
//! [`bounded`] ones make senders sleep when there is no room, which is how a fast producer is held to a slow consumer's
//! pace. With no room at all, a value goes from hand to hand: sending lasts until somebody receives. [`unbounded`] ones
//! never make a sender sleep, so that interrupt handlers can send; each value brings its own room, from the heap.
//!
//! Values come out in the order in which they went in, and kthreads that sleep are served in the order in which they came.
//! When all senders are gone, receivers get what is left and then learn that it is over; when all receivers are gone, so
//! do senders, and have their values back.
//!
//! | module | what it owns |
//! |---|---|
//! | [`exchange`] | the protocol |
//! | [`buffer`] | values that wait |
//! | [`sender`], [`receiver`] | the two sides |
//! | [`error`] | why not |

mod buffer;
mod error;
mod exchange;
#[cfg(all(loom, test))]
mod model;
mod receiver;
mod sender;
#[cfg(all(test, not(loom)))]
mod tests;

use alloc::sync::Arc;

pub use buffer::{Bounded, Unbounded};
pub use error::{ChannelError, Closed, Empty, Full, Unsent};
pub use receiver::{IntoIter, Iter, Receiver, TryIter};
pub use sender::Sender;

use buffer::{List, Ring};
use exchange::Exchange;

/// The sending side of an [`unbounded`] channel.
pub type UnboundedSender<T> = Sender<T, Unbounded>;
/// The receiving side of an [`unbounded`] channel.
pub type UnboundedReceiver<T> = Receiver<T, Unbounded>;

/// A channel with room for this many values. Allocates the room now.
///
/// ```no_run
/// use libkern::kthread::sync::channel;
///
/// let (sender, receiver) = channel::bounded(16);
/// # use std::thread as kthread;
/// kthread::spawn(move || {
///     for number in 1..=100 {
///         if sender.send(number).is_err() {
///             break; // nobody listens any more
///         }
///     }
/// });
/// // Until the sender is gone:
/// let sum: u32 = receiver.into_iter().sum();
/// assert_eq!(sum, 5050);
/// ```
#[must_use]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let exchange = Arc::new(Exchange::new(Ring::new(capacity)));
    (Sender::first(Arc::clone(&exchange)), Receiver::first(exchange))
}

/// A channel with room for any number of values.
#[must_use]
pub fn unbounded<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let exchange = Arc::new(Exchange::new(List::new()));
    (Sender::first(Arc::clone(&exchange)), Receiver::first(exchange))
}
