//! Where the host's programs are. Looks, changes nothing.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tool::Tool;

mod firmware;
mod version;

pub use firmware::Ovmf;
pub use version::Version;

/// QEMU older than this lacks things that the tools rely on.
pub const OLDEST_QEMU: Version = Version::new(7, 2);
/// From here on QEMU emulates x2APIC without KVM, so that every configuration can be tested.
pub const GOOD_QEMU: Version = Version::new(9, 0);

/// What was found of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Missing,
    /// It is there but of no use: older than [`OLDEST_QEMU`].
    TooOld { path: PathBuf, version: Version },
    /// It works, but a newer one is worth having: older than [`GOOD_QEMU`].
    Old { path: PathBuf, version: Version },
    /// It is there. The version is what the tool says of itself, where it says anything.
    Ready { path: PathBuf, version: Option<String> },
}

impl State {
    /// The tool's path, if what is there can be used.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Missing | Self::TooOld { .. } => None,
            Self::Old { path, .. } | Self::Ready { path, .. } => Some(path),
        }
    }

    /// The version, where it is known.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        match self {
            Self::Missing => None,
            Self::TooOld { version, .. } | Self::Old { version, .. } => Some(version.to_string()),
            Self::Ready { version, .. } => version.clone(),
        }
    }

    /// Whether the package manager should be asked for it (or for a newer one).
    #[must_use]
    pub const fn is_worth_installing(&self) -> bool {
        !matches!(self, Self::Ready { .. })
    }
}

/// GRUB's image builder and the directories of its parts.
#[derive(Clone, Debug)]
pub struct Grub {
    /// `grub-mkimage`, under whatever name.
    pub mkimage: PathBuf,
    /// Modules and boot sectors for BIOS, the directory `i386-pc`.
    pub bios: PathBuf,
    /// Modules for UEFI, the directory `x86_64-efi`.
    pub efi: PathBuf,
}

/// Looks for a tool. Takes some milliseconds: it may have to ask a program for its version.
#[must_use]
pub fn look(tool: Tool) -> State {
    let program = match tool {
        Tool::Qemu => return qemu(),
        Tool::Ovmf => {
            return ovmf().map_or(State::Missing, |ovmf| State::Ready { path: ovmf.code, version: None });
        }
        Tool::Grub => grub().map(|grub| grub.mkimage),
        Tool::Xorriso => on_path("xorriso"),
        Tool::Mtools => on_path("mcopy").and(on_path("mformat")),
    };
    program.map_or(State::Missing, |path| {
        let version = ask_version(&path);
        State::Ready { path, version }
    })
}

fn qemu() -> State {
    let Some(path) = on_path("qemu-system-x86_64") else {
        return State::Missing;
    };
    let word = ask_version(&path);
    match word.as_deref().and_then(Version::of_word) {
        Some(version) if version < OLDEST_QEMU => State::TooOld { path, version },
        Some(version) if version < GOOD_QEMU => State::Old { path, version },
        _ => State::Ready { path, version: word },
    }
}

/// GRUB's parts, if all of them are there.
#[must_use]
pub fn grub() -> Option<Grub> {
    let mkimage = on_path("grub-mkimage").or_else(|| on_path("grub2-mkimage"))?;
    let mut roots = vec![];
    if let Some(prefix) = mkimage.parent().and_then(Path::parent) {
        roots.extend([prefix.join("lib/grub"), prefix.join("share/grub2"), prefix.join("lib/grub2")]);
    }
    roots.extend(["/usr/lib/grub", "/usr/share/grub2", "/usr/local/lib/grub"].map(PathBuf::from));
    let find = |platform: &str, part: &str| {
        let directories = roots.iter().map(|root| root.join(platform));
        directories.into_iter().find(|directory| directory.join(part).is_file())
    };
    Some(Grub { bios: find("i386-pc", "boot.img")?, efi: find("x86_64-efi", "kernel.img")?, mkimage })
}

/// Firmware for QEMU, if there is some.
#[must_use]
pub fn ovmf() -> Option<Ovmf> {
    firmware::find()
}

/// The full path of a program. Besides `PATH` it looks where only root's shell does.
#[must_use]
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(extra)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// The version that a program prints when asked for it, as it prints it.
#[must_use]
pub fn ask_version(program: impl AsRef<OsStr>) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    // xorriso prints its version on standard error.
    let text = [output.stdout, output.stderr].concat();
    version::word_in(&String::from_utf8_lossy(&text)).map(String::from)
}
