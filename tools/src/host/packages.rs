//! The system's package manager, and what it calls each tool.

use super::find;
use super::tool::Tool;

/// A package manager that we know how to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Debian, Ubuntu and what derives from them.
    Apt,
    /// Fedora and its relatives.
    Dnf,
    /// Arch.
    Pacman,
    /// openSUSE.
    Zypper,
    /// Alpine.
    Apk,
    /// Homebrew.
    Brew,
}

impl Manager {
    const ALL: [Self; 6] = [Self::Apt, Self::Dnf, Self::Pacman, Self::Zypper, Self::Apk, Self::Brew];

    /// The one that this system has.
    #[must_use]
    pub fn detect() -> Option<Self> {
        Self::ALL.into_iter().find(|manager| find::on_path(manager.program()).is_some())
    }

    /// Its command.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
            Self::Pacman => "pacman",
            Self::Zypper => "zypper",
            Self::Apk => "apk",
            Self::Brew => "brew",
        }
    }

    /// Whether it wants root; Homebrew refuses it.
    #[must_use]
    pub fn needs_root(self) -> bool {
        self != Self::Brew
    }

    /// The same for a person, who can be asked and need not wait for locks.
    #[must_use]
    pub const fn command_to_type(self) -> &'static [&'static str] {
        match self {
            Self::Apt => &["apt-get", "install", "--no-install-recommends"],
            Self::Pacman => &["pacman", "-S", "--needed"],
            Self::Zypper => &["zypper", "install"],
            Self::Dnf | Self::Apk | Self::Brew => self.install_command(),
        }
    }

    /// The command that installs packages without asking back, to be followed by their names.
    #[must_use]
    pub const fn install_command(self) -> &'static [&'static str] {
        match self {
            Self::Apt => &[
                "env",
                "DEBIAN_FRONTEND=noninteractive",
                "apt-get",
                "install",
                "-y",
                "--no-install-recommends",
                // Another installation may be under way: unattended upgrades, most likely.
                "-oDPkg::Lock::Timeout=600",
                "-oAcquire::Retries=3",
            ],
            Self::Dnf => &["dnf", "install", "-y"],
            Self::Pacman => &["pacman", "-S", "--needed", "--noconfirm"],
            Self::Zypper => &["zypper", "--non-interactive", "install"],
            Self::Apk => &["apk", "add"],
            Self::Brew => &["brew", "install"],
        }
    }

    /// Packages of a fixed name that depend on the current kernel for virtual machines, the better one first; none if we
    /// cannot unpack this manager's packages.
    #[must_use]
    pub const fn kernels(self) -> &'static [&'static str] {
        match self {
            // Debian's and Ubuntu's.
            Self::Apt => &["linux-image-cloud-amd64", "linux-image-virtual"],
            Self::Dnf | Self::Pacman | Self::Zypper | Self::Apk | Self::Brew => &[],
        }
    }

    /// The packages that hold a tool; none if this manager has none that we are sure of.
    #[must_use]
    pub const fn packages(self, tool: Tool) -> &'static [&'static str] {
        match (self, tool) {
            (Self::Apt, Tool::Qemu) => &["qemu-system-x86"],
            (Self::Apt, Tool::Grub) => &["grub-common", "grub-pc-bin", "grub-efi-amd64-bin"],
            (Self::Apt | Self::Apk, Tool::Ovmf) => &["ovmf"],

            (Self::Dnf, Tool::Qemu) => &["qemu-system-x86"],
            (Self::Dnf, Tool::Grub) => {
                &["grub2-tools", "grub2-tools-extra", "grub2-pc-modules", "grub2-efi-x64-modules"]
            }

            (Self::Pacman, Tool::Qemu) => &["qemu-system-x86"],
            (Self::Pacman, Tool::Grub) => &["grub"],
            (Self::Pacman, Tool::Xorriso) => &["libisoburn"],
            (Self::Dnf | Self::Pacman, Tool::Ovmf) => &["edk2-ovmf"],

            (Self::Zypper, Tool::Qemu) => &["qemu-x86"],
            (Self::Zypper, Tool::Grub) => &["grub2", "grub2-i386-pc", "grub2-x86_64-efi"],
            (Self::Zypper, Tool::Ovmf) => &["qemu-ovmf-x86_64"],

            (Self::Apk, Tool::Qemu) => &["qemu-system-x86_64"],
            (Self::Apk, Tool::Grub) => &["grub", "grub-bios", "grub-efi"],

            // Homebrew's QEMU brings the firmware.
            (Self::Brew, Tool::Qemu | Tool::Ovmf) => &["qemu"],
            (Self::Brew, Tool::Grub) => &[],

            (_, Tool::Xorriso) => &["xorriso"],
            (_, Tool::Mtools) => &["mtools"],
        }
    }

    /// All packages for these tools, each once, or the first tool that this manager lacks.
    pub fn packages_for(self, tools: &[Tool]) -> Result<Vec<&'static str>, Tool> {
        let mut all = vec![];
        for &tool in tools {
            let packages = self.packages(tool);
            if packages.is_empty() {
                return Err(tool);
            }
            for &package in packages {
                if !all.contains(&package) {
                    all.push(package);
                }
            }
        }
        Ok(all)
    }
}

/// What to install by hand, for people whose package manager we cannot ask.
#[must_use]
pub const fn by_hand(tool: Tool) -> &'static str {
    match tool {
        Tool::Qemu => "QEMU 9 or later with the program `qemu-system-x86_64`",
        Tool::Grub => "GRUB 2 with the program `grub-mkimage` and its modules for both i386-pc and x86_64-efi",
        Tool::Xorriso => "GNU xorriso",
        Tool::Mtools => "GNU mtools (`mformat` and `mcopy`)",
        Tool::Ovmf => "OVMF, also called edk2: UEFI firmware for x86-64 guests of QEMU",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_is_named_once() {
        let packages = Manager::Brew.packages_for(&[Tool::Qemu, Tool::Ovmf, Tool::Mtools]);
        assert_eq!(packages, Ok(vec!["qemu", "mtools"]));
    }

    #[test]
    fn a_tool_without_a_package_is_named() {
        assert_eq!(Manager::Brew.packages_for(&Tool::ALL), Err(Tool::Grub));
    }

    #[test]
    fn linux_distributions_have_a_package_for_everything() {
        for manager in Manager::ALL {
            if manager != Manager::Brew {
                assert!(manager.packages_for(&Tool::ALL).is_ok(), "{manager:?}");
            }
        }
    }
}
