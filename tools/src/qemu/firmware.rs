//! What has to lie ready before QEMU starts: for a boot through GRUB a medium, for UEFI flash chips.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use super::machine::{Boot, Firmware, Medium};
use crate::build;
use crate::{host, image};

/// The files of one run. Those that were made for it are deleted with it.
pub struct Files {
    /// The ELF image or the medium that contains it.
    pub boot: PathBuf,
    /// The firmware in flash, if it is not QEMU's default.
    pub flash: Option<Flash>,
    _made: Option<TempDir>,
}

/// UEFI's two flash chips.
pub struct Flash {
    /// The code, which nobody writes.
    pub code: PathBuf,
    /// The variables, which are this machine's own.
    pub vars: PathBuf,
}

impl Files {
    /// Files that are there already.
    pub fn of(boot: PathBuf, flash: Option<Flash>) -> Self {
        Self { boot, flash, _made: None }
    }

    /// Makes what booting `image` by `boot` with the command line `args` takes. A medium takes seconds.
    ///
    /// # Errors
    /// If a program that makes it is missing or fails.
    pub fn prepare(image: &build::Image, boot: Boot, args: &str) -> anyhow::Result<Self> {
        let Boot::Grub(firmware, medium) = boot else {
            return Ok(Self::of(image.path.clone(), None));
        };
        let made = tempfile::Builder::new().prefix("roost-").tempdir().context("there is no room for a boot medium")?;
        let (name, format) = match medium {
            Medium::Cd => ("boot.iso", image::Format::Iso),
            Medium::Usb | Medium::Ahci => ("boot.raw", image::Format::Raw),
        };
        let boot = made.path().join(name);
        image::make(image, format, args, &boot)?;
        let flash = match firmware {
            Firmware::Bios => None,
            Firmware::Uefi => Some(Flash::prepare(made.path())?),
        };
        Ok(Self { boot, flash, _made: Some(made) })
    }
}

impl Flash {
    fn prepare(directory: &Path) -> anyhow::Result<Self> {
        let host::Ovmf { code, vars: template } = host::ovmf()?;
        let vars = directory.join("vars.fd");
        fs::copy(&template, &vars).with_context(|| format!("cannot copy {}", template.display()))?;
        Ok(Self { code, vars })
    }
}
