//! Interrupts of this core: on, off, and waiting for one.

use core::arch::asm;

/// Among the flags' lowest 32 bits.
const INTERRUPT_FLAG: u64 = 1 << 9;

/// Whether interrupts were on, as [`save_and_disable`] found them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "interrupts stay off until the flags are restored"]
pub enum Flags {
    /// They were on.
    On,
    /// They were off.
    Off,
    /// The processor's flags say it.
    Found(u64),
}

impl Flags {
    /// Whether they were on.
    #[inline(always)]
    pub fn were_on(self) -> bool {
        match self {
            Flags::On => true,
            Flags::Off => false,
            Flags::Found(flags) => flags & INTERRUPT_FLAG != 0,
        }
    }
}

/// Whether this core takes interrupts now.
#[inline(always)]
pub fn enabled() -> bool {
    found().were_on()
}

#[inline(always)]
fn found() -> Flags {
    let flags: u64;
    // SAFETY: reads the flags through the stack; changes nothing.
    unsafe { asm!("pushfq", "pop {}", out(reg) flags, options(preserves_flags)) };
    Flags::Found(flags)
}

/// Turns interrupts off and says whether they were on.
#[inline(always)]
pub fn save_and_disable() -> Flags {
    let flags = found();
    // SAFETY: interrupts off is a state in which every piece of kernel code is correct.
    unsafe { asm!("cli", options(nostack)) };
    flags
}

/// Turns interrupts off, where they are known to be on or it does not matter.
#[inline(always)]
pub fn disable() {
    // SAFETY: as in `save_and_disable`.
    unsafe { asm!("cli", options(nostack)) };
}

/// Puts interrupts back as they were.
///
/// # Safety
/// `flags` come from the innermost [`save_and_disable`] of this core that has not been restored yet, and no value that
/// vouches for interrupts being off outlives the call.
#[inline(always)]
pub unsafe fn restore(flags: Flags) {
    // SAFETY: on only if they were before; the caller vouches that nothing depends on them being off any more.
    unsafe {
        match flags {
            Flags::On => enable(),
            Flags::Off => {}
            // The compiler, given the branch, may add a jump to it.
            Flags::Found(flags) => {
                asm!("test {:e}, {}", "jz 2f", "sti", "2:", in(reg) flags, const INTERRUPT_FLAG, options(nostack));
            }
        }
    }
}

/// Turns interrupts on.
///
/// # Safety
/// The interrupt descriptor table is loaded, and nothing on this core depends on interrupts being off.
#[inline(always)]
pub unsafe fn enable() {
    // SAFETY: the caller's.
    unsafe { asm!("sti", options(nostack)) };
}

unsafe extern "C" {
    /// In `traps.s`, whose quickest interrupts know it.
    fn __roost_halt();
}

/// Turns interrupts on and halts until one has been handled, without a gap between the two in which one could be missed.
/// Interrupts are off before and after.
///
/// # Safety
/// As for [`enable`].
#[inline(always)]
pub unsafe fn halt_until_interrupt() {
    // SAFETY: it does just that; the caller's word.
    unsafe { __roost_halt() };
}

/// Stops this core until the machine is reset.
pub fn halt_forever() -> ! {
    loop {
        // SAFETY: interrupts off and halted; an NMI comes back to the loop.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}
