//! What a core does when there is nothing to do.

use crate::arch::irq;
use crate::console::{self, Drained};
use crate::cpu::{self, Work};
use crate::mem;

/// What an idle core writes out of the console's ring before it looks for work again, in bytes.
const DRAIN_BUDGET: usize = 256;

/// The idle loop. Interrupts may be on or off at its beginning.
///
/// Looks for work with interrupts off and halts in the instruction after they come on, so that whoever gives work and
/// then sends an interrupt ends the halt, whenever the two arrive.
pub(super) fn run() -> ! {
    cpu::set_work(Work::Idle);
    loop {
        // SAFETY: descriptor tables are loaded, and this core vouches for nothing with interrupts off.
        unsafe { irq::enable() };
        if cpu::run_pending() || console::drain(DRAIN_BUDGET) == Drained::More {
            continue;
        }
        mem::answer_trim();
        let _ = irq::save_and_disable();
        if !cpu::has_pending() {
            // SAFETY: as above.
            unsafe { irq::enable_and_halt() };
        }
    }
}
