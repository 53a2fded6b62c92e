//! All free frames of the machine, for whoever holds the lock.
//!
//! # Structure
//!
//! Memory is looked at in blocks of 512 frames (2 MiB). Blocks that are all free are bits in an area's bitmap
//! ([`area`](super::area)). A block that is partly free is *split*: it has a bitmap of its frames and is in one of three
//! lists, by zone. So:
//!
//! - a single frame comes from the first split block of the list, or else a whole block is split: constant time;
//! - a frame that comes back finds its block by its number: constant time, in whatever order; a block whose frames are all
//!   back is whole again, without looking for buddies;
//! - a run comes from a split block, if one of the first few has it, or else from the highest whole block, and only as
//!   a last resort from a search through the bitmaps, which finds a run wherever there is one.
//!
//! # Which frame
//!
//! The highest. Low memory is what some devices and the start of a core depend on, so it is kept: above 4 GiB first, then
//! below, and the first 2 MiB of all last.
//!
//! # Rejected
//!
//! A buddy allocator with its lists in the free memory, such as `buddy_system_allocator` has: to merge, it searches a
//! list for the buddy, so that freeing in random order is quadratic; its nodes are in the memory that they describe, which
//! must then be touched; and it can neither keep to a zone nor say whether *any* run of the length asked for exists. Its
//! other form is a tree that needs a heap, which needs frames. A bitmap of single frames for all of memory would have
//! to be written at boot, 128 KiB for 4 GiB.

use core::mem::MaybeUninit;
use core::ops::Range;

use super::area::{Area, State, touched, within};
use super::block::{BLOCK_FRAMES, Block, NO_BLOCK, RunSearch};
use super::plan::{MAX_AREAS, Plan};

/// The first block above 4 GiB.
const BLOCK_4_GIB: usize = (1 << 32) / (BLOCK_FRAMES * crate::arch::PAGE_SIZE);

/// How many split blocks are looked at for a run before a whole block is split.
const RUN_TRIES: usize = 16;

/// Where a block lies. The order is that of preference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zone {
    High,
    Below4GiB,
    First,
}

impl Zone {
    const COUNT: usize = 3;

    fn of(block: usize) -> Self {
        match block {
            0 => Zone::First,
            1..BLOCK_4_GIB => Zone::Below4GiB,
            _ => Zone::High,
        }
    }
}

/// Why frames cannot be freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The frame with this number is free already.
    Free(usize),
    /// The frame with this number was never given to the allocator.
    Unmanaged(usize),
}

/// The free frames.
///
/// # Invariants
/// The first `len_areas` areas are there, in ascending order. A split block with free frames is in the list of its zone; no other block is in a list.
/// `free_frames` is the number of free frames.
pub(super) struct Pool {
    areas: [Option<Area>; MAX_AREAS],
    len_areas: usize,
    partial: [u32; Zone::COUNT],
    free_frames: usize,
    total_frames: usize,
}

impl Pool {
    /// No memory.
    pub(super) const fn new() -> Self {
        Self {
            areas: [const { None }; MAX_AREAS],
            len_areas: 0,
            partial: [NO_BLOCK; Zone::COUNT],
            free_frames: 0,
            total_frames: 0,
        }
    }

    /// Begins to manage the areas of `plan`, none of whose frames it has yet, in a pool that manages none.
    pub(super) fn describe(&mut self, plan: Plan, memory: &'static mut [MaybeUninit<u64>]) {
        for (place, area) in self.areas.iter_mut().zip(plan.build(memory)) {
            *place = Some(area);
            self.len_areas += 1;
        }
    }

    /// Frames that are free.
    pub(super) fn free_frames(&self) -> usize {
        self.free_frames
    }

    /// Counts frames that were taken before there was a pool.
    pub(super) fn count_taken_before(&mut self, frames: usize) {
        self.total_frames += frames;
    }

    /// Frames that were ever added, and those taken before there was a pool.
    pub(super) fn total_frames(&self) -> usize {
        self.total_frames
    }

    /// Adds frames that were not there before, and says how many: those outside the areas are left out.
    pub(super) fn add(&mut self, frames: Range<usize>) -> Result<usize, Fault> {
        let blocks = touched(&frames);
        if frames.is_empty() || self.area(blocks.start).is_none() {
            return Ok(0);
        }
        // Blocks in the middle become whole by the word, not one by one.
        let whole = frames.start.div_ceil(BLOCK_FRAMES)..frames.end / BLOCK_FRAMES;
        if !whole.is_empty() {
            let area = self.area_mut(blocks.start);
            if !area.all_absent(whole.clone()) {
                return Err(Fault::Free(whole.start * BLOCK_FRAMES));
            }
            area.make_whole(whole.clone());
            self.free_frames += whole.len() * BLOCK_FRAMES;
        }
        for block in [blocks.start, blocks.end - 1].into_iter().take(blocks.len()) {
            if !whole.contains(&block) {
                if self.area_mut(block).state(block) == State::Absent {
                    self.area_mut(block).split(block, Block::taken());
                }
                self.give_part(block, within(&frames, block))?;
            }
        }
        self.total_frames += frames.len();
        Ok(frames.len())
    }

    /// Takes single frames until `frames` is full or none is left, and says how many it took.
    pub(super) fn take_some(&mut self, frames: &mut [usize]) -> usize {
        let mut taken = 0;
        while taken < frames.len() {
            let Some(block) = self.partial_block() else { break };
            let mut rest = frames[taken..].iter_mut();
            let want = rest.len();
            let found = self.block_mut(block).take_some(want, |index| {
                if let Some(place) = rest.next() {
                    *place = block * BLOCK_FRAMES + index;
                }
            });
            if self.block_mut(block).free_frames() == 0 {
                self.unlink(block);
            }
            taken += found;
        }
        self.free_frames -= taken;
        taken
    }

    /// Takes `frames` frames in a row, the first a multiple of `align`, all of them below number `below`.
    #[inline(never)]
    pub(super) fn take_run(&mut self, frames: usize, align: usize, below: usize) -> Option<usize> {
        let small = frames <= BLOCK_FRAMES && align <= BLOCK_FRAMES;
        let quick = if small { self.run_within_block(frames, align, below) } else { None };
        let start = quick.or_else(|| self.run_anywhere(frames, align, below))?;
        self.take_range(start..start + frames);
        Some(start)
    }

    /// Frees frames, each of which was taken.
    #[inline(never)]
    pub(super) fn give(&mut self, frames: Range<usize>) -> Result<(), Fault> {
        for block in touched(&frames) {
            let part = within(&frames, block);
            let Some(area) = self.area(block) else { return Err(Fault::Unmanaged(block * BLOCK_FRAMES + part.start)) };
            match area.state(block) {
                State::Absent => return Err(Fault::Unmanaged(block * BLOCK_FRAMES + part.start)),
                State::Whole => return Err(Fault::Free(block * BLOCK_FRAMES + part.start)),
                State::Lent if part.len() == BLOCK_FRAMES => {
                    self.area_mut(block).make_whole(block..block + 1);
                    self.free_frames += BLOCK_FRAMES;
                }
                State::Lent => {
                    self.area_mut(block).split(block, Block::taken());
                    self.give_part(block, part)?;
                }
                State::Split => self.give_part(block, part)?,
            }
        }
        Ok(())
    }

    /// Whether the frame is free.
    pub(super) fn is_free(&self, frame: usize) -> bool {
        let block = frame / BLOCK_FRAMES;
        self.area(block).is_some_and(|area| match area.state(block) {
            State::Whole => true,
            State::Split => area.descriptor(block).is_free(frame % BLOCK_FRAMES),
            State::Absent | State::Lent => false,
        })
    }

    /// Frees a part of a block that is split.
    #[inline(never)]
    fn give_part(&mut self, block: usize, part: Range<usize>) -> Result<(), Fault> {
        let given = part.len();
        let descriptor = self.block_mut(block);
        let before = descriptor.free_frames();
        descriptor.give(part).map_err(|index| Fault::Free(block * BLOCK_FRAMES + index))?;
        // INVARIANT: listed if some of it is free, not listed once it is whole.
        match (before, before + given) {
            (0, BLOCK_FRAMES) => self.area_mut(block).make_whole(block..block + 1),
            (_, BLOCK_FRAMES) => {
                self.unlink(block);
                self.area_mut(block).make_whole(block..block + 1);
            }
            (0, _) => self.link(block),
            _ => {}
        }
        self.free_frames += given;
        Ok(())
    }

    /// Takes frames that are free.
    #[inline(never)]
    fn take_range(&mut self, frames: Range<usize>) {
        for block in touched(&frames) {
            let part = within(&frames, block);
            if self.area_mut(block).state(block) == State::Whole {
                if part.len() == BLOCK_FRAMES {
                    self.area_mut(block).lend(block);
                    continue;
                }
                self.split_whole(block);
            }
            self.block_mut(block).take(part);
            if self.block_mut(block).free_frames() == 0 {
                self.unlink(block);
            }
        }
        self.free_frames -= frames.len();
    }

    /// A split block with free frames, in the best zone that has one or a whole block to split.
    fn partial_block(&mut self) -> Option<usize> {
        let mut whole = None;
        for zone in [Zone::High, Zone::Below4GiB, Zone::First] {
            let listed = self.partial[zone as usize];
            if listed != NO_BLOCK {
                return Some(listed as usize);
            }
            whole = whole.or_else(|| self.highest_whole(usize::MAX));
            if let Some(block) = whole.filter(|&block| Zone::of(block) == zone) {
                self.split_whole(block);
                return Some(block);
            }
        }
        None
    }

    #[inline(never)]
    fn highest_whole(&mut self, below: usize) -> Option<usize> {
        self.areas[..self.len_areas].iter_mut().rev().flatten().find_map(|area| area.highest_whole(below))
    }

    /// Looks for a run in each zone's first few split blocks, and then for a whole block of that zone.
    fn run_within_block(&mut self, frames: usize, align: usize, below: usize) -> Option<usize> {
        let whole = self.highest_whole(below / BLOCK_FRAMES);
        [Zone::High, Zone::Below4GiB, Zone::First].into_iter().find_map(|zone| {
            if zone == Zone::High && below <= BLOCK_4_GIB * BLOCK_FRAMES {
                return None;
            }
            let whole = whole.filter(|&block| Zone::of(block) == zone);
            self.run_in_list(zone, frames, align, below).or(whole.map(|block| block * BLOCK_FRAMES))
        })
    }

    fn run_in_list(&self, zone: Zone, frames: usize, align: usize, below: usize) -> Option<usize> {
        let mut next = self.partial[zone as usize];
        for _ in 0..RUN_TRIES {
            if next == NO_BLOCK {
                break;
            }
            let (block, descriptor) = (next as usize, self.block(next as usize));
            if descriptor.free_frames() >= frames {
                let found = RunSearch::new(frames, align, below).block(block * BLOCK_FRAMES, descriptor);
                if found.is_some() {
                    return found;
                }
            }
            next = descriptor.next;
        }
        None
    }

    /// Looks for a run everywhere, the highest area first. Takes time linear in the number of blocks.
    fn run_anywhere(&self, frames: usize, align: usize, below: usize) -> Option<usize> {
        self.areas[..self.len_areas].iter().rev().flatten().find_map(|area| {
            let mut search = RunSearch::new(frames, align, below);
            area.blocks().take_while(|block| block * BLOCK_FRAMES < below).find_map(|block| match area.state(block) {
                State::Whole => search.free(block * BLOCK_FRAMES, BLOCK_FRAMES),
                State::Split => search.block(block * BLOCK_FRAMES, area.descriptor(block)),
                State::Absent | State::Lent => None,
            })
        })
    }

    fn split_whole(&mut self, block: usize) {
        self.area_mut(block).split(block, Block::free());
        self.link(block);
    }

    #[inline(never)]
    fn link(&mut self, block: usize) {
        let zone = Zone::of(block) as usize;
        let head = self.partial[zone];
        let descriptor = self.block_mut(block);
        (descriptor.previous, descriptor.next) = (NO_BLOCK, head);
        if head != NO_BLOCK {
            self.block_mut(head as usize).previous = block as u32;
        }
        self.partial[zone] = block as u32;
    }

    #[inline(never)]
    fn unlink(&mut self, block: usize) {
        let descriptor = self.block(block);
        let (previous, next) = (descriptor.previous, descriptor.next);
        match previous {
            NO_BLOCK => self.partial[Zone::of(block) as usize] = next,
            previous => self.block_mut(previous as usize).next = next,
        }
        if next != NO_BLOCK {
            self.block_mut(next as usize).previous = previous;
        }
    }

    /// Not inlined: every operation looks blocks up in several places.
    #[inline(never)]
    fn area_of(&self, block: usize) -> Option<usize> {
        let areas = &self.areas[..self.len_areas];
        areas.iter().position(|area| area.as_ref().is_some_and(|area| area.blocks().contains(&block)))
    }

    fn area(&self, block: usize) -> Option<&Area> {
        self.areas[self.area_of(block)?].as_ref()
    }

    fn area_mut(&mut self, block: usize) -> &mut Area {
        let area = self.area_of(block).and_then(|area| self.areas[area].as_mut());
        area.expect("a block that has a state has an area")
    }

    #[inline(never)]
    fn block(&self, block: usize) -> &Block {
        self.area(block).expect("a block that is split has an area").descriptor(block)
    }

    #[inline(never)]
    fn block_mut(&mut self, block: usize) -> &mut Block {
        self.area_mut(block).descriptor_mut(block)
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
