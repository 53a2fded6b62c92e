//! What is counted, and what waits.

use core::fmt;
use core::time::Duration;

use super::local::{Core, Local, collect, counts_of, pending_of};
use crate::arch::{clock, core_id, irq};

/// What a core's messages have come to so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages that this core sent.
    pub sent: u64,
    /// Messages that have come to this core: that it took from its queues to run them, or sent to itself.
    pub received: u64,
    /// Sends of this core that had to interrupt their target.
    pub interrupts_sent: u64,
    /// Sends of this core to others that did not.
    pub interrupts_saved: u64,
    /// The longest time that routine messages have waited for this core to take them.
    pub longest_wait: Duration,
}

/// The counts of `core`. Any context; each figure is exact for some moment, not all for the same.
///
/// # Panics
/// If there is no such core.
#[must_use]
pub fn stats(core: usize) -> Stats {
    let counts = counts_of(core);
    Stats {
        sent: counts.queued + counts.kept,
        received: counts.taken + counts.kept,
        interrupts_sent: counts.interrupts_sent,
        interrupts_saved: counts.interrupts_saved,
        longest_wait: Duration::from_nanos(clock::ticks_to_ns(counts.longest_wait_ticks)),
    }
}

/// Prints the routine messages that the running core has taken and not run yet, as the addresses of their functions, which
/// the host tool turns into names. Any context but NMI.
///
/// # Errors
/// Those of `out`.
pub fn dump(out: &mut dyn fmt::Write) -> fmt::Result {
    let flags = irq::save_and_disable();
    let core = core_id();
    let result = dump_pending(core, out);
    // SAFETY: the innermost.
    unsafe { irq::restore(flags) };
    result
}

fn dump_pending(core: usize, out: &mut dyn fmt::Write) -> fmt::Result {
    // SAFETY: interrupts are off, and the references end here.
    unsafe {
        let here = Core::here();
        collect(here, here.local());
    }
    let mut count = 0u64;
    let mut result = Ok(());
    // SAFETY: this core, interrupts off.
    unsafe { pending_of(core) }.for_each(|message| {
        count += 1;
        result = result.and_then(|()| writeln!(out, "  {:#018x}", message.run as usize));
    });
    // SAFETY: interrupts are off, and the reference ends here.
    let counts = unsafe { Local::here() }.counts;
    let run = counts.taken + counts.kept - count;
    result.and_then(|()| writeln!(out, "core {core}: {count} routine messages wait, {run} messages were run"))
}
