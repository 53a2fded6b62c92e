//! Version numbers as programs and packages print them.

use std::fmt;

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

    /// The first `number.number` in what a program printed about itself.
    #[must_use]
    pub fn in_text(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(Self::at_start)
    }

    /// The version of a Debian package such as `1:10.0.2+ds-2~bpo12+1`, without its epoch.
    #[must_use]
    pub fn of_package(text: &str) -> Option<Self> {
        let upstream = text.split_once(':').map_or(text, |(_epoch, rest)| rest);
        Self::at_start(upstream)
    }

    fn at_start(word: &str) -> Option<Self> {
        let (major, rest) = word.split_once('.')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit());
        let minor = &rest[..digits.unwrap_or(rest.len())];
        Some(Self::new(major.parse().ok()?, minor.parse().ok()?))
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
        assert_eq!(Version::in_text(qemu), Some(Version::new(10, 0)));
        let grub = "grub-mkimage (GRUB) 2.06-13+deb12u2";
        assert_eq!(Version::in_text(grub), Some(Version::new(2, 6)));
        let xorriso = "GNU xorriso 1.5.4 : RockRidge filesystem manipulator";
        assert_eq!(Version::in_text(xorriso), Some(Version::new(1, 5)));
        assert_eq!(Version::in_text("no number here. 7"), None);
    }

    #[test]
    fn versions_of_packages_lose_epoch_and_suffix() {
        let package = "1:7.2+dfsg-7+deb12u18+b3";
        assert_eq!(Version::of_package(package), Some(Version::new(7, 2)));
        assert_eq!(
            Version::of_package("8.2.2+ds"),
            Some(Version::new(8, 2)),
            "no epoch"
        );
        assert_eq!(Version::of_package("(none)"), None);
    }

    #[test]
    fn ten_is_newer_than_nine() {
        assert!(Version::new(10, 0) > Version::new(9, 2));
    }
}
