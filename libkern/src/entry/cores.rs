//! What a core needs before it can start: stacks and its block.
//!
//! A core's part of the stack region, from low to high, each stack above a page that is never mapped:
//!
//! ```text
//! | guard | interrupt | guard | exception | guard | NMI | ... | guard | core's own stack | guard | block, per-core data |
//! ```

use crate::arch::PAGE_SIZE;
use crate::arch::core_block::{CoreBlock, TrapStack};
use crate::arch::paging::{self, Caching, FrameSource, MapError, Rights};
use crate::mem::stack::CORE_SPAN;

/// The stack on which an application processor starts, idles and runs tasks. With it a core takes 124 KiB in all.
const OWN_STACK_LEN: usize = 64 * 1024;

const fn trap_stack_len(stack: TrapStack) -> usize {
    match stack {
        TrapStack::Interrupt => 16 * 1024,
        TrapStack::Exception | TrapStack::Nmi | TrapStack::DoubleFault => 8 * 1024,
        // Both end the image, and what they call is what the others call too.
        TrapStack::Debug | TrapStack::MachineCheck => 8 * 1024,
    }
}

/// Makes the stacks and the block of `core`. `boot_stack` is the stack it runs on already, if it does.
///
/// # Errors
/// If memory runs out.
///
/// # Safety
/// Once for each core. Frames from `frames` belong to the caller for ever.
pub(super) unsafe fn create(
    core: usize,
    apic_id: u32,
    boot_stack: Option<(usize, usize)>,
    frames: FrameSource,
) -> Result<&'static mut CoreBlock, MapError> {
    let mut region = Region { next: paging::STACKS + core * CORE_SPAN, frames };
    let mut trap_stacks = [(0, 0); TrapStack::ALL.len()];
    for (at, stack) in trap_stacks.iter_mut().zip(TrapStack::ALL) {
        *at = region.add(trap_stack_len(stack))?;
    }
    let stack = match boot_stack {
        Some(stack) => stack,
        None => region.add(OWN_STACK_LEN)?,
    };
    let (block, _) = region.add(CoreBlock::len_with_variables().next_multiple_of(PAGE_SIZE))?;
    debug_assert!(region.next <= paging::STACKS + (core + 1) * CORE_SPAN);
    let block = core::ptr::with_exposed_provenance_mut(block);
    // SAFETY: fresh memory that nobody else has; the caller's promise about `core`.
    Ok(unsafe { CoreBlock::create(block, core, apic_id, stack, trap_stacks) })
}

/// Address space that is being cut into stacks.
struct Region {
    next: usize,
    frames: FrameSource,
}

impl Region {
    /// Maps `len` bytes above a guard page and gives their bounds.
    fn add(&mut self, len: usize) -> Result<(usize, usize), MapError> {
        let lo = self.next + PAGE_SIZE;
        for page in (lo..lo + len).step_by(PAGE_SIZE) {
            let frame = (self.frames)().ok_or(MapError::OutOfFrames)?;
            // SAFETY: the core's own part of the stack region, and a frame of its own.
            unsafe { paging::map(page, frame, PAGE_SIZE as u64, Rights::ReadWrite, Caching::WriteBack)? };
        }
        self.next = lo + len;
        Ok((lo, lo + len))
    }
}
