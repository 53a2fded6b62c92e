//! What processes bring along: programs, and what calls say.

use std::ops::Range;

use libkern::arch::PAGE_SIZE;
use libkern::mem::space::asked::{range_of, rights_of};
use libkern::mem::space::regions::{Backing, MOST_REGIONS, Regions};
use libkern::proc::image::{LONGEST, MOST_SEGMENTS, Plan, SegmentRights};
use mcp_abi::call::{CallSet, Error, MAX_CALLS, number, rights};
use mcp_abi::process::USER_END;

/// A program's file: a plan that is given lies in the lower half and within the file, and never demands both writing and
/// executing.
pub fn program(data: &[u8]) {
    let Ok(plan) = Plan::new(data) else { return };
    let segments = plan.segments();
    assert!((1..=MOST_SEGMENTS).contains(&segments.len()));
    let mut end = 0;
    for segment in segments {
        let pages = segment.pages();
        assert!(pages.start.is_multiple_of(PAGE_SIZE) && pages.end.is_multiple_of(PAGE_SIZE));
        assert!(end <= pages.start && pages.start < pages.end && pages.end <= USER_END, "{plan:?}");
        end = pages.end;
        // Not all of what may be a long one.
        for page in [pages.start, pages.start + pages.len() / 2 / PAGE_SIZE * PAGE_SIZE, pages.end - PAGE_SIZE] {
            let (at, contents) = segment.contents(page);
            assert!(contents.end <= data.len() && at + contents.len() <= PAGE_SIZE, "{plan:?}");
        }
    }
    assert_eq!(plan.span(), segments[0].pages().start..end);
    assert!(!plan.is_movable() || end <= LONGEST.next_multiple_of(PAGE_SIZE));
    let runs = |rights| rights == SegmentRights::ReadExecute;
    assert!(segments.iter().any(|segment| runs(segment.rights()) && segment.pages().contains(&plan.entry())));
}

/// Memory without contents.
#[derive(Clone, Debug)]
struct Nothing;

impl Backing for Nothing {
    fn advanced(&self, _: usize) -> Self {
        Nothing
    }

    fn continues(&self, _: usize, _: &Self) -> bool {
        true
    }

    fn is_fixed(&self) -> bool {
        false
    }

    fn is_plain(&self) -> bool {
        // Either way of taking it away comes to the same.
        true
    }
}

/// Calls one behind the other, of 64 bytes each. What they say is decoded as the kernel does it, and those about memory are
/// done to a list of regions.
pub fn calls(data: &[u8]) {
    let mut regions = Regions::new();
    for call in data.chunks_exact(64) {
        let word = |at: usize| u64::from_le_bytes(call[at..at + 8].try_into().expect("eight bytes"));
        let number = word(0) as u32;
        let is_known = (number as usize) < MAX_CALLS;
        assert_eq!(CallSet::ALL.contains(number), is_known);
        assert!(!CallSet::NONE.contains(number) && !CallSet::ALL.without(number).contains(number));
        if let Err(error) = Error::check(word(48) as i64) {
            assert!(error.to_result() < 0);
        }
        let (address, len, third) = (word(8), word(16), word(24));
        if let Some(range) = range_of(address, len) {
            change(&mut regions, number, range.clone(), third);
            assert!(range.start as u64 == address && range.len() as u64 >= len && range.len() as u64 - len < 4096);
        }
        check(&regions);
    }
}

fn change(regions: &mut Regions<Nothing>, number: u32, range: Range<usize>, bits: u64) {
    let is_right = range.start > 0
        && range.start < range.end
        && range.end <= USER_END
        && range.start.is_multiple_of(PAGE_SIZE)
        && range.end.is_multiple_of(PAGE_SIZE);
    let rights = rights_of(bits);
    assert_eq!(rights.is_some(), matches!(bits & !rights::WRITE & !rights::EXECUTE, 1) && bits != 7);
    let mut remove = || regions.remove_plain(&range) || regions.remove(&range, drop).is_ok();
    if number == number::UNMAP && is_right && remove() {
        assert!(regions.find(range.start).is_none() && regions.find(range.end - 1).is_none());
    }
    let Some(rights) = rights else { return };
    let bounds = PAGE_SIZE..USER_END;
    let len = range.len();
    let at = match number {
        number::MAP if range.start == 0 && len > 0 => {
            let Some(gap) = regions.find_gap(len, bounds.clone()) else { return };
            // It is free, but there may be too many already.
            regions.fill(gap, rights, true, Nothing)
        }
        number::MAP if is_right => {
            let was_free =
                regions.iter().all(|region| region.range.end <= range.start || range.end <= region.range.start);
            let gap = regions.gap_at(range.clone());
            assert_eq!(gap.is_ok(), was_free);
            gap.and_then(|gap| regions.fill(gap, rights, true, Nothing))
        }
        number::PROTECT if is_right => regions.protect(&range, rights).map(|()| range.start),
        _ => return,
    };
    let Ok(at) = at else { return };
    assert!(bounds.contains(&at) && len <= USER_END - at && (at == range.start || range.start == 0));
    let rights_at = |address| regions.find(address).map(|region| region.rights);
    assert_eq!((rights_at(at), rights_at(at + len - 1)), (Some(rights), Some(rights)));
}

fn check(regions: &Regions<Nothing>) {
    let mut end = 0;
    let mut count = 0;
    for region in regions.iter() {
        assert!(end <= region.range.start && region.range.start < region.range.end && region.range.end <= USER_END);
        end = region.range.end;
        count += 1;
    }
    assert!(count <= MOST_REGIONS);
}
