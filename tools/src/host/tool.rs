//! What commands need that Rust does not bring.

/// Something that is not part of Rust's toolchain and that some command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tool {
    /// The emulator, `qemu-system-x86_64`.
    Qemu,
    /// GRUB's image builder and its modules for BIOS and for UEFI.
    Grub,
    /// Writes ISO 9660 file systems.
    Xorriso,
    /// Writes FAT file systems without mounting them.
    Mtools,
    /// UEFI firmware for QEMU.
    Ovmf,
}

impl Tool {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 5] = [Self::Qemu, Self::Grub, Self::Xorriso, Self::Mtools, Self::Ovmf];

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qemu => "QEMU",
            Self::Grub => "GRUB",
            Self::Xorriso => "xorriso",
            Self::Mtools => "mtools",
            Self::Ovmf => "OVMF",
        }
    }

    /// What it is needed for, as the end of "needed to ...".
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Qemu => "boot an image",
            Self::Grub => "make an ISO or a disk boot",
            Self::Xorriso => "write an ISO",
            Self::Mtools => "write a disk's or an ISO's EFI partition",
            Self::Ovmf => "boot by UEFI in QEMU",
        }
    }
}
