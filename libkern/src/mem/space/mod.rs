//! Address spaces of processes.
//!
//! A [`Space`] is its [`regions`], which say what is to be where, and its page tables, which hold what is there. Pages come
//! when they are first touched ([`Space::fault_in`]): zeros, a copy of a page of the program, or a page that others share.
//!
//! | module | what it owns |
//! |---|---|
//! | [`asked`] | what a process asks for |
//! | [`regions`] | which addresses mean what |
//! | [`pages`] | memory that several spaces may show |
//! | [`page`] | filling a page |
//! | [`flush`] | what was unmapped, until no processor knows it any more |
//! | `arch::user_tables` | page tables |
//!
//! # What a space pays for
//!
//! Every frame that it has for itself counts against its limit: pages, and page tables. Shared ones count where they were
//! made. Page tables go with the space.
//!
//! # Absences
//!
//! Nothing here blocks, sends a message or flushes a TLB. What must be flushed before its memory is used for something else
//! comes back as a value ([`Flush`]) that the caller lets go of afterwards. The lock of a space is held for a walk of the
//! tables and the filling of one page; under it frames are taken, which is the innermost thing there is.

pub mod asked;
pub mod flush;
pub mod page;
pub mod pages;
pub mod regions;

#[cfg(test)]
mod tests;

use core::fmt;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use mcp_abi::process::USER_END;

use super::frames::{self, Frame};
use super::phys::PhysAddr;
use crate::arch::user_tables::{Owner, UserLeaf, UserRights, UserTables};
use crate::arch::{MAX_CORES, PAGE_SIZE};
use crate::sync::SpinLock;
use flush::{Flush, USE};
use pages::Content;
use regions::{RegionError, Regions};

/// Nothing is mapped below: a null pointer with an offset is a fault.
pub const LOWEST: usize = 64 * 1024;

/// Why a space cannot do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceError {
    /// An address or a length is not that of whole pages of the lower half.
    BadRange,
    /// Something is there already.
    Occupied,
    /// Not all of it is mapped.
    Absent,
    /// Part of it is not the process's to change.
    Fixed,
    /// It may not be written.
    NotWritable,
    /// There are too many regions.
    TooManyRegions,
    /// There is no free range of that length.
    NoRoom,
    /// The space has as many frames as it may.
    Limit,
    /// The machine has no frame left.
    OutOfMemory,
}

impl fmt::Display for SpaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SpaceError::BadRange => "not whole pages of a process's part of the address space",
            SpaceError::Occupied => "something is mapped there already",
            SpaceError::Absent => "not all of it is mapped",
            SpaceError::Fixed => "part of it cannot be changed",
            SpaceError::NotWritable => "it cannot be made writable",
            SpaceError::TooManyRegions => "there are too many regions",
            SpaceError::NoRoom => "no range of that length is free",
            SpaceError::Limit => "the process has as much memory as it may",
            SpaceError::OutOfMemory => "no memory is left",
        })
    }
}

impl core::error::Error for SpaceError {}

impl From<RegionError> for SpaceError {
    fn from(error: RegionError) -> Self {
        match error {
            RegionError::Occupied => SpaceError::Occupied,
            RegionError::Absent => SpaceError::Absent,
            RegionError::Fixed => SpaceError::Fixed,
            RegionError::NotWritable => SpaceError::NotWritable,
            RegionError::TooMany => SpaceError::TooManyRegions,
        }
    }
}

/// What somebody does with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads.
    Read,
    /// Writes.
    Write,
    /// Executes.
    Execute,
}

impl Access {
    fn is_allowed_by(self, rights: UserRights) -> bool {
        match self {
            Access::Read => true,
            Access::Write => rights == UserRights::ReadWrite,
            Access::Execute => rights == UserRights::ReadExecute,
        }
    }
}

/// Why an address cannot be used so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// Nothing is there.
    Absent,
    /// What is there may not be used like that.
    Forbidden,
    /// The space has as many frames as it may.
    Limit,
    /// The machine has no frame left.
    OutOfMemory,
}

/// Where something is to be mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this address.
    At(usize),
    /// Wherever there is room within these bounds, which are those of whole pages of the lower half.
    Within(Range<usize>),
}

/// The lower half of an address space.
///
/// # Invariants
/// Each page that is mapped lies in a region and is no more than that allows. Frames that the tables call the space's own
/// are in one entry each, and counted.
pub struct Space {
    root: u64,
    inner: SpinLock<Inner>,
    /// The cores whose processor may know something of it.
    loaded: [AtomicU64; MAX_CORES.div_ceil(64)],
    /// How many they are, at least.
    loaded_count: AtomicUsize,
}

struct Inner {
    tables: UserTables,
    regions: Regions<Content>,
    books: Books,
}

/// What the space pays for.
struct Books {
    used: usize,
    limit: usize,
    /// Where the process can read it. Until there is such a place, [`NOWHERE`], so that nobody has to ask whether there is.
    shown: NonNull<AtomicU64>,
}

static NOWHERE: AtomicU64 = AtomicU64::new(0);

// SAFETY: what is shown lies in a frame of the space, which lives as long.
unsafe impl Send for Books {}

/// Why there is no frame.
#[derive(Clone, Copy)]
enum NoFrame {
    Limit,
    OutOfMemory,
}

impl Books {
    #[inline(always)]
    fn take(&mut self) -> Result<Frame, NoFrame> {
        if self.used >= self.limit {
            return Err(NoFrame::Limit);
        }
        // What is kept back is not for processes.
        let frame = frames::alloc_if_plenty(USE).map_err(|_| NoFrame::OutOfMemory)?;
        self.set_used(self.used + 1);
        Ok(frame)
    }

    #[inline(always)]
    fn take_zeroed(&mut self) -> Result<Frame, NoFrame> {
        let frame = self.take()?;
        // SAFETY: a frame of our own.
        unsafe { page::zero(frame.addr().to_ptr()) };
        Ok(frame)
    }

    /// A page table's frame.
    fn take_table(&mut self) -> Result<u64, NoFrame> {
        Ok(self.take_zeroed()?.into_raw().as_u64())
    }

    fn set_used(&mut self, used: usize) {
        self.used = used;
        // SAFETY: see the field. Relaxed: for whoever wonders.
        unsafe { self.shown.as_ref() }.store(used as u64, Ordering::Relaxed);
    }
}

impl From<NoFrame> for SpaceError {
    fn from(none: NoFrame) -> Self {
        match none {
            NoFrame::Limit => SpaceError::Limit,
            NoFrame::OutOfMemory => SpaceError::OutOfMemory,
        }
    }
}

impl From<NoFrame> for FaultError {
    fn from(none: NoFrame) -> Self {
        match none {
            NoFrame::Limit => FaultError::Limit,
            NoFrame::OutOfMemory => FaultError::OutOfMemory,
        }
    }
}

/// Whether this is a range of whole pages that a process may have.
fn check_range(range: &Range<usize>) -> Result<(), SpaceError> {
    let is_right = range.start >= LOWEST
        && range.start < range.end
        && range.end <= USER_END
        && range.start.is_multiple_of(PAGE_SIZE)
        && range.end.is_multiple_of(PAGE_SIZE);
    if is_right { Ok(()) } else { Err(SpaceError::BadRange) }
}

/// Takes `range` out of the regions, of which some may be shared: who does so may be the last who has their frames.
#[inline(never)]
fn remove_any(regions: &mut Regions<Content>, range: &Range<usize>, flush: &mut Flush) -> Result<(), SpaceError> {
    let shared = regions.touching(range).filter(|region| region.backing.is_shared()).count();
    if !flush.reserve_shared(shared) {
        return Err(SpaceError::OutOfMemory);
    }
    Ok(regions.remove(range, |content| flush.keep(content))?)
}

impl Space {
    /// An empty one that may have `limit_frames`. The upper half is that of the table at `kernel_root`, if there is one.
    ///
    /// # Errors
    /// [`SpaceError::Limit`], [`SpaceError::OutOfMemory`].
    pub fn new(kernel_root: Option<u64>, limit_frames: usize) -> Result<Space, SpaceError> {
        let mut books = Books { used: 0, limit: limit_frames, shown: NonNull::from(&NOWHERE) };
        let tables = UserTables::new(books.take_table()?, kernel_root);
        Ok(Space {
            root: tables.root(),
            inner: SpinLock::new("address space", Inner { tables, regions: Regions::new(), books }),
            loaded: [const { AtomicU64::new(0) }; MAX_CORES.div_ceil(64)],
            loaded_count: AtomicUsize::new(0),
        })
    }

    /// The physical address of its top-level table.
    #[inline(always)]
    #[must_use]
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Frames that it pays for.
    #[must_use]
    pub fn used_frames(&self) -> usize {
        self.inner.lock().books.used
    }

    /// Has `len` bytes show `content` from now on. Gives their address.
    ///
    /// # Errors
    /// [`SpaceError::BadRange`], [`SpaceError::Occupied`], [`SpaceError::NoRoom`], [`SpaceError::TooManyRegions`].
    #[inline(always)]
    pub fn map(&self, place: Place, len: usize, rights: UserRights, content: Content) -> Result<usize, SpaceError> {
        if len == 0 || len > USER_END {
            return Err(SpaceError::BadRange);
        }
        let len = len.next_multiple_of(PAGE_SIZE);
        let may_write = content.may_write() || rights == UserRights::ReadWrite;
        match place {
            Place::At(start) => {
                let range = start..start.checked_add(len).ok_or(SpaceError::BadRange)?;
                check_range(&range)?;
                let regions = &mut self.inner.lock().regions;
                let gap = regions.gap_at(range)?;
                Ok(regions.fill(gap, rights, may_write, content)?)
            }
            Place::Within(bounds) => {
                debug_assert_eq!(check_range(&bounds), Ok(()));
                let regions = &mut self.inner.lock().regions;
                let gap = regions.find_gap(len, bounds).ok_or(SpaceError::NoRoom)?;
                Ok(regions.fill(gap, rights, may_write, content)?)
            }
        }
    }

    /// Maps a page of zeros that stays as it is until the space goes, and gives its frame's address: for what the kernel
    /// shares with the process.
    ///
    /// # Errors
    /// As [`map`](Self::map), and [`SpaceError::Limit`], [`SpaceError::OutOfMemory`].
    pub fn pin(&self, at: usize, rights: UserRights) -> Result<PhysAddr, SpaceError> {
        let range = at..at + PAGE_SIZE;
        check_range(&range)?;
        let mut inner = self.inner.lock();
        let Inner { tables, regions, books } = &mut *inner;
        // Without its page the region is a hole that cannot be filled: the space is about to be dropped.
        let gap = regions.gap_at(range)?;
        regions.fill(gap, rights, false, Content::Fixed)?;
        let slot = tables.slot(at, || books.take_table())?;
        let phys = books.take_zeroed()?.into_raw();
        slot.map(phys.as_u64(), rights, Owner::Space);
        Ok(phys)
    }

    /// Has the number of frames that it pays for shown at `shown`.
    ///
    /// # Safety
    /// That lies in a page that [`pin`](Self::pin) of this space gave.
    pub unsafe fn show_used(&self, shown: NonNull<AtomicU64>) {
        let mut inner = self.inner.lock();
        inner.books.shown = shown;
        let used = inner.books.used;
        inner.books.set_used(used);
    }

    /// Ends what the range of `flush`, which is new, shows. What comes of that is in `flush`.
    ///
    /// # Errors
    /// [`SpaceError::BadRange`], [`SpaceError::Absent`], [`SpaceError::Fixed`], [`SpaceError::TooManyRegions`],
    /// [`SpaceError::OutOfMemory`]. Nothing is changed then.
    pub fn unmap(&self, flush: &mut Flush) -> Result<(), SpaceError> {
        let range = flush.range();
        check_range(&range)?;
        let mut inner = self.inner.lock();
        let Inner { tables, regions, books } = &mut *inner;
        if !flush.has_room() && !flush.reserve(tables.count(range.clone())) {
            return Err(SpaceError::OutOfMemory);
        }
        if !regions.remove_plain(&range) {
            remove_any(regions, &range, flush)?;
        }
        tables.unmap(range, |_, leaf| flush.add(&leaf));
        if flush.frames() > 0 {
            books.set_used(books.used - flush.frames());
        }
        Ok(())
    }

    /// Changes what may be done in the range of `flush`, which is new.
    ///
    /// # Errors
    /// As [`unmap`](Self::unmap), and [`SpaceError::NotWritable`].
    pub fn protect(&self, flush: &mut Flush, rights: UserRights) -> Result<(), SpaceError> {
        let range = flush.range();
        check_range(&range)?;
        let mut inner = self.inner.lock();
        inner.regions.protect(&range, rights)?;
        inner.tables.protect(range, rights, |_| flush.require());
        Ok(())
    }

    /// Makes it so that `address` can be used like that, if it may be. May be right already.
    ///
    /// # Errors
    /// As [`FaultError`] says.
    pub fn fault_in(&self, address: usize, access: Access) -> Result<(), FaultError> {
        let mut inner = self.inner.lock();
        let Inner { tables, regions, books } = &mut *inner;
        let region = regions.find(address).ok_or(FaultError::Absent)?;
        if !access.is_allowed_by(region.rights) {
            return Err(FaultError::Forbidden);
        }
        let at = address & !(PAGE_SIZE - 1);
        let slot = tables.slot(at, || books.take_table())?;
        if slot.is_mapped() {
            // Another core was quicker, or this one knew older rights.
            return Ok(());
        }
        let page = (at - region.range.start) / PAGE_SIZE;
        let (phys, owner) = match &region.backing {
            Content::Zero => (books.take_zeroed()?.into_raw(), Owner::Space),
            Content::Copied { pages, first } => {
                let frame = books.take()?;
                // SAFETY: a frame of our own; the other is there as long as the pages are.
                unsafe { page::copy(frame.addr().to_ptr(), pages.frame(first + page).to_ptr()) };
                (frame.into_raw(), Owner::Space)
            }
            Content::Shared { pages, first, .. } => (pages.frame(first + page), Owner::Other),
            Content::Fixed => return Err(FaultError::Absent),
        };
        slot.map(phys.as_u64(), region.rights, owner);
        Ok(())
    }

    /// Calls `visit` with the address of each page of `range` that is in memory, lowest first.
    ///
    /// # Errors
    /// [`SpaceError::BadRange`].
    pub fn resident(&self, range: Range<usize>, mut visit: impl FnMut(usize)) -> Result<(), SpaceError> {
        check_range(&range)?;
        self.inner.lock().tables.visit(range, |page, _| visit(page));
        Ok(())
    }

    /// What is mapped at `address`.
    #[must_use]
    pub fn leaf(&self, address: usize) -> Option<UserLeaf> {
        self.inner.lock().tables.leaf(address)
    }

    /// Says that `core` is about to load it. Before it does.
    pub fn mark_loaded(&self, core: usize) {
        // SeqCst: before the processor walks the tables. Partners: `is_loaded_elsewhere`, `is_loaded_on`, after they were
        // changed.
        self.loaded_count.fetch_add(1, Ordering::SeqCst);
        self.loaded[core / 64].fetch_or(1 << (core % 64), Ordering::SeqCst);
    }

    /// Says that `core` has loaded another one, and so knows nothing of this one any more.
    pub fn mark_unloaded(&self, core: usize) {
        self.loaded[core / 64].fetch_and(!(1 << (core % 64)), Ordering::Release);
        self.loaded_count.fetch_sub(1, Ordering::Release);
    }

    /// Whether a core other than `here` may know something of it. `here` is the running core, interrupts off.
    #[must_use]
    pub fn is_loaded_elsewhere(&self, here: usize) -> bool {
        self.loaded_count.load(Ordering::SeqCst) > usize::from(self.is_loaded_on(here))
    }

    /// Whether `core` may know something of it.
    #[must_use]
    pub fn is_loaded_on(&self, core: usize) -> bool {
        self.loaded[core / 64].load(Ordering::SeqCst) >> (core % 64) & 1 != 0
    }

    /// The cores, other than `here`, that may know something of it.
    pub fn loaded_elsewhere(&self, here: usize) -> impl Iterator<Item = usize> + '_ {
        let words = self.loaded.iter().map(|word| word.load(Ordering::SeqCst)).enumerate();
        let cores = words.flat_map(|(n, mut word)| {
            core::iter::from_fn(move || {
                let bit = word.trailing_zeros() as usize;
                word &= word.wrapping_sub(1);
                (bit < 64).then_some(n * 64 + bit)
            })
        });
        cores.filter(move |&core| core != here)
    }
}

impl Drop for Space {
    /// No core has it loaded any more.
    fn drop(&mut self) {
        let Inner { tables, regions, .. } = self.inner.get_mut();
        for region in regions.iter() {
            tables.unmap(region.range.clone(), |_, leaf| {
                if leaf.owner == Owner::Space {
                    // SAFETY: the space's own, taken by `Books::take`, and no processor knows it.
                    drop(unsafe { Frame::from_raw(PhysAddr::new(leaf.phys), USE) });
                }
            });
        }
        for &table in tables.frames() {
            // SAFETY: the space's own, taken by `Books::take`, and nobody walks the tables any more.
            drop(unsafe { Frame::from_raw(PhysAddr::new(table), USE) });
        }
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space").field("root", &PhysAddr::new(self.root)).finish_non_exhaustive()
    }
}
