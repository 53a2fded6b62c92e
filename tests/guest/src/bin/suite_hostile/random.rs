//! The soak: calls and instructions by chance.

use alloc::format;

use libkern::println;
use libkern::proc::Exit;

use crate::support::{beside_a_sibling, start, together};

/// How many calls one process makes.
const CALLS: u64 = 50_000;

/// Has processes make so many random calls, `at_once` of them at a time. `cargo roost test` prints the seed of one that
/// failed; `hostile random_calls SEED CALLS` is that process again.
fn soak(calls: u64, at_once: u64) {
    let count = calls.div_ceil(CALLS);
    for first in (0..count).step_by(at_once as usize) {
        let seeds: alloc::vec::Vec<_> = (first..first + at_once).map(|n| format!("{}", SEED + n)).collect();
        println!("random calls: seeds {} to {}", seeds[0], seeds[seeds.len() - 1]);
        let calls = format!("{CALLS}");
        let attempts: alloc::vec::Vec<[&str; 3]> = seeds.iter().map(|seed| ["random_calls", seed, &calls]).collect();
        let attempts: alloc::vec::Vec<&[&str]> = attempts.iter().map(|attempt| &attempt[..]).collect();
        for (exit, seed) in together(&attempts).into_iter().zip(&seeds) {
            assert_eq!(exit, Exit::Status(0), "random calls with seed {seed}");
        }
    }
}

/// The first process's.
const SEED: u64 = 2026;

#[libkern::test(ids = ["P60"])]
fn a_hundred_thousand_random_calls_harm_nobody() {
    soak(100_000, 2);
}

#[libkern::test(long, ids = ["P60"])]
fn ten_million_random_calls_harm_nobody() {
    soak(10_000_000, 4);
}

/// Random code may do anything to its process, which dies of something or ends, or goes round until it is killed.
fn code(seeds: core::ops::Range<u64>) {
    for seed in seeds {
        beside_a_sibling(&seed, || {
            let child = start(&["random_code", &format!("{seed}")]);
            for _ in 0..50 {
                if child.try_wait().is_some() {
                    break;
                }
                libkern::kthread::sleep(core::time::Duration::from_millis(1));
            }
            child.kill();
            let exit = child.wait();
            println!("random code, seed {seed}: {exit}");
        });
    }
}

#[libkern::test(ids = ["P2"])]
fn random_instructions_harm_nobody() {
    code(0..60);
}

#[libkern::test(long, ids = ["P2"])]
fn many_random_instructions_harm_nobody() {
    code(60..3000);
}
