//! ACPI's tables, by the `acpi` crate: what the machine has.
//!
//! The tables are read where the firmware left them, through the direct map. Nothing is interpreted but the tables: the
//! one thing that lies in AML, how to turn the machine off, is found by [`bootinfo::s5`](crate::bootinfo::s5).

use core::ptr::NonNull;

use acpi::{AcpiHandler, AcpiTable, AcpiTables, PhysicalMapping};
use conquer_once::spin::OnceCell;

use super::paging::{self, Caching};

/// Reaches tables through the direct map.
#[derive(Clone, Copy, Debug)]
pub struct DirectMap;

impl AcpiHandler for DirectMap {
    unsafe fn map_physical_region<T>(&self, physical_address: usize, size: usize) -> PhysicalMapping<Self, T> {
        // SAFETY: firmware tables are only read; they lie in memory that no allocator owns.
        let at = unsafe { paging::reach(physical_address as u64, size, Caching::WriteBack) };
        let at = at.unwrap_or_else(|error| panic!("cannot read the ACPI table at {physical_address:#x}: {error}"));
        // SAFETY: mapped for ever; `reach` never gives null.
        unsafe { PhysicalMapping::new(physical_address, NonNull::new_unchecked(at.cast()), size, size, *self) }
    }

    fn unmap_physical_region<T>(_region: &PhysicalMapping<Self, T>) {}
}

/// The tables. They never change and are never unmapped, so they may be read from any core.
struct Tables(AcpiTables<DirectMap>);

// SAFETY: read-only memory behind a pointer that is valid on every core.
unsafe impl Send for Tables {}
// SAFETY: as above.
unsafe impl Sync for Tables {}

static TABLES: OnceCell<Option<Tables>> = OnceCell::uninit();

/// Finds the tables: from the address that the loader gave, else in the BIOS's areas. Once, on the boot processor.
///
/// Without any, the machine has one core and no interrupt controllers that we could find.
pub fn init(rsdp: Option<u64>) {
    TABLES.init_once(|| {
        let rsdp = rsdp.or_else(search)?;
        // SAFETY: the address is that of a valid RSDP.
        match unsafe { AcpiTables::from_rsdp(DirectMap, rsdp as usize) } {
            Ok(tables) => Some(Tables(tables)),
            Err(error) => {
                log::warn!("the ACPI tables are not usable: {error:?}");
                None
            }
        }
    });
}

/// Looks through the areas where a PC's BIOS puts the RSDP: the first KiB of the extended BIOS data area, and the ROM.
fn search() -> Option<u64> {
    const EBDA_SEGMENT: u64 = 0x40e;
    const ROM: (u64, usize) = (0xe_0000, 0x2_0000);
    // SAFETY: low memory that the firmware filled; only read.
    let ebda = unsafe { paging::reach(EBDA_SEGMENT, 2, Caching::WriteBack).ok()?.cast::<u16>().read_unaligned() };
    [(u64::from(ebda) << 4, 1024), ROM].into_iter().filter(|&(start, _)| start >= 0x400).find_map(|(start, len)| {
        // SAFETY: as above.
        let bytes = unsafe {
            let at = paging::reach(start, len, Caching::WriteBack).ok()?;
            core::slice::from_raw_parts(at, len)
        };
        crate::bootinfo::rsdp::find(bytes).map(|offset| start + offset as u64)
    })
}

/// The table of type `T`, if there is one and its checksum is right.
pub fn find<T: AcpiTable>() -> Option<PhysicalMapping<DirectMap, T>> {
    tables()?.find_table::<T>().ok()
}

/// All tables, if there are any.
pub fn tables() -> Option<&'static AcpiTables<DirectMap>> {
    TABLES.try_get().ok()?.as_ref().map(|tables| &tables.0)
}

/// The AML of the DSDT, without its header.
pub fn dsdt() -> Option<&'static [u8]> {
    let table = tables()?.dsdt().ok()?;
    let len = table.length as usize;
    // SAFETY: a firmware table of that length; mapped for ever and never written.
    unsafe {
        let at = paging::reach(table.address as u64, len, Caching::WriteBack).ok()?;
        Some(core::slice::from_raw_parts(at, len))
    }
}
