//! The real machine: x86-64 in long mode.
//!
//! | module | what it owns |
//! |---|---|
//! | [`boot`] | from the loader's jump to the portable kernel |
//! | [`paging`] | the kernel's address space: image, direct map, stacks, device registers |
//! | [`user`] | ring 3: the ways there and back |
//! | [`user_tables`] | the lower half of a process's address space |
//! | [`core_block`] | what a core finds behind GS: identity, stacks, descriptor tables |
//! | [`traps`] | the interrupt descriptor table and the frame that a trap leaves |
//! | [`apic`], [`ioapic`] | interrupt controllers |
//! | [`smp`] | starting the other cores |
//! | [`aside`] | calls that cost the code around them nothing |
//! | [`clock`] | the time-stamp counter and what it is calibrated against |
//! | [`i8042`] | the keyboard's controller |
//! | [`fw_cfg`] | what QEMU tells, and is told |
//! | [`power`], [`qemu`] | turning the machine off, and telling the host tool why |
//!
//! Nothing here knows what an interrupt is *for*: every trap goes to `__roost_trap`, which the `entry` layer defines.

pub mod apic;
pub mod aside;
pub mod backtrace;
pub mod boot;
pub mod clock;
pub mod core_block;
pub mod depth;
pub mod features;
pub mod firmware;
pub mod fw_cfg;
pub mod i8042;
pub mod interrupts;
pub mod ioapic;
pub mod irq;
mod memops;
pub mod paging;
pub mod power;
pub mod qemu;
pub mod reference_clock;
pub mod rtc;
pub mod serial;
pub mod slot;
pub mod smp;
pub mod stack;
pub mod switch;
pub mod timer;
pub mod traps;
pub mod user;
pub mod user_tables;

use core::arch::asm;

pub use core_block::{core_id, is_here, percore_base, percore_delta};
pub use features::entropy;
pub use paging::{direct_map_base, direct_map_len};

/// The most cores that an image uses. Further ones stay parked.
pub const MAX_CORES: usize = 288;

/// Bytes in a page and in a frame.
pub const PAGE_SIZE: usize = 4096;

/// Whether the word at `offset` bytes into `object` is not zero, which is seldom, by a load as of any atomic. (One
/// instruction less: the compiler does not fold the load of an atomic into a comparison.)
///
/// # Safety
/// There is an atomic word at that offset, within the object.
#[inline(always)]
pub unsafe fn is_set_at<const OFFSET: usize, T>(object: &T) -> bool {
    // SAFETY: the caller's word.
    unsafe {
        asm!(
            "cmp qword ptr [{} + {}], 0",
            "jne {}",
            in(reg) object,
            const OFFSET,
            label { return true },
            options(nostack, readonly),
        );
    }
    false
}

/// Tells the processor that this is a spin-wait loop.
#[inline(always)]
pub fn relax() {
    core::hint::spin_loop();
}
