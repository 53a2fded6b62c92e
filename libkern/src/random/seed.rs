//! The seed: gathered, judged, and mixed.
//!
//! Every source is mixed in, good or bad; a bad one cannot take away what a good one gave. The judgement decides only
//! what the user is told.
//!
//! **The processor's generator** passes if it delivers four numbers that differ: broken ones have delivered the same
//! for ever.
//!
//! **The clock's jitter.** How long the same few instructions take varies with caches, refresh cycles, the emulator and
//! the host. What is random in a sample is at most its last bits. A sample counts only if it differs from the one
//! before, and that difference from the difference before it, and that again: so neither a clock that stands, nor one
//! that ticks coarsely or drifts evenly, passes for a random one. Each sample that counts is taken for half a bit, and
//! 512 are asked for.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What the seed is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// The processor's generator delivered.
    Hardware,
    /// The clock's jitter is all there was.
    Jitter,
    /// Neither was any good.
    Predictable,
}

pub(super) type Seed = [u8; 32];

/// How many numbers the processor's generator is asked for: a seed's worth.
const HARDWARE_NUMBERS: usize = size_of::<Seed>() / size_of::<u64>();

/// How many samples of the clock must count.
const GOOD_SAMPLES: u32 = 512;

/// After how many samples it is given up.
const MAX_SAMPLES: u32 = 16 * GOOD_SAMPLES;

/// A seed from all there is.
pub(super) fn gather(hardware: impl FnMut() -> Option<u64>, mut clock: impl FnMut() -> u64) -> (Seed, Quality) {
    let mut pool = Pool::new();
    // Not for its randomness: two machines with the same broken generator still differ by it.
    pool.add(clock());
    let quality = if add_hardware(&mut pool, hardware) {
        Quality::Hardware
    } else if add_jitter(&mut pool, clock) {
        Quality::Jitter
    } else {
        Quality::Predictable
    };
    (pool.finish(), quality)
}

/// A seed for tests and tools on the host.
#[cfg(any(test, feature = "hosted"))]
pub(super) fn of_the_host() -> Seed {
    use std::hash::{BuildHasher, RandomState};
    let mut pool = Pool::new();
    for _ in 0..HARDWARE_NUMBERS {
        pool.add(RandomState::new().hash_one(0));
    }
    pool.finish()
}

fn add_hardware(pool: &mut Pool, mut hardware: impl FnMut() -> Option<u64>) -> bool {
    let mut numbers = [0; HARDWARE_NUMBERS];
    for at in 0..numbers.len() {
        let Some(number) = hardware() else {
            return false;
        };
        pool.add(number);
        if numbers[..at].contains(&number) {
            return false;
        }
        numbers[at] = number;
    }
    true
}

fn add_jitter(pool: &mut Pool, mut clock: impl FnMut() -> u64) -> bool {
    let mut good = 0;
    let mut before = [clock(), 0, 0];
    for _ in 0..MAX_SAMPLES {
        let now = clock();
        pool.add(now);
        // The first, second and third differences.
        let first = now.wrapping_sub(before[0]);
        let second = first.wrapping_sub(before[1]);
        let third = second.wrapping_sub(before[2]);
        before = [now, first, second];
        good += u32::from(first != 0 && second != 0 && third != 0);
        if good == GOOD_SAMPLES {
            return true;
        }
    }
    false
}

/// Where samples are mixed.
struct Pool {
    words: [u64; 4],
    at: usize,
}

impl Pool {
    const fn new() -> Self {
        Self { words: [0; 4], at: 0 }
    }

    /// Mixes in a sample. For a given pool, different samples give different pools, and for a given sample, different
    /// pools do: nothing is lost before [`finish`](Self::finish) but what does not fit 256 bits.
    fn add(&mut self, sample: u64) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let from = self.words[(self.at + 3) % 4];
        let word = &mut self.words[self.at];
        *word = (*word ^ sample).wrapping_mul(ODD).rotate_left(23).wrapping_add(from);
        self.at = (self.at + 1) % 4;
    }

    /// The seed: the pool's bits, each spread over all of it.
    fn finish(self) -> Seed {
        let mut key = Seed::default();
        for (bytes, word) in key.chunks_exact_mut(8).zip(self.words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let mut generator = ChaCha12Rng::from_seed(key);
        let mut seed = Seed::default();
        for bytes in seed.chunks_exact_mut(8) {
            bytes.copy_from_slice(&next(&mut generator).to_le_bytes());
        }
        seed
    }
}

/// The generator's next number. The code that refills it is long, and is here once.
#[inline(never)]
pub(super) fn next(generator: &mut ChaCha12Rng) -> u64 {
    generator.next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Option<u64> {
        None
    }

    /// A clock that goes by what `step` says at each reading.
    fn clock(mut step: impl FnMut(u64) -> u64) -> impl FnMut() -> u64 {
        let (mut now, mut readings) = (0, 0);
        move || {
            readings += 1;
            now += step(readings);
            now
        }
    }

    #[test]
    fn a_processor_that_delivers_is_good() {
        let mut next = 7u64;
        let hardware = || {
            next = next.wrapping_mul(6_364_136_223_846_793_005) + 1;
            Some(next)
        };
        assert_eq!(gather(hardware, || 0).1, Quality::Hardware);
    }

    #[test]
    fn a_processor_that_repeats_itself_or_stops_is_not() {
        assert_eq!(gather(|| Some(u64::MAX), || 0).1, Quality::Predictable);
        let mut left = 3;
        let stops = || {
            left -= 1;
            (left >= 0).then_some(left as u64)
        };
        assert_eq!(gather(stops, || 0).1, Quality::Predictable);
    }

    #[test]
    fn clocks_that_stand_tick_or_drift_evenly_are_no_source() {
        assert_eq!(gather(none, clock(|_| 0)).1, Quality::Predictable);
        assert_eq!(gather(none, clock(|_| 42)).1, Quality::Predictable);
        assert_eq!(gather(none, clock(|n| n)).1, Quality::Predictable);
        let coarse = |n: u64| if n.is_multiple_of(100) { 1000 } else { 0 };
        assert_eq!(gather(none, clock(coarse)).1, Quality::Predictable);
    }

    #[test]
    fn a_clock_that_jitters_is_one() {
        let mut noise = 1u64;
        let jitter = |_| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005) + 1;
            30 + (noise >> 60)
        };
        assert_eq!(gather(none, clock(jitter)).1, Quality::Jitter);
    }

    #[test]
    fn the_hosts_clock_is_one() {
        let start = std::time::Instant::now();
        let quality = gather(none, || start.elapsed().as_nanos() as u64).1;
        assert_eq!(quality, Quality::Jitter);
    }

    #[test]
    fn every_bit_of_every_sample_matters() {
        let seed = |flipped: Option<(usize, u32)>| {
            let mut pool = Pool::new();
            for at in 0..9 {
                let flip = flipped.filter(|flip| flip.0 == at);
                pool.add(42 ^ flip.map_or(0, |(_, bit)| 1 << bit));
            }
            pool.finish()
        };
        let mut seeds = vec![seed(None)];
        seeds.extend((0..9).flat_map(|at| (0..64).map(move |bit| (at, bit))).map(|flip| seed(Some(flip))));
        let all = seeds.len();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), all);
    }

    #[test]
    fn seeds_of_the_host_differ() {
        assert_ne!(of_the_host(), of_the_host());
    }
}
