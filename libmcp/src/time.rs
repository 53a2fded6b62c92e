//! The clock, and sleeping.

use core::arch::x86_64::_rdtsc;
use core::ops::{Add, Sub};
pub use core::time::Duration;

use mcp_abi::call::{Error, number};

use crate::{call, process};

/// A moment of the kernel's clock, which is the same in all processes of an image: time since the machine's reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    ns: u64,
}

impl Instant {
    /// This moment. A few instructions, without a system call, unless the machine's time-stamp counters do not agree.
    ///
    /// # Panics
    /// If a call is needed, and this process was not given it.
    #[must_use]
    #[inline]
    pub fn now() -> Self {
        let clock = process::info().clock;
        if clock.multiplier == 0 {
            return Instant { ns: call::one(number::NOW, [0; 5]).expect("the call that tells the time") };
        }
        // SAFETY: reads a counter.
        let ticks = unsafe { _rdtsc() }.wrapping_sub(clock.base_tsc);
        let ns = (u128::from(ticks) * u128::from(clock.multiplier)) >> clock.shift;
        Instant { ns: clock.base_ns.wrapping_add(ns as u64) }
    }

    /// Time since then; zero if it is still to come.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Instant::now() - self
    }

    /// The moment that many nanoseconds after the machine's reset.
    #[must_use]
    pub const fn from_nanos(ns: u64) -> Self {
        Instant { ns }
    }

    /// Nanoseconds since the machine's reset.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
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

    /// Zero if the other is later.
    fn sub(self, other: Instant) -> Duration {
        Duration::from_nanos(self.ns.saturating_sub(other.ns))
    }
}

/// Comes back when at least that much time has passed. Blocks.
///
/// # Errors
/// As [`call::sleep_ns`].
pub fn sleep(duration: Duration) -> Result<(), Error> {
    // The most there are would be for ever.
    call::sleep_ns(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX - 1))
}

/// Waits until something is posted, or has been since `notif_pending` was last clear, or `deadline` has come; perhaps for
/// less.
pub fn wait_until(deadline: Instant) {
    // 0 would be none. Without the call there is nothing to wait with, and the caller looks again.
    let _ = call::one(number::WAIT, [deadline.ns.max(1), 0, 0, 0, 0]);
}
