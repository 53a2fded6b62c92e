//! Names of boards and of ways to boot them.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A board of QEMU's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Machine {
    /// The smallest one: no PCI, no firmware worth the name, boots in milliseconds.
    Microvm,
    /// A PC of today: PCI Express, AHCI.
    Q35,
    /// A PC of the nineties: PCI, IDE.
    Pc,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Microvm => "microvm",
            Self::Q35 => "q35",
            Self::Pc => "pc",
        })
    }
}

/// What loads the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Boot {
    /// QEMU itself, by the PVH note.
    Kernel,
    /// GRUB, by the multiboot2 header.
    Grub(Firmware, Medium),
}

/// What starts GRUB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF.
    Uefi,
}

/// What GRUB is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Medium {
    /// An ISO image in a CD drive.
    Cd,
    /// A raw image on a USB stick.
    Usb,
    /// A raw image on a disk at an AHCI controller.
    Ahci,
}

impl Boot {
    /// All of them, with the names by which users know them.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("kernel", Self::Kernel),
        ("grub-bios", Self::Grub(Firmware::Bios, Medium::Cd)),
        ("grub-uefi", Self::Grub(Firmware::Uefi, Medium::Cd)),
        ("grub-bios-usb", Self::Grub(Firmware::Bios, Medium::Usb)),
        ("grub-uefi-usb", Self::Grub(Firmware::Uefi, Medium::Usb)),
        ("grub-bios-ahci", Self::Grub(Firmware::Bios, Medium::Ahci)),
        ("grub-uefi-ahci", Self::Grub(Firmware::Uefi, Medium::Ahci)),
    ];
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = Self::NAMES.iter().find(|(_, boot)| boot == self).expect("every one is listed");
        f.write_str(name)
    }
}

impl FromStr for Boot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Self::NAMES.iter().find(|(name, _)| *name == text) {
            Some(&(_, boot)) => Ok(boot),
            None => {
                Err(format!("`{text}` is no way to boot; there are {}", Self::NAMES.map(|(name, _)| name).join(", ")))
            }
        }
    }
}

impl TryFrom<String> for Boot {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl clap::ValueEnum for Boot {
    fn value_variants<'a>() -> &'a [Self] {
        const VARIANTS: [Boot; 7] = {
            let mut variants = [Boot::Kernel; 7];
            let mut i = 0;
            while i < 7 {
                variants[i] = Boot::NAMES[i].1;
                i += 1;
            }
            variants
        };
        &VARIANTS
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        let (name, _) = Self::NAMES.iter().find(|(_, boot)| boot == self)?;
        // The media other than a CD matter to whoever tests raw images; the usual three fit a line of help.
        let usual = !matches!(self, Self::Grub(_, Medium::Usb | Medium::Ahci));
        Some(clap::builder::PossibleValue::new(name).hide(!usual))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_boot_has_a_name_that_reads_back() {
        for (name, boot) in Boot::NAMES {
            assert_eq!(name.parse(), Ok(boot));
            assert_eq!(boot.to_string(), name);
        }
        assert!("floppy".parse::<Boot>().unwrap_err().contains("grub-uefi-usb"));
    }
}
