//! Turning the machine off and on again, by ACPI.

use acpi::address::{AddressSpace, GenericAddress};
use acpi::fadt::Fadt;
use x86_64::instructions::port::Port;

use super::paging::{self, Caching};
use super::{clock, firmware as tables};
use crate::bootinfo::s5;

/// Turns the machine off, as far as ACPI says how. Returns if it did not work.
///
/// Interrupts off.
pub fn off() {
    const SLEEP_ENABLE: u16 = 1 << 13;
    let Some(fadt) = tables::find::<Fadt>() else { return };
    let Some((type_a, type_b)) = tables::dsdt().and_then(s5::sleep_type) else { return };
    let flags = fadt.flags;
    if flags.system_is_hw_reduced_acpi() {
        if let Ok(Some(register)) = fadt.sleep_control_register() {
            write(&register, u64::from(type_a) << 2 | 1 << 5, 1);
        }
    } else {
        for (register, sleep_type) in
            [(fadt.pm1a_control_block().ok(), type_a), (fadt.pm1b_control_block().ok().flatten(), type_b)]
        {
            if let Some(register) = register {
                write(&register, u64::from(u16::from(sleep_type) << 10 | SLEEP_ENABLE), 2);
            }
        }
    }
    clock::roost_wait_ns(100_000_000);
}

/// Restarts the machine: by ACPI's reset register, else by the keyboard controller, else by a triple fault, which is what
/// a PC does when nothing else is left.
///
/// Interrupts off.
pub fn reboot() -> ! {
    if let Some(fadt) = tables::find::<Fadt>()
        && { fadt.flags }.supports_system_reset_via_fadt()
        && let Ok(register) = fadt.reset_register()
    {
        write(&register, fadt.reset_value.into(), 1);
        clock::roost_wait_ns(100_000_000);
    }
    // SAFETY: pulses the reset line.
    unsafe { Port::<u8>::new(0x64).write(0xfe) };
    clock::roost_wait_ns(100_000_000);
    let nothing = x86_64::structures::DescriptorTablePointer { limit: 0, base: x86_64::VirtAddr::zero() };
    // SAFETY: an exception without a table resets the processor, which is the intention.
    unsafe {
        x86_64::instructions::tables::lidt(&nothing);
        core::arch::asm!("ud2", options(noreturn));
    }
}

fn write(register: &GenericAddress, value: u64, len_bytes: usize) {
    match register.address_space {
        AddressSpace::SystemIo => {
            let port = register.address as u16;
            // SAFETY: the register that ACPI names for this.
            unsafe {
                if len_bytes == 1 {
                    Port::<u8>::new(port).write(value as u8);
                } else {
                    Port::<u16>::new(port).write(value as u16);
                }
            }
        }
        AddressSpace::SystemMemory => {
            // SAFETY: as above.
            unsafe {
                let Ok(at) = paging::reach(register.address, len_bytes, Caching::Uncached) else { return };
                if len_bytes == 1 {
                    at.write_volatile(value as u8);
                } else {
                    at.cast::<u16>().write_volatile(value as u16);
                }
            }
        }
        other => log::warn!("ACPI wants a register in {other:?} written, which is not possible here"),
    }
}
