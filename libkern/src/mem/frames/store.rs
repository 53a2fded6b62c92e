//! Where frames are when they are free, and their ways back: a core's stock first, the pool when that is full.

use core::ops::Range;

use super::cache::{self, BATCH, CAPACITY, CoreStock, Stock};
use super::pool::{Fault, Pool};
use super::usage::{FrameUse, UseNumber};
use crate::mem::phys::PhysAddr;
use crate::sync::{IrqSpinLock, LeafLock, Registry, per_core};

pub(super) static POOL: IrqSpinLock<Pool> = IrqSpinLock::new("frames", Pool::new());
/// The stocks of all cores that are online.
pub(super) static STOCKS: Registry<LeafLock<Stock>> = Registry::new();
/// Counts, and holds nothing, on behalf of cores that are not online yet.
pub(super) static OFFLINE: CoreStock = cache::empty();

per_core! {
    static STOCK: CoreStock = cache::empty();
}

#[inline(always)]
pub(super) fn here() -> &'static CoreStock {
    // SAFETY: `CoreStock` is `Sync`: if the code moves to another core it uses the stock of one it was on lately, which
    // is as good as its own, only slower.
    unsafe { STOCK.get_unguarded() }
}

/// The stock in which a core that may be offline counts.
pub(super) fn counter() -> &'static CoreStock {
    let mine = here();
    match mine.with(|stock| stock.limit()) {
        0 => &OFFLINE,
        _ => mine,
    }
}

pub(super) fn count(usage: FrameUse, frames: isize) {
    counter().with(|stock| stock.count(usage, frames));
}

/// Frees a frame.
///
/// # Safety
/// The frame was taken for `usage` and is the caller's to give up.
#[inline]
pub(super) unsafe fn free(frame: usize, usage: UseNumber) {
    // SAFETY: the caller's word; the pool has only frames that the direct map shows.
    unsafe {
        if !here().with(|stock| stock.put(frame, usage)) {
            free_to_pool(frame, usage);
        }
    }
}

/// # Safety
/// As [`free`].
#[cold]
#[inline(never)]
unsafe fn free_to_pool(frame: usize, usage: UseNumber) {
    // SAFETY: as in `free`.
    if unsafe { cache::is_stamped(frame) } && is_free(frame) {
        panic_on(Fault::Free(frame));
    }
    let mut batch = [0; BATCH];
    let poured = here().with(|stock| stock.pour_out(&mut batch));
    give(&batch[..poured]);
    give(&[frame]);
    count(usage.usage(), -1);
}

/// Frees a run.
///
/// # Safety
/// The frames were taken for `usage` as a run and are the caller's to give up.
pub(super) unsafe fn free_run(frames: Range<usize>, usage: FrameUse) {
    let count_back = -(frames.len() as isize);
    let given = POOL.lock().give(frames);
    given.unwrap_or_else(|fault| panic_on(fault));
    count(usage, count_back);
}

/// Empties every core's stock into the pool.
pub(super) fn pour_stocks_out() {
    let mut frames = [0; CAPACITY];
    for core in STOCKS.iter() {
        let poured = core.with(|stock| stock.pour_out(&mut frames));
        give(&frames[..poured]);
    }
}

/// Gives single frames to the pool.
pub(super) fn give(frames: &[usize]) {
    if frames.is_empty() {
        return;
    }
    let mut pool = POOL.lock();
    let fault = frames.iter().find_map(|&frame| pool.give(frame..frame + 1).err());
    drop(pool);
    if let Some(fault) = fault {
        panic_on(fault);
    }
}

pub(super) fn is_free(frame: usize) -> bool {
    POOL.lock().is_free(frame) || STOCKS.iter().any(|core| core.with(|stock| stock.contains(frame)))
}

/// Panics, with no lock held: the report on memory wants them.
pub(super) fn panic_on(fault: Fault) -> ! {
    match fault {
        Fault::Free(frame) => panic!("the frame at {} was freed twice", PhysAddr::of_frame(frame)),
        Fault::Unmanaged(frame) => panic!("the frame at {} was freed and never taken", PhysAddr::of_frame(frame)),
    }
}
