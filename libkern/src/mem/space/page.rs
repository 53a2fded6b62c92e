//! Filling whole pages, which is most of what a fresh page costs.

use core::arch::x86_64::{__m128i, _mm_load_si128, _mm_setzero_si128, _mm_store_si128};
use core::mem::MaybeUninit;

use crate::arch::PAGE_SIZE;

/// A page's bytes.
#[repr(C, align(4096))]
pub struct Page([MaybeUninit<u8>; PAGE_SIZE]);

/// Vectors that are moved in one round.
const ROUND: usize = 8;
const VECTORS: usize = PAGE_SIZE / size_of::<__m128i>();

/// Fills a page with zeros.
///
/// # Safety
/// The page is the caller's to write.
#[inline]
pub unsafe fn zero(page: *mut Page) {
    let vectors: *mut __m128i = page.cast();
    for round in 0..VECTORS / ROUND {
        // SAFETY: within the page, which is aligned.
        unsafe {
            let nothing = _mm_setzero_si128();
            for vector in 0..ROUND {
                _mm_store_si128(vectors.add(round * ROUND + vector), nothing);
            }
        }
    }
}

/// Copies a page.
///
/// # Safety
/// `to` is the caller's to write, `from` to read; they are not the same page.
#[inline]
pub unsafe fn copy(to: *mut Page, from: *const Page) {
    let (to, from): (*mut __m128i, *const __m128i) = (to.cast(), from.cast());
    for round in 0..VECTORS / ROUND {
        // SAFETY: within the pages, which are aligned.
        unsafe {
            let loaded: [__m128i; ROUND] =
                core::array::from_fn(|vector| _mm_load_si128(from.add(round * ROUND + vector)));
            for (vector, value) in loaded.into_iter().enumerate() {
                _mm_store_si128(to.add(round * ROUND + vector), value);
            }
        }
    }
}
