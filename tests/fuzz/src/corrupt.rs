//! Damage to samples: what a generator that knows no format does best.
//!
//! A damaged sample is a sample with one to eight changes. Most of the changes hit aligned words and leave in them the
//! numbers that break parsers: 0, 1, the largest, a power of two, a little more or less than what was there. Others
//! cut, repeat, exchange and splice. All of it follows from a seed.

/// Pseudo-random numbers that are the same everywhere and for ever (xorshift64*).
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed ^ 0x9e37_79b9_7f4a_7c15 | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }
}

/// The longest damaged sample, in bytes.
const MAX_LEN: usize = 16 * 1024;

/// One of `samples`, which are not none, damaged.
pub fn corrupt(samples: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut data = samples[random.below(samples.len())].clone();
    for _ in 0..1 + random.below(8) {
        let other = &samples[random.below(samples.len())];
        change(&mut data, other, random);
    }
    data.truncate(MAX_LEN);
    data
}

fn change(data: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if data.is_empty() {
        data.push(random.next() as u8);
        return;
    }
    let at = random.below(data.len());
    match random.below(12) {
        0 => data[at] ^= 1 << random.below(8),
        1 => data[at] = random.next() as u8,
        2..=4 => change_word::<4>(data, random),
        5..=6 => change_word::<8>(data, random),
        7 => data.truncate(at),
        8 => {
            // Repeats a piece.
            let piece = data[at..at + random.below(data.len() - at + 1).min(512)].to_vec();
            let to = random.below(data.len());
            data.splice(to..to, piece);
        }
        9 => {
            // Leaves a piece out.
            let end = at + random.below(data.len() - at + 1).min(512);
            data.drain(at..end);
        }
        10 => {
            // Puts a piece of another sample over what is there.
            let from = random.below(other.len().max(1)).min(other.len());
            let len = random.below(64).min(other.len() - from).min(data.len() - at);
            data[at..at + len].copy_from_slice(&other[from..from + len]);
        }
        _ => {
            // Exchanges two words.
            let (a, b) = (at & !7, random.below(data.len()) & !7);
            if a.max(b) + 8 <= data.len() {
                (0..8).for_each(|index| data.swap(a + index, b + index));
            }
        }
    }
}

/// Puts an awkward number into an aligned little-endian word of `LEN` bytes.
fn change_word<const LEN: usize>(data: &mut [u8], random: &mut Random) {
    let Some(words) = data.len().checked_div(LEN).filter(|&words| words > 0) else { return };
    let at = random.below(words) * LEN;
    let word = &mut data[at..at + LEN];
    let mut wide = [0; 8];
    wide[..LEN].copy_from_slice(word);
    let old = u64::from_le_bytes(wide);
    let small = random.below(64) as u64;
    let new = match random.below(7) {
        0 => small,
        1 => u64::MAX - small,
        2 => 1 << small,
        3 => (1u64 << small).wrapping_sub(1),
        4 => old.wrapping_add(small),
        5 => old.wrapping_sub(small),
        _ => random.next(),
    };
    word.copy_from_slice(&new.to_le_bytes()[..LEN]);
}
