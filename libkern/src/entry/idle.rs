//! What a core does when there is nothing to do.

use crate::arch::irq;
use crate::cpu::{self, Work};
use crate::console;

/// The idle loop. Interrupts may be on or off at its beginning.
///
/// Looks for work with interrupts off and halts in the instruction after they come on, so that whoever gives work and
/// then sends an interrupt ends the halt, whenever the two arrive.
pub(super) fn run() -> ! {
    cpu::set_work(Work::Idle);
    loop {
        // SAFETY: descriptor tables are loaded, and this core vouches for nothing with interrupts off.
        unsafe { irq::enable() };
        let worked = cpu::run_pending() | console::drain_when_idle();
        if worked {
            continue;
        }
        let _ = irq::save_and_disable();
        if !cpu::has_pending() {
            // SAFETY: as above.
            unsafe { irq::enable_and_halt() };
        }
    }
}
