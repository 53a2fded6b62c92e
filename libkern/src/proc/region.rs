//! Memory that processes share, with each other and with the kernel.
//!
//! A region is made by the kernel, and its frames are nobody's limit: who maps it pays for page tables only. The frames are
//! free when the last who refers to the region has gone: the parent, a handle, a mapping, or a mapping's
//! [`Flush`](crate::mem::space::flush::Flush).
//!
//! Whoever has it mapped may write it at any moment. So the kernel never has a reference to its bytes: it copies, by atomic
//! accesses, and judges the copy.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use mcp_ring::Memory;
use mcp_ring::memory::LINE;

use crate::arch::PAGE_SIZE;
use crate::mem::space::pages::Pages;
use crate::mem::{FrameUse, OutOfMemory};

/// Bytes of a word.
const WORD: usize = 8;
const WORDS_PER_PAGE: usize = PAGE_SIZE / WORD;

/// Memory that may be shared. Clones are the same memory.
#[derive(Clone)]
pub struct SharedRegion {
    pages: Arc<Pages>,
}

impl SharedRegion {
    /// Zeros, `len` bytes of them and what is missing to whole pages. Any context but NMI and interrupt handlers.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    ///
    /// # Panics
    /// If `len` is 0.
    pub fn new(len: usize) -> Result<Self, OutOfMemory> {
        assert!(len > 0, "a region has at least a page");
        Ok(Self { pages: Arc::new(Pages::zeroed(len.div_ceil(PAGE_SIZE), FrameUse::Processes)?) })
    }

    /// Its length in bytes: whole pages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pages.count() * PAGE_SIZE
    }

    /// Never: a region has at least a page.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// What is mapped of it.
    #[must_use]
    pub fn pages(&self) -> &Arc<Pages> {
        &self.pages
    }

    /// Copies from the byte at `offset` on. Any context.
    ///
    /// # Panics
    /// If the region is shorter.
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        self.check(offset, into.len());
        let head = (offset.wrapping_neg() % WORD).min(into.len());
        let (head, rest) = into.split_at_mut(head);
        let aligned = offset + head.len();
        let (words, tail) = rest.as_chunks_mut::<WORD>();
        let behind = aligned + words.len() * WORD;
        let byte = |at| self.byte(at).load(Ordering::Relaxed);
        // Relaxed, all of them: who wants an order has words for that.
        head.iter_mut().enumerate().for_each(|(n, to)| *to = byte(offset + n));
        for (n, to) in words.iter_mut().enumerate() {
            *to = self.word(aligned / WORD + n).load(Ordering::Relaxed).to_ne_bytes();
        }
        tail.iter_mut().enumerate().for_each(|(n, to)| *to = byte(behind + n));
    }

    /// Copies `from` to the byte at `offset` and those behind it. Any context.
    ///
    /// # Panics
    /// If the region is shorter.
    pub fn write(&self, offset: usize, from: &[u8]) {
        self.check(offset, from.len());
        let head = (offset.wrapping_neg() % WORD).min(from.len());
        let (head, rest) = from.split_at(head);
        let aligned = offset + head.len();
        let (words, tail) = rest.as_chunks::<WORD>();
        let behind = aligned + words.len() * WORD;
        let set = |at, byte| self.byte(at).store(byte, Ordering::Relaxed);
        // As in `read`.
        head.iter().enumerate().for_each(|(n, &byte)| set(offset + n, byte));
        for (n, &word) in words.iter().enumerate() {
            self.word(aligned / WORD + n).store(u64::from_ne_bytes(word), Ordering::Relaxed);
        }
        tail.iter().enumerate().for_each(|(n, &byte)| set(behind + n, byte));
    }

    fn check(&self, offset: usize, len: usize) {
        let all = self.len();
        assert!(offset <= all && len <= all - offset, "{len} bytes at {offset} of a region of {all}");
    }

    fn byte(&self, offset: usize) -> &AtomicU8 {
        let page: *mut u8 = self.pages.frame(offset / PAGE_SIZE).to_ptr();
        // SAFETY: within a page that is there as long as `pages` is; it is accessed by atomics only, as processes do.
        unsafe { AtomicU8::from_ptr(page.add(offset % PAGE_SIZE)) }
    }
}

impl Memory for SharedRegion {
    #[inline]
    fn word(&self, index: usize) -> &AtomicU64 {
        let page: *mut u64 = self.pages.frame(index / WORDS_PER_PAGE).to_ptr();
        // SAFETY: as in `byte`; a word does not cross pages.
        unsafe { AtomicU64::from_ptr(page.add(index % WORDS_PER_PAGE)) }
    }

    #[inline]
    fn line(&self, first: usize) -> &[AtomicU64; LINE] {
        assert!(first.is_multiple_of(LINE), "a line begins where lines do");
        let page: *mut u64 = self.pages.frame(first / WORDS_PER_PAGE).to_ptr();
        // SAFETY: as in `byte`; a line does not cross pages.
        unsafe { &*page.add(first % WORDS_PER_PAGE).cast() }
    }
}

impl fmt::Debug for SharedRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRegion").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::testing::machine;

    #[test]
    fn what_is_written_at_any_offset_is_read_and_its_neighbours_stay() {
        let _machine = machine();
        let region = SharedRegion::new(PAGE_SIZE + 1).unwrap();
        assert_eq!(region.len(), 2 * PAGE_SIZE);
        let written: std::vec::Vec<u8> = (1..=40).collect();
        for at in (0..20).chain(PAGE_SIZE - 30..PAGE_SIZE + 5) {
            for len in 0..written.len() {
                region.write(0, &[0; 2 * PAGE_SIZE]);
                region.write(at, &written[..len]);
                let mut all = [9; 2 * PAGE_SIZE];
                region.read(0, &mut all);
                assert!(all[..at].iter().chain(&all[at + len..]).all(|&byte| byte == 0), "{at} {len}");
                assert_eq!(&all[at..at + len], &written[..len]);
                let mut part = [9; 40];
                region.read(at, &mut part[..len]);
                assert_eq!(&part[..len], &written[..len]);
            }
        }
        region.word(WORDS_PER_PAGE).store(u64::from_le_bytes(*b"12345678"), Ordering::Relaxed);
        let mut word = [0; 8];
        region.read(PAGE_SIZE, &mut word);
        assert_eq!(&word, b"12345678");
    }

    #[test]
    fn nothing_beyond_the_end_is_touched() {
        let _machine = machine();
        let region = SharedRegion::new(PAGE_SIZE).unwrap();
        region.write(PAGE_SIZE, &[]);
        let hook = std::panic::take_hook();
        std::panic::set_hook(std::boxed::Box::new(|_| {}));
        for (offset, len) in [(PAGE_SIZE, 1), (PAGE_SIZE - 1, 2), (usize::MAX, 1), (PAGE_SIZE + 1, 0)] {
            let reads = std::panic::AssertUnwindSafe(|| region.read(offset, &mut [0; 2][..len]));
            assert!(std::panic::catch_unwind(reads).is_err(), "{offset} {len}");
        }
        std::panic::set_hook(hook);
    }
}
