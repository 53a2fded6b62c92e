//! Which addresses of a process mean what, before any page of it is there.
//!
//! Pure: nothing here knows page tables or frames. A space has a sorted list of regions that do not overlap; a change
//! splits regions at its ends, and puts them together again where they are alike. Ranges are whole pages.

use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::Range;

use crate::arch::PAGE_SIZE;
use crate::arch::user_tables::UserRights;

/// The most regions of one space.
pub const MOST_REGIONS: usize = 1024;

/// What is behind a region's pages. Of two neighbours it says whether they are one.
pub trait Backing: Clone {
    /// The backing of what begins `pages` further on.
    fn advanced(&self, pages: usize) -> Self;

    /// Whether `next` is what `self.advanced(pages)` would be.
    fn continues(&self, pages: usize, next: &Self) -> bool;

    /// Whether a process may unmap it, and change what it may do with it.
    fn is_fixed(&self) -> bool;

    /// Whether it is memory of the space's own, of which nobody else knows, and of no content.
    fn is_plain(&self) -> bool;
}

/// A range of addresses with one meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region<B> {
    /// Its addresses.
    pub range: Range<usize>,
    /// What may be done there.
    pub rights: UserRights,
    /// Whether it may be made writable.
    pub may_write: bool,
    /// What is behind it.
    pub backing: B,
}

/// Why regions cannot be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionError {
    /// Something is there already.
    Occupied,
    /// Not all of it is there.
    Absent,
    /// Part of it is not the process's to change.
    Fixed,
    /// It may not be written.
    NotWritable,
    /// There would be too many regions.
    TooMany,
}

/// A range in which nothing is, of regions that have not changed since.
#[derive(Debug)]
pub struct Gap {
    range: Range<usize>,
    /// How many regions are below it.
    at: usize,
}

/// Regions of a space.
///
/// # Invariants
/// Sorted, disjoint, none empty, whole pages; at most [`MOST_REGIONS`].
#[derive(Debug)]
pub struct Regions<B> {
    list: Vec<Region<B>>,
    /// What [`below`](Self::below) gave last: who asks about an address will ask about those around it.
    last: Cell<usize>,
}

impl<B: Backing> Default for Regions<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Backing> Regions<B> {
    /// None.
    pub const fn new() -> Self {
        Self { list: Vec::new(), last: Cell::new(0) }
    }

    /// All of them, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = &Region<B>> {
        self.list.iter()
    }

    /// How many of them end at or before `address`.
    #[inline]
    fn below(&self, address: usize) -> usize {
        let last = self.last.get();
        let is_below = |at: usize| self.list.get(at).is_some_and(|region| region.range.end <= address);
        if last <= self.list.len() && (last == 0 || is_below(last - 1)) && !is_below(last) {
            return last;
        }
        let below = self.list.partition_point(|region| region.range.end <= address);
        self.last.set(below);
        below
    }

    /// The region that `address` is in.
    #[inline]
    pub fn find(&self, address: usize) -> Option<&Region<B>> {
        let last = self.list.get(self.last.get()).filter(|region| region.range.contains(&address));
        last.or_else(|| self.list.get(self.below(address)).filter(|region| region.range.start <= address))
    }

    /// The lowest free range of `len` bytes within `bounds`.
    #[inline(always)]
    pub fn find_gap(&self, len: usize, bounds: Range<usize>) -> Option<Gap> {
        let (mut start, mut at) = (bounds.start, self.below(bounds.start));
        while let Some(region) = self.list.get(at) {
            if region.range.start >= start && region.range.start - start >= len {
                break;
            }
            start = region.range.end;
            at += 1;
        }
        let end = start.checked_add(len).filter(|&end| end <= bounds.end)?;
        Some(Gap { range: start..end, at })
    }

    /// The gap at `range`.
    ///
    /// # Errors
    /// [`RegionError::Occupied`]: there is none.
    #[inline(always)]
    pub fn gap_at(&self, range: Range<usize>) -> Result<Gap, RegionError> {
        let at = self.below(range.start);
        if self.list.get(at).is_some_and(|next| next.range.start < range.end) {
            return Err(RegionError::Occupied);
        }
        Ok(Gap { range, at })
    }

    /// Adds a region where none is. Gives its address.
    ///
    /// # Errors
    /// [`RegionError::TooMany`]. Nothing is changed then.
    #[inline(always)]
    pub fn fill(&mut self, gap: Gap, rights: UserRights, may_write: bool, backing: B) -> Result<usize, RegionError> {
        let Gap { range, at } = gap;
        debug_assert!(!range.is_empty() && range.start.is_multiple_of(PAGE_SIZE));
        let start = range.start;
        if at > 0 && self.list[at - 1].continues(start, rights, may_write, &backing) {
            self.list[at - 1].range.end = range.end;
            self.join(at);
            return Ok(start);
        }
        self.room_for(1)?;
        if at == self.list.len() {
            // As most are: above all others.
            self.list.push(Region { range, rights, may_write, backing });
        } else {
            self.insert(at, Region { range, rights, may_write, backing });
        }
        Ok(start)
    }

    /// Not inlined, for the sake of those that are above all others.
    #[inline(never)]
    fn insert(&mut self, at: usize, region: Region<B>) {
        self.list.insert(at, region);
        self.join(at + 1);
    }

    /// Regions that begin in `range`, or hold its beginning.
    pub fn touching(&self, range: &Range<usize>) -> impl Iterator<Item = &Region<B>> {
        let end = range.end;
        self.list[self.below(range.start)..].iter().take_while(move |region| region.range.start < end)
    }

    /// Takes `range` out of the regions, and gives what was behind each part of it to `removed`.
    ///
    /// # Errors
    /// [`RegionError::Absent`], [`RegionError::Fixed`], [`RegionError::TooMany`]. Nothing is changed then.
    pub fn remove(&mut self, range: &Range<usize>, removed: impl FnMut(B)) -> Result<(), RegionError> {
        let (first, end) = self.isolate(range, |_| Ok(()))?;
        self.list.drain(first..end).map(|region| region.backing).for_each(removed);
        Ok(())
    }

    /// As [`remove`](Self::remove), quickly, if `range` is one whole region of plain memory, as most are. Says whether it was.
    #[inline(always)]
    pub fn remove_plain(&mut self, range: &Range<usize>) -> bool {
        let is_it =
            |at: &usize| self.list.get(*at).is_some_and(|region| region.range == *range && region.backing.is_plain());
        let known = Some(self.last.get()).filter(is_it);
        let Some(at) = known.or_else(|| Some(self.below(range.start)).filter(is_it)) else { return false };
        if at + 1 == self.list.len() {
            self.list.pop();
        } else {
            self.list.remove(at);
        }
        true
    }

    /// Changes what may be done in `range`.
    ///
    /// # Errors
    /// As [`remove`](Self::remove), and [`RegionError::NotWritable`].
    pub fn protect(&mut self, range: &Range<usize>, rights: UserRights) -> Result<(), RegionError> {
        let check = |region: &Region<B>| match rights == UserRights::ReadWrite && !region.may_write {
            true => Err(RegionError::NotWritable),
            false => Ok(()),
        };
        let (first, end) = self.isolate(range, check)?;
        for region in &mut self.list[first..end] {
            region.rights = rights;
        }
        // The last boundary first, so that the others stay where they are.
        for at in (first..=end).rev() {
            self.join(at);
        }
        Ok(())
    }

    /// Makes boundaries at the ends of `range`, all of which is there and may be changed. Gives the regions between.
    fn isolate(
        &mut self,
        range: &Range<usize>,
        check: impl Fn(&Region<B>) -> Result<(), RegionError>,
    ) -> Result<(usize, usize), RegionError> {
        let first = self.below(range.start);
        let mut end = first;
        let mut reached = range.start;
        while reached < range.end {
            let region =
                self.list.get(end).filter(|region| region.range.start <= reached).ok_or(RegionError::Absent)?;
            if region.backing.is_fixed() {
                return Err(RegionError::Fixed);
            }
            check(region)?;
            reached = region.range.end;
            end += 1;
        }
        let cuts_first = self.list[first].range.start < range.start;
        let cuts_last = self.list[end - 1].range.end > range.end;
        self.room_for(usize::from(cuts_first) + usize::from(cuts_last))?;
        if cuts_last {
            self.split(end - 1, range.end);
        }
        if cuts_first {
            self.split(first, range.start);
            return Ok((first + 1, end + 1));
        }
        Ok((first, end))
    }

    fn split(&mut self, at: usize, address: usize) {
        let region = &mut self.list[at];
        let mut upper = region.clone();
        upper.backing = region.backing.advanced((address - region.range.start) / PAGE_SIZE);
        upper.range.start = address;
        region.range.end = address;
        self.list.insert(at + 1, upper);
    }

    /// Makes one of the regions before and behind boundary `at`, if they are alike.
    #[inline(always)]
    fn join(&mut self, at: usize) {
        if at > 0 && at < self.list.len() && self.list[at - 1].is_followed_by(&self.list[at]) {
            self.list[at - 1].range.end = self.list[at].range.end;
            self.list.remove(at);
        }
    }

    #[inline(always)]
    fn room_for(&mut self, more: usize) -> Result<(), RegionError> {
        let len = self.list.len();
        let has_room = self.list.capacity() - len >= more || self.list.try_reserve(more).is_ok();
        if len + more <= MOST_REGIONS && has_room { Ok(()) } else { Err(RegionError::TooMany) }
    }
}

impl<B: Backing> Region<B> {
    #[inline(always)]
    fn is_followed_by(&self, next: &Self) -> bool {
        self.continues(next.range.start, next.rights, next.may_write, &next.backing)
    }

    /// Whether a region that begins at `start`, with these, is the same thing going on.
    #[inline(always)]
    fn continues(&self, start: usize, rights: UserRights, may_write: bool, backing: &B) -> bool {
        self.range.end == start
            && self.rights == rights
            && self.may_write == may_write
            && self.backing.continues((self.range.end - self.range.start) / PAGE_SIZE, backing)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    /// Either memory of its own, or a page of something, or what is fixed.
    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Mock {
        Own,
        Page(usize),
        Fixed,
    }

    impl Backing for Mock {
        fn advanced(&self, pages: usize) -> Self {
            match self {
                Mock::Page(first) => Mock::Page(first + pages),
                other => other.clone(),
            }
        }

        fn continues(&self, pages: usize, next: &Self) -> bool {
            self.advanced(pages) == *next && !self.is_fixed()
        }

        fn is_fixed(&self) -> bool {
            *self == Mock::Fixed
        }

        fn is_plain(&self) -> bool {
            *self == Mock::Own
        }
    }

    /// Pages of the model.
    const PAGES: usize = 48;

    /// What each page is: rights, whether it may be written, backing.
    type Model = Vec<Option<(UserRights, bool, Mock)>>;

    fn bytes(pages: &Range<usize>) -> Range<usize> {
        pages.start * PAGE_SIZE..pages.end * PAGE_SIZE
    }

    fn insert(regions: &mut Regions<Mock>, region: Region<Mock>) -> Result<(), RegionError> {
        let Region { range, rights, may_write, backing } = region;
        let start = range.start;
        let gap = regions.gap_at(range)?;
        assert_eq!(regions.fill(gap, rights, may_write, backing)?, start);
        Ok(())
    }

    fn as_model(regions: &Regions<Mock>) -> Model {
        let mut model = vec![None; PAGES];
        for region in regions.iter() {
            for (n, page) in (region.range.start / PAGE_SIZE..region.range.end / PAGE_SIZE).enumerate() {
                assert_eq!(model[page], None, "regions overlap");
                model[page] = Some((region.rights, region.may_write, region.backing.advanced(n)));
            }
        }
        model
    }

    #[derive(Clone, Debug)]
    enum Change {
        Insert(Range<usize>, UserRights, bool, Mock),
        Remove(Range<usize>),
        Protect(Range<usize>, UserRights),
    }

    fn rights() -> impl Strategy<Value = UserRights> {
        prop_oneof![Just(UserRights::Read), Just(UserRights::ReadWrite), Just(UserRights::ReadExecute)]
    }

    fn change() -> impl Strategy<Value = Change> {
        let range = || (0..PAGES - 1, 1usize..12).prop_map(|(start, len)| start..(start + len).min(PAGES));
        let backing = prop_oneof![4 => Just(Mock::Own), 4 => (0usize..4).prop_map(Mock::Page), 1 => Just(Mock::Fixed)];
        prop_oneof![
            (range(), rights(), any::<bool>(), backing).prop_map(|(r, rights, w, b)| Change::Insert(r, rights, w, b)),
            range().prop_map(Change::Remove),
            (range(), rights()).prop_map(|(range, rights)| Change::Protect(range, rights)),
        ]
    }

    /// What a change does to the model, or why it must fail.
    fn apply(model: &mut Model, change: &Change) -> Result<(), RegionError> {
        let may_change = |model: &Model, range: &Range<usize>| {
            for page in range.clone() {
                match &model[page] {
                    None => return Err(RegionError::Absent),
                    Some((_, _, Mock::Fixed)) => return Err(RegionError::Fixed),
                    Some(_) => {}
                }
            }
            Ok(())
        };
        match change {
            Change::Insert(range, rights, may_write, backing) => {
                if range.clone().any(|page| model[page].is_some()) {
                    return Err(RegionError::Occupied);
                }
                for (n, page) in range.clone().enumerate() {
                    model[page] = Some((*rights, *may_write, backing.advanced(n)));
                }
            }
            Change::Remove(range) => {
                may_change(model, range)?;
                range.clone().for_each(|page| model[page] = None);
            }
            Change::Protect(range, rights) => {
                may_change(model, range)?;
                let refused = |page: usize| model[page].as_ref().is_some_and(|(_, may_write, _)| !may_write);
                if *rights == UserRights::ReadWrite && range.clone().any(refused) {
                    return Err(RegionError::NotWritable);
                }
                for page in range.clone() {
                    model[page].as_mut().unwrap().0 = *rights;
                }
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn regions_are_what_a_list_of_pages_is(changes in proptest::collection::vec(change(), 1..60)) {
            let mut regions = Regions::new();
            let mut model: Model = vec![None; PAGES];
            for change in &changes {
                let expected = apply(&mut model, change);
                let done = match change.clone() {
                    Change::Insert(range, rights, may_write, backing) => {
                        insert(&mut regions, Region { range: bytes(&range), rights, may_write, backing })
                    }
                    Change::Remove(range) if regions.remove_plain(&bytes(&range)) => Ok(()),
                    Change::Remove(range) => regions.remove(&bytes(&range), drop),
                    Change::Protect(range, rights) => regions.protect(&bytes(&range), rights),
                };
                // Which of several reasons is given is not laid down.
                prop_assert_eq!(done.is_ok(), expected.is_ok(), "{:?}: {:?} or {:?}", change, done, expected);
                prop_assert_eq!(&as_model(&regions), &model);
                let list: Vec<_> = regions.iter().collect();
                for pair in list.windows(2) {
                    prop_assert!(pair[0].range.end <= pair[1].range.start);
                    prop_assert!(!pair[0].is_followed_by(pair[1]), "alike neighbours are one");
                }
            }
            for (n, page) in model.iter().enumerate() {
                let found = regions.find(n * PAGE_SIZE + 7).map(|region| region.rights);
                prop_assert_eq!(found, page.as_ref().map(|page| page.0));
            }
            for len in 1..10 {
                let free = |start: usize| (start..start + len).all(|page| page < PAGES && model[page].is_none());
                let expected = (0..PAGES).find(|&start| free(start)).map(|page| page * PAGE_SIZE);
                let gap = regions.find_gap(len * PAGE_SIZE, 0..PAGES * PAGE_SIZE);
                prop_assert_eq!(gap.map(|gap| gap.range.start), expected);
            }
        }
    }

    #[test]
    fn there_are_no_more_than_so_many() {
        let mut regions = Regions::new();
        let page = |n: usize| Region {
            range: bytes(&(2 * n..2 * n + 1)),
            rights: UserRights::Read,
            may_write: true,
            backing: Mock::Own,
        };
        for n in 0..MOST_REGIONS {
            insert(&mut regions, page(n)).unwrap();
        }
        assert_eq!(insert(&mut regions, page(MOST_REGIONS)), Err(RegionError::TooMany));
        regions.remove(&page(7).range, drop).unwrap();
        let three = Region { range: bytes(&(13..16)), ..page(0) };
        // It joins both neighbours.
        insert(&mut regions, three).unwrap();
        assert_eq!(regions.iter().count(), MOST_REGIONS - 2);
    }
}
