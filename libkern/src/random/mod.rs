//! Random numbers: one generator, seeded once per boot.
//!
//! The seed comes from the processor's generator where there is a working one, and always also from the jitter of the
//! clock ([`seed`] judges both). Where neither is good, [`init`] warns, and everything works on, predictably. From the
//! seed on it is ChaCha with twelve rounds, which needs no further randomness to be unpredictable.
//!
//! One generator behind a lock serves all cores: what needs randomness at a high rate is rare in a kernel, and hashers,
//! which are made often, draw one number each. The lock is held with interrupts off for some 50 instructions, or a
//! thousand each time the generator's buffer of 64 numbers runs out.
//!
//! Rejected: `chacha20`'s generator, because it looks for AVX2 when it runs, and vector registers beyond SSE are not
//! ours to use in a handler; and asking the processor every time, which is slow, and trusts it alone.

mod generator;
mod hash;
mod seed;

pub use generator::{fill, u64};
pub use hash::{Hasher, RandomState};
pub use seed::Quality;

/// Seeds the generator, and warns if what it yields can be predicted. Called at boot, once; later calls seed it anew.
///
/// `hardware` gives 64 random bits of the processor's, or `None` if it has or delivers none. `clock` is the finest
/// clock there is, in whatever unit.
pub fn init(hardware: impl FnMut() -> Option<u64>, clock: impl FnMut() -> u64) -> Quality {
    let (seed, quality) = seed::gather(hardware, clock);
    match quality {
        Quality::Hardware => {}
        Quality::Jitter => {
            log::warn!("no random number generator in the processor: the clock's jitter must do");
        }
        Quality::Predictable => {
            log::warn!("no source of randomness: random numbers can be predicted");
        }
    }
    generator::seed(seed);
    hash::init();
    quality
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_and_bits_are_balanced() {
        let numbers: Vec<_> = (0..1000).map(|_| u64()).collect();
        let mut distinct = numbers.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), numbers.len());
        let ones: u32 = numbers.iter().map(|number| number.count_ones()).sum();
        // Ten standard deviations around the half of 64,000.
        assert!((32_000 - 1265..32_000 + 1265).contains(&ones), "{ones} ones");
    }

    #[test]
    fn any_length_is_filled() {
        for len in [0, 1, 7, 255, 256, 257, 1000] {
            let mut bytes = vec![0; len];
            fill(&mut bytes);
            let zeros = bytes.iter().filter(|&&byte| byte == 0).count();
            assert!(zeros <= 2 + len / 64, "{zeros} of {len} are zero");
        }
    }
}
