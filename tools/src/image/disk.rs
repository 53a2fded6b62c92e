//! The raw disk: a GPT disk with GRUB for BIOS in one partition and everything else in the other.
//!
//! ```text
//! sector 0          GRUB's boot sector and a protective MBR
//! 1..34             GPT
//! 34..2048          partition 1, BIOS boot: GRUB's core
//! 2048..            partition 2, EFI system: FAT32 with the tree
//! the last 33       GPT again
//! ```
//!
//! BIOS runs sector 0, which has in it the number of the core's first sector; that one has a list of where
//! the others are: one run of sectors. UEFI reads the GPT, and starts `EFI/BOOT/BOOTX64.EFI` of partition 2.
//! The file is sparse: what it occupies is little more than the tree.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use gpt::disk::LogicalBlockSize;
use gpt::mbr::ProtectiveMBR;
use gpt::partition::Partition;
use gpt::partition_types::{BIOS, EFI, Type};
use uuid::Uuid;

use super::fat::{self, Fat, SECTOR, Width};
use super::grub::Parts;
use super::tree::Tree;

const CORE_FIRST: u64 = 34;
const EFI_FIRST: u64 = 2048;
const GPT_BACKUP_LEN: u64 = 33;
const MIB: u64 = 1 << 20;
/// FAT32 takes at least 65,525 clusters; with some room for files that users may add.
const EFI_LEN_MIN: u64 = 48 * MIB;

/// The code in a boot sector ends where the disk's signature and partition table begin.
const BOOT_CODE_LEN: usize = 440;
/// In GRUB's boot sector: the number of the core's first sector.
const BOOT_CORE_SECTOR: usize = 0x5c;
/// In GRUB's boot sector: a jump that trusts the BIOS to say which drive it booted from. Some say a floppy's
/// number for a disk; with the jump gone the code sees through that.
const BOOT_DRIVE_CHECK: usize = 0x66;
const NOP: u8 = 0x90;
/// In the core's first sector: where the rest is, as first sector (8 bytes), count (2), segment to load to.
const CORE_LIST: usize = 0x1f4;

/// Writes the disk to `output`.
pub fn write(tree: &Tree, parts: &Parts, output: &Path) -> Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let boot_sector = patch_boot_sector(&read(&parts.boot_sector)?)?;
    let core = patch_core(read(&parts.disk_core)?)?;

    let need = Tree::space(tree.path(), SECTOR)?;
    let efi_len = (need + need / 64 + MIB).next_multiple_of(MIB).max(EFI_LEN_MIN);
    let len = EFI_FIRST * SECTOR + efi_len + MIB;
    let file = File::options().read(true).write(true).create(true).truncate(true).open(output)?;
    file.set_len(len)?;

    write_gpt(&file, len, efi_len, boot_sector, tree.id())?;
    file.write_all_at(&core, CORE_FIRST * SECTOR)?;
    drop(file);

    let fat = Fat { file: output, offset: EFI_FIRST * SECTOR };
    fat.format(efi_len, Width::Bits32, tree.serial())?;
    fat.copy(&fat::entries(tree.path())?)
}

/// Writes both copies of the partition table, and the boot sector.
fn write_gpt(file: &File, len: u64, efi_len: u64, boot_sector: [u8; BOOT_CODE_LEN], id: u64) -> Result<()> {
    let sectors = u32::try_from(len / SECTOR - 1).unwrap_or(u32::MAX);
    let mut mbr = ProtectiveMBR::with_lb_size(sectors);
    mbr.set_bootcode(boot_sector);
    mbr.overwrite_lba0(&mut &*file)?;

    let efi_last = EFI_FIRST + efi_len / SECTOR - 1;
    ensure!(efi_last < len / SECTOR - GPT_BACKUP_LEN, "the disk is too small for its partition");
    let partitions = BTreeMap::from([
        (1, partition("BIOS boot", BIOS, CORE_FIRST, EFI_FIRST - 1, uuid(id, 1))),
        (2, partition("Roost", EFI, EFI_FIRST, efi_last, uuid(id, 2))),
    ]);
    let mut disk = gpt::GptConfig::new()
        .writable(true)
        .logical_block_size(LogicalBlockSize::Lb512)
        .create_from_device(file, Some(uuid(id, 0)))?;
    disk.update_partitions(partitions)?;
    disk.write()?;
    Ok(())
}

fn partition(name: &str, part_type_guid: Type, first_lba: u64, last_lba: u64, part_guid: Uuid) -> Partition {
    Partition { part_type_guid, part_guid, first_lba, last_lba, flags: 0, name: name.to_owned() }
}

/// The `n`th number for a disk with this content.
fn uuid(id: u64, n: u64) -> Uuid {
    let half = |which: u64| {
        let mut hasher = DefaultHasher::new();
        (id, n, which).hash(&mut hasher);
        hasher.finish()
    };
    uuid::Builder::from_custom_bytes(Uuid::from_u64_pair(half(0), half(1)).into_bytes()).into_uuid()
}

/// GRUB's boot sector, told where its core is.
fn patch_boot_sector(boot: &[u8]) -> Result<[u8; BOOT_CODE_LEN]> {
    let code = boot.get(..BOOT_CODE_LEN).context("GRUB's boot sector is too short")?;
    let mut code: [u8; BOOT_CODE_LEN] = code.try_into()?;
    code[BOOT_CORE_SECTOR..][..8].copy_from_slice(&CORE_FIRST.to_le_bytes());
    code[BOOT_DRIVE_CHECK..][..2].fill(NOP);
    Ok(code)
}

/// GRUB's core, told where the rest of it is, in whole sectors.
fn patch_core(mut core: Vec<u8>) -> Result<Vec<u8>> {
    core.resize(core.len().next_multiple_of(SECTOR as usize), 0);
    let sectors = core.len() as u64 / SECTOR;
    ensure!(sectors >= 2, "GRUB's core is too short");
    ensure!(sectors <= EFI_FIRST - CORE_FIRST, "GRUB's core does not fit its partition");
    core[CORE_LIST..][..8].copy_from_slice(&(CORE_FIRST + 1).to_le_bytes());
    core[CORE_LIST + 8..][..2].copy_from_slice(&u16::try_from(sectors - 1)?.to_le_bytes());
    Ok(core)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_sector_learns_where_the_core_is() {
        let code = patch_boot_sector(&[0xeb; 512]).unwrap();
        assert_eq!(code[0x5c..0x64], [34, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(code[0x65..0x69], [0xeb, 0x90, 0x90, 0xeb]);
        assert!(patch_boot_sector(&[0; 439]).is_err());
    }

    #[test]
    fn the_core_learns_where_its_rest_is() {
        let core = patch_core(vec![0xff; 3 * 512 + 1]).unwrap();
        assert_eq!(core.len(), 4 * 512);
        assert_eq!(core[0x1f4..0x1fe], [35, 0, 0, 0, 0, 0, 0, 0, 3, 0]);
        // The segment stays as it was linked.
        assert_eq!(core[0x1fe..0x200], [0xff, 0xff]);
    }

    #[test]
    fn a_core_that_cannot_be_is_refused() {
        assert!(patch_core(vec![0; 512]).is_err());
        assert!(patch_core(vec![0; 2 << 20]).is_err());
    }

    #[test]
    fn numbers_differ_by_disk_and_use_but_not_by_chance() {
        assert_eq!(uuid(7, 1), uuid(7, 1));
        assert_ne!(uuid(7, 1), uuid(7, 2));
        assert_ne!(uuid(7, 1), uuid(8, 1));
    }
}
