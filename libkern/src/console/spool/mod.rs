//! The spool: the ring, the sinks that it is drained into, and who does that when.
//!
//! A writer commits a record and is done with it. Draining is anybody's business, one core at a time: whoever calls
//! [`Spool::drain`] and gets the *turn* gives every sink what it has not had yet, as much as the sink takes without
//! waiting. A record leaves the ring when the last sink has it.
//!
//! ```text
//!            drain: turn free            nothing left, sinks full, budget spent
//!   idle ----------------1----> draining -----------------2-----------------> idle
//!                                  ^                                           |
//!                                  +---------------------3---------------------+
//!                                     a record was committed before edge 2
//! ```
//!
//! # Hazards
//!
//! 1. *The record nobody drains.* A writer commits behind the drainer's last look, finds the turn taken, and leaves;
//!    the drainer gives the turn back. So the drainer looks again after it has (edge 3). Both change the same word by
//!    an exchange: if the writer found the turn taken, the drainer's exchange comes later and acquires what the writer
//!    released, the record included.
//! 2. *The interrupted drainer.* A handler that prints on the core of an interrupted drainer finds the turn taken and
//!    leaves its record to it. Nobody waits for the turn.
//! 3. *The full ring.* A writer who may wait helps: it drains and tries again for as long as records leave the ring,
//!    and for some time after. Others drop the record and count it: in an interrupt the drainer may be the very code
//!    that was interrupted. The count is printed as a record of its own as soon as there is room.
//! 4. *The stopped drainer.* A panic takes the turn without asking ([`Spool::seize`]). At worst it repeats what a sink
//!    had already been given.
//!
//! What a record waits for at most, once interrupts drain: the interrupt of a sink that has room again.

mod outlet;
#[cfg(not(all(loom, test)))]
mod seized;

use core::fmt::Write;

use crate::arch;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sync::cell::UnsafeCell;

use super::line::Line;
use super::ring::Ring;
use super::sink::{Sink, Turn};
use outlet::Outlet;

pub(super) use super::ring::MAX_RECORD;
pub use outlet::Drained;
#[cfg(not(all(loom, test)))]
pub use seized::Seized;

/// How many sinks there can be.
pub const MAX_SINKS: usize = 4;

/// How often a writer who finds the ring full looks again without a record having left it. On real hardware, where a
/// look at the serial port takes about a microsecond, this is a tenth of a second.
const PATIENCE: u32 = if cfg!(all(loom, test)) { 2 } else { 100_000 };

/// What a writer does when the ring is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// Help draining, for a bounded time.
    Help,
    /// Drop the record and count it.
    Drop,
}

type Outlets = [Option<Outlet>; MAX_SINKS];

/// A ring of `SLOTS` slots and its sinks.
pub(super) struct Spool<const SLOTS: usize> {
    ring: Ring<SLOTS>,
    lost: AtomicU32,
    turn_taken: AtomicBool,
    /// Belongs to whoever set `turn_taken`.
    outlets: UnsafeCell<Outlets>,
}

// SAFETY: `outlets` is reached only by the core that has the turn; sinks are `Sync`.
unsafe impl<const SLOTS: usize> Sync for Spool<SLOTS> {}

impl<const SLOTS: usize> Spool<SLOTS> {
    /// An empty spool without sinks.
    #[cfg(not(all(loom, test)))]
    pub(super) const fn new() -> Self {
        Self {
            ring: Ring::new(),
            lost: AtomicU32::new(0),
            turn_taken: AtomicBool::new(false),
            outlets: UnsafeCell::new([const { None }; MAX_SINKS]),
        }
    }

    /// An empty spool without sinks. Loom's types have no constant constructor.
    #[cfg(all(loom, test))]
    pub(super) fn new() -> Self {
        Self {
            ring: Ring::new(),
            lost: AtomicU32::new(0),
            turn_taken: AtomicBool::new(false),
            outlets: UnsafeCell::new([const { None }; MAX_SINKS]),
        }
    }

    /// Adds a sink, which gets everything that is still in the ring. False if there are too many. Waits for the drainer
    /// to finish.
    pub(super) fn add_sink(&self, sink: &'static dyn Sink) -> bool {
        loop {
            let added = self.with_turn(|outlets, _| {
                let free = outlets.iter_mut().find(|outlet| outlet.is_none());
                free.map(|free| {
                    *free = Some(Outlet { sink, position: self.ring.head(), offset: 0 });
                })
            });
            match added {
                Some(added) => return added.is_some(),
                None => arch::relax(),
            }
        }
    }

    /// Hands in a record of 1 to [`MAX_RECORD`] bytes. Any context.
    pub(super) fn write(&self, bytes: &[u8], when_full: WhenFull) {
        self.report_lost();
        let written = self.try_write(bytes) || when_full == WhenFull::Help && self.help(bytes);
        if !written {
            // Relaxed: a number that is printed some time.
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn try_write(&self, bytes: &[u8]) -> bool {
        let reservation = self.ring.reserve(bytes.len());
        reservation.map(|reservation| self.ring.commit(reservation, bytes)).is_some()
    }

    /// Drains until there is room for `bytes`, or nothing has left the ring for long.
    fn help(&self, bytes: &[u8]) -> bool {
        let mut waited = 0;
        while waited < PATIENCE {
            let head = self.ring.head();
            self.drain(MAX_RECORD);
            if self.try_write(bytes) {
                return true;
            }
            if self.ring.head() == head {
                waited += 1;
                arch::relax();
            } else {
                waited = 0;
            }
        }
        false
    }

    /// Prints how many records were lost, if any were and there is room to say so.
    fn report_lost(&self) {
        // Relaxed: see `write`. The common case is this one load.
        if self.lost.load(Ordering::Relaxed) == 0 {
            return;
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost == 0 {
            return;
        }
        let mut written = false;
        let mut line = Line::new(|bytes: &[u8]| written = self.try_write(bytes));
        // Formatting into a line does not fail.
        let _ = writeln!(line, "[console: {lost} lines lost]");
        line.finish();
        if !written {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }

    /// Gives each sink at most about `budget` bytes of what it has not had. Any context; never waits.
    #[inline(always)]
    pub(super) fn drain(&self, budget: usize) -> Drained {
        // Nobody can be turned away by one who does not take the turn, so this look is no part of hazard 1.
        let is_done = self.ring.is_empty() && self.lost.load(Ordering::Relaxed) == 0;
        if is_done { Drained::Empty } else { self.drain_what_there_is(budget) }
    }

    #[inline(never)]
    fn drain_what_there_is(&self, budget: usize) -> Drained {
        loop {
            let drained = self.with_turn(|outlets, turn| self.drain_in_turn(outlets, turn, budget));
            match drained {
                Some(Drained::Empty) => self.report_lost(),
                Some(other) => return other,
                None => return Drained::Busy,
            }
            // Edge 3 (hazard 1).
            if self.ring.find(self.ring.head()).is_none() {
                return Drained::Empty;
            }
        }
    }

    /// Drains until nothing is left, or nothing has left the ring for `patience` looks.
    #[cfg(not(all(loom, test)))]
    pub(super) fn flush(&self, patience: u32) {
        let mut waited = 0;
        while waited < patience {
            let head = self.ring.head();
            if self.drain(usize::MAX) == Drained::Empty && head == self.ring.tail() {
                return;
            }
            if self.ring.head() == head {
                waited += 1;
                arch::relax();
            } else {
                waited = 0;
            }
        }
    }

    fn drain_in_turn(&self, outlets: &mut Outlets, turn: &mut Turn, budget: usize) -> Drained {
        let mut drained = None;
        let mut head = u64::MAX;
        for outlet in outlets.iter_mut().flatten() {
            let came_to = outlet.drain(&self.ring, turn, budget);
            drained = match drained {
                Some(Drained::Refused) => drained,
                Some(Drained::More) if came_to == Drained::Empty => drained,
                _ => Some(came_to),
            };
            head = head.min(outlet.position);
        }
        if head != u64::MAX {
            self.ring.release(head);
        }
        drained.unwrap_or(Drained::Refused)
    }

    /// Runs `f` with the turn, unless another core has it.
    fn with_turn<R>(&self, f: impl FnOnce(&mut Outlets, &mut Turn) -> R) -> Option<R> {
        // Acquire, with the exchange below, for the outlets; release for hazard 1.
        if self.turn_taken.swap(true, Ordering::AcqRel) {
            return None;
        }
        // SAFETY: `turn_taken` was false and is true until this turn is gone.
        let mut turn = unsafe { Turn::new() };
        let result = self.outlets.with_mut(|outlets| {
            // SAFETY: they belong to whoever has the turn.
            f(unsafe { &mut *outlets }, &mut turn)
        });
        // Release for the outlets; acquire for hazard 1. An exchange, because a store would not read what the one who
        // was turned away has left.
        self.turn_taken.swap(false, Ordering::AcqRel);
        Some(result)
    }
}

#[cfg(all(loom, test))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;
