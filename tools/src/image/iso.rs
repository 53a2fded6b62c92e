//! The ISO: El Torito entries for BIOS and UEFI, and a partition table for those who use it as a disk.
//!
//! ```text
//! sector 0     GRUB's boot sector for ISOs, with a partition table that has the EFI part in it
//! ISO 9660     the tree, and in it
//!   boot/grub/disc.core   GRUB for BIOS: from a disc by El Torito, from a disk by sector 0
//!   boot/grub/efi.img     a FAT file system with the tree's directory `EFI`: by El Torito and as a partition
//! ```

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::command::run;
use super::fat::{Fat, Width};
use super::grub::Parts;
use super::tree::Tree;

/// A disc's sector, and the largest cluster that a file system of this size gets.
const CLUSTER: u64 = 2048;
/// The time of all files, as xorriso writes it.
const EPOCH: &str = "1980010100000000";
/// Space for what a FAT file system needs besides its files.
const SPARE: u64 = 128 * 1024;

/// Writes the ISO to `output`.
pub fn write(tree: &Tree, parts: &Parts, output: &Path) -> Result<()> {
    let made = tempfile::tempdir()?;
    let efi = made.path().join("efi.img");
    write_efi(tree, &efi)?;

    let graft = |at: &str, file: &Path| format!("{at}={}", file.display());
    let mut command = Command::new("xorriso");
    command.args(["-as", "mkisofs", "-quiet", "-graft-points", "-r", "-J", "-V", "ROOST"]);
    // Without this, files have the time at which they were laid out.
    command.args(["--set_all_file_dates", EPOCH]);
    // BIOS: where GRUB's core is, which learns from a table in itself where the rest of it is.
    command.args(["-b", "boot/grub/disc.core", "-no-emul-boot", "-boot-load-size", "4"]);
    command.args(["-boot-info-table", "--grub2-boot-info", "--grub2-mbr"]).arg(&parts.hybrid_sector);
    command.args(["--protective-msdos-label"]);
    // UEFI: by El Torito, and by the partition table.
    command.args(["--efi-boot", "boot/grub/efi.img", "-efi-boot-part", "--efi-boot-image"]);
    command.arg("-o").arg(output);
    command.arg(tree.path());
    command.arg(graft("boot/grub/disc.core", &parts.disc_core));
    command.arg(graft("boot/grub/efi.img", &efi));
    run(&mut command)
}

fn write_efi(tree: &Tree, path: &Path) -> Result<()> {
    let len = (Tree::space(&tree.efi(), CLUSTER)? + SPARE).next_multiple_of(CLUSTER);
    File::create(path)?.set_len(len)?;
    let fat = Fat { file: path, offset: 0 };
    fat.format(len, Width::BySize, tree.serial())?;
    fat.copy(&[tree.efi()])
}
