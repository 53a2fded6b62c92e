//! Amounts of memory as people write them.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// An amount of memory: a number and a unit, as in `128M`, `4GiB` or `3500K`.
///
/// A bare number is refused: QEMU would read it as MiB, a reader as bytes.
///
/// # Invariants
/// At least 1 MiB, at most 1 TiB, and a whole number of KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(u64);

impl Size {
    /// `mib` MiB.
    ///
    /// # Panics
    /// If that is not within 1 MiB and 1 TiB.
    pub const fn mib(mib: u64) -> Self {
        assert!(mib >= 1 && mib <= MIB);
        // INVARIANT: just checked.
        Self(mib * MIB)
    }

    /// The amount in KiB.
    pub fn kib(self) -> u64 {
        self.0 / KIB
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = match unit.to_ascii_uppercase().as_str() {
            "K" | "KB" | "KIB" => KIB,
            "M" | "MB" | "MIB" => MIB,
            "G" | "GB" | "GIB" => GIB,
            "T" | "TB" | "TIB" => 1024 * GIB,
            "" if !number.is_empty() => {
                return Err(format!("`{text}` has no unit; write {text}M for that many MiB"));
            }
            _ => return Err(format!("`{text}` is no amount of memory; write 128M or 4G")),
        };
        let number: u64 = number.parse().map_err(|_| format!("`{text}` is no amount of memory; write 128M or 4G"))?;
        match number.checked_mul(unit) {
            Some(bytes) if bytes < MIB => Err(format!("{text} is too little memory; a machine has at least 1M")),
            // INVARIANT: the range is checked here, and the smallest unit is a KiB.
            Some(bytes) if bytes <= 1024 * GIB => Ok(Self(bytes)),
            _ => Err(format!("{text} is too much memory; a machine has at most 1T")),
        }
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes % GIB == 0 => write!(f, "{}G", bytes / GIB),
            bytes if bytes % MIB == 0 => write!(f, "{}M", bytes / MIB),
            bytes => write!(f, "{}K", bytes / KIB),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_understood() {
        for (text, kib) in [("1024K", 1024), ("4m", 4096), ("128MiB", 131_072), ("4G", 4 << 20), ("1T", 1 << 30)] {
            assert_eq!(text.parse::<Size>().unwrap().kib(), kib, "{text}");
        }
    }

    #[test]
    fn a_size_prints_in_its_largest_whole_unit() {
        for text in ["3500K", "4M", "6G"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        assert_eq!("2048M".parse::<Size>().unwrap().to_string(), "2G");
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in ["", "M", "12X", "-3M", "1.5G", "lots"] {
            let error = text.parse::<Size>().unwrap_err();
            assert!(error.contains("write 128M or 4G"), "{error}");
        }
        assert!("128".parse::<Size>().unwrap_err().contains("write 128M"));
        assert!("4K".parse::<Size>().unwrap_err().contains("too little"));
        assert!("2T".parse::<Size>().unwrap_err().contains("too much"));
        assert!("99999999999999999999G".parse::<Size>().unwrap_err().contains("128M or 4G"));
    }
}
