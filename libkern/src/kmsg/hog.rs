//! Noticing a core that does not look at its messages.
//!
//! Whoever finds an inbox empty notes the time; whoever finds it not empty looks how long that was ago. A core that has not
//! looked for longer than the limit is reported: what it runs, and, from an immediate message that interrupts it, where.
//! Once, until it has looked.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use crate::arch::clock;

/// How long a core may let messages wait, in ticks of the clock; 0 before it is first asked for.
static LIMIT_TICKS: AtomicU64 = AtomicU64::new(0);

/// The limit while nobody has set one.
const DEFAULT_NS: u64 = 10_000_000_000;

/// Sets how long routine messages may wait for a core before it is reported, at the next message to it. 10 seconds at
/// boot. Any context.
pub fn set_hog_limit(limit: Duration) {
    let ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    LIMIT_TICKS.store(clock::ns_to_ticks(ns).max(1), Ordering::Relaxed);
}

/// Since when a core has had messages that it has not taken, in ticks; meaningless while it has none. A cache line of its
/// own: senders write it, while the core may be looking at its inbox.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Patience(AtomicU64);

/// No time is later.
const REPORTED: u64 = u64::MAX;

impl Patience {
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new(REPORTED))
    }

    /// A message was sent to an empty inbox.
    #[inline(always)]
    pub(super) fn begin(&self, now: u64) {
        // Relaxed: a figure for reports. One that is a little late does no harm.
        self.0.store(now, Ordering::Relaxed);
    }

    /// Whether the limit has passed and nobody has reported that.
    #[inline(always)]
    pub(super) fn is_at_an_end(&self, now: u64) -> bool {
        let since = self.0.load(Ordering::Relaxed);
        now.saturating_sub(since) > limit() && self.0.swap(REPORTED, Ordering::Relaxed) != REPORTED
    }
}

/// The limit, in ticks of the clock.
#[inline(always)]
pub(super) fn limit() -> u64 {
    match LIMIT_TICKS.load(Ordering::Relaxed) {
        0 => clock::ns_to_ticks(DEFAULT_NS),
        ticks => ticks,
    }
}
