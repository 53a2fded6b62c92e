//! Page tables as such: walking them, and filling them in.

use core::ptr;

use x86_64::PhysAddr;
use x86_64::structures::paging::PageTableFlags;
use x86_64::structures::paging::page_table::{PageTable, PageTableEntry};

use crate::arch::x86_64::features;

/// Where physical address 0 is in the direct map.
pub(super) const DIRECT_MAP: usize = 0xffff_8000_0000_0000;

/// Bytes in the smallest page.
pub(super) const PAGE: u64 = 4096;

/// Why a mapping could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No frame was left for a page table.
    OutOfFrames,
    /// Something is mapped there already.
    Occupied {
        /// Where.
        virt: usize,
    },
}

impl core::fmt::Display for MapError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            MapError::OutOfFrames => f.write_str("no memory is left for page tables"),
            MapError::Occupied { virt } => write!(f, "{virt:#x} is mapped already"),
        }
    }
}

/// Gives a frame for a page table: its physical address, or none if memory is exhausted. The contents do not matter.
pub type FrameSource = fn() -> Option<u64>;

/// One mapped page, of whatever size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Where it is.
    pub virt: usize,
    /// What it shows.
    pub phys: u64,
    /// Its size in bytes.
    pub len: usize,
    /// Whether it can be written.
    pub writable: bool,
    /// Whether it can be executed.
    pub executable: bool,
    /// Whether ring 3 can use it.
    pub user: bool,
}

impl Leaf {
    fn new(virt: usize, level: u32, entry: &PageTableEntry) -> Self {
        let flags = entry.flags();
        Leaf {
            virt,
            // The PAT bit of large entries is not part of the address.
            phys: entry.addr().as_u64() & !(span(level) as u64 - 1),
            len: span(level),
            writable: flags.contains(PageTableFlags::WRITABLE),
            executable: !flags.contains(PageTableFlags::NO_EXECUTE),
            user: flags.contains(PageTableFlags::USER_ACCESSIBLE),
        }
    }
}

/// What the tables under the level-4 table at `root` map at `virt`.
pub(super) fn leaf(root: u64, virt: usize) -> Option<Leaf> {
    let mut table = table_at(root);
    for level in (1..=4).rev() {
        let entry = &table[index(virt, level)];
        if is_leaf(entry, level) {
            return Some(Leaf::new(virt & !(span(level) - 1), level, entry));
        }
        table = next_table(entry)?;
    }
    None
}

/// Calls `visit` with every page that `table`, of `level`, maps from `base` on.
pub(super) fn visit(table: &PageTable, level: u32, base: usize, visit: &mut dyn FnMut(Leaf)) {
    for (at, entry) in table.iter().enumerate() {
        let mut virt = base + at * span(level);
        if level == 4 && at >= 256 {
            virt |= 0xffff << 48;
        }
        if is_leaf(entry, level) {
            visit(Leaf::new(virt, level, entry));
        } else if let Some(next) = next_table(entry) {
            self::visit(next, level - 1, virt, visit);
        }
    }
}

/// Bytes that one entry of a table of `level` stands for.
const fn span(level: u32) -> usize {
    1 << (12 + 9 * (level - 1))
}

pub(super) const fn index(virt: usize, level: u32) -> usize {
    virt >> (12 + 9 * (level - 1)) & 511
}

fn is_leaf(entry: &PageTableEntry, level: u32) -> bool {
    let flags = entry.flags();
    flags.contains(PageTableFlags::PRESENT) && (level == 1 || flags.contains(PageTableFlags::HUGE_PAGE))
}

/// Whether an entry of a table of `level` can be a page.
fn may_be_leaf(level: u32) -> bool {
    level <= 2 || level == 3 && features::get().pages_1g
}

/// The table at `phys`.
pub(super) fn table_at(phys: u64) -> &'static mut PageTable {
    // SAFETY: by the space's invariant a table in the direct map; the space's lock is held, so the reference is alone
    // as long as it is used for one walk downwards.
    unsafe { &mut *ptr::with_exposed_provenance_mut(DIRECT_MAP + phys as usize) }
}

pub(super) fn next_table(entry: &PageTableEntry) -> Option<&'static mut PageTable> {
    let flags = entry.flags();
    let is_table = flags.contains(PageTableFlags::PRESENT) && !flags.contains(PageTableFlags::HUGE_PAGE);
    is_table.then(|| table_at(entry.addr().as_u64()))
}

pub(super) fn new_table(source: FrameSource) -> Result<u64, MapError> {
    let phys = source().ok_or(MapError::OutOfFrames)?;
    // SAFETY: a free frame in the direct map.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(DIRECT_MAP + phys as usize).write_bytes(0, PAGE as usize) };
    Ok(phys)
}

/// The table's entries, which it lends one by one only.
fn entries(table: &mut PageTable) -> &mut [PageTableEntry; 512] {
    const _: () = assert!(size_of::<PageTable>() == size_of::<[PageTableEntry; 512]>());
    // SAFETY: a table is its entries and nothing else, as the processor demands.
    unsafe { &mut *ptr::from_mut(table).cast() }
}

/// Fills the entries of one table and, below it, of others.
///
/// Goes table by table and not page by page: a direct map of many GiB is a loop over entries.
///
/// # Safety
/// As for [`map`]; `table` is of `level`, and the range lies within what it spans.
pub(super) unsafe fn fill(
    table: &mut PageTable,
    level: u32,
    mut virt: usize,
    mut phys: u64,
    mut len: u64,
    flags: PageTableFlags,
    source: FrameSource,
) -> Result<(), MapError> {
    let span = span(level) as u64;
    while len > 0 {
        let to_end = span - (virt as u64 & (span - 1));
        let step = to_end.min(len);
        if step == span && phys & (span - 1) == 0 && may_be_leaf(level) {
            // As many leaves as this table has room for: this loop is what mapping all of RAM costs.
            let leaf = if level == 1 { flags } else { flags | PageTableFlags::HUGE_PAGE };
            let first = index(virt, level);
            let count = ((len / span) as usize).min(512 - first);
            let entries = &mut entries(table)[first..first + count];
            // Without an early end, which would have the compiler look at one entry at a time.
            if !entries.iter().fold(true, |unused, entry| unused & entry.is_unused()) {
                return Err(MapError::Occupied { virt });
            }
            for (entry, at) in entries.iter_mut().zip(0..) {
                // SAFETY: within physical memory, of which the caller's range is a part.
                let address = unsafe { PhysAddr::new_unsafe(phys + at * span) };
                entry.set_addr(address, leaf);
            }
            let done = count as u64 * span;
            virt = virt.wrapping_add(done as usize);
            phys += done;
            len -= done;
        } else {
            let entry = &mut table[index(virt, level)];
            if entry.is_unused() {
                let next = new_table(source)?;
                // Rights are decided by the leaves alone.
                entry.set_addr(PhysAddr::new(next), PageTableFlags::PRESENT | PageTableFlags::WRITABLE);
            }
            let next = next_table(entry).ok_or(MapError::Occupied { virt })?;
            // SAFETY: the caller's; the step ends where the next table's span does.
            unsafe { fill(next, level - 1, virt, phys, step, flags, source)? };
            virt = virt.wrapping_add(step as usize);
            phys += step;
            len -= step;
        }
    }
    Ok(())
}
