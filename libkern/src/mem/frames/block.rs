//! A block of 512 frames of which some are free and some are not.

use core::ops::Range;

/// Frames in a block: 2 MiB, the size of a large page.
pub(super) const BLOCK_FRAMES: usize = 512;

const WORD: usize = u64::BITS as usize;
const WORDS: usize = BLOCK_FRAMES / WORD;

/// The end of a list of blocks.
pub(super) const NO_BLOCK: u32 = u32::MAX;

/// Which frames of a split block are free.
///
/// # Invariants
/// `free_frames` is the number of ones in `free`. `next` and `previous` are the neighbours in the pool's list of blocks
/// with free frames while `free_frames` is not zero, and meaningless otherwise.
pub(super) struct Block {
    free: [u64; WORDS],
    free_frames: u16,
    pub(super) next: u32,
    pub(super) previous: u32,
}

impl Block {
    /// A block none of whose frames is free.
    pub(super) const fn taken() -> Self {
        Self { free: [0; WORDS], free_frames: 0, next: NO_BLOCK, previous: NO_BLOCK }
    }

    /// A block all of whose frames are free.
    pub(super) const fn free() -> Self {
        Self { free: [u64::MAX; WORDS], free_frames: BLOCK_FRAMES as u16, ..Self::taken() }
    }

    /// How many frames are free.
    pub(super) fn free_frames(&self) -> usize {
        self.free_frames.into()
    }

    /// The bitmap, a word for each 64 frames.
    pub(super) fn words(&self) -> impl Iterator<Item = u64> {
        self.free.iter().copied()
    }

    /// Whether the frame at `index` is free.
    pub(super) fn is_free(&self, index: usize) -> bool {
        self.free[index / WORD] & (1 << (index % WORD)) != 0
    }

    /// Takes free frames, lowest first, until `want` of them are taken or none is left, and tells `found` their indices.
    pub(super) fn take_some(&mut self, want: usize, mut found: impl FnMut(usize)) -> usize {
        let taking = want.min(self.free_frames());
        let mut left = taking;
        for (position, word) in self.free.iter_mut().enumerate() {
            while left > 0 && *word != 0 {
                found(position * WORD + word.trailing_zeros() as usize);
                *word &= *word - 1;
                left -= 1;
            }
        }
        // INVARIANT: as many ones went as were counted.
        self.free_frames -= taking as u16;
        taking
    }

    /// Takes the frames of `range`, all of which are free.
    #[inline(never)]
    pub(super) fn take(&mut self, range: Range<usize>) {
        // INVARIANT: the ones of the range go, and the range is all ones.
        self.free_frames -= range.len() as u16;
        for (position, mask) in masks(range) {
            debug_assert_eq!(self.free[position] & mask, mask, "a run that was found is free");
            self.free[position] &= !mask;
        }
    }

    /// Frees the frames of `range`, or says which of them is free already and changes nothing.
    #[inline(never)]
    pub(super) fn give(&mut self, range: Range<usize>) -> Result<(), usize> {
        for (position, mask) in masks(range.clone()) {
            let twice = self.free[position] & mask;
            if twice != 0 {
                return Err(position * WORD + twice.trailing_zeros() as usize);
            }
        }
        // INVARIANT: the range was all zeros.
        self.free_frames += range.len() as u16;
        for (position, mask) in masks(range) {
            self.free[position] |= mask;
        }
        Ok(())
    }
}

/// The words that `range` touches, with the bits of each that it covers.
pub(super) fn masks(range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    (range.start / WORD..range.end.div_ceil(WORD)).map(move |position| {
        let low = range.start.saturating_sub(position * WORD);
        let high = (range.end - position * WORD).min(WORD);
        (position, (u64::MAX << low) & (u64::MAX >> (WORD - high)))
    })
}

/// Looks for enough free frames in a row, told of free ones in ascending order.
pub(super) struct RunSearch {
    frames: usize,
    align: usize,
    /// Frames from this number on do not count.
    below: usize,
    run: Range<usize>,
}

impl RunSearch {
    /// Looks for `frames` frames whose first number is a multiple of `align` and whose last is less than `below`.
    pub(super) fn new(frames: usize, align: usize, below: usize) -> Self {
        Self { frames, align, below, run: 0..0 }
    }

    /// Frames `from` and the `len - 1` after it are free. Says where the run starts once there is one.
    pub(super) fn free(&mut self, from: usize, len: usize) -> Option<usize> {
        if self.run.end != from {
            self.run.start = from;
        }
        self.run.end = from + len;
        let start = self.run.start.next_multiple_of(self.align);
        (start + self.frames <= self.run.end.min(self.below)).then_some(start)
    }

    /// Frame `from + i` is free if bit `i` is set.
    pub(super) fn bits(&mut self, mut from: usize, mut bits: u64) -> Option<usize> {
        while bits != 0 {
            let taken = bits.trailing_zeros();
            bits >>= taken;
            from += taken as usize;
            let free = bits.trailing_ones();
            if let Some(start) = self.free(from, free as usize) {
                return Some(start);
            }
            bits = bits.checked_shr(free).unwrap_or(0);
            from += free as usize;
        }
        None
    }

    /// What [`Block::words`] of the block whose first frame is `from` says.
    #[inline(never)]
    pub(super) fn block(&mut self, from: usize, block: &Block) -> Option<usize> {
        (from..).step_by(WORD).zip(block.words()).find_map(|(from, word)| self.bits(from, word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_cover_exactly_the_range() {
        for range in [0..1, 0..64, 0..512, 63..65, 5..130, 511..512, 7..7] {
            let bits: Vec<usize> = masks(range.clone())
                .flat_map(|(position, mask)| {
                    (0..WORD).filter(move |bit| mask & (1 << bit) != 0).map(move |bit| position * WORD + bit)
                })
                .collect();
            assert_eq!(bits, range.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_frame_given_twice_is_named_and_nothing_changes() {
        let mut block = Block::taken();
        assert_eq!(block.give(70..75), Ok(()));
        assert_eq!(block.give(60..80), Err(70));
        assert_eq!(block.free_frames(), 5);
    }

    #[test]
    fn a_run_may_cross_words_and_keeps_its_alignment() {
        let mut block = Block::taken();
        block.give(60..90).expect("it was taken");
        assert_eq!(RunSearch::new(30, 1, usize::MAX).block(1024, &block), Some(1024 + 60));
        assert_eq!(RunSearch::new(20, 8, usize::MAX).block(1024, &block), Some(1024 + 64));
        assert_eq!(RunSearch::new(31, 1, usize::MAX).block(1024, &block), None);
        assert_eq!(RunSearch::new(20, 8, 1024 + 83).block(1024, &block), None, "it would end too high");
    }

    #[test]
    fn frames_are_taken_until_none_is_left() {
        let mut block = Block::free();
        let mut taken = Vec::new();
        assert_eq!(block.take_some(500, |index| taken.push(index)), 500);
        assert_eq!(block.take_some(500, |index| taken.push(index)), 12);
        assert_eq!(taken, (0..512).collect::<Vec<_>>());
    }
}
