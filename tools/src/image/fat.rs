//! FAT file systems inside of files, made without mounting anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::command::run;

/// Bytes in a sector, of disks as of FAT.
pub const SECTOR: u64 = 512;

/// FAT's three widths differ in how many clusters they can have; firmware differs in which it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// What fits the size. UEFI wants 12 or 16 bits on removable media.
    BySize,
    /// 32 bits, as UEFI wants it on a disk. Needs 33 MiB at least.
    Bits32,
}

/// A FAT file system in a part of a file.
pub struct Fat<'a> {
    /// The file, which must be large enough already.
    pub file: &'a Path,
    /// Where it begins, in bytes.
    pub offset: u64,
}

impl Fat<'_> {
    /// Makes an empty file system of `len` bytes with the volume number `serial`.
    pub fn format(&self, len: u64, width: Width, serial: u32) -> Result<()> {
        let mut command = Command::new("mformat");
        command.args(["-i", &self.drive()]);
        command.args(["-T", &(len / SECTOR).to_string(), "-h", "255", "-s", "63"]);
        // What the boot sector says about its own place on the disk.
        command.args(["-H", &(self.offset / SECTOR).to_string()]);
        command.args(["-N", &format!("{serial:08x}"), "-v", "ROOST"]);
        if width == Width::Bits32 {
            command.args(["-F", "-c", "1"]);
        }
        run(command.arg("::"))
    }

    /// Copies files and directories into the root directory.
    pub fn copy(&self, sources: &[PathBuf]) -> Result<()> {
        let mut command = Command::new("mcopy");
        command.args(["-i", &self.drive(), "-s", "-o", "-Q"]).args(sources);
        run(command.arg("::"))
    }

    fn drive(&self) -> String {
        format!("{}@@{}", self.file.display(), self.offset)
    }
}

/// The entries of a directory in the order of their names.
pub fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
