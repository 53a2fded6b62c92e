//! The host's programs: found where they are, installed when they are not.
//!
//! An image needs nothing but Rust and the `cc` it links with. Booting one needs QEMU; packing one
//! needs GRUB's parts, xorriso and mtools; booting by UEFI needs OVMF. The first command that needs a
//! [`Tool`] calls [`require`], which answers at once when it is there and otherwise installs it through
//! the system's package manager, saying first what it will do. With `--no-install` nothing is ever
//! installed, and the error is the command to type.
//!
//! - [`find`]: where things are, on every system we know of. Changes nothing.
//! - [`packages`]: which package manager this is, and what it calls each tool.
//! - [`plan`]: what has to be done, as data, so that it can be printed as well as run.
//! - [`apt`], [`sources`]: Debian and Ubuntu, where the release's QEMU may be too old to use.
//! - [`privilege`], [`execute`]: doing it.
//!
//! Rejected: downloading binaries ourselves (nobody would audit them, and every distribution has these
//! programs), and a container (KVM, devices and terminals all get harder).

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

mod apt;
mod execute;
pub mod find;
mod install;
mod packages;
mod plan;
mod privilege;
mod sources;

pub use find::{Grub, Ovmf, State};

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

static NO_INSTALL: AtomicBool = AtomicBool::new(false);

/// Sets whether missing programs stay missing: with `true`, [`require`] refuses and says what to type.
pub fn set_no_install(no: bool) {
    // Relaxed: set once, before any thread that reads it is started.
    NO_INSTALL.store(no, Ordering::Relaxed);
}

/// The path of a tool, which is installed first if it is missing.
///
/// The path is the program's: `qemu-system-x86_64`, `grub-mkimage`, `xorriso`, `mformat`; for
/// [`Tool::Ovmf`] it is the file with the firmware's code. [`grub`] and [`ovmf`] say more.
/// May take minutes, when it installs. Safe to call from several threads and processes at once: one
/// installs, the others wait for it.
///
/// # Errors
/// What to type or to do, when the tool is missing and cannot or may not be installed.
pub fn require(tool: Tool) -> Result<PathBuf> {
    require_all(&[tool])?;
    let state = find::look(tool);
    state
        .path()
        .map(Path::to_path_buf)
        .with_context(|| format!("{} is still missing after it was installed", tool.name()))
}

/// Installs whatever of `tools` is missing, all at once. Errors and blocking as with [`require`].
pub fn require_all(tools: &[Tool]) -> Result<()> {
    // One thread installs, the others find its work done.
    static INSTALLING: Mutex<()> = Mutex::new(());

    let wanted = || -> Vec<Tool> {
        let is_wanted = |tool: &Tool| find::look(*tool).is_worth_installing();
        tools.iter().copied().filter(is_wanted).collect()
    };
    if wanted().is_empty() {
        return Ok(());
    }
    let _guard = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let tools = wanted();
    if tools.is_empty() {
        return Ok(());
    }
    // Relaxed: see `set_no_install`.
    install::install(&tools, NO_INSTALL.load(Ordering::Relaxed))
}

/// Installs whatever is missing of everything, and a newer QEMU in place of an old one if there is one to be
/// had, even if none was to be had before. Errors and blocking as with [`require`].
pub fn require_everything() -> Result<()> {
    install::forget_kept_version();
    require_all(&Tool::ALL)
}

/// GRUB's parts, installed first if they are missing. Errors and blocking as with [`require`].
pub fn grub() -> Result<Grub> {
    require_all(&[Tool::Grub])?;
    find::grub().context("GRUB is still missing after it was installed")
}

/// UEFI firmware for QEMU, installed first if it is missing. Errors and blocking as with [`require`].
pub fn ovmf() -> Result<Ovmf> {
    require_all(&[Tool::Ovmf])?;
    find::ovmf().context("OVMF is still missing after it was installed")
}

/// How to get a tool that is missing, in half a sentence.
#[must_use]
pub fn how_to_get(tool: Tool) -> String {
    install::how_to_get(tool)
}

/// Where this program keeps what it can make again: `$XDG_CACHE_HOME/roost`, usually `~/.cache/roost`.
#[must_use]
pub fn cache_dir() -> PathBuf {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("roost")
}
