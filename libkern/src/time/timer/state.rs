//! What a core's timers' lock protects: the wheel, and for when the hardware is armed.

use core::ptr::NonNull;

use super::stats::TimerStats;
use super::wheel::{Entry, Next, Wheel};
use crate::arch::{self, clock};

#[derive(Debug)]
pub(super) struct State {
    /// Timers in the wheel.
    pub(super) armed: usize,
    /// The hardware interrupts at this moment, or earlier; the end of time if it is not armed. While timers are served:
    /// when they were looked at last. Never before the wheel's base.
    pub(super) wakes_at_ns: u64,
    is_serving: bool,
    pub(super) counts: TimerStats,
    pub(super) wheel: Wheel,
}

/// A deadline before all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lead {
    /// The one that counts: one that has passed is now.
    pub(super) deadline_ns: u64,
    /// The core whose timers these are is another one, and has to be told.
    pub(super) must_tell: bool,
}

impl State {
    pub(super) const fn new() -> Self {
        Self { armed: 0, wakes_at_ns: u64::MAX, is_serving: false, counts: TimerStats::new(), wheel: Wheel::new() }
    }

    /// Sees to it that the core is interrupted for a deadline before all others. `is_here` says whether these are the
    /// running core's timers.
    #[inline(always)]
    pub(super) fn lead(&mut self, deadline_ns: u64, is_here: bool) -> Lead {
        let now_ns = clock::now_ns();
        let mut deadline_ns = deadline_ns.max(now_ns);
        if !is_here {
            // Another core's base may be ahead of this one's clock, by what the two clocks differ by.
            deadline_ns = deadline_ns.max(self.wheel.base_ns());
        }
        if self.is_serving {
            // It looks again before it ends.
            return Lead { deadline_ns, must_tell: false };
        }
        self.wakes_at_ns = deadline_ns;
        if is_here {
            arch::timer::arm(deadline_ns - now_ns);
        }
        Lead { deadline_ns, must_tell: !is_here }
    }

    /// The hardware is armed as `wakes_at_ns` says. On the core whose timers these are.
    #[cfg(not(any(test, feature = "hosted")))]
    pub(super) fn program(&mut self) {
        if !self.is_serving && self.wakes_at_ns != u64::MAX {
            arch::timer::arm(self.wakes_at_ns.saturating_sub(clock::now_ns()));
        }
    }

    /// Nothing is armed any more. On the core whose timers these are.
    #[inline(always)]
    pub(super) fn disarm(&mut self) {
        if !self.is_serving {
            self.wakes_at_ns = u64::MAX;
            arch::timer::disarm();
        }
    }

    /// The one-shot interrupt has come. If there is one timer, and it is due: takes it, and is done.
    #[inline(always)]
    pub(super) fn take_only(&mut self, now_ns: u64) -> Option<NonNull<Entry>> {
        // A shot that is not spent was armed for another moment since, and has to be disarmed.
        if self.armed != 1 || self.wakes_at_ns > now_ns {
            return None;
        }
        let entry = self.wheel.take_only(now_ns)?;
        self.counts.interrupts += 1;
        self.wakes_at_ns = u64::MAX;
        Some(entry)
    }

    /// The one-shot interrupt has come. Whether the shot is spent.
    pub(super) fn begin(&mut self, now_ns: u64) -> bool {
        self.counts.interrupts += 1;
        self.is_serving = true;
        self.wakes_at_ns <= now_ns
    }

    /// Looks for what is due.
    #[inline(always)]
    pub(super) fn take(&mut self, now_ns: u64) -> Next {
        // Whoever arms a timer for a moment before this one asks the clock. The wheel's base is not later.
        self.wakes_at_ns = now_ns;
        self.wheel.take(now_ns)
    }

    /// One that was due is on its way.
    #[inline(always)]
    pub(super) fn account(&mut self, late_ns: u64) {
        self.armed -= 1;
        self.counts.fired += 1;
        self.counts.late_sum_ns += late_ns;
        self.counts.late_max_ns = self.counts.late_max_ns.max(late_ns);
    }

    /// All is done that this interrupt does, and it began at that moment.
    pub(super) fn end(&mut self, next: Next, began_ns: u64, is_spent: bool) {
        self.is_serving = false;
        if next == Next::Never {
            self.wakes_at_ns = u64::MAX;
            if !is_spent {
                arch::timer::disarm();
            }
            return;
        }
        // Anew: the looks have taken time.
        let now_ns = clock::now_ns();
        self.wakes_at_ns = match next {
            Next::At(deadline_ns) => deadline_ns.max(now_ns),
            _ => now_ns + (now_ns - began_ns),
        };
        arch::timer::arm(self.wakes_at_ns - now_ns);
    }
}
