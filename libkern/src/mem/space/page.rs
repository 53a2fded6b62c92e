//! Filling whole pages, which is most of what a fresh page costs.
//!
//! In assembly, because the compiler makes calls of `memset` and `memcpy` of such loops, and those are for any length.

use core::arch::asm;
use core::mem::MaybeUninit;

use crate::arch::PAGE_SIZE;

/// A page's bytes.
#[repr(C, align(4096))]
pub struct Page([MaybeUninit<u8>; PAGE_SIZE]);

/// Fills a page with zeros.
///
/// # Safety
/// The page is the caller's to write.
#[inline]
pub unsafe fn zero(page: *mut Page) {
    // SAFETY: the whole page, which is aligned, and nothing else.
    unsafe {
        asm!(
            "xorps {zero}, {zero}",
            "2:",
            "movaps [{at}], {zero}",
            "movaps [{at} + 0x10], {zero}",
            "movaps [{at} + 0x20], {zero}",
            "movaps [{at} + 0x30], {zero}",
            "movaps [{at} + 0x40], {zero}",
            "movaps [{at} + 0x50], {zero}",
            "movaps [{at} + 0x60], {zero}",
            "movaps [{at} + 0x70], {zero}",
            "movaps [{at} + 0x80], {zero}",
            "movaps [{at} + 0x90], {zero}",
            "movaps [{at} + 0xa0], {zero}",
            "movaps [{at} + 0xb0], {zero}",
            "movaps [{at} + 0xc0], {zero}",
            "movaps [{at} + 0xd0], {zero}",
            "movaps [{at} + 0xe0], {zero}",
            "movaps [{at} + 0xf0], {zero}",
            "movaps [{at} + 0x100], {zero}",
            "movaps [{at} + 0x110], {zero}",
            "movaps [{at} + 0x120], {zero}",
            "movaps [{at} + 0x130], {zero}",
            "movaps [{at} + 0x140], {zero}",
            "movaps [{at} + 0x150], {zero}",
            "movaps [{at} + 0x160], {zero}",
            "movaps [{at} + 0x170], {zero}",
            "movaps [{at} + 0x180], {zero}",
            "movaps [{at} + 0x190], {zero}",
            "movaps [{at} + 0x1a0], {zero}",
            "movaps [{at} + 0x1b0], {zero}",
            "movaps [{at} + 0x1c0], {zero}",
            "movaps [{at} + 0x1d0], {zero}",
            "movaps [{at} + 0x1e0], {zero}",
            "movaps [{at} + 0x1f0], {zero}",
            "movaps [{at} + 0x200], {zero}",
            "movaps [{at} + 0x210], {zero}",
            "movaps [{at} + 0x220], {zero}",
            "movaps [{at} + 0x230], {zero}",
            "movaps [{at} + 0x240], {zero}",
            "movaps [{at} + 0x250], {zero}",
            "movaps [{at} + 0x260], {zero}",
            "movaps [{at} + 0x270], {zero}",
            "movaps [{at} + 0x280], {zero}",
            "movaps [{at} + 0x290], {zero}",
            "movaps [{at} + 0x2a0], {zero}",
            "movaps [{at} + 0x2b0], {zero}",
            "movaps [{at} + 0x2c0], {zero}",
            "movaps [{at} + 0x2d0], {zero}",
            "movaps [{at} + 0x2e0], {zero}",
            "movaps [{at} + 0x2f0], {zero}",
            "movaps [{at} + 0x300], {zero}",
            "movaps [{at} + 0x310], {zero}",
            "movaps [{at} + 0x320], {zero}",
            "movaps [{at} + 0x330], {zero}",
            "movaps [{at} + 0x340], {zero}",
            "movaps [{at} + 0x350], {zero}",
            "movaps [{at} + 0x360], {zero}",
            "movaps [{at} + 0x370], {zero}",
            "movaps [{at} + 0x380], {zero}",
            "movaps [{at} + 0x390], {zero}",
            "movaps [{at} + 0x3a0], {zero}",
            "movaps [{at} + 0x3b0], {zero}",
            "movaps [{at} + 0x3c0], {zero}",
            "movaps [{at} + 0x3d0], {zero}",
            "movaps [{at} + 0x3e0], {zero}",
            "movaps [{at} + 0x3f0], {zero}",
            "add {at}, 0x400",
            "cmp {at}, {end}",
            "jne 2b",
            at = inout(reg) page => _,
            end = in(reg) page.wrapping_add(1),
            zero = out(xmm_reg) _,
            options(nostack),
        );
    }
}

/// Copies a page.
///
/// # Safety
/// `to` is the caller's to write, `from` to read; they are not the same page.
#[inline]
pub unsafe fn copy(to: *mut Page, from: *const Page) {
    // SAFETY: two whole pages, which are aligned, and nothing else.
    unsafe {
        asm!(
            "2:",
            "movaps {a}, [{from}]",
            "movaps {b}, [{from} + 0x10]",
            "movaps {c}, [{from} + 0x20]",
            "movaps {d}, [{from} + 0x30]",
            "movaps [{to}], {a}",
            "movaps [{to} + 0x10], {b}",
            "movaps [{to} + 0x20], {c}",
            "movaps [{to} + 0x30], {d}",
            "movaps {a}, [{from} + 0x40]",
            "movaps {b}, [{from} + 0x50]",
            "movaps {c}, [{from} + 0x60]",
            "movaps {d}, [{from} + 0x70]",
            "movaps [{to} + 0x40], {a}",
            "movaps [{to} + 0x50], {b}",
            "movaps [{to} + 0x60], {c}",
            "movaps [{to} + 0x70], {d}",
            "sub {from}, -0x80",
            "sub {to}, -0x80",
            "cmp {to}, {end}",
            "jne 2b",
            to = inout(reg) to => _,
            from = inout(reg) from => _,
            end = in(reg) to.wrapping_add(1),
            a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
            options(nostack),
        );
    }
}
