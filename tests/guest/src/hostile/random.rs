//! Calls and instructions by chance.

use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use libkern::proc::Exit;
use libkern::{kthread, println};

use super::support::{beside_a_sibling, start, together};

/// How many calls one process makes.
const CALLS: u64 = 50_000;

/// The first process's seed.
const SEED: u64 = 2026;

/// Has processes make so many random calls, `at_once` of them at a time. `cargo roost test` prints the seed of one that
/// failed; `hostile random_calls SEED CALLS` is that process again.
pub fn soak(calls: u64, at_once: u64) {
    let count = calls.div_ceil(CALLS);
    for first in (0..count).step_by(at_once as usize) {
        let seeds: Vec<_> = (first..first + at_once).map(|n| format!("{}", SEED + n)).collect();
        println!("random calls: seeds {} to {}", seeds[0], seeds[seeds.len() - 1]);
        let calls = format!("{CALLS}");
        let attempts: Vec<[&str; 3]> = seeds.iter().map(|seed| ["random_calls", seed, &calls]).collect();
        let attempts: Vec<&[&str]> = attempts.iter().map(|attempt| &attempt[..]).collect();
        for (exit, seed) in together(&attempts).into_iter().zip(&seeds) {
            assert_eq!(exit, Exit::Status(0), "random calls with seed {seed}");
        }
    }
}

/// Random code may do anything to its process, which dies of something or ends, or goes round until it is killed.
pub fn code(seeds: Range<u64>) {
    for seed in seeds {
        beside_a_sibling(&seed, || {
            let child = start(&["random_code", &format!("{seed}")]);
            for _ in 0..50 {
                if child.try_wait().is_some() {
                    break;
                }
                kthread::sleep(Duration::from_millis(1));
            }
            child.kill();
            let exit = child.wait();
            println!("random code, seed {seed}: {exit}");
        });
    }
}
