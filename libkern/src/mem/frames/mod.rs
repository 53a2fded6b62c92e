//! Physical memory, by the frame.
//!
//! # Layers
//!
//! ```text
//! Frame, Run            owned; dropping frees
//! cache   a core        64 frames, a lock of its own; a batch of 32 to and fro
//! pool    the machine   one lock: blocks of 2 MiB by bitmaps, split ones frame by frame, runs of any length
//! ```
//!
//! Taking a single frame costs thirty instructions and freeing it forty, none of which touches a line that another core
//! writes; one time in 32 a batch moves, under the pool's lock. Runs come from the pool directly.
//!
//! # Ownership
//!
//! [`Frame`] and [`Run`] are values that own their memory, and dropping one frees it. Dropping without freeing was
//! considered: what is freed must first be unmapped everywhere, so that freeing deserves to be a visible act. But a value
//! that leaks when an error path drops it is the worse trap: the leak is silent, and every `?` is one. What is mapped is
//! not held as a `Frame` anyway but in a page-table entry ([`Frame::into_raw`]); whoever takes the entry out makes the
//! `Frame` again, and holds it until the last core has flushed. A leak shows: every frame is counted under its
//! [`FrameUse`] from the moment it is taken, however it is held.
//!
//! # Exhaustion
//!
//! When the pool is empty, or has no run of the length asked for, the stocks of all cores are poured into it and it is
//! asked again; so an [`OutOfMemory`] is the truth about frames. (The heap may hold frames that it could give up:
//! [`mem::trim`](crate::mem::trim).)
//!
//! Processes may be made to take all that there is, and the kernel has places where it cannot go on without a frame: an
//! idle loop needs a stack when something blocks. So who can do without asks by [`alloc_if_plenty`], which keeps a part
//! back. To the others that part is memory like any other.
//!
//! # Contexts
//!
//! Everything here may be called from any context but NMI, with interrupts on or off, and never blocks: both locks are
//! held with interrupts off, for a bounded time, and are leaves of the lock order (pool before nothing, a stock's before
//! nothing, never both).

mod area;
mod block;
mod cache;
mod owned;
mod plan;
mod pool;
mod request;
mod store;
mod usage;

use core::mem::MaybeUninit;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

use cache::{BATCH, CAPACITY, Stock};
pub use owned::{Frame, Run};
use plan::Plan;
use pool::Pool;
pub use request::{Limit, Managed, OutOfMemory, RunRequest};
use store::{OFFLINE, POOL, STOCKS, count, give, here, panic_on, pour_stocks_out};
pub use usage::FrameUse;

use super::phys::PhysAddr;
use crate::arch::PAGE_SIZE;
use crate::sync::LeafLock;

/// A core's batch is at most this fraction of what is free: the last frames go to whoever needs them, one by one.
const SHARE: usize = 64;

/// This fraction of all memory is kept back from who can do without.
const KEPT_BACK: usize = 64;

/// Whether no more than that was free in the pool when it was looked at last.
static IS_SCARCE: AtomicBool = AtomicBool::new(false);

/// Gives all free memory to the allocator. Takes time in proportion to the number of regions, not to their size.
///
/// Parts of frames at the ends of regions are ignored. What describes the memory is put at the start of the first
/// region above 1 MiB that has room for it.
///
/// # Errors
/// [`OutOfMemory`] if no region can hold the description.
///
/// # Panics
/// If regions are not sorted and disjoint.
///
/// # Safety
/// Called once. `regions` are physical addresses of memory that nobody uses, and the direct map shows all of it.
pub unsafe fn init(regions: impl Iterator<Item = Range<u64>> + Clone) -> Result<Managed, OutOfMemory> {
    let regions = regions.map(|region| inner_frames(&region));
    let plan = Plan::new(regions.clone());
    let words = plan.words();
    let description = (words * size_of::<u64>()).div_ceil(PAGE_SIZE);
    let roomy = |region: &Range<usize>| {
        let start = region.start.max(Limit::Below1MiB.frame());
        (start + description <= region.end).then_some(start)
    };
    let at = regions.clone().find_map(|region| roomy(&region)).ok_or(OutOfMemory { frames: description })?;
    // SAFETY: free memory, by the caller's word, which the direct map shows; long enough; and not added below.
    let memory = unsafe { core::slice::from_raw_parts_mut(PhysAddr::of_frame(at).to_ptr::<MaybeUninit<u64>>(), words) };
    let left_out_frames = plan.left_out_frames;
    let mut pool = POOL.lock();
    pool.describe(plan, memory);
    for region in regions {
        let parts = match region.contains(&at) {
            true => [region.start..at, at + description..region.end],
            false => [region, 0..0],
        };
        for part in parts {
            pool.add(part).expect("regions are disjoint");
        }
    }
    Ok(Managed {
        bytes: (pool.total_frames() * PAGE_SIZE) as u64,
        description_bytes: (description * PAGE_SIZE) as u64,
        left_out_bytes: (left_out_frames * PAGE_SIZE) as u64,
    })
}

/// Counts frames that were taken before [`init`] as used for [`FrameUse::Boot`].
pub(super) fn count_taken_before(frames: usize) {
    POOL.lock().count_taken_before(frames);
    count(FrameUse::Boot, frames as isize);
}

/// Adds memory that was in use when [`init`] ran, and says how many bytes that gained.
///
/// # Safety
/// Nobody uses the memory any more, the direct map shows it, writable, and it was not among `init`'s regions nor added
/// before.
pub unsafe fn reclaim(region: Range<u64>) -> u64 {
    let added = POOL.lock().add(inner_frames(&region));
    added.map_or_else(|fault| panic_on(fault), |frames| (frames * PAGE_SIZE) as u64)
}

/// Lets the running core keep frames in stock. Once for each core, when it has its own per-core variables; again is
/// harmless.
pub(super) fn core_online() {
    let stock = here();
    // A small machine's cores keep less.
    let limit = (POOL.lock().total_frames() / 128).clamp(8, CAPACITY);
    let first = stock.with(|stock| {
        let first = stock.limit() == 0;
        stock.set_limit(limit);
        first
    });
    if first {
        STOCKS.enter(stock);
    }
}

/// Takes a frame. Its contents are arbitrary.
///
/// Any context but NMI; does not block.
///
/// # Errors
/// [`OutOfMemory`]: no frame is free, in no core's stock either.
#[inline]
pub fn alloc(usage: FrameUse) -> Result<Frame, OutOfMemory> {
    match here().with(|stock| stock.take(usage)) {
        Some(frame) => Ok(Frame::new(frame, usage)),
        None => alloc_from_pool(usage),
    }
}

/// Takes a frame, if more are free than are kept back. Otherwise as [`alloc()`].
///
/// # Errors
/// [`OutOfMemory`]: there is none, or no more than that.
#[inline]
pub fn alloc_if_plenty(usage: FrameUse) -> Result<Frame, OutOfMemory> {
    // Relaxed: a hint; what matters is looked at under the pool's lock.
    if IS_SCARCE.load(Ordering::Relaxed) && is_scarce() { Err(OutOfMemory { frames: 1 }) } else { alloc(usage) }
}

/// Whether no more is free than is kept back. Any context but NMI; does not block.
#[cold]
#[inline(never)]
pub fn is_scarce() -> bool {
    if !look_whether_scarce(&POOL.lock()) {
        return false;
    }
    pour_stocks_out();
    look_whether_scarce(&POOL.lock())
}

fn look_whether_scarce(pool: &Pool) -> bool {
    let is_scarce = pool.free_frames() <= pool.total_frames() / KEPT_BACK;
    IS_SCARCE.store(is_scarce, Ordering::Relaxed);
    is_scarce
}

/// Takes a frame full of zeros. Otherwise as [`alloc()`].
///
/// # Errors
/// As [`alloc()`].
pub fn alloc_zeroed(usage: FrameUse) -> Result<Frame, OutOfMemory> {
    let frame = alloc(usage)?;
    // SAFETY: the frame is ours, and the direct map shows it.
    unsafe { frame.addr().to_ptr::<[u8; PAGE_SIZE]>().write_bytes(0, 1) };
    Ok(frame)
}

/// Takes frames in a row. Their contents are arbitrary.
///
/// Any context but NMI; does not block. Not for every day: it takes the pool's lock, and where memory is scattered a
/// search that is linear in the number of 2 MiB blocks.
///
/// # Errors
/// [`OutOfMemory`]: there is no such run.
///
/// # Panics
/// If the request is for no frames, or the alignment is no power of two.
pub fn alloc_run(usage: FrameUse, request: RunRequest) -> Result<Run, OutOfMemory> {
    let RunRequest { frames, align_frames, limit } = request;
    assert!(frames > 0 && align_frames.is_power_of_two(), "a run has frames, and its alignment is a power of two");
    let take = || POOL.lock().take_run(frames, align_frames, limit.frame());
    let start = take().or_else(|| {
        pour_stocks_out();
        take()
    });
    let start = start.ok_or(OutOfMemory { frames })?;
    count(usage, frames as isize);
    Ok(Run::new(start, frames, usage))
}

/// Frames that the allocator manages.
pub(super) fn total() -> usize {
    POOL.lock().total_frames()
}

/// Frames that the allocator manages, that are free, and that are used for each purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) total: usize,
    pub(super) free: usize,
    /// Of the free ones, those in some core's stock.
    pub(super) in_stocks: usize,
    pub(super) used: [usize; FrameUse::COUNT],
}

/// Counts frames. Exact as far as nobody takes or frees any meanwhile: who does so for one use changes nothing of others.
pub(super) fn counts() -> Counts {
    let (total, in_pool) = {
        let pool = POOL.lock();
        (pool.total_frames(), pool.free_frames())
    };
    with_stocks(total, in_pool, |stock, count| stock.with(count))
}

/// The same for code that runs while everything else has been stopped: `None` if the pool's lock is taken. A stock whose
/// lock is taken is passed over: its core was stopped at work with it.
pub(super) fn try_counts() -> Option<Counts> {
    let (total, in_pool) = {
        let pool = POOL.try_lock()?;
        (pool.total_frames(), pool.free_frames())
    };
    Some(with_stocks(total, in_pool, |stock, count| {
        let _ = stock.try_with(count);
    }))
}

fn with_stocks(total: usize, in_pool: usize, with: impl Fn(&LeafLock<Stock>, &mut dyn FnMut(&mut Stock))) -> Counts {
    let mut used = [0isize; FrameUse::COUNT];
    let mut in_stocks = 0;
    for core in STOCKS.iter().chain([&*OFFLINE]) {
        with(core, &mut |stock| {
            in_stocks += stock.len();
            for usage in FrameUse::ALL {
                used[usage as usize] += stock.used(usage);
            }
        });
    }
    Counts {
        total,
        free: in_pool + in_stocks,
        in_stocks,
        used: used.map(|frames| usize::try_from(frames).unwrap_or(0)),
    }
}

#[cold]
#[inline(never)]
fn alloc_from_pool(usage: FrameUse) -> Result<Frame, OutOfMemory> {
    let mine = here();
    let room = mine.with(|stock| stock.limit() / 2);
    let mut batch = [0; BATCH];
    let mut take = || {
        let mut pool = POOL.lock();
        let fair = (pool.free_frames() / SHARE).clamp(1, BATCH);
        let taken = pool.take_some(&mut batch[..fair.min(room.max(1))]);
        look_whether_scarce(&pool);
        taken
    };
    let mut taken = take();
    if taken == 0 {
        pour_stocks_out();
        taken = take();
    }
    let (&frame, rest) = batch[..taken].split_first().ok_or(OutOfMemory { frames: 1 })?;
    // SAFETY: the pool gave them up, and it has only frames that the direct map shows. What an interrupt's handler put
    // into the stock meanwhile may have taken their room.
    let kept = unsafe { mine.with(|stock| stock.pour_in(rest)) };
    give(&rest[kept..]);
    count(usage, 1);
    Ok(Frame::new(frame, usage))
}

/// The whole frames of a region.
fn inner_frames(region: &Range<u64>) -> Range<usize> {
    let page = PAGE_SIZE as u64;
    let start = region.start.div_ceil(page) as usize;
    start..start.max((region.end / page) as usize)
}

#[cfg(test)]
mod tests;
