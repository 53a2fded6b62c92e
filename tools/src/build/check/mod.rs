//! Refuses an image that could not boot, or not safely, and says what is wrong with it.
//!
//! A loader that dislikes an image says little: QEMU falls back to its firmware, GRUB names no field, and a
//! wrong entry address is a triple fault. All of it can be seen in the file. Checked are the ELF itself
//! ([`elf`]), the entry for QEMU ([`pvh`]), the entry for GRUB ([`multiboot`]), and, as warnings only, system
//! calls of Linux left in the code ([`syscalls`]).

mod elf;
mod flaw;
mod multiboot;
mod pvh;
mod syscalls;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::note::{self, Kind};
use elf::Elf;
use flaw::Flaw;

/// What is to be known of an image that could boot.
#[derive(Debug)]
pub struct Checked {
    /// What it is, by its own word.
    pub kind: Kind,
    /// What is odd about it.
    pub warnings: Vec<String>,
    /// The physical address behind its last byte.
    pub end: u64,
}

/// Checks a file.
///
/// # Errors
/// If it cannot be read or has a [`Flaw`].
pub fn file(path: &Path) -> anyhow::Result<Checked> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    bytes_of(&bytes).with_context(|| format!("{} is no bootable image", path.display()))
}

/// Checks the content of a file.
fn bytes_of(bytes: &[u8]) -> Result<Checked, Flaw> {
    let elf = Elf::parse(bytes)?;
    // First, because a program of the host fails in other ways too, and those would mislead.
    let kind = note::kind(bytes).map_err(|error| Flaw::RoostNote(error.to_string()))?;
    let kind = kind.ok_or(Flaw::NoRoostNote)?;
    let beginning = &bytes[..bytes.len().min(note::NOTE_WITHIN as usize)];
    if !matches!(note::kind(beginning), Ok(Some(_))) {
        return Err(Flaw::LateRoostNote);
    }
    elf.check()?;
    pvh::check(&elf)?;
    multiboot::check(&elf)?;
    Ok(Checked { kind, warnings: syscalls::warnings(&elf), end: elf.physical_end() })
}
