//! The generator.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::seed::next;
#[cfg(any(test, feature = "hosted"))]
use super::seed::of_the_host;
use crate::sync::IrqSpinLock;

static GENERATOR: IrqSpinLock<Option<ChaCha12Rng>> = IrqSpinLock::new("random numbers", None);

/// Begins anew from `seed`.
pub(super) fn seed(seed: [u8; 32]) {
    *GENERATOR.lock() = Some(ChaCha12Rng::from_seed(seed));
}

/// 64 random bits. Any context but NMI.
///
/// # Panics
///
/// Before [`init`](super::init).
pub fn u64() -> u64 {
    with_generator(next)
}

/// Fills `bytes` with random ones. Any context but NMI; interrupts are off meanwhile, at most for 256 bytes at a time.
///
/// # Panics
///
/// Before [`init`](super::init).
pub fn fill(bytes: &mut [u8]) {
    for bytes in bytes.chunks_mut(256) {
        with_generator(|generator| generator.fill_bytes(bytes));
    }
}

fn with_generator<R>(f: impl FnOnce(&mut ChaCha12Rng) -> R) -> R {
    let mut generator = GENERATOR.lock();
    // Nobody boots a host.
    #[cfg(any(test, feature = "hosted"))]
    let generator = generator.get_or_insert_with(|| ChaCha12Rng::from_seed(of_the_host()));
    #[cfg(not(any(test, feature = "hosted")))]
    let generator = generator.as_mut().expect("random numbers are asked for before random::init");
    f(generator)
}
