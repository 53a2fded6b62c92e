//! What a handler is told, and what it can do about its own alarm.

use core::fmt;
use core::time::Duration;

use super::inner::{Call, Inner};
use crate::arch::clock;
use crate::time::Instant;

/// A handler's argument: what it was called for, and its alarm, to set it again or to stop it. There is no way to wait for
/// the handler's end here.
pub struct Ringing<'a> {
    alarm: &'a Inner,
    call: Call,
}

impl<'a> Ringing<'a> {
    pub(super) fn new(alarm: &'a Inner, call: Call) -> Self {
        Self { alarm, call }
    }
}

impl Ringing<'_> {
    /// The alarm's time: what it was set for, or the last of a periodic one's times that have come.
    #[must_use]
    pub fn at(&self) -> Instant {
        Instant::from_nanos(self.call.at_ns)
    }

    /// How long ago the alarm's time was, by now.
    #[must_use]
    pub fn late(&self) -> Duration {
        Duration::from_nanos(clock::now_ns().saturating_sub(self.call.at_ns))
    }

    /// How many times of the alarm were left out since the handler was called last.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.call.missed
    }

    /// Has the alarm ring once, when `at` has come, as [`Handle::set_at`](super::Handle::set_at) does; but if its owner waits
    /// for the handler in [`cancel_sync`](super::Alarm::cancel_sync), it stays cancelled.
    pub fn set_at(&mut self, at: Instant) {
        self.alarm.set_by_handler(at.as_nanos());
    }

    /// Has the alarm ring once, after `delay` from now. As [`set_at`](Self::set_at).
    pub fn set_after(&mut self, delay: Duration) {
        self.set_at(Instant::now() + delay);
    }

    /// Keeps the alarm from ringing again.
    pub fn stop(&mut self) {
        self.alarm.cancel();
    }
}

impl fmt::Debug for Ringing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ringing").field("late", &self.late()).field("missed", &self.missed()).finish()
    }
}
