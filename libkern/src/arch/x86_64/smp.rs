//! Starting the other cores, all at once.
//!
//! ```text
//! boot processor                              application processors
//! --------------                              ----------------------
//! count MADT entries, make blocks and stacks
//! fill the start-up page, INIT all, SIPI all  -> ap.s: real mode to long mode, side by side
//!                                                who am I: APIC id -> table -> block, stack
//! wait until all are up or time is up     <-     tables, APIC, clock check; up += 1; idle
//! ```
//!
//! They start on tables of their own, which have the start-up page at its own address, and leave them for the kernel's at
//! once. So none waits for another.
//!
//! A core that does not come up in time is reported and left out of nothing: its id stays its own, it is merely not
//! up.

use core::arch::global_asm;
use core::ptr::{self, addr_of};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use acpi::madt::{Madt, MadtEntry};
use x86_64::registers::model_specific::Efer;
use x86_64::registers::model_specific::EferFlags;

use super::core_block::{CoreBlock, offsets};
use super::{MAX_CORES, apic, clock, features, firmware as tables, paging, relax};

/// How long the cores have to come up.
const TIMEOUT_NS: u64 = 10_000_000_000;

/// Where a starting core finds its block by its APIC id.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    apic_id: u32,
    _unused: u32,
    block: *const CoreBlock,
}

impl Entry {
    /// The entry of `block`'s core.
    pub fn new(block: &CoreBlock) -> Self {
        Entry { apic_id: block.apic_id(), _unused: 0, block: ptr::from_ref(block) }
    }
}

static TABLE: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());
static TABLE_LEN: AtomicU32 = AtomicU32::new(0);

/// How many cores run our code, the boot processor included.
static UP: AtomicUsize = AtomicUsize::new(1);

unsafe extern "Rust" {
    /// What an application processor does first. Defined by `entry`.
    fn __roost_start_core(block: &'static mut CoreBlock) -> !;
}

extern "C" fn start(block: *mut CoreBlock) -> ! {
    // SAFETY: the table holds this core's own block and no other core has a reference that it writes through; the
    // function is defined by `entry` with this signature.
    unsafe { __roost_start_core(&mut *block) }
}

global_asm!(
    include_str!("ap.s"),
    table = sym TABLE,
    table_len = sym TABLE_LEN,
    stack_hi = const offsets::OWN_HI,
    start = sym start,
);

unsafe extern "C" {
    static __ap_page_start: u8;
    static __ap_page_end: u8;
    static __ap_param_gdt: u8;
    static __ap_param_jump32: u8;
    static __ap_param_jump64: u8;
    static __ap_param_page: u8;
    static __ap_param_cr3: u8;
    static __ap_param_efer: u8;
    static __ap_param_entry: u8;
    fn __ap_entry();
}

/// The APIC ids of the cores that the firmware says are usable, the boot processor's first, at most [`MAX_CORES`]; and how
/// many there were in all.
pub fn enumerate(mut visit: impl FnMut(usize, u32)) -> usize {
    let boot = apic::id();
    visit(0, boot);
    let mut count = 1;
    let Some(madt) = tables::find::<Madt>() else { return count };
    for entry in madt.get().entries() {
        const ENABLED: u32 = 1;
        let (id, flags) = match entry {
            MadtEntry::LocalApic(entry) => (entry.apic_id.into(), entry.flags),
            // Ids above 254 need x2APIC mode, and firmware lists those below in one of the two forms only.
            MadtEntry::LocalX2Apic(entry) => (entry.x2apic_id, entry.flags),
            _ => continue,
        };
        let reachable = id < 255 || features::get().x2apic;
        if flags & ENABLED != 0 && id != boot && reachable {
            if count < MAX_CORES {
                visit(count, id);
            }
            count += 1;
        }
    }
    count
}

/// Starts the cores in `others` and waits until they are up. `page` is a free page below 1 MiB, `tables` the root that
/// [`paging::create_startup`] made for it.
///
/// # Safety
/// Once, on the boot processor. `others` live for ever; their blocks are complete and named in no other entry. The page
/// belongs to the caller, who may use it again afterwards if all cores came up.
pub unsafe fn start_all(others: &'static mut [Entry], page: u64, tables: u64) {
    if others.is_empty() {
        return;
    }
    // SAFETY: the page is the caller's.
    unsafe { fill_page(page, tables) };
    let ids: &'static [Entry] = others;
    TABLE.store(ids.as_ptr().cast_mut(), Ordering::Relaxed);
    TABLE_LEN.store(ids.len() as u32, Ordering::Release);
    for entry in ids {
        apic::send_init(entry.apic_id);
    }
    // Processors that need longer than this between the two are older than 64-bit mode.
    clock::roost_wait_ns(if features::get().hypervisor { 10_000 } else { 10_000_000 });
    for entry in ids {
        apic::send_startup(entry.apic_id, (page >> 12) as u8);
    }
    if !roost_wait_for_cores(ids.len() + 1, 200_000) {
        // The second start-up IPI is for processors that missed the first; one that runs ignores it.
        for entry in ids {
            apic::send_startup(entry.apic_id, (page >> 12) as u8);
        }
        if !roost_wait_for_cores(ids.len() + 1, TIMEOUT_NS) {
            log::error!("{} of {} cores did not start", ids.len() + 1 - up(), ids.len() + 1);
        }
    }
}

/// How many cores are up.
pub fn up() -> usize {
    UP.load(Ordering::Acquire)
}

/// Says that this core is up. Once per application processor.
pub fn came_up() {
    UP.fetch_add(1, Ordering::AcqRel);
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "Rust" fn roost_wait_for_cores(cores: usize, timeout_ns: u64) -> bool {
    let end = clock::tsc() + clock::ns_to_ticks(timeout_ns);
    while up() < cores {
        if clock::tsc() > end {
            return false;
        }
        relax();
    }
    true
}

/// Copies the start-up code to its page and tells it where it is, and on which tables to start.
///
/// # Safety
/// The page belongs to the caller and is in the direct map.
unsafe fn fill_page(page: u64, tables: u64) {
    let start = addr_of!(__ap_page_start).addr();
    let at = ptr::with_exposed_provenance_mut::<u8>(paging::direct_map_base() + page as usize);
    // SAFETY: the caller's page, writable through the direct map; the code is shorter than a page.
    unsafe {
        ptr::copy_nonoverlapping(addr_of!(__ap_page_start), at, addr_of!(__ap_page_end).addr() - start);
        let word = |symbol: *const u8| at.add(symbol.addr() - start).cast::<u32>();
        for symbol in [addr_of!(__ap_param_gdt), addr_of!(__ap_param_jump32), addr_of!(__ap_param_jump64)] {
            let word = word(symbol);
            word.write_unaligned(word.read_unaligned() + page as u32);
        }
        word(addr_of!(__ap_param_page)).write_unaligned(page as u32);
        word(addr_of!(__ap_param_cr3)).write_unaligned(tables as u32);
        let efer = EferFlags::LONG_MODE_ENABLE | (Efer::read() & EferFlags::NO_EXECUTE_ENABLE);
        word(addr_of!(__ap_param_efer)).write_unaligned(efer.bits() as u32);
        word(addr_of!(__ap_param_entry)).cast::<u64>().write_unaligned(__ap_entry as *const () as u64);
    }
}
