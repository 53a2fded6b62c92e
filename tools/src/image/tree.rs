//! The files that a medium holds, the same for ISO and disk.
//!
//! ```text
//! /boot/app.elf             the image
//! /boot/grub/grub.cfg       what to do with it
//! /boot/roost-<id>          empty: marks this medium
//! /EFI/BOOT/BOOTX64.EFI     what UEFI starts: GRUB
//! /EFI/BOOT/grub.cfg        finds the medium by its mark
//! ```
//!
//! On BIOS, GRUB knows which medium it was read from. On UEFI it knows the file system it was read from,
//! which for an ISO is not the one with the image. Hence the mark. Its name is made from the content, so that
//! where two media have the same mark it does not matter which is taken.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::config::{self, Config};
use super::grub::Parts;

/// The files, laid out in a directory that goes when this does.
pub struct Tree {
    directory: TempDir,
    id: u64,
}

impl Tree {
    /// Lays out the files for a stripped ELF.
    pub fn new(elf: &[u8], config: &Config<'_>, parts: &Parts) -> Result<Self> {
        let config = config.text()?;
        let efi = fs::read(&parts.efi).with_context(|| format!("cannot read {}", parts.efi.display()))?;
        // The default hasher has fixed keys: the same content, the same id.
        let mut hasher = DefaultHasher::new();
        (elf, &config, &efi).hash(&mut hasher);
        let id = hasher.finish();

        let mark = format!("boot/roost-{id:016x}");
        let find = format!("search --no-floppy --set=root --file /{mark}\nsource {}\n", config::PATH);
        let tree = Self { directory: tempfile::tempdir()?, id };
        tree.add(config::IMAGE, elf)?;
        tree.add(config::PATH, config.as_bytes())?;
        tree.add(&mark, b"")?;
        tree.add("EFI/BOOT/BOOTX64.EFI", &efi)?;
        tree.add("EFI/BOOT/grub.cfg", find.as_bytes())?;
        Ok(tree)
    }

    fn add(&self, path: &str, content: &[u8]) -> Result<()> {
        let path = self.directory.path().join(path.trim_start_matches('/'));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The directory that is the root of the tree.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The part that UEFI reads: the directory `EFI`.
    pub fn efi(&self) -> PathBuf {
        self.path().join("EFI")
    }

    /// A number that stands for the content.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The same, as short as FAT's volume numbers are.
    pub const fn serial(&self) -> u32 {
        (self.id ^ (self.id >> 32)) as u32
    }

    /// How much a file system needs to hold `path` and all below it, in bytes, with `block` bytes a block.
    pub fn space(path: &Path, block: u64) -> Result<u64> {
        if !path.is_dir() {
            return Ok(path.metadata()?.len().next_multiple_of(block));
        }
        let mut total = block;
        for entry in fs::read_dir(path)? {
            total += Self::space(&entry?.path(), block)?;
        }
        Ok(total)
    }
}
