//! Kernel stacks: each above a page that is never mapped, so that running over is a page fault and not a neighbour's data.

use core::ops::Range;

use super::frames::{self, Frame, FrameUse};
use super::phys::PhysAddr;
use crate::arch::paging::{self, Caching, MapError, Rights};
use crate::arch::{MAX_CORES, PAGE_SIZE};
use crate::sync::IrqSpinLock;

/// Address space that each core has for its own stacks, below all others.
pub const CORE_SPAN: usize = 256 * 1024;

/// Where the next stack goes.
static NEXT: IrqSpinLock<usize> = IrqSpinLock::new("kernel stack addresses", paging::STACKS + MAX_CORES * CORE_SPAN);

/// Memory mapped above a guard page.
#[derive(Debug)]
///
/// Dropping it unmaps it, on this core: what other cores' TLBs know of it stays. So a stack is dropped by the core that
/// alone has used it, or kept and used again.
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
            let mut next = NEXT.lock();
            let lo = *next + PAGE_SIZE;
            *next = lo + len;
            lo
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

    /// Its first and its last byte's address, the latter plus one.
    pub fn bounds(&self) -> (usize, usize) {
        (self.bounds.start, self.bounds.end)
    }

    /// A stack that is mapped already.
    ///
    /// # Safety
    /// It is the caller's, whole pages above one that is not mapped, each page a frame of its own, taken for
    /// [`FrameUse::KernelStacks`].
    pub unsafe fn from_raw((lo, hi): (usize, usize)) -> KernelStack {
        KernelStack { bounds: lo..hi }
    }

    /// Its bounds, for somebody who keeps it for ever.
    pub fn leak(self) -> (usize, usize) {
        let bounds = self.bounds();
        core::mem::forget(self);
        bounds
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        for page in self.bounds.clone().step_by(PAGE_SIZE) {
            // SAFETY: the stack's own pages, which nobody uses any more.
            if let Some(phys) = unsafe { paging::unmap_local(page) } {
                // SAFETY: the frame that `new` took for this page.
                drop(unsafe { Frame::from_raw(PhysAddr::new(phys), FrameUse::KernelStacks) });
            }
        }
    }
}
