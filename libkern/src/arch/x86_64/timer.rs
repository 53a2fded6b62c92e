//! This core's one-shot timer: by a deadline of the time-stamp counter where the processor has that, else by the local
//! APIC's counter.

use core::arch::asm;

use x2apic::lapic::TimerMode;
use x86_64::registers::model_specific::Msr;

use super::{apic, clock, features};

/// Arms this core's timer: [`apic::vector::TIMER`] once, `delay_ns` from now at the earliest, replacing what was armed.
///
/// Interrupts off. A delay too long for the counter ends early; whoever gets the interrupt looks at the clock.
pub fn arm(delay_ns: u64) {
    if features::get().tsc_deadline {
        arm_deadline(clock::tsc() + clock::ns_to_ticks(delay_ns));
    } else {
        // Rounded up: one tick late is late, one tick early would be a lie.
        let ticks = clock::ns_to_timer_ticks(delay_ns) + 1;
        // SAFETY: the timer is this core's, and its handler expects an interrupt at any time.
        apic::with(|apic| unsafe {
            apic.enable_timer();
            apic.set_timer_initial(u32::try_from(ticks).unwrap_or(u32::MAX));
        });
    }
}

fn arm_deadline(deadline: u64) {
    const IA32_TSC_DEADLINE: u32 = 0x6e0;
    // SAFETY: as in `arm`. The fence keeps the write behind the change of mode, which in xAPIC mode is to memory.
    apic::with(|apic| unsafe {
        apic.set_timer_mode(TimerMode::TscDeadline);
        apic.enable_timer();
        asm!("mfence", options(nostack, preserves_flags));
        Msr::new(IA32_TSC_DEADLINE).write(deadline.max(1));
    });
}

/// Disarms this core's timer. An interrupt already on its way still comes.
pub fn disarm() {
    // SAFETY: this core's timer.
    apic::with(|apic| unsafe {
        apic.disable_timer();
        apic.set_timer_initial(0);
    });
}
