//! The memory map: regions in address order that never overlap.

use heapless::Vec;

use super::note::{Note, Notes};

/// Bytes in the page to which the map is rounded.
pub const PAGE: u64 = 4096;

/// How many regions the map holds. Firmware reports tens; loaders merge neighbours of a kind.
pub const MAX_REGIONS: usize = 128;

/// Physical addresses have at most 52 bits; what a loader reports beyond does not exist.
const LIMIT: u64 = 1 << 52;

/// What a region of physical memory is.
///
/// The order is that of precedence: where two reports overlap, the greater kind wins. First come the kinds that loaders
/// report, then what this kernel knows to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Free memory.
    Usable,
    /// ACPI tables; memory once they have been read.
    AcpiReclaimable,
    /// Belongs to the firmware, also across sleep.
    AcpiNvs,
    /// Not memory, or not ours.
    Reserved,
    /// Defective memory.
    Bad,
    /// The loader's information, to which a [`BootInfo`](super::BootInfo) refers.
    BootData,
    /// A module.
    Module,
    /// The running image.
    Image,
}

impl Kind {
    /// The kind that types 1 to 5 of the PC's memory map stand for; both protocols use its numbers. Whatever a number
    /// unknown to us means, it is not free memory.
    pub(super) const fn from_e820(number: u32) -> Self {
        match number {
            1 => Self::Usable,
            3 => Self::AcpiReclaimable,
            4 => Self::AcpiNvs,
            5 => Self::Bad,
            _ => Self::Reserved,
        }
    }
}

/// A run of pages of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Physical address of its first byte, a multiple of [`PAGE`].
    pub start: u64,
    /// Physical address after its last byte, a multiple of [`PAGE`].
    pub end: u64,
    /// What it is.
    pub kind: Kind,
}

impl Region {
    /// Length in bytes, never 0.
    pub const fn len_bytes(&self) -> u64 {
        self.end - self.start
    }
}

/// One entry of a loader's map, as it was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub start: u64,
    pub len: u64,
    pub kind: Kind,
}

/// Regions in address order.
///
/// # Invariants
///
/// - Regions are not empty, do not overlap, ascend, and start and end on pages.
/// - Neighbours that touch differ in kind.
/// - No byte that was ever reported or claimed as another kind lies in a usable region. That holds also when the table
///   is full: a region without room for its entry still takes its bytes from those it overlaps, and from then on no
///   usable region comes in.
#[derive(Clone, Debug)]
pub struct MemoryMap {
    regions: Vec<Region, MAX_REGIONS>,
    full: bool,
}

impl MemoryMap {
    pub(super) const fn new() -> Self {
        Self { regions: Vec::new(), full: false }
    }

    /// All regions in address order.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The free regions in address order.
    pub fn usable(&self) -> impl Iterator<Item = Region> + Clone + '_ {
        self.regions.iter().copied().filter(|region| region.kind == Kind::Usable)
    }

    /// Free memory in bytes.
    pub fn usable_bytes(&self) -> u64 {
        self.usable().map(|region| region.len_bytes()).sum()
    }

    /// Marks `start..end` as `kind` where no greater kind is. For what the kernel itself places before an allocator
    /// runs. Usable ranges shrink to pages, all others grow to pages.
    pub fn claim(&mut self, start: u64, end: u64, kind: Kind) {
        let (start, end) = (start.min(LIMIT), end.min(LIMIT));
        let (start, end) = match kind {
            Kind::Usable => (start.next_multiple_of(PAGE), end - end % PAGE),
            _ => (start - start % PAGE, end.next_multiple_of(PAGE)),
        };
        self.insert(start, end, kind);
    }

    /// Takes in a loader's map, in whatever order it is; notes what is odd in it.
    ///
    /// Usable entries go first: should the table fill up, the others then still take away what is theirs.
    pub(super) fn report<I>(&mut self, entries: I, notes: &mut Notes)
    where
        I: Iterator<Item = Entry> + Clone,
    {
        let usable = |entry: &Entry| entry.kind == Kind::Usable;
        let first = entries.clone().filter(usable);
        let then = entries.filter(|entry| !usable(entry));
        for Entry { start, len, kind } in first.chain(then) {
            let end = start.saturating_add(len);
            if end > LIMIT {
                notes.add(Note::MemoryCut { start, len });
            }
            self.claim(start, end, kind);
        }
        if self.full {
            notes.add(Note::MemoryMapFull);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// Whether a loader may have put a module at `start..end`: in usable memory, or in memory that it then took out of
    /// its map as reserved, as QEMU's microvm does.
    pub(super) fn is_room_for_module(&self, start: u64, end: u64) -> bool {
        // One region suffices, because touching regions of a kind are one.
        self.regions.iter().any(|region| {
            matches!(region.kind, Kind::Usable | Kind::Reserved) && region.start <= start && end <= region.end
        })
    }

    /// Whether no byte of `start..end` is memory, whoever it belongs to, and all of them can be addressed.
    pub(super) fn is_outside_memory(&self, start: u64, end: u64) -> bool {
        let apart = |region: &Region| region.end <= start || end <= region.start;
        end <= LIMIT && self.regions.iter().all(|region| region.kind == Kind::Reserved || apart(region))
    }

    /// Walks the regions that the pages `start..end` touch, from below, and settles one by one who keeps what.
    fn insert(&mut self, mut start: u64, end: u64, kind: Kind) {
        if kind == Kind::Usable && self.full {
            return;
        }
        while start < end {
            let at = self.regions.partition_point(|region| region.end <= start);
            let found = self.regions.get(at).filter(|found| found.start < end);
            start = match found.copied() {
                None => {
                    self.place(at, Region { start, end, kind });
                    end
                }
                // A gap below the next region.
                Some(found) if start < found.start => {
                    let end = found.start;
                    self.place(at, Region { start, end, kind });
                    end
                }
                Some(found) if found.kind >= kind => found.end,
                Some(found) => {
                    let end = end.min(found.end);
                    self.take(at, Region { start, end, kind });
                    end
                }
            };
        }
    }

    /// Puts a region that overlaps none at index `at`, or lets a neighbour of its kind that it touches grow.
    fn place(&mut self, at: usize, new: Region) {
        let joins_below = at > 0 && {
            let below = &self.regions[at - 1];
            below.kind == new.kind && below.end == new.start
        };
        let joins_above = self.regions.get(at).is_some_and(|above| above.kind == new.kind && above.start == new.end);
        match (joins_below, joins_above) {
            (true, true) => self.regions[at - 1].end = self.regions.remove(at).end,
            (true, false) => self.regions[at - 1].end = new.end,
            (false, true) => self.regions[at].start = new.start,
            (false, false) => self.full |= self.regions.insert(at, new).is_err(),
        }
    }

    /// Gives `taken`, a part of the region at index `at`, to a greater kind. The region is cut before `taken` is
    /// placed, so that the bytes are gone from it even when there is no room for `taken`.
    fn take(&mut self, at: usize, taken: Region) {
        let old = self.regions.remove(at);
        let below = Region { end: taken.start, ..old };
        let above = Region { start: taken.end, ..old };
        let mut at = at;
        if below.start < below.end {
            self.full |= self.regions.insert(at, below).is_err();
            at += 1;
        }
        if above.start < above.end {
            self.full |= self.regions.insert(at, above).is_err();
        }
        self.place(at, taken);
    }
}

#[cfg(test)]
mod tests;
