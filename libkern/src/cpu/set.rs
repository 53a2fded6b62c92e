//! Sets of cores.

use core::fmt;

use super::{count, is_up};
use crate::arch::MAX_CORES;

const BITS: usize = u64::BITS as usize;
const LEN: usize = MAX_CORES.div_ceil(BITS);

/// A set of cores, by their numbers. Some forty bytes, without allocation.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CoreSet {
    bits: [u64; LEN],
}

impl CoreSet {
    /// No core.
    #[must_use]
    pub const fn new() -> Self {
        Self { bits: [0; LEN] }
    }

    /// All cores that are up.
    #[must_use]
    pub fn all() -> Self {
        (0..count()).filter(|&core| is_up(core)).collect()
    }

    /// Puts `core` in.
    ///
    /// # Panics
    /// If no core can have that number.
    pub fn insert(&mut self, core: usize) {
        assert!(core < MAX_CORES, "core {core} cannot exist: there are at most {MAX_CORES}");
        self.bits[core / BITS] |= 1 << (core % BITS);
    }

    /// Takes `core` out, if it is there.
    pub fn remove(&mut self, core: usize) {
        if let Some(word) = self.bits.get_mut(core / BITS) {
            *word &= !(1 << (core % BITS));
        }
    }

    /// Whether `core` is in it.
    #[must_use]
    pub fn contains(&self, core: usize) -> bool {
        self.bits.get(core / BITS).is_some_and(|word| word & 1 << (core % BITS) != 0)
    }

    /// How many cores are in it.
    #[must_use]
    #[inline(never)]
    pub fn len(&self) -> usize {
        self.bits.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no core is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits == [0; LEN]
    }

    /// The cores in it, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.bits.iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            core::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                rest &= rest.wrapping_sub(1);
                (bit < u64::BITS).then_some(index * BITS + bit as usize)
            })
        })
    }
}

impl FromIterator<usize> for CoreSet {
    fn from_iter<I: IntoIterator<Item = usize>>(cores: I) -> Self {
        let mut set = CoreSet::new();
        cores.into_iter().for_each(|core| set.insert(core));
        set
    }
}

impl fmt::Debug for CoreSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
