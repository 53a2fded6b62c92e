//! Page tables of a process: the lower half of an address space.
//!
//! The same file serves the real machine and the host's, where an allocation plays memory and no processor reads what is
//! written here; so the walk is by number and the direct map, and nothing here flushes a TLB.
//!
//! A process maps pages of 4 KiB only. Each entry says whether its frame is the process's own, to be freed with the
//! mapping, or somebody else's. The upper half is the kernel's: its top-level entries are copied when the table is made.
//!
//! # Invariants
//!
//! Every table is a frame of this value's, listed in `tables`; entries of the lower half lead to such tables and to frames
//! that their mapper named; what may be written may not be executed.

use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::arch::{PAGE_SIZE, direct_map_base};

const ENTRIES: usize = 512;
/// Entries of the top-level table that are the lower half's.
const LOWER: usize = ENTRIES / 2;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
/// For software: the frame goes with the mapping.
const OWNED: u64 = 1 << 9;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What a process may do with a page, beside reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserRights {
    /// Nothing.
    Read,
    /// Writing.
    ReadWrite,
    /// Executing.
    ReadExecute,
}

impl UserRights {
    const fn bits(self) -> u64 {
        match self {
            UserRights::Read => NO_EXECUTE,
            UserRights::ReadWrite => NO_EXECUTE | WRITABLE,
            UserRights::ReadExecute => 0,
        }
    }
}

/// Whose a mapped frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The address space's: freed when it is unmapped.
    Space,
    /// Somebody else's, who keeps it as long as it is mapped.
    Other,
}

/// A mapped page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserLeaf {
    /// Its frame's address.
    pub phys: u64,
    /// Whose that is.
    pub owner: Owner,
    /// Whether it may be written.
    pub is_writable: bool,
    /// Whether it may be executed.
    pub is_executable: bool,
    /// Whether the processor may know the mapping: it has used it.
    pub was_accessed: bool,
    /// Whether it was written to.
    pub was_written: bool,
}

impl UserLeaf {
    fn of(entry: u64) -> Option<UserLeaf> {
        (entry & PRESENT != 0).then_some(UserLeaf {
            phys: entry & ADDRESS,
            owner: if entry & OWNED != 0 { Owner::Space } else { Owner::Other },
            is_writable: entry & WRITABLE != 0,
            is_executable: entry & NO_EXECUTE == 0,
            was_accessed: entry & ACCESSED != 0,
            was_written: entry & DIRTY != 0,
        })
    }
}

/// A process's tables.
#[derive(Debug)]
pub struct UserTables {
    /// Physical addresses of all tables, the top-level one first.
    tables: Vec<u64>,
    root: u64,
    /// The table of the lowest level that was used last, and which [`span`] of addresses it maps. Tables stay.
    last: Cell<(usize, u64)>,
}

/// No [`span`].
const NOWHERE: usize = usize::MAX;

/// Where a page's entry is. Good as long as the tables are.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a>(&'a AtomicU64);

impl Slot<'_> {
    /// Whether a page is mapped there.
    #[inline(always)]
    #[must_use]
    pub fn is_mapped(self) -> bool {
        self.0.load(Ordering::Relaxed) & PRESENT != 0
    }

    /// Maps the frame at `phys` there, where nothing is mapped.
    #[inline(always)]
    pub fn map(self, phys: u64, rights: UserRights, owner: Owner) {
        debug_assert!(!self.is_mapped(), "something is mapped there already");
        let owned = if owner == Owner::Space { OWNED } else { 0 };
        // Release: the frame's contents, for a processor that walks the tables; on x86 a plain store.
        self.0.store(phys | PRESENT | USER | owned | rights.bits(), Ordering::Release);
    }
}

/// Entry `index` of the table at `table`. The processor may set bits of it at any time.
fn entry<'a>(table: u64, index: usize) -> &'a AtomicU64 {
    let at = direct_map_base() + table as usize + index % ENTRIES * size_of::<u64>();
    // SAFETY: a table of the caller's, by the invariant, and aligned; entries are only used as atomics.
    unsafe { &*ptr::with_exposed_provenance(at) }
}

const fn index(virt: usize, level: u32) -> usize {
    virt >> (12 + 9 * (level - 1)) & (ENTRIES - 1)
}

/// Bytes that a table of the level below maps: what an absent entry of `level` leaves out.
const fn span(level: u32) -> usize {
    1 << (12 + 9 * (level - 1))
}

impl UserTables {
    /// An empty lower half, in the table at `root`, a frame full of zeros that is this value's from now on; the upper half
    /// is as in the table at `kernel_root`, if there is one.
    #[must_use]
    pub fn new(root: u64, kernel_root: Option<u64>) -> Self {
        if let Some(kernel) = kernel_root {
            for at in LOWER..ENTRIES {
                let from = entry(kernel, at).load(Ordering::Relaxed);
                if from != 0 {
                    entry(root, at).store(from, Ordering::Relaxed);
                }
            }
        }
        let mut tables = Vec::with_capacity(8);
        tables.push(root);
        Self { tables, root, last: Cell::new((NOWHERE, 0)) }
    }

    /// The physical address of the top-level table.
    #[inline(always)]
    #[must_use]
    pub fn root(&self) -> u64 {
        self.root
    }

    /// All tables' frames.
    #[must_use]
    pub fn frames(&self) -> &[u64] {
        &self.tables
    }

    /// The entry of the page at `virt`, in the lower half. Makes the tables that lead there; `frame` gives a frame full of
    /// zeros for each, which is this value's from then on.
    ///
    /// # Errors
    /// Those of `frame`. The tables that were made until then stay.
    ///
    /// # Panics
    /// If `virt` is not in the lower half.
    #[inline]
    pub fn slot<E>(&mut self, virt: usize, frame: impl FnMut() -> Result<u64, E>) -> Result<Slot<'_>, E> {
        let table = match self.leaf_table(virt) {
            Ok(table) => table,
            Err(_) => self.make_tables(virt, frame)?,
        };
        Ok(Slot(entry(table, index(virt, 1))))
    }

    /// The table with the entry of the page at `virt`, which is made if it is not there.
    #[cold]
    fn make_tables<E>(&mut self, virt: usize, mut frame: impl FnMut() -> Result<u64, E>) -> Result<u64, E> {
        let mut table = self.root;
        for level in (2..=4).rev() {
            let slot = entry(table, index(virt, level));
            let mut next = slot.load(Ordering::Relaxed);
            if next & PRESENT == 0 {
                let new = frame()?;
                self.tables.push(new);
                // Rights are decided by the leaves alone.
                next = new | PRESENT | WRITABLE | USER;
                slot.store(next, Ordering::Relaxed);
            }
            table = next & ADDRESS;
        }
        Ok(table)
    }

    /// What is mapped at `virt`.
    #[must_use]
    pub fn leaf(&self, virt: usize) -> Option<UserLeaf> {
        if virt >> 47 != 0 {
            return None;
        }
        let table = self.leaf_table(virt).ok()?;
        UserLeaf::of(entry(table, index(virt, 1)).load(Ordering::Relaxed))
    }

    /// The table with the entry of the page at `virt`, or how many bytes from there on certainly have none.
    #[inline(always)]
    fn leaf_table(&self, virt: usize) -> Result<u64, usize> {
        let (at, table) = self.last.get();
        if virt / span(2) == at { Ok(table) } else { self.walk(virt) }
    }

    fn walk(&self, virt: usize) -> Result<u64, usize> {
        assert!(virt >> 47 == 0, "a process has the lower half only");
        let mut table = self.root;
        for level in (2..=4).rev() {
            let next = entry(table, index(virt, level)).load(Ordering::Relaxed);
            if next & PRESENT == 0 {
                return Err(span(level) - (virt & (span(level) - 1)));
            }
            table = next & ADDRESS;
        }
        self.last.set((virt / span(2), table));
        Ok(table)
    }

    /// Calls `change` with the entry of each mapped page of `pages`, lowest first.
    #[inline(always)]
    fn for_each(&self, pages: Range<usize>, mut change: impl FnMut(usize, &AtomicU64)) {
        let mut virt = pages.start;
        while virt < pages.end {
            match self.leaf_table(virt) {
                Err(absent) => virt += absent,
                Ok(table) => {
                    let end = pages.end.min((virt | (span(2) - 1)) + 1);
                    while virt < end {
                        let slot = entry(table, index(virt, 1));
                        if slot.load(Ordering::Relaxed) & PRESENT != 0 {
                            change(virt, slot);
                        }
                        virt += PAGE_SIZE;
                    }
                }
            }
        }
    }

    /// Unmaps what is mapped of `pages`, and gives each page's address and what it was. Tables stay.
    pub fn unmap(&mut self, pages: Range<usize>, mut taken: impl FnMut(usize, UserLeaf)) {
        self.for_each(pages, |page, slot| {
            if let Some(leaf) = UserLeaf::of(slot.swap(0, Ordering::Relaxed)) {
                taken(page, leaf);
            }
        });
    }

    /// Gives what is mapped of `pages` other rights, and says which pages' old ones went further.
    pub fn protect(&mut self, pages: Range<usize>, rights: UserRights, mut stale: impl FnMut(usize)) {
        let deciding = WRITABLE | NO_EXECUTE;
        self.for_each(pages, |page, slot| {
            let mut old = slot.load(Ordering::Relaxed);
            // The processor may set the bits for accessed and dirty meanwhile.
            while let Err(now) =
                slot.compare_exchange_weak(old, old & !deciding | rights.bits(), Ordering::Relaxed, Ordering::Relaxed)
            {
                old = now;
            }
            let lost_writing = old & WRITABLE != 0 && rights != UserRights::ReadWrite;
            let lost_executing = old & NO_EXECUTE == 0 && rights != UserRights::ReadExecute;
            if lost_writing || lost_executing {
                stale(page);
            }
        });
    }

    /// How many pages of `pages` are mapped.
    #[must_use]
    pub fn count(&self, pages: Range<usize>) -> usize {
        let mut count = 0;
        self.for_each(pages, |_, _| count += 1);
        count
    }

    /// Calls `visit` with each mapped page of `pages`, lowest first.
    pub fn visit(&self, pages: Range<usize>, mut visit: impl FnMut(usize, UserLeaf)) {
        self.for_each(pages, |page, slot| {
            if let Some(leaf) = UserLeaf::of(slot.load(Ordering::Relaxed)) {
                visit(page, leaf);
            }
        });
    }
}
