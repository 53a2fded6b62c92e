//! What comes out of a build.

use std::path::PathBuf;

use super::note::Kind;
use super::request::Request;
use super::{cargo, check};

/// A bootable ELF whose headers were checked.
#[derive(Clone, Debug)]
pub struct Image {
    /// The file.
    pub path: PathBuf,
    /// Name of the cargo target that it was built from.
    pub name: String,
    /// What it is, by its own word.
    pub kind: Kind,
    /// The physical address behind its last byte.
    pub end: u64,
}

/// What firmware needs behind an image, in KiB. That of microvm works at the end of memory, and does not look whether
/// the image that QEMU has put there by then is in its way.
const FIRMWARE_KIB: u64 = 256;

impl Image {
    /// An image that already exists.
    ///
    /// # Errors
    /// If it cannot be read, or if it could not boot; the message says why.
    pub fn open(path: PathBuf) -> anyhow::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let checked = check::file(&path)?;
        for warning in checked.warnings {
            eprintln!("warning: {name}: {warning}");
        }
        Ok(Self { path, name, kind: checked.kind, end: checked.end })
    }

    /// The least memory, in KiB, of a machine that can load the image. What the image does then may take more.
    pub fn least_memory_kib(&self) -> u64 {
        self.end.div_ceil(1024) + FIRMWARE_KIB
    }
}

/// Builds and checks an image.
///
/// Progress goes to standard error: a spinner where that is a terminal, lines elsewhere, nothing if all is
/// up to date. Blocks for as long as the compiler takes.
///
/// # Errors
/// If it does not compile, does not link, or could not boot. The compiler's own messages have been printed
/// by then; the error is a sentence.
pub fn build(request: &Request) -> anyhow::Result<Image> {
    let built = cargo::build(request)?;
    let mut image = Image::open(built.executable)?;
    image.name = built.target;
    Ok(image)
}
