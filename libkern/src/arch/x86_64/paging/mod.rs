//! The kernel's address space.
//!
//! ```text
//! 0x0000_0000_0000_0000  isolated processes (empty in the kernel's own tables)
//! 0xffff_8000_0000_0000  direct map: physical address p is at DIRECT_MAP + p
//! 0xffff_c000_0000_0000  kernel stacks, each above a page that is never mapped
//! 0xffff_ffff_8000_0000  the image, each segment with its own rights
//! ```
//!
//! The direct map holds RAM by the largest pages that fit, never executable, and the frames of the image's text and
//! read-only data in it are read-only too: no frame is both writable somewhere and executable somewhere. Device registers
//! and firmware tables are mapped at their place in the direct map when somebody first [`reach`]es for them, so that a
//! physical address always has the same virtual one.
//!
//! Mappings of the kernel are added for good, but for those of boot: nothing here ever needs another core to flush.

mod table;

use core::arch::asm;
use core::ops::Range;
use core::ptr;

use spin::Mutex;
use x86_64::instructions::tlb;
use x86_64::registers::control::{Cr3, Cr3Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::Msr;
use x86_64::structures::paging::{PageTableFlags, PhysFrame};
use x86_64::{PhysAddr, VirtAddr};

use super::{features, irq};
pub use table::{FrameSource, Leaf, MapError};
use table::{PAGE, fill, index, new_table, next_table, table_at};

/// Where physical address 0 is in the direct map.
const DIRECT_MAP: usize = table::DIRECT_MAP;

/// Where the region of kernel stacks begins.
pub const STACKS: usize = 0xffff_c000_0000_0000;

/// Where the image is linked.
pub const IMAGE: usize = 0xffff_ffff_8020_0000;

/// Where physical address 0 is in the direct map.
#[inline(always)]
pub fn direct_map_base() -> usize {
    DIRECT_MAP
}

/// Bytes of physical memory, from 0, that the direct map has room for.
#[inline(always)]
pub fn direct_map_len() -> usize {
    STACKS - DIRECT_MAP
}

/// What may be done with a page, beside reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Nothing.
    Read,
    /// Writing.
    ReadWrite,
    /// Executing.
    ReadExecute,
}

/// How the processor caches a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Ordinary memory.
    WriteBack,
    /// Frame buffers: writes are gathered.
    WriteCombining,
    /// Device registers.
    Uncached,
}

impl Caching {
    /// By the page attribute table that [`load_attributes`] sets: index 1 write-combining, index 3 uncached.
    fn flags(self) -> PageTableFlags {
        match self {
            Caching::WriteBack => PageTableFlags::empty(),
            Caching::WriteCombining => PageTableFlags::WRITE_THROUGH,
            Caching::Uncached => PageTableFlags::WRITE_THROUGH | PageTableFlags::NO_CACHE,
        }
    }
}

/// The kernel's page tables.
///
/// # Invariants
/// `root` is the physical address of a level-4 table, all tables below it are reached by the direct map, and they are
/// changed only through this value.
pub struct KernelSpace {
    root: u64,
    source: FrameSource,
}

static SPACE: Mutex<Option<KernelSpace>> = Mutex::new(None);

/// Starts a new, empty address space for the kernel, whose tables come from `source`.
///
/// # Errors
/// [`MapError::OutOfFrames`].
///
/// # Safety
/// Called once, on the boot processor. Frames from `source` are free, below 4 GiB, and in the direct map that is loaded.
pub unsafe fn create(source: FrameSource) -> Result<(), MapError> {
    let root = new_table(source)?;
    // The upper half's level-3 tables exist from the beginning and for ever, so that a process's level-4 table can
    // have copies of these entries. Only those regions that are in use get one.
    *SPACE.lock() = Some(KernelSpace { root, source });
    Ok(())
}

/// Says where page tables come from henceforth.
pub fn set_frame_source(source: FrameSource) {
    with_space(|space| space.source = source);
}

/// Maps `len` bytes from `virt` on to physical memory from `phys` on, by the largest pages that fit.
///
/// All three are multiples of the page size. Interrupt-safe; takes a spin lock.
///
/// # Errors
/// As [`MapError`] says. What was mapped until then stays.
///
/// # Safety
/// `virt` is kernel space that nobody uses for anything else, and the rights do not let anybody break memory safety: in
/// particular no memory becomes writable that is executable elsewhere.
pub unsafe fn map(virt: usize, phys: u64, len: u64, rights: Rights, caching: Caching) -> Result<(), MapError> {
    let mut flags = PageTableFlags::PRESENT | PageTableFlags::GLOBAL | caching.flags();
    flags.set(PageTableFlags::WRITABLE, rights == Rights::ReadWrite);
    flags.set(PageTableFlags::NO_EXECUTE, rights != Rights::ReadExecute && features::get().nx);
    with_space(|space| {
        let source = space.source;
        let root = table_at(space.root);
        // SAFETY: the caller's, and the space's invariant.
        unsafe { fill(root, 4, virt, phys, len, flags, source) }
    })
}

/// Removes the mapping of the page at `virt` and gives the physical address it had. For mappings that only this core
/// has ever used: no other core is told.
///
/// # Safety
/// Nobody uses the page any more, and it is one of 4 KiB.
pub unsafe fn unmap_local(virt: usize) -> Option<u64> {
    with_space(|space| {
        let mut table = table_at(space.root);
        for level in (2..=4).rev() {
            table = next_table(&table[index(virt, level)])?;
        }
        let entry = &mut table[index(virt, 1)];
        let phys = (!entry.is_unused()).then(|| entry.addr().as_u64())?;
        entry.set_unused();
        tlb::flush(VirtAddr::new(virt as u64));
        Some(phys)
    })
}

/// Makes this core forget what it knows of the pages of `range`, which are not the kernel's. Any context.
pub fn flush_user(range: Range<usize>) {
    /// More pages than this are forgotten with all others.
    const MOST: usize = 32;
    if range.len() / super::PAGE_SIZE > MOST {
        return tlb::flush_all();
    }
    let mut page = range.start;
    while page < range.end {
        // SAFETY: forgetting is always right.
        unsafe { asm!("invlpg [{}]", in(reg) page, options(nostack, preserves_flags)) };
        page += super::PAGE_SIZE;
    }
}

/// Makes this core forget all translations, those of the kernel too. Interrupts off.
pub fn flush_everything() {
    // SAFETY: forgetting is always right. Clearing the bit for global pages is what makes the processor forget those.
    unsafe {
        Cr4::update(|flags| flags.remove(Cr4Flags::PAGE_GLOBAL));
        Cr4::update(|flags| flags.insert(Cr4Flags::PAGE_GLOBAL));
    }
}

/// The address at which the `len` bytes of physical memory from `phys` on can be used; maps them if they are not in the
/// direct map yet. For device registers and firmware tables.
///
/// # Errors
/// [`MapError::OutOfFrames`].
///
/// # Safety
/// If it is RAM, nobody else believes to own it, or nobody writes through the pointer; if it has been reached before, the
/// caching was the same.
#[inline(never)]
pub unsafe fn reach(phys: u64, len: usize, caching: Caching) -> Result<*mut u8, MapError> {
    let mut page = phys & !(PAGE - 1);
    while page < phys + len as u64 {
        let virt = DIRECT_MAP + page as usize;
        if translate(virt).is_none() {
            // SAFETY: the direct map's place for this page, which nothing else uses.
            unsafe { map(virt, page, PAGE, Rights::ReadWrite, caching)? };
        }
        page += PAGE;
    }
    Ok(ptr::with_exposed_provenance_mut(DIRECT_MAP + phys as usize))
}

/// What is mapped at `virt` in the kernel's tables.
pub fn translate(virt: usize) -> Option<Leaf> {
    with_space(|space| table::leaf(space.root, virt))
}

/// As [`translate`], but gives up where somebody is at the tables: for a panic, which waits for nobody.
pub fn try_translate(virt: usize) -> Option<Leaf> {
    table::leaf(SPACE.try_lock()?.as_ref()?.root, virt)
}

/// Calls `visit` with every mapped page of the kernel's tables, in ascending order. Interrupts are off meanwhile.
pub fn for_each_leaf(mut visit: impl FnMut(Leaf)) {
    with_space(|space| table::visit(table_at(space.root), 4, 0, &mut visit));
}

/// Loads the kernel's tables on this core.
///
/// # Safety
/// They map what the core executes and its stack.
pub unsafe fn load() {
    let root = root();
    // SAFETY: the caller's.
    unsafe { Cr3::write(PhysFrame::containing_address(PhysAddr::new(root)), Cr3Flags::empty()) };
}

/// The physical address of the kernel's level-4 table. Below 4 GiB.
pub fn root() -> u64 {
    with_space(|space| space.root)
}

/// Makes tables for cores that start: the kernel's upper half, and the page at `phys`, below 1 MiB, at its own address
/// too, because a core begins there without paging. Gives the physical address of the level-4 table.
///
/// The kernel's own tables never have anything in the lower half, and no core has to wait for the others before it leaves
/// these.
///
/// # Errors
/// [`MapError::OutOfFrames`].
///
/// # Safety
/// The image and every stack that a core may start on lie in parts of the upper half that are in use by now. The page
/// holds the start-up code, and its mapping in the direct map is the only one that can be written.
pub unsafe fn create_startup(phys: u64) -> Result<u64, MapError> {
    with_space(|space| {
        let root = new_table(space.source)?;
        let (from, to) = (table_at(space.root), table_at(root));
        for (entry, kernel) in to.iter_mut().zip(from.iter()).skip(256) {
            entry.set_addr(kernel.addr(), kernel.flags());
        }
        // SAFETY: the lower half of tables that nobody uses yet.
        unsafe { fill(to, 4, phys as usize, phys, PAGE, PageTableFlags::PRESENT, space.source)? };
        Ok(root)
    })
}

/// Loads the tables whose top-level one is at `root` on this core.
///
/// # Safety
/// Their upper half is the kernel's, and they stay as long as they are loaded.
#[inline]
pub unsafe fn load_root(root: u64) {
    // SAFETY: the caller's.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
}

/// Sets this core's page attribute table to what [`Caching`] takes for granted.
pub fn load_attributes() {
    const IA32_PAT: u32 = 0x277;
    const WRITE_BACK: u64 = 6;
    const WRITE_COMBINING: u64 = 1;
    const UNCACHED_MINUS: u64 = 7;
    const UNCACHED: u64 = 0;
    let half = WRITE_BACK | WRITE_COMBINING << 8 | UNCACHED_MINUS << 16 | UNCACHED << 24;
    // SAFETY: every entry is a valid type; no mapping that exists uses another index than 0.
    unsafe { Msr::new(IA32_PAT).write(half | half << 32) };
}

fn with_space<R>(change: impl FnOnce(&mut KernelSpace) -> R) -> R {
    let flags = irq::save_and_disable();
    let result = change(SPACE.lock().as_mut().expect("the kernel's address space exists from early boot on"));
    // SAFETY: the innermost, and the lock is released.
    unsafe { irq::restore(flags) };
    result
}

/// Physical ranges of the image's segments and the rights they are mapped with.
pub fn image_segments(image_phys: u64) -> [(Range<u64>, Rights); 3] {
    unsafe extern "C" {
        static __text_start: u8;
        static __text_end: u8;
        static __image_end: u8;
    }
    let at = |symbol: *const u8| image_phys + (symbol.addr() - IMAGE) as u64;
    let text = at(&raw const __text_start);
    let data = at(&raw const __text_end);
    let end = at(&raw const __image_end).next_multiple_of(PAGE);
    [(image_phys..text, Rights::Read), (text..data, Rights::ReadExecute), (data..end, Rights::ReadWrite)]
}
