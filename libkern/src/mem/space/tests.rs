use alloc::sync::Arc;
use alloc::vec::Vec;

use super::pages::Pages;
use super::*;
use crate::mem::testing::machine;
use crate::mem::{FrameUse, stats};

const BASE: usize = 0x4000_0000;

fn page_at(n: usize) -> usize {
    BASE + n * PAGE_SIZE
}

fn zero(space: &Space, pages: Range<usize>) -> Result<usize, SpaceError> {
    let len = pages.len() * PAGE_SIZE;
    space.map(Place::At(page_at(pages.start)), len, UserRights::ReadWrite, Content::Zero)
}

fn bytes(pages: Range<usize>) -> Range<usize> {
    page_at(pages.start)..page_at(pages.end)
}

/// What is in the page at `address`.
fn read(space: &Space, address: usize) -> Option<u8> {
    let leaf = space.leaf(address)?;
    let at: *const u8 = PhysAddr::new(leaf.phys).to_ptr();
    // SAFETY: a frame that is mapped, and so somebody's whom the test knows.
    Some(unsafe { at.add(address % PAGE_SIZE).read() })
}

/// As a process that writes there, whose processor knows the page from then on.
fn write(space: &Space, address: usize, byte: u8) {
    space.fault_in(address, Access::Write).unwrap();
    let leaf = space.leaf(address).expect("it is there now");
    assert!(leaf.is_writable);
    let at: *mut u8 = PhysAddr::new(leaf.phys).to_ptr();
    // SAFETY: as in `read`.
    unsafe { at.add(address % PAGE_SIZE).write(byte) };
}

fn unmap(space: &Space, pages: Range<usize>) -> Result<Flush, SpaceError> {
    let mut flush = Flush::new(bytes(pages));
    space.unmap(&mut flush).map(|()| flush)
}

fn protect(space: &Space, pages: Range<usize>, rights: UserRights) -> Result<Flush, SpaceError> {
    let mut flush = Flush::new(bytes(pages));
    space.protect(&mut flush, rights).map(|()| flush)
}

/// Runs `test`, and checks that all memory comes back.
fn balanced(test: impl FnOnce()) {
    let _machine = machine();
    let before = stats().used(FrameUse::Processes);
    test();
    assert_eq!(stats().used(FrameUse::Processes), before, "all frames have come back");
}

#[test]
fn pages_come_when_they_are_touched_and_are_zero() {
    balanced(|| {
        let space = Space::new(None, 100).unwrap();
        assert_eq!(space.used_frames(), 1);
        zero(&space, 0..1000).unwrap();
        assert_eq!(space.used_frames(), 1, "nothing is there yet");
        assert_eq!(space.fault_in(page_at(500) + 9, Access::Read), Ok(()));
        assert_eq!(read(&space, page_at(500)), Some(0));
        assert_eq!(space.used_frames(), 1 + 3 + 1, "three tables and a page");
        write(&space, page_at(501), 7);
        assert_eq!((read(&space, page_at(501)), space.used_frames()), (Some(7), 6));
        let mut resident = Vec::new();
        space.resident(bytes(0..1000), |page| resident.push(page)).unwrap();
        assert_eq!(resident, [page_at(500), page_at(501)]);
    });
}

#[test]
fn what_is_not_allowed_does_not_become_so() {
    balanced(|| {
        let space = Space::new(None, 100).unwrap();
        let text = || Content::Zero;
        space.map(Place::At(page_at(0)), PAGE_SIZE, UserRights::ReadExecute, text()).unwrap();
        space.map(Place::At(page_at(1)), PAGE_SIZE, UserRights::Read, Content::Zero).unwrap();
        zero(&space, 2..3).unwrap();
        let allowed = |page, access| space.fault_in(page_at(page), access);
        for page in 0..3 {
            assert_eq!(allowed(page, Access::Read), Ok(()));
            assert_eq!(allowed(page, Access::Execute).is_ok(), page == 0);
            assert_eq!(allowed(page, Access::Write).is_ok(), page == 2);
            let leaf = space.leaf(page_at(page)).unwrap();
            assert_eq!((leaf.is_executable, leaf.is_writable), (page == 0, page == 2));
        }
        for nowhere in [0, 8, LOWEST, page_at(3), USER_END - 1, USER_END, 1 << 47, usize::MAX] {
            assert_eq!(space.fault_in(nowhere, Access::Read), Err(FaultError::Absent), "{nowhere:#x}");
        }
    });
}

#[test]
fn ranges_that_a_process_cannot_have_are_refused() {
    balanced(|| {
        let space = Space::new(None, 100).unwrap();
        let map = |at, len| space.map(Place::At(at), len, UserRights::Read, Content::Zero);
        for (at, len) in [
            (0, PAGE_SIZE),
            (LOWEST - PAGE_SIZE, PAGE_SIZE),
            (BASE + 1, PAGE_SIZE),
            (BASE, 0),
            (USER_END, PAGE_SIZE),
            (USER_END - PAGE_SIZE, 2 * PAGE_SIZE),
            (1 << 47, PAGE_SIZE),
            (usize::MAX - PAGE_SIZE + 1, PAGE_SIZE),
            (BASE, usize::MAX),
            (BASE, usize::MAX - BASE),
        ] {
            assert_eq!(map(at, len), Err(SpaceError::BadRange), "{at:#x} {len:#x}");
        }
        assert_eq!(map(USER_END - PAGE_SIZE, 1), Ok(USER_END - PAGE_SIZE), "a length is rounded up");
        assert_eq!(map(USER_END - PAGE_SIZE, 1), Err(SpaceError::Occupied));
        let within = |len| space.map(Place::Within(BASE..BASE + 0x10000), len, UserRights::Read, Content::Zero);
        assert_eq!(within(0x8000), Ok(BASE));
        assert_eq!(within(0x9000), Err(SpaceError::NoRoom));
        assert_eq!(within(usize::MAX), Err(SpaceError::BadRange));
    });
}

#[test]
fn what_was_unmapped_is_free_when_it_is_flushed_and_not_before() {
    balanced(|| {
        let space = Space::new(None, 100).unwrap();
        zero(&space, 0..40).unwrap();
        for page in 0..30 {
            write(&space, page_at(page), 1);
        }
        let (used, in_use) = (space.used_frames(), stats().used(FrameUse::Processes));
        let mut flush = unmap(&space, 5..35).unwrap();
        assert_eq!((flush.frames(), flush.range()), (25, bytes(5..35)));
        assert_eq!(space.used_frames(), used - 25);
        assert_eq!(stats().used(FrameUse::Processes), in_use, "somebody may still write to it");
        flush.is_done();
        assert_eq!(stats().used(FrameUse::Processes), in_use - 25 * PAGE_SIZE);
        assert_eq!(space.fault_in(page_at(5), Access::Read), Err(FaultError::Absent));
        assert_eq!(unmap(&space, 0..6).err(), Some(SpaceError::Absent));
        assert_eq!(read(&space, page_at(0)), Some(1), "nothing was changed");
        zero(&space, 5..6).unwrap();
        space.fault_in(page_at(5), Access::Read).unwrap();
        assert_eq!(read(&space, page_at(5)), Some(0), "not what was there before");
    });
}

#[test]
fn a_limit_holds_for_pages_and_tables_and_what_failed_costs_nothing() {
    balanced(|| {
        let space = Space::new(None, 5).unwrap();
        zero(&space, 0..2).unwrap();
        zero(&space, 0x10_0000..0x10_0001).unwrap();
        write(&space, page_at(0), 1);
        assert_eq!(space.used_frames(), 5);
        assert_eq!(space.fault_in(page_at(1), Access::Write), Err(FaultError::Limit));
        unmap(&space, 0..1).unwrap().is_done();
        assert_eq!(space.used_frames(), 4);
        write(&space, page_at(1), 1);
        assert_eq!(space.fault_in(page_at(0x10_0000), Access::Write), Err(FaultError::Limit));
        assert_eq!(space.used_frames(), 5, "what failed costs nothing");
        unmap(&space, 1..2).unwrap().is_done();
        assert_eq!(space.fault_in(page_at(0x10_0000), Access::Write), Err(FaultError::Limit));
        assert_eq!(space.used_frames(), 5, "but the first of two tables, which stays");
        assert_eq!(space.pin(page_at(7), UserRights::Read), Err(SpaceError::Limit));
    });
}

#[test]
fn rights_go_down_at_once_and_up_only_as_far_as_they_may() {
    balanced(|| {
        let space = Space::new(None, 100).unwrap();
        zero(&space, 0..3).unwrap();
        write(&space, page_at(1), 5);
        let mut flush = protect(&space, 1..2, UserRights::Read).unwrap();
        assert!(flush.is_needed());
        flush.is_done();
        assert!(!space.leaf(page_at(1)).unwrap().is_writable);
        assert_eq!(space.fault_in(page_at(1), Access::Write), Err(FaultError::Forbidden));
        let mut flush = protect(&space, 0..3, UserRights::ReadWrite).unwrap();
        assert!(!flush.is_needed(), "more rights are found by a fault");
        flush.is_done();
        assert_eq!(read(&space, page_at(1)), Some(5));
        let constant = Arc::new(Pages::zeroed(1, FrameUse::Processes).unwrap());
        let content = Content::Shared { pages: constant, first: 0, may_write: false };
        space.map(Place::At(page_at(9)), PAGE_SIZE, UserRights::Read, content).unwrap();
        assert_eq!(protect(&space, 9..10, UserRights::ReadWrite).err(), Some(SpaceError::NotWritable));
    });
}

#[test]
fn shared_pages_are_one_and_copied_ones_are_not() {
    balanced(|| {
        let mut pages = Pages::zeroed(3, FrameUse::Processes).unwrap();
        (0..3).for_each(|n| pages.fill(n, 100, &[n as u8 + 1]));
        let pages = Arc::new(pages);
        let (one, other) = (Space::new(None, 100).unwrap(), Space::new(None, 100).unwrap());
        for space in [&one, &other] {
            let shared = Content::Shared { pages: pages.clone(), first: 0, may_write: true };
            space.map(Place::At(page_at(0)), 3 * PAGE_SIZE, UserRights::ReadWrite, shared).unwrap();
            let copied = Content::Copied { pages: pages.clone(), first: 1 };
            space.map(Place::At(page_at(8)), 2 * PAGE_SIZE, UserRights::ReadWrite, copied).unwrap();
        }
        write(&one, page_at(8) + 100, 9);
        write(&one, page_at(2) + 100, 8);
        for (page, seen) in [(2, 8), (8, 2), (9, 8)] {
            other.fault_in(page_at(page), Access::Read).unwrap();
            assert_eq!(read(&other, page_at(page) + 100), Some(seen), "page {page}");
        }
        assert_eq!(one.used_frames(), 1 + 3 + 1, "shared pages are not its own");
        // A part of a region keeps its place in the pages.
        unmap(&one, 1..2).unwrap().is_done();
        unmap(&one, 8..9).unwrap().is_done();
        one.fault_in(page_at(9), Access::Read).unwrap();
        assert_eq!(read(&one, page_at(9) + 100), Some(8));
        drop(one);
        assert_eq!(read(&other, page_at(2) + 100), Some(8));
    });
}

#[test]
fn shared_pages_outlive_those_who_know_them() {
    balanced(|| {
        let pages = Arc::new(Pages::zeroed(2, FrameUse::Processes).unwrap());
        let space = Space::new(None, 100).unwrap();
        let shared = Content::Shared { pages, first: 0, may_write: true };
        space.map(Place::At(page_at(0)), 2 * PAGE_SIZE, UserRights::ReadWrite, shared).unwrap();
        write(&space, page_at(1), 1);
        let in_use = stats().used(FrameUse::Processes);
        let halves = [0..1, 1..2].map(|half| unmap(&space, half).unwrap());
        assert_eq!(stats().used(FrameUse::Processes), in_use, "somebody may still write to them");
        halves.into_iter().for_each(|mut half| half.is_done());
        assert_eq!(stats().used(FrameUse::Processes), in_use - 2 * PAGE_SIZE);
    });
}

#[test]
fn what_the_kernel_shares_stays() {
    balanced(|| {
        let space = Space::new(None, 100).unwrap();
        let info = space.pin(page_at(0), UserRights::Read).unwrap();
        let data = space.pin(page_at(1), UserRights::ReadWrite).unwrap();
        assert_eq!(space.leaf(page_at(0)).map(|leaf| (leaf.phys, leaf.is_writable)), Some((info.as_u64(), false)));
        assert_eq!(space.leaf(page_at(1)).map(|leaf| (leaf.phys, leaf.is_writable)), Some((data.as_u64(), true)));
        for page in 0..2 {
            assert_eq!(unmap(&space, page..page + 1).err(), Some(SpaceError::Fixed));
            assert_eq!(protect(&space, page..page + 1, UserRights::Read).err(), Some(SpaceError::Fixed));
        }
        // SAFETY: in a page that is pinned.
        unsafe { space.show_used(NonNull::new(info.to_ptr()).unwrap()) };
        zero(&space, 2..3).unwrap();
        write(&space, page_at(2), 1);
        // SAFETY: as above.
        assert_eq!(unsafe { info.to_ptr::<u64>().read() }, space.used_frames() as u64);
    });
}

#[test]
fn the_kernel_s_half_is_in_every_space() {
    balanced(|| {
        let kernel = Space::new(None, 1).unwrap();
        let top: *mut u64 = PhysAddr::new(kernel.root()).to_ptr();
        // SAFETY: the table of a space that nobody uses.
        unsafe { (0..512).for_each(|at| top.add(at).write(at as u64 * 0x1000)) };
        let space = Space::new(Some(kernel.root()), 1).unwrap();
        let copy: *const u64 = PhysAddr::new(space.root()).to_ptr();
        // SAFETY: as above.
        let entries: Vec<u64> = unsafe { (0..512).map(|at| copy.add(at).read()).collect() };
        assert!(entries[..256].iter().all(|&entry| entry == 0));
        assert!((256..512).all(|at| entries[at] == at as u64 * 0x1000));
    });
}

#[test]
fn a_space_knows_which_cores_have_it() {
    balanced(|| {
        let space = Space::new(None, 1).unwrap();
        for core in [0, 1, MAX_CORES - 1] {
            space.mark_loaded(core);
        }
        assert!(space.loaded_elsewhere(1).eq([0, MAX_CORES - 1]));
        space.mark_unloaded(0);
        assert!(space.loaded_elsewhere(1).eq([MAX_CORES - 1]));
        assert!(space.is_loaded_on(1) && !space.is_loaded_on(0));
    });
}
