//! This core's one-shot timer: by a deadline of the time-stamp counter where the processor has that, else by the local
//! APIC's counter.
//!
//! Vector and mode are set as the core starts (`apic`); arming is then one write of one register, and which register is
//! known by then. That write does not go through the `x2apic` crate: its `set_timer_initial` also keeps the value in the
//! handle, which all cores share, so that every arming of every core would write one cache line. (What the crate does at
//! the start stays with it.)

use core::arch::asm;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use x2apic::lapic::xapic_base;
use x86_64::registers::model_specific::Msr;

use super::paging::{self, Caching};
use super::{apic, clock, features};

const IA32_TSC_DEADLINE: u32 = 0x6e0;
const X2APIC_INITIAL_COUNT: u32 = 0x838;
const XAPIC_INITIAL_COUNT: usize = 0x380;
const X2APIC_VECTOR: u32 = 0x832;
const XAPIC_VECTOR: usize = 0x320;
/// In the register that holds the vector.
const MODE_TSC_DEADLINE: u32 = 2 << 17;

/// The model-specific register that arms the timer; 0 if it is in memory.
static REGISTER: AtomicU32 = AtomicU32::new(X2APIC_INITIAL_COUNT);
/// The register in memory.
static IN_MEMORY: AtomicPtr<u32> = AtomicPtr::new(ptr::null_mut());

/// The longest delay that is taken as it is: no sum with it overflows. 36 years.
const LONGEST_NS: u64 = 1 << 60;

/// Disarms this core's timer and lets it interrupt. Interrupts off, on each core once its APIC is on, and once more if it
/// was used for calibration.
pub fn init_core() {
    let features = features::get();
    // Relaxed: each core that reads them has written the same before.
    if features.tsc_deadline {
        REGISTER.store(IA32_TSC_DEADLINE, Ordering::Relaxed);
    } else if !features.x2apic {
        // SAFETY: the APIC's registers are where its base register says.
        let registers = unsafe { paging::reach(xapic_base(), 4096, Caching::Uncached) }.expect("mapped since boot");
        IN_MEMORY.store(registers.wrapping_add(XAPIC_INITIAL_COUNT).cast(), Ordering::Relaxed);
        REGISTER.store(0, Ordering::Relaxed);
    }
    disarm();
    // SAFETY: the timer is this core's, and its handler expects an interrupt at any time. The fence keeps the first
    // deadline behind what sets the mode, which in xAPIC mode is a write to memory.
    apic::with(|apic| unsafe {
        apic.enable_timer();
        asm!("mfence", options(nostack, preserves_flags));
    });
}

/// Arms this core's timer: [`apic::vector::TIMER`] once, `delay_ns` from now at the earliest, replacing what was armed.
///
/// Interrupts off. A delay too long for the counter ends early; whoever gets the interrupt looks at the clock.
#[inline(always)]
pub fn arm(delay_ns: u64) {
    let delay_ns = delay_ns.min(LONGEST_NS);
    // One tick late is late, one tick early would be a lie.
    let register = REGISTER.load(Ordering::Relaxed);
    if register == IA32_TSC_DEADLINE {
        write(register, clock::tsc() + clock::ns_to_ticks(delay_ns) + 1);
    } else {
        let ticks = clock::ns_to_timer_ticks(delay_ns) + 1;
        write(register, ticks.min(u64::from(u32::MAX)));
    }
}

/// Disarms this core's timer. An interrupt already on its way still comes. Interrupts off.
#[inline(always)]
pub fn disarm() {
    write(REGISTER.load(Ordering::Relaxed), 0);
}

/// Has this core's timer interrupt at another vector than [`apic::vector::TIMER`], or at that one again. For tests that
/// want the timer for themselves, or an interrupt with a frame. Not armed afterwards; interrupts off.
pub fn set_vector(vector: u8) {
    disarm();
    let mode = if REGISTER.load(Ordering::Relaxed) == IA32_TSC_DEADLINE { MODE_TSC_DEADLINE } else { 0 };
    let entry = u32::from(vector) | mode;
    if features::get().x2apic {
        // SAFETY: this core's register; whoever chose the vector has a handler.
        unsafe { Msr::new(X2APIC_VECTOR).write(entry.into()) };
    } else {
        // SAFETY: as above; it is in the page that was mapped at boot.
        unsafe {
            let registers = paging::reach(xapic_base(), 4096, Caching::Uncached).expect("mapped since boot");
            registers.add(XAPIC_VECTOR).cast::<u32>().write_volatile(entry);
            asm!("mfence", options(nostack, preserves_flags));
        }
    }
}

#[inline(always)]
fn write(register: u32, value: u64) {
    if register == 0 {
        // SAFETY: this core's register, mapped since boot. Its handler expects an interrupt at any time.
        unsafe { IN_MEMORY.load(Ordering::Relaxed).write_volatile(value as u32) };
    } else {
        // SAFETY: as above; a processor that is told to use it has it.
        unsafe { Msr::new(register).write(value) };
    }
}
