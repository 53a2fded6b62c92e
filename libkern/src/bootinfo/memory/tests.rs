use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const KINDS: [Kind; 8] = [
    Kind::Usable,
    Kind::AcpiReclaimable,
    Kind::AcpiNvs,
    Kind::Reserved,
    Kind::Bad,
    Kind::BootData,
    Kind::Module,
    Kind::Image,
];

fn map(ranges: &[(u64, u64, Kind)]) -> Vec<(u64, u64, Kind)> {
    let mut map = MemoryMap::new();
    for &(start, end, kind) in ranges {
        map.claim(start, end, kind);
    }
    check(&map);
    map.regions().iter().map(|r| (r.start, r.end, r.kind)).collect()
}

/// Asserts the invariants that a map shows by itself.
fn check(map: &MemoryMap) {
    for region in map.regions() {
        assert!(region.start < region.end, "{region:x?} is empty");
        assert_eq!(region.start % PAGE, 0, "{region:x?}");
        assert_eq!(region.end % PAGE, 0, "{region:x?}");
    }
    for pair in map.regions().windows(2) {
        assert!(pair[0].end <= pair[1].start, "{pair:x?} overlap");
        assert!(pair[0].end < pair[1].start || pair[0].kind != pair[1].kind, "{pair:x?} are one");
    }
}

fn report(entries: &[(u64, u64, Kind)]) -> (MemoryMap, Vec<Note>) {
    let mut map = MemoryMap::new();
    let mut notes = Notes::new();
    let entries = entries.iter().map(|&(start, len, kind)| Entry { start, len, kind });
    map.report(entries, &mut notes);
    check(&map);
    (map, notes.list.to_vec())
}

#[test]
fn unsorted_regions_are_sorted_and_neighbours_joined() {
    assert_eq!(
        map(&[
            (0x3000, 0x4000, Kind::Usable),
            (0x1000, 0x2000, Kind::Usable),
            (0x5000, 0x6000, Kind::Reserved),
            (0x2000, 0x3000, Kind::Usable),
        ]),
        [(0x1000, 0x4000, Kind::Usable), (0x5000, 0x6000, Kind::Reserved)]
    );
}

#[test]
fn usable_shrinks_to_pages_and_reserved_grows() {
    assert_eq!(
        map(&[
            (0, 0x9fc00, Kind::Usable),
            (0x9fc00, 0xa0000, Kind::Reserved),
            (0xf0001, 0xf0002, Kind::Reserved),
            (0x10_0001, 0x10_1fff, Kind::Usable),
        ]),
        [(0, 0x9f000, Kind::Usable), (0x9f000, 0xa0000, Kind::Reserved), (0xf0000, 0xf1000, Kind::Reserved),]
    );
}

#[test]
fn what_forbids_wins_in_either_order() {
    let usable = (0x1000, 0x9000, Kind::Usable);
    let reserved = (0x3000, 0x5000, Kind::Reserved);
    let expected = [(0x1000, 0x3000, Kind::Usable), (0x3000, 0x5000, Kind::Reserved), (0x5000, 0x9000, Kind::Usable)];
    assert_eq!(map(&[usable, reserved]), expected);
    assert_eq!(map(&[reserved, usable]), expected);
}

#[test]
fn addresses_that_wrap_are_cut_and_noted() {
    let (start, len) = (0xffff_ffff_ffff_f000, 0x10_0000);
    let (map, notes) =
        report(&[(start, len, Kind::Usable), (0x1000, u64::MAX, Kind::Reserved), (0x1000, 0, Kind::Usable)]);
    let memory_cut = |start, len| Note::MemoryCut { start, len };
    assert_eq!(notes, [memory_cut(start, len), memory_cut(0x1000, u64::MAX)]);
    assert_eq!(map.regions().len(), 1);
    assert_eq!(map.regions()[0].end, LIMIT);
    assert_eq!(map.usable_bytes(), 0);
}

#[test]
fn ten_thousand_entries_fill_the_map_and_stay_safe() {
    let entry = |index: u64| {
        let kind = if index.is_multiple_of(3) { Kind::Reserved } else { Kind::Usable };
        // Each overlaps the next, and every third forbids.
        (index * 0x3000, 0x4000, kind)
    };
    let entries: Vec<_> = (0..10_000).rev().map(entry).collect();
    let (map, notes) = report(&entries);
    assert_eq!(notes, [Note::MemoryMapFull]);
    assert!(map.usable_bytes() > 0);
    for usable in map.usable() {
        for &(start, len, kind) in &entries {
            let overlaps = usable.start < start + len && start < usable.end;
            assert!(kind == Kind::Usable || !overlaps, "{usable:x?}");
        }
    }
}

#[test]
fn a_claim_finds_its_place_in_a_full_map() {
    let entries: Vec<_> = (0..MAX_REGIONS as u64).map(|index| (index * 0x10_0000, 0x8_0000, Kind::Usable)).collect();
    let (mut map, notes) = report(&entries);
    assert_eq!(notes, []);
    map.claim(0x11_0000, 0x12_0000, Kind::Image);
    check(&map);
    assert!(!map.usable().any(|r| r.start < 0x12_0000 && 0x11_0000 < r.end));
    let usable = map.usable_bytes();
    map.claim(0x1_0000_0000, 0x2_0000_0000, Kind::Usable);
    assert_eq!(map.usable_bytes(), usable, "a full map takes in nothing usable");
}

proptest! {
    /// Against the obvious model: of each page, the greatest kind that anyone claimed.
    #[test]
    fn every_page_is_of_the_greatest_kind_claimed(
        claims in prop::collection::vec((0u64..64, 0u64..24, 0usize..KINDS.len()), 0..40)
    ) {
        let mut map = MemoryMap::new();
        let mut model = [None; 96];
        for (start, pages, kind) in claims {
            let kind = KINDS[kind];
            map.claim(start * PAGE, (start + pages) * PAGE, kind);
            for page in start..start + pages {
                let page = &mut model[page as usize];
                *page = (*page).max(Some(kind));
            }
        }
        check(&map);
        for (page, expected) in model.into_iter().enumerate() {
            let at = page as u64 * PAGE;
            let found = map.regions().iter().find(|r| r.start <= at && at < r.end);
            prop_assert_eq!(found.map(|r| r.kind), expected, "page {}", page);
        }
    }

    /// A map that overflows forgets, but calls nothing usable that anyone forbade.
    #[test]
    fn a_full_map_never_calls_a_forbidden_page_usable(
        entries in prop::collection::vec((0u64..1 << 20, 1u64..0x4000, 0usize..KINDS.len()), 0..600)
    ) {
        let entries: Vec<_> =
            entries.into_iter().map(|(start, len, kind)| (start, len, KINDS[kind])).collect();
        let (map, _) = report(&entries);
        for usable in map.usable() {
            for &(start, len, kind) in &entries {
                let apart = usable.end <= start || start + len <= usable.start;
                prop_assert!(kind == Kind::Usable || apart, "{:x?}", usable);
            }
        }
    }
}
