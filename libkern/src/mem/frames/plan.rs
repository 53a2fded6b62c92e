//! How the memory map becomes areas, and what describing them takes.

use core::mem::MaybeUninit;
use core::ops::Range;

use super::area::{Area, touched};

/// The most areas. Real machines have one below 4 GiB, one above, and one more for each further memory controller.
pub(super) const MAX_AREAS: usize = 16;

/// Blocks that may be missing in the middle of an area: describing a hole of 1 GiB costs 40 KiB that nobody writes.
const GAP_BLOCKS: usize = 512;

/// The areas that a memory map calls for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    areas: [Range<usize>; MAX_AREAS],
    len: usize,
    /// Frames of regions for which there was no area left.
    pub(super) left_out_frames: usize,
}

impl Plan {
    /// Plans for `regions`, given as frame numbers.
    ///
    /// # Panics
    /// If they are not sorted and disjoint.
    pub(super) fn new(regions: impl Iterator<Item = Range<usize>>) -> Self {
        let mut plan = Self { areas: [const { 0..0 }; MAX_AREAS], len: 0, left_out_frames: 0 };
        let mut end = 0;
        for region in regions.filter(|region| !region.is_empty()) {
            assert!(region.start >= end, "memory regions are sorted and disjoint");
            end = region.end;
            let blocks = touched(&region);
            match plan.areas[..plan.len].last_mut() {
                Some(last) if blocks.start < last.end + GAP_BLOCKS => last.end = blocks.end.max(last.end),
                _ if plan.len < MAX_AREAS => {
                    plan.areas[plan.len] = blocks;
                    plan.len += 1;
                }
                _ => plan.left_out_frames += region.len(),
            }
        }
        plan
    }

    /// How many words it takes to describe them.
    pub(super) fn words(&self) -> usize {
        self.areas[..self.len].iter().map(|blocks| Area::words_for(blocks.len())).sum()
    }

    /// The areas, described in `memory`, which is [`Plan::words`] long.
    pub(super) fn build(self, mut memory: &'static mut [MaybeUninit<u64>]) -> impl Iterator<Item = Area> {
        self.areas.into_iter().take(self.len).map(move |blocks| {
            let (mine, rest) = core::mem::take(&mut memory).split_at_mut(Area::words_for(blocks.len()));
            memory = rest;
            Area::new(blocks.start, blocks.len(), mine)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: usize = 1 << 18;

    fn areas(regions: &[Range<usize>]) -> Vec<Range<usize>> {
        let plan = Plan::new(regions.iter().cloned());
        plan.areas[..plan.len].to_vec()
    }

    #[test]
    fn small_holes_stay_inside_an_area_and_large_ones_do_not() {
        assert_eq!(areas(&[0..159, 256..3 * GIB]), vec![0..1536; 1]);
        assert_eq!(areas(&[0..159, 256..3 * GIB, 4 * GIB..5 * GIB + 7]), [0..1536, 2048..2561]);
    }

    #[test]
    fn regions_that_share_a_block_share_an_area() {
        assert_eq!(areas(&[0..2, 3..4, 511..513]), vec![0..2; 1]);
    }

    #[test]
    fn regions_beyond_the_last_area_are_counted_as_left_out() {
        let regions: Vec<_> = (0..MAX_AREAS + 2).map(|i| 8 * i * GIB..8 * i * GIB + 10).collect();
        assert_eq!(Plan::new(regions.into_iter()).left_out_frames, 20);
    }
}
