//! Version numbers as programs and packages print them.

use std::fmt;

/// The first word of what a program printed about itself that looks like a version.
#[must_use]
pub fn word_in(text: &str) -> Option<&str> {
    let mut words = text.split_whitespace().map(|word| word.trim_matches(['(', ')', ',']));
    words.find(|word| Version::of_word(word).is_some())
}

/// Major and minor number; what follows matters to nobody here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// The version `major.minor`.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// The version at the beginning of a word such as `10.0.2`.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let (major, rest) = word.split_once('.')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        let minor = &rest[..digits.unwrap_or(rest.len())];
        Some(Self::new(major.parse().ok()?, minor.parse().ok()?))
    }

    /// The version of a Debian package such as `1:10.0.2+ds-2~bpo12+1`, without its epoch.
    #[must_use]
    pub fn of_package(text: &str) -> Option<Self> {
        let upstream = text.split_once(':').map_or(text, |(_epoch, rest)| rest);
        Self::of_word(upstream)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        let qemu = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)\nCopyright";
        assert_eq!(word_in(qemu), Some("10.0.2"));
        assert_eq!(word_in("grub-mkimage (GRUB) 2.06-13+deb12u2"), Some("2.06-13+deb12u2"));
        assert_eq!(word_in("GNU xorriso 1.5.4 : RockRidge filesystem manipulator"), Some("1.5.4"));
        assert_eq!(word_in("mformat (GNU mtools) 4.0.32"), Some("4.0.32"));
        assert_eq!(word_in("cc (Debian 12.2.0-14+deb12u1) 12.2.0"), Some("12.2.0-14+deb12u1"));
        assert_eq!(word_in("no number here. 7"), None);
        assert_eq!(Version::of_word("10.0.2"), Some(Version::new(10, 0)));
    }

    #[test]
    fn versions_of_packages_lose_epoch_and_suffix() {
        let package = "1:7.2+dfsg-7+deb12u18+b3";
        assert_eq!(Version::of_package(package), Some(Version::new(7, 2)));
        assert_eq!(Version::of_package("8.2.2+ds"), Some(Version::new(8, 2)), "no epoch");
        assert_eq!(Version::of_package("(none)"), None);
    }

    #[test]
    fn ten_is_newer_than_nine() {
        assert!(Version::new(10, 0) > Version::new(9, 2));
    }
}
