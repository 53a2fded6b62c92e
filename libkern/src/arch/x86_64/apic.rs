//! The local APIC of each core, by the `x2apic` crate.
//!
//! x2APIC mode where the processor has it, else xAPIC by its page of registers. What the crate leaves to its user is done
//! here: an xAPIC interrupt command is two stores, so it happens with interrupts off and once the last one is delivered;
//! an x2APIC command is a write to a model-specific register that orders nothing, so a fence comes before it.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicPtr, Ordering};

use x2apic::lapic::{LocalApic, LocalApicBuilder, TimerDivide, TimerMode, xapic_base};
use x86_64::registers::model_specific::Msr;

use super::paging::{self, Caching};
use super::{core_block, features, irq, relax};

/// Vectors of the kernel's own interrupts. Above all devices', because the APIC serves the highest first.
pub mod vector {
    /// Another core asks this one to look.
    pub const WAKE: u8 = crate::arch::traps::FIRST_QUICK;
    /// The one-shot timer.
    pub const TIMER: u8 = WAKE + 1;
    /// The local APIC's own complaint.
    pub const ERROR: u8 = 0xfe;
    /// An interrupt that went away before it was served. Its low bits must be ones.
    pub const SPURIOUS: u8 = 0xff;
}

/// The handle is the same on every core: it holds the vectors and the way to the registers, and a core's accesses reach
/// that core's APIC.
struct Shared(UnsafeCell<Option<LocalApic>>);

// SAFETY: written once, by the boot processor before other cores run (`init_boot_core`); afterwards a core only makes
// accesses that reach its own APIC, with interrupts off.
unsafe impl Sync for Shared {}

static APIC: Shared = Shared(UnsafeCell::new(None));

/// The page of registers in xAPIC mode; null in x2APIC mode. Set before the handle is made, and all that says which mode it is.
static REGISTERS: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());

/// Makes the handle and turns on the boot processor's APIC, as [`init_core`] does.
///
/// # Safety
/// Once, on the boot processor, before any other core runs; interrupts off, the 8259s masked.
pub unsafe fn init_boot_core() {
    let mut builder = LocalApicBuilder::new();
    builder
        .timer_vector(vector::TIMER.into())
        .error_vector(vector::ERROR.into())
        .spurious_vector(vector::SPURIOUS.into())
        .timer_mode(if features::get().tsc_deadline { TimerMode::TscDeadline } else { TimerMode::OneShot })
        .timer_divide(TimerDivide::Div1)
        .timer_initial(0);
    if !features::get().x2apic {
        // SAFETY: the APIC's registers are where its base register says.
        let registers = unsafe { paging::reach(xapic_base(), 4096, Caching::Uncached) };
        let registers = registers.unwrap_or_else(|error| panic!("cannot map the local APIC: {error}"));
        builder.set_xapic_base(registers.addr() as u64);
        REGISTERS.store(registers, Ordering::Relaxed);
    }
    let apic = builder.build().unwrap_or_else(|error| panic!("cannot use the local APIC: {error}"));
    // SAFETY: nobody else looks at the cell yet.
    unsafe {
        *APIC.0.get() = Some(apic);
        init_core();
    }
}

/// Turns on this core's APIC, all local interrupts masked but its own errors.
///
/// # Safety
/// Interrupts off, the interrupt table loaded, `init_boot_core` done.
pub unsafe fn init_core() {
    // SAFETY: this core's APIC, before anybody uses it.
    with(|apic| unsafe { apic.enable() });
    mask_local_pins();
}

/// The crate sets both pins to vector 0 where nothing must come from them: the 8259 is masked, and a platform's NMI line
/// would arrive as a reserved vector.
fn mask_local_pins() {
    const MASKED: u32 = 1 << 16;
    for (register, index) in [(0x835, 0x350), (0x836, 0x360)] {
        // SAFETY: masks one local vector of this core.
        unsafe {
            if is_x2apic() {
                Msr::new(register).write(MASKED.into());
            } else {
                REGISTERS.load(Ordering::Relaxed).add(index).cast::<u32>().write_volatile(MASKED);
            }
        }
    }
}

/// The id that this core's own APIC gives.
pub fn id() -> u32 {
    // SAFETY: a read.
    let id = with(|apic| unsafe { apic.id() });
    // In xAPIC mode the register holds it in its highest byte.
    if is_x2apic() { id } else { id >> 24 }
}

/// Ends the interrupt being served. Exactly once per interrupt; not for spurious ones.
#[inline]
pub fn end_of_interrupt() {
    let registers = REGISTERS.load(Ordering::Relaxed);
    if registers.is_null() {
        // SAFETY: in an interrupt handler of this core.
        return with(|apic| unsafe { apic.end_of_interrupt() });
    }
    // SAFETY: this core's register, in an interrupt handler.
    unsafe { registers.wrapping_add(0xb0).cast::<u32>().write_volatile(0) };
}

/// Sends [`vector::WAKE`] to `core`. Interrupts off. What this core wrote before is visible to the handler.
#[inline]
pub fn wake(core: usize) {
    let id = core_block::apic_id_of(core);
    let registers = REGISTERS.load(Ordering::Relaxed);
    if registers.is_null() {
        return send_wake(id);
    }
    // SAFETY: these are the registers; the vector's handler does nothing but look for work. A store to uncached memory
    // comes after all others.
    unsafe {
        let command = command_register(registers);
        command.add(4).write_volatile(id << 24);
        command.write_volatile(WAKE_COMMAND);
    }
}

/// In x2APIC mode.
#[inline(never)]
fn send_wake(id: u32) {
    // SAFETY: the vector's handler does nothing but look for work.
    command_with_interrupts_off(|apic| unsafe { apic.send_ipi(vector::WAKE, id) });
}

/// Sends [`vector::WAKE`] to the running core itself. Interrupts off: it comes when they are on.
#[inline(always)]
pub fn wake_self() {
    const SHORTHAND_SELF: u32 = 1 << 18;
    let registers = REGISTERS.load(Ordering::Relaxed);
    if registers.is_null() {
        // SAFETY: the vector's handler does nothing but look for work. The handler runs on this core, which sees its own
        // stores, so nothing has to be fenced.
        return with(|apic| unsafe { apic.send_ipi_self(vector::WAKE) });
    }
    // The crate writes a register for this that only x2APIC mode has.
    // SAFETY: as in `wake`.
    unsafe { command_register(registers).write_volatile(SHORTHAND_SELF | WAKE_COMMAND) };
}

/// In xAPIC mode: an interrupt of [`vector::WAKE`], asserted.
const WAKE_COMMAND: u32 = 1 << 14 | vector::WAKE as u32;

/// In xAPIC mode, this core's interrupt command register, once the last command is delivered. Waking is what happens
/// often: 18 instructions, where the crate takes 37 for a command of any kind.
///
/// # Safety
/// `registers` are this core's, and interrupts are off until the command is written.
#[inline(always)]
unsafe fn command_register(registers: *mut u8) -> *mut u32 {
    const PENDING: u32 = 1 << 12;
    let command = registers.wrapping_add(0x300).cast::<u32>();
    // SAFETY: the caller's word.
    while unsafe { command.read_volatile() } & PENDING != 0 {
        relax();
    }
    command
}

/// Sends a non-maskable interrupt to `core`.
pub fn send_nmi(core: usize) {
    let target = destination(core_block::apic_id_of(core));
    // SAFETY: the handler distinguishes ours.
    command(|apic| unsafe { apic.send_nmi(target) });
}

/// Sends INIT to the processor with that id.
pub(super) fn send_init(apic_id: u32) {
    // SAFETY: the processor is not running anything of ours.
    command(|apic| unsafe { apic.send_init_ipi(destination(apic_id)) });
}

/// Sends the start-up IPI to the processor with that id: it begins at `page` × 4096, in real mode.
pub(super) fn send_startup(apic_id: u32, page: u8) {
    // SAFETY: the page holds the start-up code.
    command(|apic| unsafe { apic.send_sipi(page, destination(apic_id)) });
}

/// An APIC id as the crate wants it in a command: in xAPIC mode it stands in the highest byte.
fn destination(apic_id: u32) -> u32 {
    if is_x2apic() { apic_id } else { apic_id << 24 }
}

fn command(send: impl FnOnce(&mut LocalApic)) {
    let flags = irq::save_and_disable();
    command_with_interrupts_off(send);
    // SAFETY: the innermost.
    unsafe { irq::restore(flags) };
}

#[inline(always)]
fn command_with_interrupts_off(send: impl FnOnce(&mut LocalApic)) {
    if is_x2apic() {
        // SAFETY: orders, and does nothing else.
        unsafe { asm!("mfence", "lfence", options(nostack, preserves_flags)) };
        with(send);
    } else {
        with(|apic| {
            // SAFETY: a read. Delivery takes the bus a moment; nothing that we hold can delay it.
            while unsafe { apic.get_ipi_delivery_status() } {
                relax();
            }
            send(apic);
        });
    }
}

/// Whether the APICs are in x2APIC mode. Once there is a handle.
fn is_x2apic() -> bool {
    REGISTERS.load(Ordering::Relaxed).is_null()
}

#[inline(always)]
pub(super) fn with<R>(access: impl FnOnce(&mut LocalApic) -> R) -> R {
    // SAFETY: by `Shared`'s argument; the reference does not outlive one access to registers, and an interrupt between
    // would make accesses of its own that do not touch the handle's fields.
    let apic = unsafe { &mut *APIC.0.get() };
    access(apic.as_mut().expect("the local APIC is on before interrupts are"))
}

/// The register that counts down, for calibration.
pub(super) fn timer_count() -> u32 {
    // SAFETY: a read.
    with(|apic| unsafe { apic.timer_current() })
}

/// Starts the timer at its highest count, masked, for calibration.
pub(super) fn start_counting() {
    // SAFETY: masked, so it interrupts nobody.
    with(|apic| unsafe {
        apic.disable_timer();
        apic.set_timer_initial(u32::MAX);
    });
}
