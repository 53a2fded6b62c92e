//! A sink at the ring.

use crate::console::ring::Ring;
use crate::console::sink::{Sink, Turn};

/// What a call of [`drain`](crate::console::drain) came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every sink has everything that was committed.
    Empty,
    /// A sink has no room, or there is no sink.
    Refused,
    /// The budget is spent, and there is more.
    More,
    /// Somebody else is at it.
    Busy,
}

/// A sink and what it has had.
pub(super) struct Outlet {
    pub(super) sink: &'static dyn Sink,
    /// The record that comes next.
    pub(super) position: u64,
    /// How many bytes of it the sink has.
    pub(super) offset: usize,
}

impl Outlet {
    /// Gives the sink what is committed, until it refuses or the budget is spent.
    pub(super) fn drain<const SLOTS: usize>(&mut self, ring: &Ring<SLOTS>, turn: &mut Turn, budget: usize) -> Drained {
        let mut left = budget;
        let drained = loop {
            let Some(record) = ring.find(self.position) else {
                break Drained::Empty;
            };
            if left == 0 {
                break Drained::More;
            }
            // SAFETY: the record was found at this outlet's position, which `head` does not pass, and `offset` is less
            // than its length until the position moves on.
            let taken = unsafe {
                ring.read(record, self.offset, |bytes| {
                    let bytes = &bytes[..bytes.len().min(left)];
                    self.sink.write(bytes, turn).min(bytes.len())
                })
            };
            if taken == 0 {
                break Drained::Refused;
            }
            left -= taken;
            self.offset += taken;
            if self.offset == record.len() {
                self.position = record.end();
                self.offset = 0;
            }
        };
        if left < budget {
            self.sink.flush(turn);
        }
        drained
    }
}
