//! Noticing kthreads that sleep for too long.
//!
//! Off until an application sets a limit: many a kthread rightly waits for work all day. With one, a timer of the core that
//! set it has the list of all kthreads looked through, twice within the limit but not more often than [`LOOK_NS`] says; who
//! has waited for longer is reported, each sleep once. Who sleeps until a moment of its own choice is left out. Falling
//! asleep and waking cost nothing for that: since when and for what a kthread sleeps is known for dumps anyway.
//!
//! Nobody waits for that timer. So a deadlock, for which no timer may be armed, does not count it (`watch`); and looks are
//! rare enough for a machine in which nothing else happens to be noticed between two of them.

use core::fmt::{self, Write};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use super::dump;
use crate::arch::{self, clock};
use crate::kmsg;
use crate::sync::IrqSpinLock;
use crate::time::timer::Timer;

/// The shortest time between two looks: more than `watch` wants to see nothing happen for.
const LOOK_NS: u64 = 2_000_000_000;

/// How many kthreads a look reports. Any others are left to the next one.
const MOST: usize = 16;

/// The longest sleep that is not reported, in ticks of the clock; 0 if none is. Held while [`NEXT_LOOK`] is armed and
/// cancelled, so that it is armed once, by whoever comes first, and not at all without a limit.
static LIMIT_TICKS: IrqSpinLock<u64> = IrqSpinLock::new("limit of sleeps", 0);

static NEXT_LOOK: Timer = Timer::new(send_look);

/// No core.
const NOBODY: usize = usize::MAX;

/// The core on which the timer above is armed. It may have fired meanwhile. Changes under the lock.
static ARMED_ON: AtomicUsize = AtomicUsize::new(NOBODY);

/// Sets how long a kthread may wait before it is reported: by a warning with its name, what it waits for, since when, and
/// from where, once for each time that it sleeps. That comes late by up to half of the limit, or up to two seconds if these
/// are more. None is reported before this was called, nor after it was called with zero.
///
/// Not meant are those that sleep until a moment ([`sleep`](super::sleep())). A look takes some instructions for each
/// kthread that there is, with interrupts off, on the core that set the limit. As long as there is one, this core's timer
/// interrupts for it.
///
/// Any context but NMI; does not block.
pub fn set_sleep_limit(limit: Duration) {
    let ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    let ticks = if ns == 0 { 0 } else { clock::ns_to_ticks(ns).max(1) };
    {
        let mut limit_ticks = LIMIT_TICKS.lock();
        *limit_ticks = ticks;
        // If it has fired already, the look that it sends for finds the new limit.
        let _ = NEXT_LOOK.cancel();
        ARMED_ON.store(NOBODY, Ordering::Relaxed);
    }
    if ticks > 0 {
        kmsg::send_routine(arch::core_id(), |_| look());
    }
}

/// Whether one of the timers armed on `core` is that of the next look.
pub(super) fn have_timer_on(core: usize) -> bool {
    // Relaxed: asked when all cores halt, of which the one that stored this has halted since.
    ARMED_ON.load(Ordering::Relaxed) == core
}

/// # Safety
/// As for a timer's function.
unsafe fn send_look(_: NonNull<Timer>) {
    // Not here: it takes too long for an interrupt handler.
    kmsg::send_routine(arch::core_id(), |_| look());
}

fn look() {
    let limit_ticks = *LIMIT_TICKS.lock();
    if limit_ticks == 0 {
        return;
    }
    dump::report_sleepers(limit_ticks, MOST, &mut Warning::default());
    let limit_ticks = LIMIT_TICKS.lock();
    if *limit_ticks > 0 && !NEXT_LOOK.is_armed() {
        // Interrupts are off by the lock.
        ARMED_ON.store(arch::core_id(), Ordering::Relaxed);
        let pause_ns = (clock::ticks_to_ns(*limit_ticks) / 2).max(LOOK_NS);
        // SAFETY: a static, not armed, and armed under the lock only.
        unsafe { NEXT_LOOK.arm(clock::now_ns().saturating_add(pause_ns)) };
    }
}

/// Logs what is written, line by line. What is beyond a line's room is left out.
#[derive(Default)]
struct Warning(heapless::String<160>);

impl Write for Warning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive('\n') {
            let room = self.0.capacity() - self.0.len();
            let line = part.strip_suffix('\n');
            let words = line.unwrap_or(part);
            // As much as there is room for: so it fits.
            let _ = self.0.push_str(&words[..words.floor_char_boundary(room)]);
            if line.is_some() {
                log::warn!("{}", self.0);
                self.0.clear();
            }
        }
        Ok(())
    }
}
