//! The I/O APICs, by the `x2apic` crate, and the 8259s that they replace.

use acpi::madt::{Madt, MadtEntry};
use spin::Mutex;
use x2apic::ioapic::{IoApic, IrqFlags, IrqMode, RedirectionTableEntry};
use x86_64::instructions::port::Port;

use super::paging::{self, Caching};
use super::{core_block, firmware, irq};

/// Where the 8259s' interrupts would arrive if they were not masked: out of the exceptions' way.
const PIC_VECTORS: u8 = 0x20;

/// Remaps and masks the 8259s. Before the first `sti`; harmless where there are none.
pub fn silence_8259s() {
    // SAFETY: the legacy controllers' ports; initialisation words one to four, then everything masked.
    unsafe {
        for (base, vectors, cascade) in [(0x20_u16, PIC_VECTORS, 4_u8), (0xa0, PIC_VECTORS + 8, 2)] {
            let (mut command, mut data) = (Port::<u8>::new(base), Port::<u8>::new(base + 1));
            command.write(0x11);
            data.write(vectors);
            data.write(cascade);
            data.write(1);
            data.write(0xff);
        }
    }
}

/// Serialises the two accesses that one register takes.
static LOCK: Mutex<()> = Mutex::new(());

/// Delivers the ISA interrupt `line` as `vector` to `core`, and unmasks it.
///
/// Says whether there was a controller for it.
pub fn route_isa(line: u8, vector: u8, core: usize) -> bool {
    let Some(madt) = firmware::find::<Madt>() else { return false };
    let (mut interrupt, mut flags) = (u32::from(line), IrqFlags::empty());
    for entry in madt.get().entries() {
        if let MadtEntry::InterruptSourceOverride(entry) = entry
            && entry.irq == line
        {
            interrupt = entry.global_system_interrupt;
            let (polarity, trigger) = (entry.flags & 3, entry.flags >> 2 & 3);
            flags.set(IrqFlags::LOW_ACTIVE, polarity == 3);
            flags.set(IrqFlags::LEVEL_TRIGGERED, trigger == 3);
        }
    }
    // The redirection table has room for eight bits; above that, interrupts go to the boot processor.
    let destination = u8::try_from(core_block::apic_id_of(core)).unwrap_or(core_block::apic_id_of(0) as u8);
    madt.get().entries().any(|entry| {
        let MadtEntry::IoApic(entry) = entry else { return false };
        let first = entry.global_system_interrupt_base;
        // SAFETY: the controller's page of registers, used under the lock.
        unsafe {
            let Ok(at) = paging::reach(entry.io_apic_address.into(), 4096, Caching::Uncached) else { return false };
            let irq_flags = irq::save_and_disable();
            let guard = LOCK.lock();
            let mut controller = IoApic::new(at.addr() as u64);
            let last = first + u32::from(controller.max_table_entry());
            let ours = (first..=last).contains(&interrupt);
            if ours {
                let mut route = RedirectionTableEntry::default();
                route.set_mode(IrqMode::Fixed);
                route.set_flags(flags);
                route.set_dest(destination);
                route.set_vector(vector);
                controller.set_table_entry((interrupt - first) as u8, route);
            }
            drop(guard);
            irq::restore(irq_flags);
            ours
        }
    })
}
