//! Time: a monotonic clock and the wall clock.

use core::ops::{Add, Sub};
pub use core::time::Duration;

use conquer_once::spin::OnceCell;

use crate::arch::{clock, rtc};

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

/// The wall clock at the machine's reset, as time since 1970.
static RESET: OnceCell<Option<Duration>> = OnceCell::uninit();

/// The time of day, as time since 1970-01-01 00:00 UTC, or none if the machine does not know it.
///
/// To the second: the machine's clock is read once, at the first call, and counted on from there. Task context at the
/// first call, any later.
#[must_use]
pub fn wall_clock() -> Option<Duration> {
    let reset = RESET.get_or_init(|| {
        let now = rtc::read()?;
        let days = days_since_1970(now.year, now.month, now.day);
        let seconds = days * 86_400 + u64::from(now.hour) * 3600 + u64::from(now.minute) * 60 + u64::from(now.second);
        Duration::from_secs(seconds).checked_sub(since_reset())
    });
    reset.map(|reset| reset + since_reset())
}

/// Days from 1970-01-01 to a date of the Gregorian calendar that is not earlier.
fn days_since_1970(year: u16, month: u8, day: u8) -> u64 {
    // Years that begin in March have their leap day at the end.
    let (year, month) =
        if month > 2 { (u64::from(year), u64::from(month) - 3) } else { (u64::from(year) - 1, u64::from(month) + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // Months from March on have 31, 30, 31, 30, 31 days, twice and a half.
    let before_month = (153 * month + 2) / 5;
    /// Days from March 1 of year 0 to January 1 of 1970.
    const EPOCH: u64 = 719_468;
    year * 365 + leap_days + before_month + u64::from(day) - 1 - EPOCH
}
