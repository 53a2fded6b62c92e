//! The time of day.

use core::time::Duration;

use conquer_once::spin::OnceCell;

use crate::arch::{clock, rtc};

/// The wall clock at the machine's reset, as time since 1970.
static RESET: OnceCell<Option<Duration>> = OnceCell::uninit();

/// The time of day, as time since 1970-01-01 00:00 UTC, or none if the machine does not know it.
///
/// To the second: the machine's clock is read once, at the first call, and counted on from there. Task context at the
/// first call, any later.
#[must_use]
pub fn wall_clock() -> Option<Duration> {
    // Not `get_or_init`: that panics where another core has just done it (conquer-once 0.4).
    RESET.init_once(|| {
        let now = rtc::read()?;
        let days = days_since_1970(now.year, now.month, now.day);
        let seconds = days * 86_400 + u64::from(now.hour) * 3600 + u64::from(now.minute) * 60 + u64::from(now.second);
        Duration::from_secs(seconds).checked_sub(since_reset())
    });
    let reset = RESET.try_get().expect("read above");
    reset.map(|reset| reset + since_reset())
}

fn since_reset() -> Duration {
    Duration::from_nanos(clock::now_ns())
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
