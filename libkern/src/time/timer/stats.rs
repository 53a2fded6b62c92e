//! What is counted.

/// What a core's timers have come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerStats {
    /// Timers that are armed now.
    pub armed: usize,
    /// Timers that have fired.
    pub fired: u64,
    /// Timers that were cancelled while they were armed.
    pub cancelled: u64,
    /// Interrupts that the core took for its timers.
    pub interrupts: u64,
    /// The longest time from a deadline to the call of its timer's `fire`, in nanoseconds.
    pub late_max_ns: u64,
    /// The sum of these times, in nanoseconds.
    pub late_sum_ns: u64,
}

impl TimerStats {
    pub(super) const fn new() -> Self {
        Self { armed: 0, fired: 0, cancelled: 0, interrupts: 0, late_max_ns: 0, late_sum_ns: 0 }
    }
}
