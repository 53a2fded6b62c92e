//! Calls and instructions that nobody has thought of.

use core::sync::atomic::Ordering;

use libmcp::abi::call::{Call, EventTarget, number, rights};
use libmcp::memory::{self, Rights};
use libmcp::process;

use crate::calls::ADDRESSES;
use crate::support::{Outcome, PAGE, code, execute, number_of, pages, trap};

pub fn attempt(name: &str, args: &[&str]) -> Option<Outcome> {
    match name {
        "random_calls" => Some(random_calls(number_of(args[0]), number_of(args[1]))),
        "random_code" => Some(random_code(number_of(args[0]))),
        _ => None,
    }
}

/// Numbers from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((self.next() >> 32) * bound) >> 32
    }
}

/// Where the calls may map and unmap: far from what the process needs to go on.
const ARENA: u64 = 0x30_0000_0000;
const ARENA_PAGES: u64 = 64;
const BATCH: usize = 16;

/// As many calls as `count` says, in batches of up to sixteen, with random numbers, arguments, flags, and batches.
///
/// What they may not do is end the process or take its own pages: addresses of mappings are in an arena of their own, or
/// nowhere.
fn random_calls(seed: u64, count: u64) -> Outcome {
    let random = &mut Random::new(seed);
    let area = pages(2)?;
    let data = pages(2)?;
    let mut made = 0;
    while made < count {
        let len = if random.below(4) == 0 { 1 + random.below(BATCH as u64) as usize } else { 1 };
        let first = random.below((2 * PAGE / 64 - BATCH) as u64) as usize;
        let at = area + 64 * first;
        for n in 0..len {
            // SAFETY: in the area; a call that has blocked may be written over, which harms only itself.
            unsafe {
                core::ptr::with_exposed_provenance_mut::<Call>(at + 64 * n).write_volatile(call(random, data as u64));
            }
        }
        // No wait without an end.
        process::slot().notif_pending.store(1, Ordering::SeqCst);
        let taken = match random.below(64) {
            0 => trap(random.next() as usize, len),
            1 => trap(at + random.below(64) as usize, len),
            2 => trap(at, random.next() as usize),
            3 => trap(ADDRESSES[random.below(14) as usize] as usize, len),
            _ => {
                let taken = trap(at, len);
                if taken != len {
                    return Err(line!());
                }
                taken
            }
        };
        made += taken.max(1) as u64;
    }
    Ok(0)
}

fn call(random: &mut Random, data: u64) -> Call {
    let number = match random.below(16) {
        0 => random.next() as u32,
        1 => random.below(256) as u32,
        2 => number::YIELD,
        3 => number::SLEEP,
        4 => number::ABORT,
        5..=7 => number::MAP,
        8 | 9 => number::UNMAP,
        10 | 11 => number::PROTECT,
        12 | 13 => number::RESIDENT,
        14 => number::WAIT,
        _ => number::NULL,
    };
    let mut args = [0; 5];
    for arg in &mut args {
        *arg = match random.below(6) {
            0 => random.next(),
            1 => random.next() >> random.below(64),
            2 => ADDRESSES[random.below(14) as usize],
            3 => data + random.below(2 * PAGE as u64),
            4 => ARENA + random.below(ARENA_PAGES) * PAGE as u64,
            _ => random.below(16) * PAGE as u64,
        };
    }
    match number {
        number::EXIT | number::RESUME => return Call::new(number::NULL, args),
        number::SLEEP => args[0] = random.below(20_000),
        number::WRITE_CONSOLE => args[1] = u64::from(args[1] == 1 << 63),
        number::MAP if random.below(2) == 0 => {
            let right = [rights::READ, rights::READ | rights::WRITE, rights::READ | rights::EXECUTE, random.below(16)];
            let len = (1 + random.below(8)) * PAGE as u64;
            args = [args[0], len, right[random.below(4) as usize], number::ANONYMOUS, 0];
        }
        _ => {}
    }
    let is_mapping = matches!(number, number::MAP | number::UNMAP | number::PROTECT);
    if is_mapping && args[0] < 0x8000_0000_0000 {
        // Mostly pages, near each other.
        let at = ARENA
            + random.below(ARENA_PAGES) * PAGE as u64
            + if random.below(16) == 0 { random.below(4096) } else { 0 };
        let room = ARENA + (1 << 30) - at;
        args[0] = at;
        args[1] = if random.below(16) == 0 { args[1] } else { random.below(8) * PAGE as u64 };
        if number != number::MAP {
            args[1] = args[1].min(room);
        }
    }
    let mut call = Call::new(number, args);
    let flags = if random.below(8) == 0 { random.next() as u32 } else { 0 };
    call.flags.store(flags, Ordering::Relaxed);
    if random.below(4) == 0 {
        call.event = EventTarget { vcore_plus_one: random.below(3) as u32, tag: random.next() as u32 };
    }
    call
}

/// Executes random bytes, half of which begin like what the kernel is about.
fn random_code(seed: u64) -> Outcome {
    let random = &mut Random::new(seed);
    let mut bytes = [0; 48];
    let mut at = 0;
    while at < 40 {
        let start: &[u8] = match random.below(12) {
            0 => &[0x0f, 0x05],
            1 => &[0x0f, 0x01],
            2 => &[0x0f],
            3 => &[0x0f, 0xae],
            4 => &[0x8e],
            5 => &[0xcd],
            6 => &[0x48],
            7 => &[0x9d],
            _ => &[],
        };
        for &byte in start {
            bytes[at] = byte;
            at += 1;
        }
        bytes[at] = random.next() as u8;
        at += 1;
    }
    for at in 1..bytes.len() {
        // Loads of segment registers that cannot be loaded are no instructions, but QEMU 10 does them, up to that of CS and
        // of the task register. So ES is loaded only.
        if bytes[at - 1] == 0x8e {
            bytes[at] &= 0xc7;
        }
    }
    let at = code(&bytes)?;
    // Somewhere for what it writes.
    let scratch = memory::map(16 * PAGE, Rights::ReadWrite).map_err(|_| line!())?;
    core::hint::black_box(scratch);
    execute(at);
    Ok(0)
}
