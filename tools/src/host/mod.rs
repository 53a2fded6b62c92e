//! The host's programs: found where they are, installed when they are not.
//!
//! An image needs nothing but Rust and the `cc` it links with. Booting one needs QEMU; packing one
//! needs GRUB's parts, xorriso and mtools; booting by UEFI needs OVMF. The first command that needs a
//! [`Tool`] calls [`require`], which answers at once when it is there and otherwise installs it through
//! the system's package manager, saying first what it will do. With `--no-install` nothing is ever
//! installed, and the error is the command to type.
//!
//! - [`tool`]: what the things are.
//! - [`find`]: where they are, on every system we know of. Changes nothing.
//! - [`packages`]: which package manager this is, and what it calls each tool.
//! - [`plan`]: what has to be done, as data, so that it can be printed as well as run.
//! - [`apt`], [`sources`]: Debian and Ubuntu, where the release's QEMU may be too old to use.
//! - [`privilege`], [`execute`]: doing it.
//! - [`linux`]: a kernel to compare with, which is fetched and not installed.
//!
//! Rejected: downloading binaries ourselves (nobody would audit them, and every distribution has these
//! programs), and a container (KVM, devices and terminals all get harder).

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

mod apt;
mod cache;
mod execute;
pub mod find;
mod install;
mod linux;
mod packages;
mod plan;
mod privilege;
mod sources;
mod tool;

pub use cache::directory as cache_dir;
pub use find::{Grub, Ovmf, State};
pub use linux::Linux;
pub use tool::Tool;

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

/// The Linux kernel to compare with, fetched if it is not there yet. Blocks while it is.
///
/// # Errors
/// Why there is none, in a sentence.
pub fn require_linux() -> Result<Linux> {
    if let Some(linux) = Linux::find() {
        return Ok(linux);
    }
    // Relaxed: see `set_no_install`.
    if NO_INSTALL.load(Ordering::Relaxed) {
        anyhow::bail!("--no-install was given");
    }
    Linux::fetch()
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
