//! Time: a monotonic clock, the wall clock, and what interrupts a core at a moment of its choice ([`timer`]).

use core::ops::{Add, Sub};
pub use core::time::Duration;

use crate::arch::clock;

pub mod timer;
#[cfg(not(any(test, feature = "hosted")))]
mod wall;

#[cfg(not(any(test, feature = "hosted")))]
pub use wall::wall_clock;

/// A moment, as time since the machine's reset.
///
/// Monotonic on a core, and across cores within the bound that boot checks. Reading it is a few instructions, in any
/// context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    ns: u64,
}

impl Instant {
    /// This moment.
    #[must_use]
    #[inline(always)]
    pub fn now() -> Self {
        Instant { ns: clock::now_ns() }
    }

    /// Time since then; zero if it is still to come.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Instant::now() - self
    }

    /// The moment that many nanoseconds after the machine's reset.
    #[must_use]
    pub fn from_nanos(ns: u64) -> Self {
        Instant { ns }
    }

    /// Nanoseconds since the machine's reset.
    #[must_use]
    pub fn as_nanos(self) -> u64 {
        self.ns
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates, which is in 584 years.
    fn add(self, duration: Duration) -> Instant {
        Instant { ns: self.ns.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)) }
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Zero if `earlier` is later.
    fn sub(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.ns.saturating_sub(earlier.ns))
    }
}

/// Time since the machine's reset. Any context.
#[must_use]
pub fn since_reset() -> Duration {
    Duration::from_nanos(clock::now_ns())
}
