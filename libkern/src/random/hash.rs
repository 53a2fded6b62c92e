//! Hashing that differs from boot to boot.

use super::generator;
use core::hash::BuildHasher;

use conquer_once::spin::OnceCell;
use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

/// What all hashers of this boot have in common.
static SHARED: OnceCell<SharedSeed> = OnceCell::uninit();

/// The hasher of a hash table: fast, and seeded, so that who picks the keys cannot pick collisions without having seen
/// hashes. It is no cryptographic hash.
pub type Hasher = FoldHasher<'static>;

/// Makes the hashers of one hash table, of `hashbrown` for example.
#[derive(Clone, Debug)]
pub struct RandomState {
    own: u64,
    shared: &'static SharedSeed,
}

impl RandomState {
    /// A state unlike any other.
    ///
    /// # Panics
    ///
    /// Before [`init`](super::init).
    pub fn new() -> Self {
        Self { own: generator::u64(), shared: shared() }
    }
}

/// Draws what all hashers have in common. Called by [`super::init`], so that nobody later finds the cell in the making
/// and waits, perhaps for the code that it interrupted.
pub(super) fn init() {
    // The only error is that it was drawn before.
    let _ = SHARED.try_init_once(|| SharedSeed::from_u64(generator::u64()));
}

#[cfg(not(any(test, feature = "hosted")))]
fn shared() -> &'static SharedSeed {
    SHARED.try_get().expect("hashers are made before random::init")
}

/// Nobody boots a host.
#[cfg(any(test, feature = "hosted"))]
fn shared() -> &'static SharedSeed {
    SHARED.get_or_init(|| SharedSeed::from_u64(generator::u64()))
}

impl Default for RandomState {
    fn default() -> Self {
        Self::new()
    }
}

impl BuildHasher for RandomState {
    type Hasher = Hasher;

    #[inline(always)]
    fn build_hasher(&self) -> Hasher {
        Hasher::with_seed(self.own, self.shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_hashes_equal_keys_equally_and_two_states_do_not() {
        let (one, two) = (RandomState::new(), RandomState::new());
        assert_eq!(one.hash_one("key"), one.clone().hash_one("key"));
        assert_ne!(one.hash_one("key"), one.hash_one("kez"));
        assert_ne!(one.hash_one("key"), two.hash_one("key"));
    }

    #[test]
    fn hashbrown_takes_it() {
        let mut table = hashbrown::HashMap::<_, _, RandomState>::default();
        for number in 0..1000 {
            table.insert(number, number * number);
        }
        assert!((0..1000).all(|number| table[&number] == number * number));
    }
}
