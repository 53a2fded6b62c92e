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
}

impl Image {
    /// An image that already exists.
    ///
    /// # Errors
    /// If it cannot be read, or if it could not boot; the message says why.
    pub fn open(path: PathBuf) -> anyhow::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (kind, warnings) = check::file(&path)?;
        for warning in warnings {
            eprintln!("warning: {name}: {warning}");
        }
        Ok(Self { path, name, kind })
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
