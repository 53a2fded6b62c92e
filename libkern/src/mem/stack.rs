//! Kernel stacks: each above a page that is never mapped, so that running over is a page fault and not a neighbour's data.
//!
//! A stack that many cores have used is known to many TLBs. So its end has two steps: [`KernelStack::unmap`] takes it out of
//! the page tables, and dropping the [`Unmapped`] that is left, once every core has forgotten the addresses, frees the
//! memory and the addresses.

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use super::frames::{self, Frame, FrameUse};
use super::phys::PhysAddr;
use crate::arch::paging::{self, Caching, MapError, Rights};
use crate::arch::{MAX_CORES, PAGE_SIZE};
use crate::sync::IrqSpinLock;

/// Address space that each core has for its own stacks, below all others.
pub const CORE_SPAN: usize = 256 * 1024;

/// Lengths of stacks whose addresses are kept for the next one, as powers of two of pages.
const SIZES: usize = 16;

/// Addresses of stacks.
struct Addresses {
    /// Where the next one goes.
    next: usize,
    /// Where there have been some, by size.
    free: [Vec<usize>; SIZES],
}

static ADDRESSES: IrqSpinLock<Addresses> = IrqSpinLock::new(
    "kernel stack addresses",
    Addresses { next: paging::STACKS + MAX_CORES * CORE_SPAN, free: [const { Vec::new() }; SIZES] },
);

/// The list of free addresses for stacks of `len` bytes, if there is one.
fn size_of_len(len: usize) -> Option<usize> {
    let pages = len / PAGE_SIZE;
    (pages.is_power_of_two() && pages.ilog2() < SIZES as u32).then(|| pages.ilog2() as usize)
}

/// Memory mapped above a guard page.
///
/// Dropping it unmaps it, on this core: what other cores' TLBs know of it stays. So a stack is dropped by the core that
/// alone has used it; others are taken apart by [`unmap`](Self::unmap).
#[derive(Debug)]
#[must_use = "a stack that is dropped is unmapped"]
pub struct KernelStack {
    bounds: Range<usize>,
}

impl KernelStack {
    /// Maps a stack of `len` bytes, a multiple of the page size.
    ///
    /// # Errors
    /// [`MapError::OutOfFrames`]. What was mapped of it until then is given back.
    pub fn new(len: usize) -> Result<KernelStack, MapError> {
        assert!(len.is_multiple_of(PAGE_SIZE), "a stack is made of whole pages");
        let lo = {
            let mut addresses = ADDRESSES.lock();
            let free = size_of_len(len).and_then(|size| addresses.free[size].pop());
            free.unwrap_or_else(|| {
                let lo = addresses.next + PAGE_SIZE;
                addresses.next = lo + len;
                lo
            })
        };
        // Grows page by page, so that what there is of it is dropped if there is not enough.
        let mut stack = KernelStack { bounds: lo..lo };
        while stack.bounds.end < lo + len {
            let frame = frames::alloc(FrameUse::KernelStacks).map_err(|_| MapError::OutOfFrames)?;
            let phys = frame.addr().as_u64();
            // SAFETY: address space that nobody else was given, and a frame of its own.
            unsafe { paging::map(stack.bounds.end, phys, PAGE_SIZE as u64, Rights::ReadWrite, Caching::WriteBack)? };
            // The mapping has it from now on.
            let _ = frame.into_raw();
            stack.bounds.end += PAGE_SIZE;
        }
        Ok(stack)
    }

    /// A stack that is mapped already.
    ///
    /// # Safety
    /// It is the caller's, whole pages above one that is not mapped, each page a frame of its own, taken for
    /// [`FrameUse::KernelStacks`].
    pub unsafe fn from_raw((lo, hi): (usize, usize)) -> KernelStack {
        KernelStack { bounds: lo..hi }
    }

    /// Its first and its last byte's address, the latter plus one.
    pub fn bounds(&self) -> (usize, usize) {
        (self.bounds.start, self.bounds.end)
    }

    /// Takes it out of the page tables, and out of this core's TLB.
    pub fn unmap(self) -> Unmapped {
        let mut unmapped = Unmapped { bounds: self.bounds.clone(), frames: None };
        mem::forget(self);
        for page in unmapped.bounds.clone().step_by(PAGE_SIZE) {
            // SAFETY: the stack's own pages, which nobody uses any more.
            if let Some(phys) = unsafe { paging::unmap_local(page) } {
                let frame = PhysAddr::new(phys);
                // SAFETY: the frame that the stack had there, in the direct map; nobody else reads it.
                unsafe { frame.to_ptr::<Option<PhysAddr>>().write(unmapped.frames) };
                unmapped.frames = Some(frame);
            }
        }
        unmapped
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        // One that was never whole has no size of its own, and its addresses are lost.
        drop(KernelStack { bounds: mem::take(&mut self.bounds) }.unmap());
    }
}

/// What is left of a stack that was unmapped. Dropped when no core's TLB knows its addresses any more.
#[derive(Debug)]
#[must_use = "dropping it frees the memory"]
pub struct Unmapped {
    bounds: Range<usize>,
    /// The first of its frames; each holds the next.
    frames: Option<PhysAddr>,
}

impl Drop for Unmapped {
    fn drop(&mut self) {
        while let Some(frame) = self.frames {
            // SAFETY: written by `unmap`; the frame that the stack had, which nobody can reach any more.
            unsafe {
                self.frames = frame.to_ptr::<Option<PhysAddr>>().read();
                drop(Frame::from_raw(frame, FrameUse::KernelStacks));
            }
        }
        if let Some(size) = size_of_len(self.bounds.len()) {
            let mut addresses = ADDRESSES.lock();
            // Addresses that find no room are lost; there are enough for ever.
            if addresses.free[size].try_reserve(1).is_ok() {
                addresses.free[size].push(self.bounds.start);
            }
        }
    }
}
