//! Two rings, one each way, in one piece of memory.

use crate::bell::Bell;
use crate::memory::{Memory, WORD};
use crate::spsc::{Layout, Receiver, Sender};

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

/// Bytes that two rings of `capacity` words each take.
#[must_use]
pub const fn len(capacity: usize) -> usize {
    2 * Layout::new(0, capacity).words() * WORD
}
