//! Memory that parties share, as words.

use crate::sync::{AtomicU64, Ordering};

/// Bytes of a word.
pub(crate) const WORD: usize = 8;

/// Words of a cache line.
pub const LINE: usize = 8;

/// Memory that parties share. Whoever else has it may write any word of it at any moment.
pub trait Memory {
    /// The word of that index.
    ///
    /// # Panics
    /// If there is none.
    fn word(&self, index: usize) -> &AtomicU64;

    /// The words of a cache line, of which `first`, a multiple of their number, is the index of the first.
    ///
    /// # Panics
    /// If there is none.
    fn line(&self, first: usize) -> &[AtomicU64; LINE];
}

impl<M: Memory + ?Sized> Memory for &M {
    #[inline(always)]
    fn word(&self, index: usize) -> &AtomicU64 {
        M::word(self, index)
    }

    #[inline(always)]
    fn line(&self, first: usize) -> &[AtomicU64; LINE] {
        M::line(self, first)
    }
}

/// Words that `len` bytes take.
pub(crate) const fn words(len: usize) -> usize {
    len.div_ceil(WORD)
}

/// Copies `bytes` to the words of which `at` gives the n-th.
#[inline]
pub(crate) fn store<'a>(bytes: &[u8], at: impl Fn(usize) -> &'a AtomicU64) {
    let (whole, rest) = bytes.as_chunks::<WORD>();
    // Relaxed: what is published afterwards comes after these.
    for (n, word) in whole.iter().enumerate() {
        at(n).store(u64::from_ne_bytes(*word), Ordering::Relaxed);
    }
    if !rest.is_empty() {
        let mut word = [0; WORD];
        word[..rest.len()].copy_from_slice(rest);
        at(whole.len()).store(u64::from_ne_bytes(word), Ordering::Relaxed);
    }
}

/// Copies to `bytes` from the words of which `at` gives the n-th. Each is read once.
#[inline]
pub(crate) fn load<'a>(bytes: &mut [u8], at: impl Fn(usize) -> &'a AtomicU64) {
    let (whole, rest) = bytes.as_chunks_mut::<WORD>();
    let count = whole.len();
    // Relaxed: what was published before these is known.
    for (n, word) in whole.iter_mut().enumerate() {
        *word = at(n).load(Ordering::Relaxed).to_ne_bytes();
    }
    if !rest.is_empty() {
        let word = at(count).load(Ordering::Relaxed).to_ne_bytes();
        rest.copy_from_slice(&word[..rest.len()]);
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{AtomicU64, LINE, Memory};

    /// Words of this process, for tests and models.
    pub struct Words(Vec<AtomicU64>);

    impl Words {
        /// Never freed: when a model fails, its threads' stacks unwind, and whatever then asks loom for anything turns the
        /// failure into an abort.
        pub fn leak(count: usize) -> &'static Self {
            Box::leak(Box::new(Self((0..count).map(|_| AtomicU64::new(0)).collect())))
        }
    }

    impl Memory for Words {
        fn word(&self, index: usize) -> &AtomicU64 {
            &self.0[index]
        }

        fn line(&self, first: usize) -> &[AtomicU64; LINE] {
            assert!(first.is_multiple_of(LINE), "a line begins where lines do");
            self.0[first..].first_chunk().expect("a line of the memory")
        }
    }
}
