//! Frames and the heap, on all cores at once.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use guest_tests::yield_until;
use libkern::sync::SpinLock;
use libkern::testing::{Skipped, skip};
use libkern::{cpu, kthread, mem};

libkern::test_main!();

#[libkern::test]
fn boxes_freed_on_another_core_come_back() {
    const ROUNDS: usize = 2_000;
    /// What each core has been sent.
    static MAIL: [SpinLock<VecDeque<Box<[usize; 8]>>>; 8] = [const { SpinLock::new("mail", VecDeque::new()) }; 8];
    let cores = cpu::count().min(MAIL.len());
    let before = mem::stats();
    for _ in 0..3 {
        kthread::call_all(|core| {
            if core >= cores {
                return;
            }
            for round in 0..ROUNDS {
                let letter = Box::new([core * ROUNDS + round; 8]);
                MAIL[(core + 1) % cores].lock().push_back(letter);
                let received = MAIL[core].lock().pop_front();
                if let Some(letter) = received {
                    assert!(letter.iter().all(|&word| word == letter[0]), "{letter:?}");
                }
            }
        });
        for mail in &MAIL {
            let letters = core::mem::take(&mut *mail.lock());
            drop(letters);
        }
    }
    let after = mem::stats();
    let leaked = before.free_bytes.saturating_sub(after.free_bytes);
    // What stays in the cores' caches is bounded.
    assert!(leaked <= cpu::count() * 256 * 1024, "{leaked} bytes did not come back");
}

#[libkern::test]
fn allocations_of_every_size_and_alignment_are_disjoint_and_keep_their_contents() {
    kthread::call_all(|core| {
        let mut kept: Vec<(usize, Vec<u8>)> = Vec::new();
        for round in 0..400_usize {
            let len = (round * 7919 + core * 131) % 5000;
            kept.push((len, alloc::vec![(round % 251) as u8; len]));
            if round % 3 == 0 {
                kept.swap_remove(round % kept.len());
            }
            if round % 5 == 0
                && let Some((len, bytes)) = kept.last_mut()
            {
                let byte = bytes.first().copied().unwrap_or(9);
                bytes.resize(*len + 300, byte);
                *len += 300;
            }
        }
        for (len, bytes) in &kept {
            assert_eq!(bytes.len(), *len);
            assert!(bytes.iter().all(|byte| *byte == bytes[0]));
        }
    });
}

#[libkern::test]
fn a_request_that_cannot_be_met_is_an_error_where_the_caller_can_take_one() {
    let mut bytes: Vec<u8> = Vec::new();
    assert!(bytes.try_reserve_exact(1 << 46).is_err());
    assert!(bytes.try_reserve_exact(100).is_ok());
}

#[libkern::test]
fn when_memory_is_exhausted_what_is_freed_can_be_had_again() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    hoard.try_reserve_exact(100_000).expect("a few MiB are free");
    loop {
        let mut chunk = Vec::new();
        if hoard.len() == hoard.capacity() || chunk.try_reserve_exact(256 * 1024).is_err() {
            break;
        }
        hoard.push(chunk);
    }
    let most = hoard.len();
    assert!(most > 4, "{most} chunks of 256 KiB");
    // The last small pieces too.
    let mut small: Vec<Box<[u8; 64]>> = Vec::new();
    for _ in 0..1000 {
        if small.try_reserve(1).is_err() {
            break;
        }
        small.push(Box::new([1; 64]));
        if small.len() == 500 {
            hoard.truncate(most - 2);
        }
    }
    drop(hoard);
    let mut again: Vec<Vec<u8>> = Vec::with_capacity(most);
    for _ in 0..most - 2 {
        let mut chunk = Vec::new();
        chunk.try_reserve_exact(256 * 1024).expect("it was there before");
        again.push(chunk);
    }
}

#[libkern::test]
fn memory_above_4_gib_is_used() -> Result<(), Skipped> {
    use libkern::mem::frames::{self, FrameUse};
    if mem::stats().total_bytes <= 4 << 30 {
        return skip("the machine has no memory above 4 GiB");
    }
    let mut taken = Vec::new();
    let mut above = 0;
    for _ in 0..100_000 {
        let frame = frames::alloc(FrameUse::Application).expect("there are gigabytes");
        if frame.addr().as_u64() >= 4 << 30 {
            let at = libkern::arch::direct_map_base() + frame.addr().as_u64() as usize;
            let word = core::ptr::with_exposed_provenance_mut::<u64>(at);
            // SAFETY: a frame of our own, in the direct map.
            unsafe {
                word.write_volatile(frame.addr().as_u64());
                assert_eq!(word.read_volatile(), frame.addr().as_u64());
            }
            above += 1;
        }
        taken.push(frame);
        if above > 100 {
            break;
        }
    }
    drop(taken);
    assert!(above > 0, "no frame above 4 GiB in 100,000");
    Ok(())
}

#[libkern::test]
fn frames_taken_and_freed_on_all_cores_balance() {
    use libkern::mem::frames::{self, FrameUse};
    let before = mem::stats().used(FrameUse::Application);
    kthread::call_all(|_| {
        for round in 0..50 {
            let taken: Vec<_> = (0..round).map_while(|_| frames::alloc(FrameUse::Application).ok()).collect();
            drop(taken);
        }
    });
    let after = mem::stats().used(FrameUse::Application);
    assert_eq!(before, after, "what cores took they gave back, to the frame");
    // Every frame is free or used for something. (Figures are taken one after the other: whoever takes a frame meanwhile
    // makes them differ for a moment.)
    yield_until("all frames to be accounted for", || {
        let stats = mem::stats();
        stats.total_bytes == stats.free_bytes + stats.used_bytes.iter().sum::<usize>()
    });
}
