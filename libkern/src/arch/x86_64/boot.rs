//! From the loader's jump to the first Rust function.

use core::arch::global_asm;
use core::ops::Range;

use super::core_block::BOOT_CORE;
use super::paging;
use crate::bootinfo::{self, BootInfo, Protocol};

/// The stack of the first instructions, given back afterwards. `entry` parses the loader's information on it.
const BOOT_STACK_LEN: usize = 64 * 1024;

global_asm!(
    include_str!("boot.s"),
    boot_core = sym BOOT_CORE,
    start = sym start,
    boot_stack_len = const BOOT_STACK_LEN,
);

unsafe extern "Rust" {
    /// What the kernel does first. Defined by `entry`.
    fn __roost_start(handover: Handover) -> !;
}

unsafe extern "C" {
    static __image_end: u8;
    static __boot_only_start: u8;
    static __boot_only_end: u8;
    static __boot_stack_bottom: u8;
    static __boot_stack_top: u8;
}

/// What `boot.s` found.
#[derive(Clone, Copy, Debug)]
pub struct Handover {
    /// Who loaded the image.
    pub protocol: Protocol,
    /// Physical address of what it says.
    pub information: u64,
    /// The time-stamp counter at the first instruction.
    pub entry_tsc: u64,
    /// Physical address of the image's first byte.
    pub image: u64,
}

extern "C" fn start(protocol: u64, information: u64, entry_tsc: u64, image: u64) -> ! {
    let protocol = if protocol == 1 { Protocol::Pvh } else { Protocol::Multiboot2 };
    // SAFETY: interrupts are off, and this is the stack that the core runs on.
    unsafe {
        super::core_block::set_current_stack(
            (&raw const __boot_stack_bottom).addr(),
            (&raw const __boot_stack_top).addr(),
        )
    };
    // SAFETY: defined by `entry` with this signature.
    unsafe { __roost_start(Handover { protocol, information, entry_tsc, image }) }
}

impl Handover {
    /// Physical addresses of the image, up to the end of its zeroed data.
    pub fn image_range(&self) -> Range<u64> {
        let len = (&raw const __image_end).addr() - paging::IMAGE;
        self.image..self.image + len.next_multiple_of(super::PAGE_SIZE) as u64
    }

    /// Parses what the loader left.
    ///
    /// # Errors
    /// As [`bootinfo::Error`] says.
    ///
    /// # Safety
    /// Early on the boot processor: the first 4 GiB are mapped, and nobody has overwritten the loader's information.
    pub unsafe fn parse(&self) -> Result<BootInfo<'static>, bootinfo::Error> {
        /// What `boot.s` maps.
        const MAPPED: u64 = 4 << 30;
        let read = |address: u64, len: usize| {
            let end = address.checked_add(len as u64)?;
            // SAFETY: mapped, and the caller vouches for what is there; the image itself is never asked for.
            (end <= MAPPED).then(|| unsafe {
                core::slice::from_raw_parts(
                    core::ptr::with_exposed_provenance(paging::direct_map_base() + address as usize),
                    len,
                )
            })
        };
        let image = self.image_range();
        match self.protocol {
            Protocol::Pvh => bootinfo::pvh::parse(read, self.information, &image),
            Protocol::Multiboot2 => {
                let unreadable =
                    bootinfo::Error::Unreadable { what: "multiboot2 information", address: self.information };
                let head = read(self.information, 8).and_then(|head| head.try_into().ok()).ok_or(unreadable)?;
                let bytes = read(self.information, bootinfo::multiboot2::len_bytes(head)).ok_or(unreadable)?;
                bootinfo::multiboot2::parse(bytes, self.information, &image)
            }
        }
    }
}

/// The part of the image that only boot needs, as virtual addresses: its page tables and its stack.
pub fn boot_only() -> Range<usize> {
    (&raw const __boot_only_start).addr()..(&raw const __boot_only_end).addr()
}
