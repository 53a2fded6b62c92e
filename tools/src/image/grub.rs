//! GRUB's parts.
//!
//! `grub-mkimage` packs GRUB's kernel and chosen modules into one program per kind of machine. It takes a
//! second for all of them, and they depend on GRUB alone, so they are made once per version and kept in the
//! cache. All modules that a configuration may want are inside, because no module files go onto the medium.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::command::run;
use crate::host::{self, Grub};

/// GRUB for each way to be started.
pub struct Parts {
    /// The first sector of a disk, to be patched with the place of `disk_core`.
    pub boot_sector: PathBuf,
    /// GRUB for a BIOS disk, read by the boot sector.
    pub disk_core: PathBuf,
    /// The first sectors of an ISO that is used as a disk.
    pub hybrid_sector: PathBuf,
    /// GRUB for a BIOS disc.
    pub disc_core: PathBuf,
    /// GRUB as an EFI application.
    pub efi: PathBuf,
}

/// Raised when what is made here changes in another way than by the lists below.
const RECIPE: u32 = 1;

/// Needed to boot, useful in a configuration, and on every kind of machine.
const MODULES: &[&str] = &[
    "all_video",
    "boot",
    "cat",
    "configfile",
    "cpuid",
    "date",
    "echo",
    "fat",
    "gfxterm",
    "halt",
    "help",
    "iso9660",
    "keystatus",
    "loadenv",
    "ls",
    "minicmd",
    "multiboot2",
    "normal",
    "part_gpt",
    "part_msdos",
    "read",
    "reboot",
    "search",
    "search_fs_file",
    "serial",
    "sleep",
    "terminal",
    "test",
    "true",
];
const BIOS_MODULES: &[&str] = &["biosdisk", "vbe", "vga"];
const EFI_MODULES: &[&str] = &["efi_gop", "efi_uga"];

/// What `grub-mkimage` calls a kind of machine, and where GRUB looks for its configuration there.
struct Kind {
    file: &'static str,
    format: &'static str,
    prefix: &'static str,
    is_bios: bool,
}

const KINDS: [Kind; 3] = [
    // The second partition of the disk that it was read from; see the module `disk`.
    Kind { file: "disk.core", format: "i386-pc", prefix: "(,gpt2)/boot/grub", is_bios: true },
    // The disc that it was read from.
    Kind { file: "disc.core", format: "i386-pc-eltorito", prefix: "/boot/grub", is_bios: true },
    // The file system that it was read from.
    Kind { file: "bootx64.efi", format: "x86_64-efi", prefix: "/EFI/BOOT", is_bios: false },
];

/// GRUB's parts, made if they are not in the cache.
///
/// # Errors
/// If `grub-mkimage` fails or the cache cannot be written.
pub fn parts(grub: &Grub) -> Result<Parts> {
    let cache = host::cache_dir().join(format!("grub-{:016x}", key(grub)?));
    if !cache.is_dir() {
        make(grub, &cache)?;
    }
    let [disk, disc, efi] = KINDS.map(|kind| cache.join(kind.file));
    Ok(Parts {
        boot_sector: grub.bios.join("boot.img"),
        disk_core: disk,
        hybrid_sector: grub.bios.join("boot_hybrid.img"),
        disc_core: disc,
        efi,
    })
}

/// Changes whenever the parts would.
fn key(grub: &Grub) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    (RECIPE, MODULES, BIOS_MODULES, EFI_MODULES).hash(&mut hasher);
    for kind in KINDS {
        (kind.file, kind.format, kind.prefix).hash(&mut hasher);
    }
    for path in [&grub.mkimage, &grub.bios.join("kernel.img"), &grub.efi.join("kernel.img")] {
        let data = path.metadata().with_context(|| format!("cannot look at {}", path.display()))?;
        (path, data.len(), data.modified()?).hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// Makes all parts beside the cache, then moves them there at once: others may be doing the same.
fn make(grub: &Grub, cache: &Path) -> Result<()> {
    let parent = cache.parent().context("the cache has no place")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let made = tempfile::tempdir_in(parent)?;
    for kind in KINDS {
        let (modules, more) = if kind.is_bios { (&grub.bios, BIOS_MODULES) } else { (&grub.efi, EFI_MODULES) };
        let mut command = Command::new(&grub.mkimage);
        command.arg("--directory").arg(modules).args(["--format", kind.format, "--prefix", kind.prefix]);
        command.arg("--output").arg(made.path().join(kind.file)).args(MODULES).args(more);
        run(&mut command)?;
    }
    let result = fs::rename(made.path(), cache);
    ensure!(cache.is_dir(), "cannot write {}: {result:?}", cache.display());
    Ok(())
}
