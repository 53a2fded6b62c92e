//! A stretch of physical memory, block by block.
//!
//! A block is in one of four states. Three bitmaps, one bit a block, say which; for most blocks of most machines that is
//! all that is ever written about them.
//!
//! ```text
//!   Absent --add--> Whole --lend--> Lent      Lent --give back all--> Whole
//!      |              \              /
//!      add a part      split        split
//!       \               \          /
//!        `------------->  Split  <-           Split, all 512 free --> Whole
//! ```
//!
//! Only a split block has a [`Block`] behind it, which is written when the block is split. So describing 4 GiB of free
//! memory takes as many instructions as setting 2048 bits, word by word.

use core::mem::MaybeUninit;
use core::ops::Range;

use super::block::{BLOCK_FRAMES, Block, masks};

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No frame of it was ever given to the allocator.
    Absent,
    /// All its frames are free.
    Whole,
    /// It was handed out in one piece.
    Lent,
    /// Its [`Block`] says frame by frame.
    Split,
}

/// The blocks from `first` on.
///
/// # Invariants
/// For each block at most one bit is set in the three bitmaps. A descriptor is initialised if its block's bit is set in
/// `split`. No word of `whole` from `top` on has a bit set.
pub(super) struct Area {
    first: usize,
    whole: &'static mut [u64],
    lent: &'static mut [u64],
    split: &'static mut [u64],
    descriptors: &'static mut [MaybeUninit<Block>],
    top: usize,
}

const WORD_BYTES: usize = size_of::<u64>();
const BLOCK_WORDS: usize = size_of::<Block>() / WORD_BYTES;
const _: () = assert!(align_of::<Block>() == WORD_BYTES && size_of::<Block>() == BLOCK_WORDS * WORD_BYTES);

impl Area {
    /// How many words it takes to describe `blocks` blocks.
    pub(super) const fn words_for(blocks: usize) -> usize {
        3 * blocks.div_ceil(64) + blocks * BLOCK_WORDS
    }

    /// `blocks` absent blocks from `first` on, described in `memory`, which is [`Area::words_for`] words long.
    pub(super) fn new(first: usize, blocks: usize, memory: &'static mut [MaybeUninit<u64>]) -> Self {
        let bitmap = blocks.div_ceil(64);
        let (bitmaps, descriptors) = memory.split_at_mut(3 * bitmap);
        bitmaps.fill(MaybeUninit::new(0));
        // SAFETY: every word was just written.
        let bitmaps = unsafe { bitmaps.assume_init_mut() };
        let (whole, rest) = bitmaps.split_at_mut(bitmap);
        let (lent, split) = rest.split_at_mut(bitmap);
        assert_eq!(descriptors.len(), blocks * BLOCK_WORDS, "the memory is as long as asked for");
        // SAFETY: as long as `blocks` descriptors, aligned like them (asserted above), exclusively ours, and allowed to
        // be uninitialised.
        let descriptors = unsafe { core::slice::from_raw_parts_mut(descriptors.as_mut_ptr().cast(), blocks) };
        Self { first, whole, lent, split, descriptors, top: 0 }
    }

    /// The numbers of its blocks.
    pub(super) fn blocks(&self) -> Range<usize> {
        self.first..self.first + self.descriptors.len()
    }

    pub(super) fn state(&self, block: usize) -> State {
        let (word, mask) = self.bit(block);
        if self.split[word] & mask != 0 {
            State::Split
        } else if self.whole[word] & mask != 0 {
            State::Whole
        } else if self.lent[word] & mask != 0 {
            State::Lent
        } else {
            State::Absent
        }
    }

    /// Whether none of `blocks` was ever given to the allocator.
    pub(super) fn all_absent(&self, blocks: Range<usize>) -> bool {
        masks(blocks.start - self.first..blocks.end - self.first)
            .all(|(word, mask)| (self.whole[word] | self.lent[word] | self.split[word]) & mask == 0)
    }

    /// The descriptor of `block`, which is split.
    pub(super) fn descriptor(&self, block: usize) -> &Block {
        debug_assert_eq!(self.state(block), State::Split);
        // SAFETY: initialised, because the block is split (invariant of the type).
        unsafe { self.descriptors[block - self.first].assume_init_ref() }
    }

    /// The descriptor of `block`, which is split.
    pub(super) fn descriptor_mut(&mut self, block: usize) -> &mut Block {
        debug_assert_eq!(self.state(block), State::Split);
        // SAFETY: as in `descriptor`.
        unsafe { self.descriptors[block - self.first].assume_init_mut() }
    }

    /// Splits `block`, whose frames become what `descriptor` says.
    pub(super) fn split(&mut self, block: usize, descriptor: Block) -> &mut Block {
        let (word, mask) = self.bit(block);
        self.whole[word] &= !mask;
        self.lent[word] &= !mask;
        // INVARIANT: written, and then said to be.
        let descriptor = self.descriptors[block - self.first].write(descriptor);
        self.split[word] |= mask;
        descriptor
    }

    /// Makes `block` one that is lent in one piece.
    pub(super) fn lend(&mut self, block: usize) {
        let (word, mask) = self.bit(block);
        self.whole[word] &= !mask;
        self.lent[word] |= mask;
    }

    /// Makes all frames of `blocks` free.
    pub(super) fn make_whole(&mut self, blocks: Range<usize>) {
        let (start, end) = (blocks.start - self.first, blocks.end - self.first);
        for (word, mask) in masks(start..end) {
            self.lent[word] &= !mask;
            self.split[word] &= !mask;
            self.whole[word] |= mask;
        }
        // INVARIANT: the words that got bits are below `top`.
        self.top = self.top.max(end.div_ceil(64));
    }

    /// The highest block of which all frames are free and whose number is below `below`.
    ///
    /// Amortised constant time for `below` out of reach: `top` only rises when a block becomes whole.
    pub(super) fn highest_whole(&mut self, below: usize) -> Option<usize> {
        let limit = below.min(self.blocks().end).checked_sub(self.first)?;
        if limit == self.descriptors.len() {
            while self.top > 0 && self.whole[self.top - 1] == 0 {
                self.top -= 1;
            }
        }
        let words = self.top.min(limit.div_ceil(64));
        (0..words).rev().find_map(|word| {
            let unlimited = limit.saturating_sub(word * 64) >= 64;
            let bits = self.whole[word] & if unlimited { u64::MAX } else { (1 << (limit % 64)) - 1 };
            bits.checked_ilog2().map(|bit| self.first + word * 64 + bit as usize)
        })
    }

    fn bit(&self, block: usize) -> (usize, u64) {
        let index = block - self.first;
        (index / 64, 1 << (index % 64))
    }
}

/// The part of `frames` that lies in `block`, counted from the block's first frame.
pub(super) fn within(frames: &Range<usize>, block: usize) -> Range<usize> {
    let first = block * BLOCK_FRAMES;
    frames.start.max(first) - first..frames.end.min(first + BLOCK_FRAMES) - first
}

/// The blocks that `frames`, which is not empty, touches.
pub(super) fn touched(frames: &Range<usize>) -> Range<usize> {
    frames.start / BLOCK_FRAMES..frames.end.div_ceil(BLOCK_FRAMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(first: usize, blocks: usize) -> Area {
        Area::new(first, blocks, Box::leak(Box::new_uninit_slice(Area::words_for(blocks))))
    }

    #[test]
    fn the_highest_whole_block_is_found_below_a_limit() {
        let mut area = area(10, 200);
        assert_eq!(area.highest_whole(usize::MAX), None);
        area.make_whole(12..15);
        area.make_whole(100..103);
        assert_eq!(area.highest_whole(usize::MAX), Some(102));
        assert_eq!(area.highest_whole(102), Some(101));
        assert_eq!(area.highest_whole(100), Some(14));
        assert_eq!((area.highest_whole(12), area.highest_whole(3)), (None, None));
        area.lend(102);
        assert_eq!((area.highest_whole(usize::MAX), area.state(102)), (Some(101), State::Lent));
    }

    #[test]
    fn a_block_that_is_split_and_made_whole_is_each_in_turn() {
        let mut area = area(0, 1);
        assert_eq!(area.state(0), State::Absent);
        area.split(0, Block::taken()).give(3..5).expect("they were taken");
        assert_eq!((area.state(0), area.descriptor(0).free_frames()), (State::Split, 2));
        area.make_whole(0..1);
        assert_eq!(area.state(0), State::Whole);
    }
}
