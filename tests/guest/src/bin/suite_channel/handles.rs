//! Each call about handles, with each of its errors; and what a child sees.

use core::sync::atomic::{AtomicUsize, Ordering};

use libkern::proc::{Console, CreateError, Exit, Rights, SharedRegion, channel};
use libkern::ring::Memory;

use crate::support::{Digits, frames, run, told};

const PAGE: usize = 4096;

/// Drops that nobody counts.
static DROPPED: AtomicUsize = AtomicUsize::new(0);

fn pages(count: usize) -> SharedRegion {
    SharedRegion::new(count * PAGE).expect("there is memory")
}

#[libkern::test(ids = ["P83"])]
fn a_process_that_was_passed_nothing_reaches_nothing() {
    run(told(&["passed_nothing"]));
}

#[libkern::test]
fn handles_are_duplicated_and_closed_and_rights_never_grow() {
    let (_ours, theirs) = channel();
    let builder = told(&["handles"]).handle_limit(8);
    run(builder.pass(theirs.clone(), Rights::ALL).pass(pages(1), Rights::ALL).pass(theirs, Rights::NONE));
}

#[libkern::test(ids = ["P79"])]
fn a_region_is_mapped_as_far_as_its_handle_allows() {
    let before = frames();
    let region = pages(2);
    let read_write = Rights::READ | Rights::WRITE;
    let passed = [Rights::ALL, Rights::READ | Rights::MAP, Rights::MAP, read_write];
    let first = told(&["maps"]).pass(Digits::file(&DROPPED), Rights::ALL);
    run(passed.into_iter().fold(first, |builder, rights| builder.pass(region.clone(), rights)));
    assert_eq!(region.word(0).load(Ordering::Relaxed), 78, "what it wrote is there when it is gone");
    drop(region);
    assert!(frames() <= before + 64 * PAGE, "but for the program, nothing is left");
}

#[libkern::test]
fn files_and_consoles_are_read_and_written() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    let file = Digits::file(&DROPPED);
    let builder = told(&["streams"]).pass(file.clone(), Rights::ALL).pass(file, Rights::NONE);
    run(builder.pass(Console::new("tagged"), Rights::ALL).pass(pages(1), Rights::ALL));
    assert_eq!(DROPPED.load(Ordering::Relaxed), 1, "closed before those who wait are told");
}

#[libkern::test]
fn handles_are_transferred_whole_or_not_at_all() {
    let (ours, theirs) = channel();
    let (one, other) = channel();
    let region = pages(1);
    let without_transfer = Rights::READ | Rights::MAP | Rights::DUPLICATE;
    let builder = told(&["transfers"]).handle_limit(24).pass(theirs.clone(), Rights::ALL);
    let builder = builder.pass(region.clone(), Rights::ALL).pass(theirs, Rights::READ);
    run(builder.pass(region, without_transfer).pass(one, Rights::ALL).pass(other, Rights::ALL));
    assert!(ours.signal().is_err(), "its ends are closed");
}

#[libkern::test(ids = ["P81"])]
fn a_process_is_controlled_by_whoever_has_a_handle_for_that() {
    let hangs = told(&["hang"]).run().unwrap();
    let builder = told(&["children"]).pass(hangs.clone(), Rights::ALL).pass(hangs.clone(), Rights::READ);
    run(builder.pass(hangs.clone(), Rights::NONE).pass(pages(1), Rights::ALL));
    assert_eq!(hangs.wait(), Exit::Killed);
}

#[libkern::test]
fn a_process_that_cannot_be_passed_everything_is_not_made() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    run(told(&["passed_nothing"]));
    let before = frames();
    let builder = told(&["hang"]).handle_limit(1);
    let refused = builder.pass(Digits::file(&DROPPED), Rights::ALL).pass(pages(1), Rights::ALL).create();
    assert_eq!(refused.err(), Some(CreateError::Handles));
    guest_tests::yield_until("the handle to be closed", || DROPPED.load(Ordering::Relaxed) == 1);
    guest_tests::yield_until("the frames to come back", || frames() == before);
}
