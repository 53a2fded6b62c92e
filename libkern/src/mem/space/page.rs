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
            "add {at}, 0x100",
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
